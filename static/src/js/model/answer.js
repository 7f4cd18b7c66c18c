/* What a model said, as a heading and bars. */
import { short, t } from "../strings.js";
import { best } from "./selftest.js";

const SHOWN = 5;
const SVG = "http://www.w3.org/2000/svg";

export function element(tag, className = "", text = "") {
  const node = document.createElement(tag);
  if (className) node.className = className;
  node.textContent = text;
  return node;
}

export function percent(value) {
  return `${(100 * value).toLocaleString(document.documentElement.lang || undefined, { maximumFractionDigits: 1, minimumFractionDigits: 1 })} %`;
}

/** The top classes (or the value, where there are no labels) of one answer. */
export function answerOf(output, labels) {
  const box = element("div", "stack-s");
  box.dataset.answer = "";
  if (!labels.length) {
    box.append(element("p", "try-label", short(output[0])));
    box.dataset.value = output[0];
    return box;
  }
  const top = best(output);
  Object.assign(box.dataset, { label: labels[top], confidence: output[top], scores: JSON.stringify([...output]) });
  box.append(element("p", "try-label", labels[top]), element("p", "muted", t("try-sure", { percent: percent(output[top]) })), bars(output, labels));
  return box;
}

function bars(output, labels) {
  const list = element("ul", "bars");
  const order = [...output.keys()].sort((a, b) => output[b] - output[a]).slice(0, SHOWN);
  for (const place of order) {
    const row = list.appendChild(element("li"));
    row.append(element("span", "bar-label", labels[place]), bar(output[place]), element("span", "bar-value", percent(output[place])));
    row.firstChild.title = labels[place];
  }
  return list;
}

export function bar(part, className = "") {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "bar");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  const filled = svg.appendChild(document.createElementNS(SVG, "rect"));
  filled.setAttribute("width", `${(100 * Math.min(1, Math.max(0, part))).toFixed(2)}%`);
  filled.setAttribute("height", "100%");
  if (className) filled.setAttribute("class", className);
  return svg;
}
