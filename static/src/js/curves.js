/* Loss and accuracy as they grow. One plot per measure: what was trained on, and what was held back (dashed). */
import uPlot from "uplot";
import { short, t } from "./strings.js";

const HELD_BACK = /^val(idation)?_/;
const HIDDEN = new Set(["lr", "learning_rate", "seconds", "samples_per_second"]);
const ORDER = ["loss", "accuracy", "mae", "rmse", "r2"];

/** The colour that a CSS class gives: canvas can't read custom properties. */
function ink(className) {
  const probe = document.createElement("i");
  probe.className = className;
  document.body.append(probe);
  const color = getComputedStyle(probe).color;
  probe.remove();
  return color;
}

function element(tag, className, text = "") {
  const node = document.createElement(tag);
  node.className = className;
  node.textContent = text;
  return node;
}

class Curve {
  constructor(box, base) {
    this.base = base;
    this.rows = new Map(); // step -> [x, training, held back]
    this.keys = [];
    this.root = box.appendChild(element("section", "curve"));
    this.head = this.root.appendChild(element("div", "curve-head"));
    this.head.append(element("h3", "", t(`measure-${base}`) === `measure-${base}` ? base : t(`measure-${base}`)));
    for (const [index, name] of ["training", "validation"].entries()) this.keys.push(this.legend(index + 1, name));
    this.plotBox = this.root.appendChild(element("div", "curve-plot"));
    this.plotBox.setAttribute("role", "img");
    new ResizeObserver(() => this.resize()).observe(this.plotBox);
  }

  legend(series, name) {
    const key = this.head.appendChild(element("span", `curve-key series-${series}`));
    key.append(element("i", ""), t(name), element("strong", "", "–"));
    return key.lastChild;
  }

  add(row, name, value) {
    const at = this.rows.get(row.step) ?? [row.epoch ?? row.step, null, null];
    at[HELD_BACK.test(name) ? 2 : 1] = value;
    this.rows.set(row.step, at);
  }

  draw() {
    const rows = [...this.rows.entries()].sort(([a], [b]) => a - b).map(([, row]) => row);
    const data = [0, 1, 2].map((column) => rows.map((row) => row[column]));
    for (const [index, key] of this.keys.entries()) key.textContent = short(data[index + 1].findLast((value) => value !== null) ?? NaN);
    this.plotBox.setAttribute("aria-label", [...this.head.children].map((one) => [...one.childNodes].map((node) => node.textContent).join(" ").trim()).join(", "));
    if (this.plot) return this.plot.setData(data);
    this.plot = new uPlot(this.options(rows.length), data, this.plotBox);
  }

  options() {
    const axis = { stroke: ink("axis-ink"), font: "11px system-ui, sans-serif", size: 42, gap: 6, ticks: { show: false }, grid: { stroke: ink("grid-ink"), width: 1 } };
    return {
      width: Math.max(this.plotBox.clientWidth, 100),
      height: Math.max(this.plotBox.clientHeight, 100),
      legend: { show: false },
      cursor: { y: false, points: { size: 7 }, drag: { x: false, y: false } },
      scales: { x: { time: false, range: (_, low, high) => (low === high ? [low - 0.5, high + 0.5] : [low, high]) } },
      axes: [
        { ...axis, size: 26, grid: { show: false }, space: 40, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 5000, 10000, 100000] },
        { ...axis, values: (_, ticks) => ticks.map((tick) => (tick === null ? "" : short(tick))) },
      ],
      series: [
        {},
        { stroke: ink("axis-ink curve-ink-1"), width: 2, points: { show: this.rows.size < 3, size: 5 } },
        { stroke: ink("axis-ink curve-ink-2"), width: 2, dash: [5, 4], points: { show: this.rows.size < 3, size: 5 } },
      ],
      hooks: { setCursor: [(plot) => this.readAt(plot)] },
    };
  }

  /** Under the pointer the legend shows that epoch's values, else the latest. */
  readAt(plot) {
    const index = plot.cursor.idx;
    for (const [series, key] of this.keys.entries()) {
      const values = plot.data[series + 1];
      const value = index === null || index === undefined ? values.findLast((one) => one !== null) : values[index];
      key.textContent = short(value ?? NaN);
    }
  }

  resize() {
    this.plot?.setSize({ width: this.plotBox.clientWidth, height: this.plotBox.clientHeight });
  }

  redraw() {
    this.plot?.destroy();
    this.plot = null;
    if (this.rows.size) this.draw();
  }
}

export class Curves {
  constructor(box) {
    this.box = box;
    this.curves = new Map();
    this.last = -1;
    document.addEventListener("gristmill:theme", () => requestAnimationFrame(() => this.curves.forEach((curve) => curve.redraw())));
  }

  /** Rows as the API gives them: {step, epoch, values}. A row known already is passed over. */
  add(rows) {
    const touched = new Set();
    for (const row of rows) {
      if (row.step <= this.last) continue;
      this.last = row.step;
      for (const [name, value] of Object.entries(row.values)) this.take(row, name, value, touched);
    }
    touched.forEach((curve) => (this.grown(curve) ? curve.redraw() : curve.draw()));
    this.box.closest("[data-curves-card]")?.toggleAttribute("hidden", this.curves.size === 0);
  }

  take(row, name, value, touched) {
    const base = name.replace(HELD_BACK, "");
    if (HIDDEN.has(base) || !Number.isFinite(value)) return;
    const curve = this.curves.get(base) ?? this.open(base);
    curve.add(row, name, value);
    touched.add(curve);
  }

  /** Dots mark a curve of one or two points; with the third they go, which takes new options. */
  grown(curve) {
    return Boolean(curve.plot) && curve.rows.size === 3;
  }

  open(base) {
    this.box.closest("[data-curves-card]")?.removeAttribute("hidden"); // uPlot measures its box
    const curve = new Curve(this.box, base);
    this.curves.set(base, curve);
    const rank = (name) => (ORDER.indexOf(name) + 1 || ORDER.length + 1);
    const inOrder = [...this.curves.entries()].sort(([a], [b]) => rank(a) - rank(b));
    this.box.append(...inOrder.map(([, one]) => one.root));
    return curve;
  }
}
