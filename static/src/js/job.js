/* The page of a job, live. The websocket tells that something happened; what happened is asked of the API and of
   the server's own fragment, so a lost message costs a moment and nothing is ever shown twice.

   <div data-job data-socket data-metrics data-logs data-panel data-status data-final> */
import { Curves } from "./curves.js";
import { LogView } from "./log.js";
import { duration, t } from "./strings.js";

const FINAL = new Set(["succeeded", "failed", "cancelled"]);
const BACKOFF = [500, 1000, 2000, 4000, 8000, 15000];
const POLL = 4000;
const PAGE = 1000;
const PAUSE = 300;

class JobPage {
  constructor(root) {
    this.root = root;
    this.status = root.dataset.status;
    this.curves = new Curves(document.getElementById("curves"));
    this.log = new LogView(document.getElementById("log"), root.dataset.logs);
    this.tries = 0;
    this.steps = [];
    this.catchUp();
    if (!this.final) this.connect();
    document.addEventListener("htmx:afterSettle", () => this.panelChanged());
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && this.catchUp());
  }

  get final() {
    return FINAL.has(this.status);
  }

  /* -- the wire ------------------------------------------------------------------------------------------------ */

  connect() {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    this.socket = new WebSocket(`${scheme}//${location.host}${this.root.dataset.socket}`);
    this.socket.addEventListener("open", () => this.connected());
    this.socket.addEventListener("message", (event) => this.receive(JSON.parse(event.data)));
    this.socket.addEventListener("close", () => this.lost());
  }

  connected() {
    this.tries = 0;
    clearInterval(this.poller);
    this.poller = null;
    this.catchUp();
    if (this.wasLost) this.refreshPanel();
    this.wasLost = false;
  }

  /** Until the socket is back the page asks by itself. */
  lost() {
    if (this.final) return;
    this.wasLost = true;
    this.poller ??= setInterval(() => this.poll(), POLL);
    const wait = BACKOFF[Math.min(this.tries, BACKOFF.length - 1)];
    this.tries += 1;
    setTimeout(() => this.connect(), wait * (0.75 + Math.random() / 2));
  }

  poll() {
    if (document.visibilityState !== "visible") return;
    this.refreshPanel();
    this.catchUp();
  }

  receive(message) {
    const act = { status: () => this.moved(message), progress: () => this.progressed(message), metric: () => this.fetchMetrics(), log: () => this.log.fetch() }[message.type];
    act?.();
  }

  /* -- what the messages mean ---------------------------------------------------------------------------------- */

  moved(message) {
    this.status = message.status ?? this.status;
    this.refreshPanel();
    if (this.final) this.finish();
  }

  finish() {
    document.title = this.root.dataset.name;
    this.catchUp();
    setTimeout(() => this.catchUp(), 1500); // the last lines are written after the last status
    this.socket?.close();
    clearInterval(this.poller);
  }

  progressed(message) {
    const fraction = message.progress ?? message.fraction;
    const bar = document.querySelector("[data-live=bar]");
    if (!bar || !Number.isFinite(fraction)) return;
    bar.max = 1;
    bar.value = fraction;
    write("percent", `${Math.floor(fraction * 100)} %`);
    write("phase", message.phase ? t(`phase-${message.phase}`) : "");
    write("position", this.position(message));
    document.title = `${Math.floor(fraction * 100)} % · ${this.root.dataset.name}`;
  }

  position({ step, steps, epoch, epochs }) {
    const parts = [];
    if (epochs) parts.push(t("epoch", { epoch: Math.min(Math.floor(epoch ?? 0) + 1, epochs), epochs }));
    if (steps) parts.push(t("step", { step, steps }));
    const left = this.timeLeft(step, steps);
    if (left) parts.push(left);
    return parts.join(" · ");
  }

  /** From the steps of the last 20 seconds; nothing until they say something. */
  timeLeft(step, steps) {
    if (!steps || !Number.isFinite(step)) return "";
    const now = performance.now();
    this.steps = [...this.steps.filter(([at, one]) => now - at < 20000 && one <= step), [now, step]];
    const [at, first] = this.steps[0];
    const seconds = (now - at) / 1000;
    if (seconds < 3 || step <= first) return "";
    return t("time-left", { left: duration(((steps - step) * seconds) / (step - first)) });
  }

  catchUp() {
    this.fetchMetrics();
    this.log.fetch();
  }

  /** Asks for the rows that are new. Many calls while one is under way become one more. */
  async fetchMetrics() {
    this.again = true;
    if (this.fetching) return;
    this.fetching = true;
    while (this.again) {
      this.again = false;
      await this.fetchPage();
      await new Promise((resolve) => setTimeout(resolve, PAUSE));
    }
    this.fetching = false;
  }

  async fetchPage() {
    const after = this.curves.last < 0 ? "" : `after=${this.curves.last}&`;
    try {
      const response = await fetch(`${this.root.dataset.metrics}?${after}limit=${PAGE}`);
      if (!response.ok) return;
      const rows = await response.json();
      this.curves.add(rows);
      this.again ||= rows.length >= PAGE;
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // the network is away; the next message asks again
    }
  }

  refreshPanel() {
    document.dispatchEvent(new CustomEvent("gristmill:refresh", { detail: { url: this.root.dataset.panel, target: "#job-panel" } }));
  }

  /** The server's fragment is the truth: it may know of an end that no message told. */
  panelChanged() {
    const status = document.getElementById("job-panel")?.dataset.status;
    if (!status || status === this.status) return;
    this.status = status;
    if (this.final) this.finish();
  }
}

function write(name, text) {
  const found = document.querySelector(`[data-live="${name}"]`);
  if (found && text) found.textContent = text;
}

const root = document.querySelector("[data-job]");
if (root) new JobPage(root);
