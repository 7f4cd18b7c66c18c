/* Trying a model: the same in the portal's page and in the page of a browser bundle.

   show(root, manifest, tools) fills `root`; tools.model() and tools.gradients() resolve to Models (the latter to null
   where the bundle has none). Words come from the page (strings.js). */
import { t } from "../strings.js";
import { PictureView } from "./picture_view.js";
import { TableView } from "./table_view.js";

export function show(root, manifest, tools) {
  const View = manifest.input.kind === "image" ? PictureView : TableView;
  const view = new View(root, manifest, tools);
  view.open();
  return view;
}

/** Runs `work()`; what goes wrong is said in the page, not only in the console. */
export async function guarded(root, work) {
  const note = root.querySelector("[data-trouble]");
  note.hidden = true;
  root.setAttribute("aria-busy", "true");
  try {
    return await work();
  } catch (error) {
    note.hidden = false;
    note.textContent = t(error.key ?? "try-failed", error.values ?? { reason: String(error.message ?? error) });
    if (!error.key) throw error;
    return undefined;
  } finally {
    root.removeAttribute("aria-busy");
  }
}
