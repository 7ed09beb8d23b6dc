/** "Draw a digit": what is drawn or chosen becomes 28x28 pixels, which the networks read. */

import { Answers } from "./answers.js";
import { EXAMPLES } from "./examples.js";
import { decode, PictureError } from "./photograph.js";
import { readPicture, SIDE } from "./picture.js";
import { Sheet } from "./sheet.js";

const find = (id) => document.getElementById(`draw-${id}`);
const status = find("status");
const answers = new Answers(find("answers"), find("left-out"), status);
const sheet = new Sheet(find("sheet"), show);
let nextExample = 0;

/** Show what the sheet holds now, and ask the networks. */
function show() {
  find("undo").disabled = !sheet.canUndo;
  find("clear").disabled = sheet.isEmpty;
  const image = sheet.isEmpty ? null : readPicture(sheet.picture);
  preview(image ?? new Uint8Array(SIDE * SIDE));
  if (image) answers.ask(image);
  else answers.clear(sheet.isEmpty ? "" : "Nothing on this picture stands out from its border.");
}

function preview(image) {
  const context = find("preview").getContext("2d");
  const pixels = context.createImageData(SIDE, SIDE);
  image.forEach((value, i) => pixels.data.set([value, value, value, 255], 4 * i));
  context.putImageData(pixels, 0, 0);
}

async function choose(file) {
  try {
    sheet.showPicture(await decode(file));
  } catch (error) {
    if (!(error instanceof PictureError)) throw error;
    status.textContent = error.message;
  }
}

function takeFirst(files) {
  if (files.length) choose(files[0]);
}

find("undo").addEventListener("click", () => sheet.undo());
find("clear").addEventListener("click", () => sheet.clear());
find("choose").addEventListener("click", () => find("file").click());
find("file").addEventListener("change", ({ target }) => {
  takeFirst(target.files);
  target.value = ""; // the same file may be chosen again
});
find("example").addEventListener("click", () => {
  sheet.showStrokes(EXAMPLES[nextExample]);
  nextExample = (nextExample + 1) % EXAMPLES.length;
});
const place = document.getElementById("draw");
place.addEventListener("dragover", (event) => event.preventDefault());
place.addEventListener("drop", (event) => {
  event.preventDefault();
  takeFirst(event.dataTransfer.files);
});
document.addEventListener("paste", (event) => takeFirst(event.clipboardData.files));
place.hidden = false;
preview(new Uint8Array(SIDE * SIDE));
