// Reads {"files": [...], "specs": [...]} from the standard input; writes each file's pixels at each spec, in order.
import { readFile } from "node:fs/promises";
import { text } from "node:stream/consumers";
import { fromFile } from "../../static/src/js/model/picture.js";

const { files, specs } = JSON.parse(await text(process.stdin));
for (const name of files) {
  for (const spec of specs) {
    const { picture } = await fromFile(new Blob([await readFile(name)]), spec);
    process.stdout.write(Buffer.from(picture.data));
  }
}
