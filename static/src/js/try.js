/* A model's page in the portal: its files come from a bundle of it, LiteRT.js from here. */
import { gunzip, Model, start } from "./model/runtime.js";
import { show } from "./model/view.js";

const page = document.querySelector("[data-try-page]");
const opened = {};

async function bytes(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${response.status} ${response.statusText}`);
  return new Uint8Array(await response.arrayBuffer());
}

/** LiteRT's own program sets a global, as a script does and a module can't. */
function program() {
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = page.dataset.program;
    script.addEventListener("load", resolve);
    script.addEventListener("error", () => reject(new Error(page.dataset.program)));
    document.head.append(script);
  });
}

function model(url) {
  opened[url] ??= start(program, async () => gunzip(await bytes(page.dataset.wasm))).then(async () => Model.open(await bytes(url)));
  return opened[url];
}

const { files, manifest } = page.dataset;
const told = JSON.parse(document.getElementById(manifest).textContent);
const tools = {
  model: () => model(files + told.variants[told.default_variant].file),
  gradients: async () => (told.explanation ? model(files + told.explanation.file) : null),
};
show(page.querySelector("[data-try]"), told, tools);
tools.model().catch(() => {}); // ready by the time somebody asks; what is wrong is said then
