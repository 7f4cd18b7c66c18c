/* The small things every page shares: announcements, toasts, copying, dialogs, menus, forms. Nothing here needs
   an inline handler: everything is found by data attributes, also in what htmx swaps in. */
import { t } from "./strings.js";

/** Says `text` to screen readers, once. */
export function announce(text) {
  const region = document.getElementById("announcer");
  if (!region || region.textContent === text) return;
  region.textContent = text;
}

function icon(name) {
  const model = document.querySelector(`template[data-icons] [data-icon="${name}"]`)
    ?? document.querySelector("template[data-icons]")?.content.querySelector(`[data-icon="${name}"]`);
  return model ? model.cloneNode(true) : document.createElement("span");
}

/** A message in the corner; errors stay until they are closed. `kind`: success, error, warning, info. */
export function toast(text, kind = "info") {
  const box = document.getElementById("toasts");
  if (!box) return;
  const item = document.createElement("div");
  item.className = `toast toast-${kind}`;
  item.setAttribute("role", kind === "error" ? "alert" : "status");
  const words = document.createElement("p");
  words.textContent = text;
  item.append(icon(kind), words, closer());
  box.append(item);
  if (kind !== "error") setTimeout(() => item.remove(), 6000);
}

function closer() {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "button button-quiet button-s button-icon";
  button.dataset.dismiss = ".toast";
  button.setAttribute("aria-label", t("dismiss"));
  button.append(icon("cross"));
  return button;
}

async function copy(button) {
  const source = button.dataset.copyFrom ? document.getElementById(button.dataset.copyFrom) : null;
  const text = source ? (source.value ?? source.textContent) : button.dataset.copy;
  try {
    await navigator.clipboard.writeText(text.trim());
  } catch {
    return selectInstead(source); // no clipboard outside a secure context: leave it selected for Ctrl-C
  }
  button.classList.add("copied");
  announce(t("copied"));
  const label = button.querySelector("[data-label]");
  const before = label?.textContent;
  if (label) label.textContent = t("copied");
  setTimeout(() => {
    button.classList.remove("copied");
    if (label) label.textContent = before;
  }, 1600);
}

function selectInstead(source) {
  if (source) getSelection().selectAllChildren(source);
  toast(t("copy-by-hand"), "info");
}

function openDialog(opener) {
  const dialog = document.getElementById(opener.dataset.opens);
  if (dialog && !dialog.open) dialog.showModal();
}

function closeMenus(except) {
  for (const menu of document.querySelectorAll("details[data-menu][open]")) {
    if (!menu.contains(except)) menu.open = false;
  }
}

function toggleRail(button) {
  const rail = button.closest(".rail");
  const open = rail.toggleAttribute("data-open");
  button.setAttribute("aria-expanded", String(open));
}

const CLICKS = [
  ["[data-copy], [data-copy-from]", copy],
  ["[data-opens]", openDialog],
  ["[data-closes]", (button) => button.closest("dialog")?.close()],
  ["[data-dismiss]", (button) => button.closest(button.dataset.dismiss)?.remove()],
  ["[data-rail-toggle]", toggleRail],
];

function onClick(event) {
  closeMenus(event.target);
  for (const [selector, act] of CLICKS) {
    const found = event.target.closest?.(selector);
    if (found) act(found);
  }
  if (event.target instanceof HTMLDialogElement && outside(event.target, event)) event.target.close();
}

function outside(dialog, event) {
  const box = dialog.getBoundingClientRect();
  return event.clientX < box.left || event.clientX > box.right || event.clientY < box.top || event.clientY > box.bottom;
}

/** One submission per click: a second press while the first is under way does nothing. */
function onSubmit(event) {
  const form = event.target;
  if (event.defaultPrevented || form.method === "dialog") return;
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = "1";
  addEventListener("pageshow", () => delete form.dataset.sent, { once: true });
  setTimeout(() => delete form.dataset.sent, 4000);
}

/** After a refused form the first wrong field has the focus. */
function focusFirstError() {
  document.querySelector('main [aria-invalid="true"]')?.focus();
}

export function start() {
  document.addEventListener("click", onClick);
  document.addEventListener("submit", onSubmit);
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") closeMenus(null);
  });
  document.addEventListener("change", (event) => {
    if (event.target.matches("select[data-goto], [data-submit-on-change]")) event.target.form?.requestSubmit();
  });
  for (const toastElement of document.querySelectorAll(".toast[data-fades]")) setTimeout(() => toastElement.remove(), 8000);
  focusFirstError();
}
