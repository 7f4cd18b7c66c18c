/* Loss and accuracy as they grow. One plot per measure: what was trained on, and what was held back (dashed). */
import { Chart, ink } from "./chart.js";
import { t } from "./strings.js";

const HELD_BACK = /^val(idation)?_/;
const HIDDEN = new Set(["lr", "learning_rate", "seconds", "samples_per_second"]);
const ORDER = ["loss", "accuracy", "mae", "rmse", "r2"];

class Curve extends Chart {
  constructor(box, base) {
    super(box, t(`measure-${base}`) === `measure-${base}` ? base : t(`measure-${base}`));
    this.rows = new Map(); // step -> [x, training, held back]
    for (const [index, name] of ["training", "validation"].entries()) this.legend(index + 1, t(name));
  }

  add(row, name, value) {
    const at = this.rows.get(row.step) ?? [row.epoch ?? row.step, null, null];
    at[HELD_BACK.test(name) ? 2 : 1] = value;
    this.rows.set(row.step, at);
  }

  draw() {
    const rows = [...this.rows.entries()].sort(([a], [b]) => a - b).map(([, row]) => row);
    super.draw([0, 1, 2].map((column) => rows.map((row) => row[column])));
  }

  x() {
    return {
      scale: { time: false, range: (_, low, high) => (low === high ? [low - 0.5, high + 0.5] : [low, high]) },
      axis: { space: 40, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 5000, 10000, 100000] },
    };
  }

  series() {
    const points = { show: this.rows.size < 3, size: 5 };
    return [
      { stroke: ink("axis-ink curve-ink-1"), width: 2, points },
      { stroke: ink("axis-ink curve-ink-2"), width: 2, dash: [5, 4], points },
    ];
  }
}

export class Curves {
  constructor(box) {
    this.box = box;
    this.curves = new Map();
    this.last = -1;
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
