// Reads {"tables": [[base64, spec], ...]}; writes one JSON line each: rows as [line, ...values], or what is wrong.
import { text } from "node:stream/consumers";
import { decode, fromText } from "../../static/src/js/model/rows.js";

const { tables } = JSON.parse(await text(process.stdin));
for (const [content, spec] of tables) {
  let found;
  try {
    const read = fromText(decode(Buffer.from(content, "base64"), spec.reader.encoding), spec);
    found = read.map(({ line, input }) => [line, ...Array.from(input, (value) => (Number.isNaN(value) ? null : value))]);
  } catch (error) {
    found = error.message;
  }
  process.stdout.write(`${JSON.stringify(found)}\n`);
}
