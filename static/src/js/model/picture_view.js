/* A picture, from a file or the camera: what the model saw of it, what it says, and why. */
import { t } from "../strings.js";
import { answerOf, element } from "./answer.js";
import { byPixel, integratedGradients } from "./explain.js";
import { fromFile, fromImageData } from "./picture.js";
import { best } from "./selftest.js";
import { guarded } from "./view.js";

const SIDE = 192; // pixels of the page that the longer side of what the model saw is drawn with
const FOR = [235, 104, 20];
const AGAINST = [38, 110, 230];
const STRONG = 0.99; // the strongest hundredth would leave all else pale
const PAUSE_MS = 30; // between two looks of the camera

export class PictureView {
  constructor(root, manifest, tools) {
    Object.assign(this, { root, manifest, tools, spec: manifest.input, asked: 0 });
    this.part = (name) => root.querySelector(`[data-part="${name}"]`);
  }

  open() {
    this.part("pictures").hidden = false;
    const file = this.part("file");
    file.addEventListener("change", () => file.files[0] && this.take(file.files[0]));
    this.watchDrops(this.part("drop"));
    const camera = this.part("camera");
    camera.hidden = !navigator.mediaDevices?.getUserMedia;
    camera.addEventListener("click", () => guarded(this.root, () => (this.stream ? this.stopCamera() : this.startCamera())));
    this.part("explain").addEventListener("click", () => {
      this.stopCamera(); // what is explained is the last that it showed
      guarded(this.root, () => this.explain());
    });
  }

  watchDrops(zone) {
    const over = (event, on) => {
      event.preventDefault();
      zone.toggleAttribute("data-over", on);
    };
    zone.addEventListener("dragover", (event) => over(event, true));
    zone.addEventListener("dragleave", (event) => over(event, false));
    zone.addEventListener("drop", (event) => {
      over(event, false);
      const [file] = event.dataTransfer.files;
      if (file) this.take(file);
    });
  }

  take(file) {
    this.stopCamera();
    return guarded(this.root, async () => {
      this.part("file-name").textContent = file.name;
      await this.see(await this.read(file));
      await this.explain();
    });
  }

  async read(file) {
    try {
      return await fromFile(file, this.spec);
    } catch (error) {
      throw Object.assign(error, { key: "try-no-picture", values: { name: file.name } });
    }
  }

  /** Answers one picture. Of several asked for at once the last one stands. */
  async see({ input, picture }) {
    const number = (this.asked += 1);
    const model = await this.tools.model();
    const output = await model.answer(input);
    if (number !== this.asked) return;
    this.seen = { input, picture, output };
    this.part("result").hidden = false;
    draw(this.part("seen"), picture);
    this.part("answer").replaceChildren(answerOf(output, this.manifest.labels));
    this.part("map-box").hidden = true;
    this.part("explain").hidden = !this.stream || !this.manifest.explanation;
  }

  /* -- why ------------------------------------------------------------------------------------------------------- */

  async explain() {
    const spec = this.manifest.explanation;
    const { seen } = this;
    if (!spec || !seen) return;
    const gradients = await this.tools.gradients();
    if (!gradients) return;
    const top = best(seen.output);
    const attributions = await integratedGradients(gradients, spec, seen.picture, top, seen.output.length, pause);
    if (seen !== this.seen) return; // another picture came meanwhile
    this.part("map-box").hidden = false;
    drawMap(this.part("map"), seen.picture, byPixel(attributions, this.spec.channels));
    this.part("map-words").textContent = t("try-map", { label: this.manifest.labels[top] });
    this.part("map").dataset.sum = attributions.reduce((sum, value) => sum + value, 0);
  }

  /* -- the camera ------------------------------------------------------------------------------------------------ */

  async startCamera() {
    const video = this.part("video");
    const stream = await this.askForCamera();
    this.stream = stream;
    video.srcObject = stream;
    video.hidden = false;
    this.part("camera").textContent = t("try-camera-off");
    try {
      await video.play();
    } catch (error) {
      if (this.stream === stream) throw error; // else it was turned off before its first picture
    }
    if (this.stream === stream) this.look(stream, video);
  }

  /** Whoever is asked may think about it: a second click meanwhile would ask for a second stream. */
  async askForCamera() {
    const camera = this.part("camera");
    camera.disabled = true;
    try {
      return await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" }, audio: false });
    } catch (error) {
      throw Object.assign(error, { key: "try-no-camera", values: { reason: error.message } });
    } finally {
      camera.disabled = false;
    }
  }

  async look(stream, video) {
    const canvas = document.createElement("canvas");
    const context = canvas.getContext("2d", { willReadFrequently: true });
    while (this.stream === stream) {
      // Until its first picture comes a camera has no size; that may be after it plays.
      if (video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA && video.videoWidth > 0) {
        [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
        context.drawImage(video, 0, 0);
        await guarded(this.root, () => this.see(fromImageData(context.getImageData(0, 0, canvas.width, canvas.height), this.spec)));
      }
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }

  stopCamera() {
    if (!this.stream) return;
    this.asked += 1; // an answer that is under way comes too late
    for (const track of this.stream.getTracks()) track.stop();
    this.stream = null;
    this.part("video").hidden = true;
    this.part("video").srcObject = null;
    this.part("camera").textContent = t("try-camera");
    this.part("explain").hidden = true;
  }
}

/** Lets the page breathe between two runs of the model. */
function pause() {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

/** Pixels on a canvas of their own size, enlarged by the page without smoothing. */
function draw(canvas, picture) {
  canvas.getContext("2d").putImageData(toImageData(canvas, picture, (at) => rgb(picture, at)), 0, 0);
}

/** The picture in grey, orange over what speaks for the answer, blue over what speaks against it, by strength. */
function drawMap(canvas, picture, attributions) {
  const strengths = Float32Array.from(attributions, Math.abs).sort();
  const strongest = strengths[Math.floor(STRONG * (strengths.length - 1))] || strengths.at(-1) || 1;
  const colour = (at) => {
    const [red, green, blue] = rgb(picture, at);
    const grey = 60 + 0.2 * (red + green + blue);
    const strength = Math.min(1, Math.abs(attributions[at]) / strongest);
    return (attributions[at] > 0 ? FOR : AGAINST).map((value) => grey * (1 - strength) + value * strength);
  };
  canvas.getContext("2d").putImageData(toImageData(canvas, picture, colour), 0, 0);
}

function rgb({ channels, data }, at) {
  return channels === 1 ? [data[at], data[at], data[at]] : data.subarray(3 * at, 3 * at + 3);
}

function toImageData(canvas, { width, height }, colour) {
  [canvas.width, canvas.height] = [width, height];
  canvas.style.width = `${Math.round((SIDE * width) / Math.max(width, height))}px`;
  const image = new ImageData(width, height);
  for (let at = 0; at < width * height; at += 1) image.data.set([...colour(at), 255], 4 * at);
  return image;
}
