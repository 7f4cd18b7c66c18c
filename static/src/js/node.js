/* The page of a node: what its accelerators did in the last hour, day, week or month. One chart for each measure that can be read,
   one line for each accelerator.

   <div data-node-samples="address" data-empty> with buttons [data-span="seconds"] */
import { Chart, element, ink } from "./chart.js";
import { bytes, short, t } from "./strings.js";

const EVERY = 15000;
const DAY = 86400;
const LONG = 4; // steps
const MEASURES = [
  ["utilisation", (value) => `${Math.round(value * 100)} %`, () => [0, 1]],
  ["memory_bytes", bytes, (_, _low, high) => [0, high * 1.1]],
  ["temperature_c", (value) => `${Math.round(value)} °C`, undefined],
  ["power_w", (value) => `${short(value)} W`, (_, _low, high) => [0, Math.max(high * 1.1, 1)]],
];
const INKS = 4; // then they begin again, dashed
const DASHES = [undefined, [5, 4], [2, 3]];
const clock = new Intl.DateTimeFormat(document.documentElement.lang, { hour: "2-digit", minute: "2-digit", hour12: false });
const calendar = new Intl.DateTimeFormat(document.documentElement.lang, { day: "numeric", month: "short" });

class History extends Chart {
  constructor(box, [name, show, range]) {
    super(box, t(`measure-${name}`));
    Object.assign(this, { name, shown: show, range });
  }

  show(value) {
    return Number.isFinite(value) ? this.shown(value) : "–";
  }

  /** Accelerators come and go: with others than before the chart is made anew. */
  fill(rows, step) {
    const titles = rows.map((row) => row.title).join();
    if (titles !== this.titles) {
      this.head.querySelectorAll(".curve-key").forEach((key) => key.remove());
      this.keys = [];
      rows.forEach((row, index) => this.legend((index % INKS) + 1, row.title));
      this.titles = titles;
      this.lines = rows.length;
      this.plot?.destroy();
      this.plot = null;
    }
    this.draw(columns(rows, this.name, step));
  }

  x() {
    return { scale: { time: true }, axis: { space: 60, values: (plot, ticks) => ticks.map((tick) => this.moment(plot, tick)) } };
  }

  /** A time of day, or a date where more than two days are shown. */
  moment(plot, seconds) {
    const { min, max } = plot.scales.x;
    return (max - min > 2 * DAY ? calendar : clock).format(new Date(seconds * 1000));
  }

  y() {
    return { size: 58, scale: this.range && { range: this.range } };
  }

  series() {
    return Array.from({ length: this.lines }, (_, index) => ({
      stroke: ink(`axis-ink curve-ink-${(index % INKS) + 1}`),
      width: 1.5,
      dash: DASHES[Math.floor(index / INKS) % DASHES.length],
      points: { show: false },
    }));
  }
}

const seconds = (point) => Date.parse(point.at) / 1000;

/** All moments, and for each accelerator its value there or null. Where nothing was read for long, the line is broken. */
function columns(rows, name, step) {
  const known = rows.map((row) => new Map(row.points.map((point) => [seconds(point), point[name]])));
  const read = [...new Set(known.flatMap((values) => [...values.keys()]))].sort((a, b) => a - b);
  const moments = read.flatMap((moment, index) => (read[index + 1] - moment > LONG * step ? [moment, moment + step] : [moment]));
  return [moments, ...known.map((values) => moments.map((moment) => values.get(moment) ?? null))];
}

class NodePage {
  constructor(root) {
    this.root = root;
    this.charts = new Map();
    this.span = 3600;
    this.due = 0;
    this.note = root.appendChild(element("p", "muted", root.dataset.empty));
    for (const button of document.querySelectorAll("[data-span]")) button.addEventListener("click", () => this.choose(button));
    setInterval(() => document.visibilityState === "visible" && Date.now() >= this.due && this.fetch(), EVERY);
    this.fetch();
  }

  choose(chosen) {
    this.span = Number(chosen.dataset.span);
    for (const button of document.querySelectorAll("[data-span]")) button.setAttribute("aria-pressed", String(button === chosen));
    this.fetch();
  }

  async fetch() {
    const span = this.span;
    const since = new Date(Date.now() - span * 1000).toISOString();
    try {
      const response = await fetch(`${this.root.dataset.nodeSamples}?since=${encodeURIComponent(since)}`);
      if (response.ok && span === this.span) this.fill(await response.json());
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // the network is away; the next round asks again
    }
  }

  fill({ series, step_s: step }) {
    this.due = Date.now() + step * 1000 - EVERY / 2; // a chart of a month gains a point in hours
    this.note.hidden = series.length > 0;
    for (const measure of MEASURES) {
      const [name] = measure;
      const rows = series.filter((row) => row.points.some((point) => point[name] !== null));
      if (rows.length && !this.charts.has(name)) this.charts.set(name, new History(this.root, measure));
      const chart = this.charts.get(name);
      if (!chart) continue;
      chart.root.hidden = rows.length === 0;
      if (rows.length) chart.fill(rows, step);
    }
  }
}

const root = document.querySelector("[data-node-samples]");
if (root) new NodePage(root);
