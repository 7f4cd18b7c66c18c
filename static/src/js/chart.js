/* What every chart is made of: a heading with a key for each series, a plot that follows the theme and the width. */
import uPlot from "uplot";
import { short } from "./strings.js";

/** The colour that a CSS class gives: canvas can't read custom properties. */
export function ink(className) {
  const probe = document.createElement("i");
  probe.className = className;
  document.body.append(probe);
  const color = getComputedStyle(probe).color;
  probe.remove();
  return color;
}

export function element(tag, className, text = "") {
  const node = document.createElement(tag);
  node.className = className;
  node.textContent = text;
  return node;
}

/** Subclasses give `series()` (uPlot's, after x), `x()` (its scale and axis) and on wish `y()` and `show(value)`. */
export class Chart {
  constructor(box, title) {
    this.root = box.appendChild(element("section", "curve"));
    this.head = this.root.appendChild(element("div", "curve-head"));
    this.head.append(element("h3", "", title));
    this.keys = [];
    this.plotBox = this.root.appendChild(element("div", "curve-plot"));
    this.plotBox.setAttribute("role", "img");
    new ResizeObserver(() => this.resize()).observe(this.plotBox);
    document.addEventListener("gristmill:theme", () => requestAnimationFrame(() => this.redraw()));
  }

  legend(number, name) {
    const key = this.head.appendChild(element("span", `curve-key series-${number}`));
    key.append(element("i", ""), name, element("strong", "", "–"));
    this.keys.push(key.lastChild);
  }

  /** Columns as uPlot takes them: x, then each series; null where there is no value. */
  draw(data) {
    this.data = data;
    this.read();
    this.plotBox.setAttribute("aria-label", [...this.head.children].map((one) => [...one.childNodes].map((node) => node.textContent).join(" ").trim()).join(", "));
    if (this.plot) return this.plot.setData(data);
    this.plot = new uPlot(this.options(), data, this.plotBox);
  }

  options() {
    const axis = { stroke: ink("axis-ink"), font: "11px system-ui, sans-serif", gap: 6, ticks: { show: false } };
    const { scale, axis: along } = this.x();
    const upward = this.y();
    return {
      width: Math.max(this.plotBox.clientWidth, 100),
      height: Math.max(this.plotBox.clientHeight, 100),
      legend: { show: false },
      cursor: { y: false, points: { size: 7 }, drag: { x: false, y: false } },
      scales: { x: scale, ...(upward.scale && { y: upward.scale }) },
      axes: [
        { ...axis, size: 26, grid: { show: false }, ...along },
        { ...axis, size: upward.size, grid: { stroke: ink("grid-ink"), width: 1 }, values: (_, ticks) => ticks.map((tick) => (tick === null ? "" : this.show(tick))) },
      ],
      series: [{}, ...this.series()],
      hooks: { setCursor: [(plot) => this.read(plot.cursor.idx)] },
    };
  }

  /** Its scale, if not uPlot's own, and how wide its numbers are. */
  y() {
    return { size: 42 };
  }

  show(value) {
    return short(value);
  }

  /** Under the pointer the keys show that moment's values, else the latest. */
  read(index) {
    for (const [number, key] of this.keys.entries()) {
      const values = this.data[number + 1];
      const value = index === null || index === undefined ? values.findLast((one) => one !== null) : values[index];
      key.textContent = this.show(value ?? NaN);
    }
  }

  resize() {
    this.plot?.setSize({ width: this.plotBox.clientWidth, height: this.plotBox.clientHeight });
  }

  redraw() {
    this.plot?.destroy();
    this.plot = null;
    if (this.data) this.draw(this.data);
  }
}
