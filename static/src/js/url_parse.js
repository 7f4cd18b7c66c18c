/* Stands in for the package url-parse, which tus-js-client brings for browsers of 2015. Like it, and unlike URL, a
   relative base is taken from the page's address. */
export default class PageURL extends URL {
  constructor(link, base) {
    super(link, new URL(base, location.href));
  }
}
