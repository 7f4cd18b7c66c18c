/* <time data-relative datetime="…">: "3 minutes ago", the whole date on hover. <time data-since>: counts up. */
import { duration } from "./strings.js";

const language = document.documentElement.lang || undefined;
const relative = new Intl.RelativeTimeFormat(language, { numeric: "auto", style: "short" });
const whole = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });
const STEPS = [[60, "second"], [3600, "minute"], [86400, "hour"], [604800, "day"], [2629800, "week"], [31557600, "month"], [Infinity, "year"]];
const SIZE = { second: 1, minute: 60, hour: 3600, day: 86400, week: 604800, month: 2629800, year: 31557600 };

/** Seconds from now (past: negative) in the words of the page's language. */
export function phrase(seconds) {
  const [, unit] = STEPS.find(([limit]) => Math.abs(seconds) < limit);
  if (unit === "second" && Math.abs(seconds) < 10) return relative.format(0, "second");
  return relative.format(Math.trunc(seconds / SIZE[unit]), unit);
}

function show(element) {
  const at = new Date(element.dateTime);
  if (Number.isNaN(at.getTime())) return;
  if (!element.title) element.title = whole.format(at);
  const seconds = (at - Date.now()) / 1000;
  const text = "since" in element.dataset ? duration(-seconds) : phrase(seconds);
  if (element.textContent !== text) element.textContent = text;
}

export function refresh(within = document) {
  within.querySelectorAll("time[data-relative], time[data-since]").forEach(show);
}

export function start() {
  refresh();
  setInterval(() => document.visibilityState === "visible" && document.querySelectorAll("time[data-since]").forEach(show), 1000);
  setInterval(() => document.visibilityState === "visible" && refresh(), 20000);
}
