/* What a file's name and first line give away. All of it is a suggestion: the portal's own check decides. */

const ARCHIVE = /\.(zip|tar|tgz|tar\.gz)$/i;
const TABLE = /\.(csv|tsv|txt|parquet)$/i;

export function guessTask(file) {
  if (ARCHIVE.test(file.name)) return "image-classification";
  if (TABLE.test(file.name)) return "table-classification";
  return "";
}

/** "my_cats-v2.tar.gz" -> "My cats v2". */
export function guessName(file) {
  const stem = file.name.replace(/\.(tar\.gz|[^.]+)$/i, "").replace(/[_\-\s]+/g, " ").trim();
  return stem.charAt(0).toUpperCase() + stem.slice(1, 120);
}

export function isTableTask(task) {
  return task.startsWith("table-");
}

export function fits(file, form) {
  const limit = Number(form.dataset.maxBytes);
  return !limit || file.size <= limit;
}

/** The column names in the first line of a CSV or TSV file; [] when it is no such file. At most 500. */
export async function columnNames(file) {
  if (!/\.(csv|tsv|txt)$/i.test(file.name)) return [];
  const head = await file.slice(0, 65536).text();
  const line = head.replace(/^\uFEFF/, "").split(/\r?\n/, 1)[0];
  const delimiter = [",", ";", "\t", "|"].reduce((best, mark) => (line.split(mark).length > line.split(best).length ? mark : best));
  return line.split(delimiter).map((name) => name.trim().replace(/^"(.*)"$/, "$1").replaceAll('""', '"')).filter(Boolean).slice(0, 500);
}
