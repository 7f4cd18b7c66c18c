/* Words for scripts. They come translated in the page: <template data-strings><i data-key="paused">…</i></template>. */

/** The page's string `key` with {names} replaced; the key itself where the page lacks it. */
export function t(key, values = {}) {
  for (const template of document.querySelectorAll("template[data-strings]")) {
    const found = template.content.querySelector(`[data-key="${CSS.escape(key)}"]`);
    if (found) return found.textContent.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
  }
  return key;
}

const language = document.documentElement.lang || undefined;

/** 1234567 -> "1.2 MB": decimal units, as the pages' own `bytes` filter writes them. */
export function bytes(count) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let power = 0;
  let value = count;
  while (value >= 999.5 && power < units.length - 1) {
    value /= 1000;
    power += 1;
  }
  const digits = power === 0 || value >= 99.5 ? 0 : 1;
  return `${value.toLocaleString(language, { maximumFractionDigits: digits, minimumFractionDigits: digits })} ${units[power]}`;
}

/** 200 -> "3 min 20 s". Rounded the way a person would say it. */
export function duration(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  if (s < 600) return s % 60 ? `${Math.floor(s / 60)} min ${s % 60} s` : `${s / 60} min`;
  if (s < 5400) return `${Math.round(s / 60)} min`;
  const hours = Math.floor(s / 3600);
  const minutes = Math.round((s % 3600) / 60);
  return minutes ? `${hours} h ${minutes} min` : `${hours} h`;
}

/** A number short enough for a key or a table: 0.0123, 1.234, 12.35, 1234. */
export function short(value) {
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size !== 0 && size < 0.001) return value.toExponential(1);
  return value.toLocaleString(language, { maximumFractionDigits: size < 1 ? 4 : size < 100 ? 2 : 0 });
}
