/* The page of a node: what its accelerators did in the last hour, day, week or month. One chart for each measure that can be read,
   one line for each accelerator.

   <div data-node-samples="address" data-empty> with buttons [data-span="seconds"] */
import { Chart, element, ink } from "./chart.js";
import { bytes, short, t } from "./strings.js";

const EVERY = 15000;
const MEASURES = [
  ["utilisation", (value) => `${short(value * 100)} %`, [0, 1]],
  ["memory_bytes", (value) => bytes(value), null],
  ["temperature_c", (value) => `${short(value)} °C`, null],
  ["power_w", (value) => `${short(value)} W`, null],
];
const LINES = 2; // the first has one colour, all others the second

class History extends Chart {
  constructor(box, [name, show, range]) {
    super(box, t(`measure-${name}`));
    Object.assign(this, { name, shown: show, range });
  }

  show(value) {
    return Number.isFinite(value) ? this.shown(value) : "–";
  }

  /** Accelerators come and go: with others than before the chart is made anew. */
  fill(rows) {
    const titles = rows.map((row) => row.title).join();
    if (titles !== this.titles) {
      this.head.querySelectorAll(".curve-key").forEach((key) => key.remove());
      this.keys = [];
      rows.forEach((row, index) => this.legend(Math.min(index + 1, LINES), row.title));
      this.titles = titles;
      this.lines = rows.length;
      this.plot?.destroy();
      this.plot = null;
    }
    this.draw(columns(rows, this.name));
  }

  x() {
    return { scale: { time: true }, axis: { space: 60 } };
  }

  scales() {
    return this.range ? { y: { range: this.range } } : { y: { range: (_, low, high) => [0, Math.max(high * 1.1, 1)] } };
  }

  series() {
    return Array.from({ length: this.lines }, (_, index) => {
      const number = Math.min(index + 1, LINES);
      return { stroke: ink(`axis-ink curve-ink-${number}`), width: 1.5, dash: number > 1 ? [5, 4] : undefined, points: { size: 3 } };
    });
  }
}

/** Accelerators have points at their own moments: all moments, and for each accelerator its value there or null. */
function columns(rows, name) {
  const moments = [...new Set(rows.flatMap((row) => row.points.map((point) => Date.parse(point.at) / 1000)))].sort((a, b) => a - b);
  const known = rows.map((row) => new Map(row.points.map((point) => [Date.parse(point.at) / 1000, point[name]])));
  return [moments, ...known.map((values) => moments.map((moment) => values.get(moment) ?? null))];
}

class NodePage {
  constructor(root) {
    this.root = root;
    this.charts = new Map();
    this.span = 3600;
    this.note = root.appendChild(element("p", "muted", root.dataset.empty));
    for (const button of document.querySelectorAll("[data-span]")) button.addEventListener("click", () => this.choose(button));
    setInterval(() => document.visibilityState === "visible" && this.fetch(), EVERY);
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
      if (response.ok && span === this.span) this.fill((await response.json()).series);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // the network is away; the next round asks again
    }
  }

  fill(series) {
    this.note.hidden = series.length > 0;
    for (const measure of MEASURES) {
      const [name] = measure;
      const rows = series.filter((row) => row.points.some((point) => point[name] !== null));
      if (rows.length && !this.charts.has(name)) this.charts.set(name, new History(this.root, measure));
      const chart = this.charts.get(name);
      if (!chart) continue;
      chart.root.hidden = rows.length === 0;
      if (rows.length) chart.fill(rows);
    }
  }
}

const root = document.querySelector("[data-node-samples]");
if (root) new NodePage(root);
