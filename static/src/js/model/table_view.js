/* Rows of a table, typed into a form or from a CSV file: what the model says, and what each column adds. */
import { short, t } from "../strings.js";
import { answerOf, bar, element, percent } from "./answer.js";
import { withoutEach } from "./explain.js";
import { decode, fromCells, fromText } from "./rows.js";
import { best } from "./selftest.js";
import { guarded } from "./view.js";

const SHOWN_ROWS = 200;
const SHOWN_COLUMNS = 12;
const NO_CATEGORY = "\ue000"; // a letter that stands for nothing

export class TableView {
  constructor(root, manifest, tools) {
    Object.assign(this, { root, manifest, tools, spec: manifest.input });
    this.part = (name) => root.querySelector(`[data-part="${name}"]`);
  }

  open() {
    this.part("tables").hidden = false;
    this.part("fields").append(...this.spec.columns.map((column, place) => field(column, place)));
    const form = this.part("row");
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      guarded(this.root, () => this.answerRow([...form.elements].filter((one) => one.name).map((one) => one.value)));
    });
    const file = this.part("csv");
    file.addEventListener("change", () => file.files[0] && guarded(this.root, () => this.answerFile(file.files[0])));
  }

  async answerRow(cells) {
    const input = fromCells(cells, this.spec);
    const model = await this.tools.model();
    const output = await model.answer(input);
    this.part("row-result").hidden = false;
    this.part("row-answer").replaceChildren(answerOf(output, this.manifest.labels));
    const chosen = this.manifest.labels.length ? best(output) : 0;
    this.explain(await withoutEach(model, this.spec, input, chosen), chosen);
  }

  /** The columns whose absence changes the answer most. */
  explain(changes, chosen) {
    const { labels } = this.manifest;
    const order = changes.sort((a, b) => Math.abs(b.change) - Math.abs(a.change)).slice(0, SHOWN_COLUMNS);
    const most = Math.abs(order[0]?.change) || 1;
    const list = element("ul", "bars");
    for (const { name, change } of order) {
      const row = list.appendChild(element("li"));
      const shown = labels.length ? percent(change) : short(change);
      row.append(element("span", "bar-label", name), bar(Math.abs(change) / most, change < 0 ? "fill-2" : ""), element("span", "bar-value", change > 0 ? `+${shown}` : shown));
      row.dataset.change = change;
    }
    this.part("why").replaceChildren(list);
    this.part("why-words").textContent = labels.length ? t("try-without", { label: labels[chosen] }) : t("try-without-value");
  }

  async answerFile(file) {
    this.part("csv-name").textContent = file.name;
    const rows = await this.read(file);
    const model = await this.tools.model();
    const body = element("tbody");
    for (const { line, input } of rows.slice(0, SHOWN_ROWS)) body.append(this.line(line, await model.answer(input)));
    const table = this.part("csv-answers");
    table.tHead.rows[0].lastElementChild.hidden = !this.manifest.labels.length;
    table.querySelector("tbody").replaceWith(body);
    this.part("csv-result").hidden = false;
    this.part("csv-words").textContent = t("try-rows", { shown: Math.min(rows.length, SHOWN_ROWS), rows: rows.length });
  }

  async read(file) {
    try {
      return fromText(decode(new Uint8Array(await file.arrayBuffer()), this.spec.reader.encoding), this.spec);
    } catch (error) {
      throw Object.assign(error, error.values ? { key: `try-${error.message}` } : { key: "try-no-table", values: { name: file.name } });
    }
  }

  line(number, output) {
    const row = element("tr");
    const { labels } = this.manifest;
    const top = best(output);
    row.dataset.scores = JSON.stringify([...output]);
    row.append(element("th", "", String(number)));
    if (labels.length) row.append(element("td", "", labels[top]), element("td", "number", percent(output[top])));
    else row.append(element("td", "number", short(output[0])));
    return row;
  }
}

function field(column, place) {
  const box = element("div", "field");
  const label = box.appendChild(element("label", "", column.name));
  const input = box.appendChild(column.type === "category" ? choice(column) : number());
  input.id = `try-column-${place}`;
  input.name = `column-${place}`;
  label.htmlFor = input.id;
  return box;
}

function number() {
  const input = element("input");
  input.inputMode = "decimal";
  input.autocomplete = "off";
  return input;
}

function choice(column) {
  const select = element("select");
  select.append(new Option(t("try-unknown"), NO_CATEGORY));
  for (const category of column.categories) select.append(new Option(category || t("try-blank"), category));
  return select;
}
