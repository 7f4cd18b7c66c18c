/* Every page: htmx (its settings are in the page's meta tag: no eval), times, and the small things of ui.js. */
import htmx from "htmx.org/dist/htmx.esm.js";
import { t } from "./strings.js";
import * as time from "./time.js";
import * as ui from "./ui.js";

/** The token Django wants beside the cookie; in the page because the cookie may be closed to scripts. */
export function csrf() {
  return document.querySelector('meta[name="csrf-token"]')?.content ?? "";
}

document.addEventListener("htmx:configRequest", (event) => {
  if (event.detail.verb !== "get") event.detail.headers["X-CSRFToken"] = csrf();
});
/** A poll waits while nobody looks, and while somebody fills in what it would replace. */
document.addEventListener("htmx:beforeRequest", (event) => {
  const { elt } = event.detail;
  if (!elt.hasAttribute("data-poll")) return;
  const filling = document.activeElement?.matches("select, input, textarea") && elt.contains(document.activeElement);
  if (filling || document.visibilityState === "hidden") event.preventDefault();
});

let unfolded = new Map();
/** What was unfolded (by its id) stays so when the server's fragment replaces it. */
document.addEventListener("htmx:beforeSwap", () => {
  unfolded = new Map([...document.querySelectorAll("details[id]")].map((one) => [one.id, one.open]));
});
document.addEventListener("htmx:afterSettle", () => {
  for (const one of document.querySelectorAll("details[id]")) one.open = unfolded.get(one.id) ?? one.open;
});
document.addEventListener("htmx:afterSettle", (event) => {
  time.refresh();
  const said = event.target.querySelector?.("[data-announce]") ?? event.target.closest?.("[data-announce]");
  if (said) ui.announce(said.dataset.announce);
});
document.addEventListener("htmx:responseError", (event) => {
  // A poll may fail while the portal restarts: the next one will tell. What a person pressed is answered.
  if (event.detail.requestConfig.verb !== "get") ui.toast(t("request-failed"), "error");
});
document.addEventListener("htmx:sendError", (event) => {
  if (event.detail.requestConfig.verb !== "get") ui.toast(t("offline"), "error");
});
document.addEventListener("gristmill:refresh", (event) => {
  const { url, target } = event.detail;
  htmx.ajax("get", url, { target, swap: "outerHTML" });
});

time.start();
ui.start();
