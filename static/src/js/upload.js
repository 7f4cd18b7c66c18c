/* A dataset's file, sent by tus: paused, resumed, and after a reload continued when the same file is chosen again.

   <form data-upload data-uploads-url data-datasets-url data-done-url data-max-bytes [data-dataset]>
   Without `data-dataset` the dataset is made first, through the API, from the form's name, task and label column. */
import { Upload } from "tus-js-client";
import { bytes, duration, t } from "./strings.js";
import { columnNames, fits, guessName, guessTask, isTableTask } from "./upload_file.js";
import { Pending } from "./upload_pending.js";

const CHUNK = 32 * 1000 * 1000; // small enough for any proxy's patience, large enough to cost nothing
const RETRIES = [0, 1000, 3000, 5000, 10000, 20000, 30000];
const PLACE = "__id__";

class Refused extends Error {
  constructor(problem) {
    super(problem.detail || t("unexpected"));
    this.errors = problem.errors ?? [];
  }
}

class UploadForm {
  constructor(form) {
    this.form = form;
    this.pending = new Pending(form.dataset.dataset || "new");
    this.file = null;
    this.upload = null;
    this.rate = [];
    this.input = this.part("file");
    this.input.required = false; // said in words by begin(), next to the field
    form.noValidate = true;
    this.listen();
    this.offerResume();
  }

  part(name) {
    return this.form.querySelector(`[data-part="${name}"]`);
  }

  field(name) {
    return this.form.elements.namedItem(name);
  }

  value(name) {
    return this.field(name)?.value?.trim() ?? "";
  }

  listen() {
    const drop = this.part("drop");
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.begin();
    });
    this.input.addEventListener("change", () => this.choose(this.input.files[0]));
    for (const name of ["dragenter", "dragover"]) drop.addEventListener(name, () => drop.toggleAttribute("data-over", true));
    for (const name of ["dragleave", "drop"]) drop.addEventListener(name, () => drop.removeAttribute("data-over"));
    drop.addEventListener("drop", (event) => this.refuseFolder(event));
    this.form.addEventListener("change", (event) => event.target.name === "task" && this.taskChosen());
    this.part("pause").addEventListener("click", () => (this.running ? this.pause() : this.resume()));
    this.part("cancel").addEventListener("click", () => this.cancel());
    this.part("discard")?.addEventListener("click", () => this.discard());
    addEventListener("beforeunload", (event) => this.running && event.preventDefault());
    addEventListener("online", () => this.upload && this.broken && this.resume());
    this.taskChosen();
  }

  /* -- choosing ------------------------------------------------------------------------------------------------ */

  refuseFolder(event) {
    const entry = event.dataTransfer?.items?.[0]?.webkitGetAsEntry?.();
    if (!entry?.isDirectory) return;
    event.preventDefault();
    this.fail(t("folder-dropped"));
  }

  async choose(file) {
    this.file = file ?? null;
    this.clearErrors();
    this.part("file-name").textContent = file ? `${file.name} · ${bytes(file.size)}` : "";
    this.part("drop").toggleAttribute("data-filled", Boolean(file));
    if (!file) return;
    if (!fits(file, this.form)) return this.fail(t("too-large", { limit: bytes(Number(this.form.dataset.maxBytes)) }));
    this.suggest(file);
    this.listColumns(await columnNames(file));
  }

  suggest(file) {
    const known = this.pending.matches(file) ? this.pending.record : null;
    const name = this.field("name");
    if (name && (known || !name.value)) name.value = known?.name ?? guessName(file);
    const task = known?.task ?? guessTask(file);
    if (task && !this.taskTouched) this.setTask(task);
    if (known?.label_column && this.field("label_column")) this.field("label_column").value = known.label_column;
    this.part("submit-text").textContent = known ? t("continue") : t("start");
  }

  setTask(task) {
    const radios = this.form.querySelectorAll('[name="task"]');
    for (const radio of radios) {
      if (radio.type === "radio") radio.checked = radio.value === task;
      else radio.value = task;
    }
    this.showLabelColumn(task);
  }

  taskChosen() {
    const task = this.value("task");
    this.taskTouched = Boolean(document.activeElement?.name === "task");
    this.showLabelColumn(task);
  }

  showLabelColumn(task) {
    const box = this.part("label-column");
    if (box) box.hidden = !isTableTask(task || this.form.dataset.task || "");
  }

  listColumns(names) {
    const list = this.part("columns");
    if (!list) return;
    list.replaceChildren(...names.map((name) => new Option(name, name)));
  }

  /* -- sending ------------------------------------------------------------------------------------------------- */

  async begin() {
    this.clearErrors();
    if (!this.file) return this.fail(t("no-file"), this.input);
    if (!fits(this.file, this.form)) return this.fail(t("too-large", { limit: bytes(Number(this.form.dataset.maxBytes)) }));
    this.lock(true);
    try {
      const dataset = await this.dataset();
      this.pending.save({ dataset, name: this.value("name"), task: this.value("task"), label_column: this.value("label_column") }, this.file);
      await this.send(dataset);
    } catch (error) {
      this.refused(error);
    }
  }

  async dataset() {
    if (this.form.dataset.dataset) return this.form.dataset.dataset;
    if (this.pending.matches(this.file)) return this.pending.record.dataset;
    const body = { name: this.value("name"), task: this.value("task") };
    for (const key of ["label_column", "description", "visibility", "team"]) if (this.value(key)) body[key] = this.value(key);
    if (!isTableTask(body.task)) delete body.label_column;
    return (await this.api("POST", this.form.dataset.datasetsUrl, body)).id;
  }

  async api(method, url, body) {
    const response = await fetch(url, {
      method,
      headers: { "Content-Type": "application/json", "X-CSRFToken": this.csrf() },
      body: body && JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) throw new Refused(parse(text));
    return parse(text);
  }

  csrf() {
    return document.querySelector('meta[name="csrf-token"]')?.content ?? "";
  }

  async send(dataset) {
    const metadata = { filename: this.file.name, dataset };
    if (this.value("label_column")) metadata.label_column = this.value("label_column");
    this.upload = new Upload(this.file, {
      endpoint: this.form.dataset.uploadsUrl,
      metadata,
      headers: { "X-CSRFToken": this.csrf() },
      chunkSize: CHUNK,
      retryDelays: RETRIES,
      removeFingerprintOnSuccess: true,
      fingerprint: async (file) => ["gristmill", dataset, file.name, file.size, file.lastModified].join("|"),
      onProgress: (sent, total) => this.progress(sent, total),
      onError: (error) => this.interrupted(error),
      onSuccess: () => this.done(dataset),
    });
    const earlier = await this.upload.findPreviousUploads();
    if (earlier.length) this.upload.resumeFromPreviousUpload(earlier.at(-1));
    this.resume();
  }

  resume() {
    this.clearErrors();
    this.running = true;
    this.broken = false;
    this.rate = [];
    this.part("progress").hidden = false;
    this.part("pause-text").textContent = t("pause");
    this.upload.start();
  }

  pause() {
    this.upload.abort();
    this.running = false;
    this.part("pause-text").textContent = t("resume");
    this.part("speed").textContent = t("paused");
  }

  async cancel() {
    this.running = false;
    await this.upload?.abort(true).catch(() => {}); // gone at the server already: as good
    await this.discard();
    this.part("progress").hidden = true;
    this.upload = null;
    this.lock(false);
  }

  /** Forgets an unfinished upload, and the empty dataset that was made for it. */
  async discard() {
    const dataset = this.pending.record?.dataset;
    this.pending.clear();
    this.part("resume-note")?.setAttribute("hidden", "");
    if (dataset && !this.form.dataset.dataset) {
      await this.api("DELETE", `${this.form.dataset.datasetsUrl}/${encodeURIComponent(dataset)}`).catch(() => {}); // an empty dataset left over harms nobody
    }
  }

  progress(sent, total) {
    const now = performance.now();
    this.rate = [...this.rate.filter(([at]) => now - at < 8000), [now, sent]];
    const bar = this.part("bar");
    bar.max = total || 1;
    bar.value = sent;
    this.pending.sent(sent);
    const percent = Math.floor((100 * sent) / (total || 1));
    this.part("percent").textContent = `${percent} %`;
    this.part("amount").textContent = t("amount", { sent: bytes(sent), total: bytes(total) });
    this.part("speed").textContent = sent >= total ? t("finishing") : this.speed(sent, total);
  }

  speed(sent, total) {
    const [at, first] = this.rate[0];
    const seconds = (performance.now() - at) / 1000;
    if (seconds < 1 || sent === first) return "";
    const perSecond = (sent - first) / seconds;
    return t("speed", { speed: bytes(perSecond), left: duration((total - sent) / perSecond) });
  }

  done(dataset) {
    this.running = false;
    this.pending.clear();
    this.part("speed").textContent = t("checking");
    location.assign(this.form.dataset.doneUrl.replace(PLACE, encodeURIComponent(dataset)));
  }

  /* -- when it does not work ----------------------------------------------------------------------------------- */

  interrupted(error) {
    this.running = false;
    const response = error.originalResponse;
    const status = response?.getStatus() ?? 0;
    this.part("pause-text").textContent = t("resume");
    this.part("speed").textContent = t("stopped");
    if (!status) {
      this.broken = true;
      return this.fail(t("offline"));
    }
    if (status === 401) return this.fail(t("signed-out"));
    if (status >= 500) return this.fail(t("server-trouble"));
    this.part("progress").hidden = true;
    this.lock(false);
    return this.refused(new Refused(parse(response.getBody())));
  }

  refused(error) {
    this.lock(false);
    if (!(error instanceof Refused)) return this.fail(error instanceof TypeError ? t("offline") : t("unexpected"));
    const homeless = error.errors.filter((one) => !this.showAt(one.field, one.detail));
    const first = this.form.querySelector('[aria-invalid="true"]');
    if (!error.errors.length || homeless.length) this.fail([error.message, ...homeless.map((one) => one.detail)].join(" "));
    first?.focus();
  }

  showAt(name, detail) {
    const box = this.form.querySelector(`[data-errors-for="${CSS.escape(name)}"]`);
    if (!box) return false;
    const line = document.createElement("li");
    line.textContent = detail;
    box.append(line);
    const field = this.form.querySelector(`[name="${CSS.escape(name)}"]`);
    field?.setAttribute("aria-invalid", "true");
    return true;
  }

  fail(text, field) {
    const box = this.part("error");
    this.part("error-text").textContent = text;
    box.hidden = false;
    box.scrollIntoView({ block: "nearest" });
    field?.focus();
  }

  clearErrors() {
    this.part("error").hidden = true;
    for (const box of this.form.querySelectorAll("[data-errors-for]")) box.replaceChildren();
    for (const field of this.form.querySelectorAll("[aria-invalid]")) field.removeAttribute("aria-invalid");
  }

  lock(busy) {
    this.part("fields").disabled = busy;
    this.part("submit").disabled = busy;
  }

  offerResume() {
    const note = this.part("resume-note");
    const record = this.pending.record;
    if (!note || !record) return;
    this.part("resume-text").textContent = t("resume-note", { file: record.filename, percent: Math.floor((100 * record.sent) / record.size) });
    note.hidden = false;
  }
}

function parse(text) {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {}; // a proxy's HTML page, or nothing: there is no sentence in it for a member
  }
}

for (const form of document.querySelectorAll("form[data-upload]")) new UploadForm(form);
