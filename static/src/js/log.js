/* The tail of a log. Text is only ever appended as text; when the reader has scrolled up, the view stays put. */

const KEPT = 400000; // characters; the whole log is one link away
const PAUSE = 400;

export class LogView {
  constructor(box, url) {
    this.box = box;
    this.url = url;
    this.offset = Number(box?.dataset.offset ?? 0);
    this.busy = false;
    this.again = false;
    this.toEnd();
  }

  /** Asks for what is new. Many calls while one is under way become one more. */
  async fetch() {
    if (!this.box) return;
    this.again = true;
    if (this.busy) return;
    this.busy = true;
    while (this.again) {
      this.again = false;
      await this.once();
      await new Promise((resolve) => setTimeout(resolve, PAUSE));
    }
    this.busy = false;
  }

  async once() {
    try {
      const response = await fetch(`${this.url}?offset=${this.offset}`);
      if (!response.ok) return;
      const text = await response.text();
      const next = Number(response.headers.get("X-Next-Offset"));
      if (text) this.append(text);
      if (next > this.offset) {
        this.offset = next;
        this.again = this.again || text.length >= 60000; // the answer was cut: there is more
      }
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // the network is away; the next message asks again
    }
  }

  append(text) {
    const following = this.box.scrollHeight - this.box.scrollTop - this.box.clientHeight < 24;
    this.box.append(text);
    if (this.box.textContent.length > KEPT) this.box.textContent = this.box.textContent.slice(-KEPT / 2);
    if (following) this.toEnd();
  }

  toEnd() {
    if (this.box) this.box.scrollTop = this.box.scrollHeight;
  }
}
