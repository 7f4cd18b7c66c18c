/* Rows of a table to a model's inputs, exactly as inputs.py in every bundle does: see `rows` there. */

const BIDI = /[\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]|[\p{Cc}\p{Cs}]/gu;
const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;
// What Python counts as white space: JavaScript's own set lacks five control characters and has U+FEFF too many.
const BLANK = "[\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]+";
const BLANKS = new RegExp(BLANK, "gu");
const AROUND = new RegExp(`^${BLANK}|${BLANK}$`, "gu");
const MAX_NAME = 200;

/** What is wrong with a table, by a key of the page's words and its values. */
export class BadTable extends Error {
  constructor(key, values = {}) {
    super(key);
    this.values = values;
  }
}

/** A file's text. Encodings are named as Python does; what cannot be read is replaced, as there. */
export function decode(bytes, encoding) {
  const name = encoding.toLowerCase().replaceAll("_", "-");
  // The web reads "latin-1" as windows-1252, which differs in 27 letters.
  if (["latin-1", "iso8859-1", "ascii"].includes(name)) return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
  if (name === "utf-16") return new TextDecoder(bytes[0] === 0xfe ? "utf-16be" : "utf-16le").decode(bytes);
  const known = name.replace(/^cp(125\d)$/, "windows-$1").replace(/^iso8859-/, "iso-8859-").replace("utf-8-sig", "utf-8");
  return new TextDecoder(known).decode(bytes);
}

/** Every row of `text` as {line, input: Float32Array (columns)}; line 1 is the header. */
export function fromText(text, spec) {
  const records = parse(text.replace(/^\ufeff/, ""), spec.reader.delimiter).filter(({ cells }) => cells.length);
  if (!records.length) throw new BadTable("table-empty");
  const header = names(records[0].cells);
  const places = spec.columns.map(({ name }) => {
    if (!header.includes(name)) throw new BadTable("table-no-column", { name });
    return header.indexOf(name);
  });
  return records.slice(1).map(({ line, cells }) => {
    if (cells.length !== header.length) throw new BadTable("table-width", { line, count: cells.length, wanted: header.length });
    return { line, input: fromCells(places.map((place) => cells[place]), spec) };
  });
}

/** One row: a text for each of the model's columns, in order. */
export function fromCells(cells, spec) {
  return Float32Array.from(spec.columns, (column, place) => {
    const cell = cells[place].replace(AROUND, "");
    return column.type === "category" ? column.categories.indexOf(clean(cell)) : number(cell, spec.reader.decimal);
  });
}

/** NaN for what is no number: a gap. */
function number(cell, decimal) {
  const text = decimal === "," ? cell.replace(",", ".") : cell;
  const value = NUMBER.test(text) ? Number(text) : NaN;
  return Number.isFinite(value) ? value : NaN;
}

/** Names as training knew them: cleaned, none empty, none twice. */
function names(raw) {
  const found = [];
  for (const [place, text] of raw.entries()) {
    const base = clean(text) || `column ${place + 1}`;
    let name = base;
    for (let copy = 2; found.includes(name); copy += 1) name = `${base} (${copy})`;
    found.push(name);
  }
  return found;
}

/** NFC on one line, without control characters and direction marks, at most 200 characters. */
export function clean(text) {
  const plain = text.replace(/[\t\n]/g, " ").normalize("NFC").replace(BIDI, "").replace(BLANKS, " ").replace(AROUND, "");
  const letters = [...plain];
  return letters.length <= MAX_NAME ? plain : `${letters.slice(0, MAX_NAME - 1).join("")}…`;
}

/** Records as Python's csv reads them in its strict dialect; `line` is where a record starts, counted from 1. */
export function parse(text, delimiter) {
  const records = [];
  let line = 1;
  let start = 1;
  let cells = [];
  let cell = "";
  let state = "start"; // of a record | "field" begins | "plain" | "quoted" | "quote" just closed
  const end = () => {
    if (state !== "start") cells.push(cell);
    records.push({ line: start, cells });
    [cells, cell, state] = [[], "", "start"];
  };
  for (let at = 0; at < text.length; at += 1) {
    const letter = text[at];
    const breaks = letter === "\n" || letter === "\r";
    if (breaks) {
      if (letter === "\r" && text[at + 1] === "\n") at += 1;
      line += 1;
    }
    if (state === "quoted") {
      if (letter === '"') state = "quote";
      else cell += breaks ? text.slice(at - (text[at] === "\n" && letter === "\r" ? 1 : 0), at + 1) : letter;
    } else if (breaks) {
      end();
      start = line;
    } else if (letter === delimiter) {
      cells.push(cell);
      [cell, state] = ["", "field"];
    } else if (letter === '"' && (state === "start" || state === "field")) state = "quoted";
    else if (letter === '"' && state === "quote") [cell, state] = [`${cell}"`, "quoted"];
    else if (state === "quote") throw new BadTable("table-quote", { line });
    else [cell, state] = [cell + letter, "plain"];
  }
  if (state === "quoted") throw new BadTable("table-quote", { line });
  if (state !== "start") end();
  return records;
}
