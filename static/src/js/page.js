/* The page of a browser bundle: everything it needs stands in it (see page.html), so that it runs without a network,
   and from a file. */
import { fromBase64, gunzip, Model, start } from "./model/runtime.js";
import { selftest } from "./model/selftest.js";
import { show } from "./model/view.js";
import { t } from "./strings.js";

const text = (id) => document.getElementById(id).textContent;
const bundle = JSON.parse(text("bundle"));
const opened = {};

/** A model file of this page, opened once. */
function model(name) {
  opened[name] ??= start(async () => {}, () => gunzip(fromBase64(text("litert-wasm")))).then(() => Model.open(fromBase64(bundle.models[name])));
  return opened[name];
}

async function check(line) {
  try {
    const { passed, count } = await selftest(await model("model"), bundle.selftest);
    const counts = { passed, count };
    line.textContent = passed === count ? t("selftest-pass", counts) : t("selftest-fail", counts);
    line.dataset.passed = `${passed}/${count}`;
  } catch (error) {
    line.textContent = t("selftest-no", { reason: error.message });
    throw error;
  }
}

show(document.querySelector("[data-try]"), bundle.manifest, {
  model: () => model("model"),
  gradients: async () => (bundle.models.gradients ? model("gradients") : null),
});
check(document.getElementById("selftest"));
