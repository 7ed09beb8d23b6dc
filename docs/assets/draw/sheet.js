/** The sheet of paper: strokes by pointer, or one picture; every state before can be had back. */

const PAPER = "#fff";
const INK = "#000";
/** Width of the pen, as a share of the sheet's side. */
const PEN = 0.08;

export class Sheet {
  #canvas;
  #context;
  #changed;
  /** What was on the sheet after each step: {strokes} or {strokes: [], picture}. */
  #states = [{ strokes: [] }];
  #stroke = null;

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {() => void} changed called after each step
   */
  constructor(canvas, changed) {
    this.#canvas = canvas;
    this.#context = canvas.getContext("2d", { willReadFrequently: true });
    this.#changed = changed;
    canvas.addEventListener("pointerdown", (event) => this.#begin(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    canvas.addEventListener("pointerup", () => this.#end());
    canvas.addEventListener("pointercancel", () => this.#end());
    this.#draw();
  }

  get #state() {
    return this.#states.at(-1);
  }

  get canUndo() {
    return this.#states.length > 1;
  }

  get isEmpty() {
    return !this.#state.picture && !this.#state.strokes.length;
  }

  /** What is on the sheet, in RGBA: the picture in its own size, or the drawing. */
  get picture() {
    const { width, height } = this.#canvas;
    return this.#state.picture ?? this.#context.getImageData(0, 0, width, height);
  }

  undo() {
    if (this.canUndo) this.#states.pop();
    this.#draw();
    this.#changed();
  }

  clear() {
    this.#add({ strokes: [] });
  }

  /** @param {number[][][]} strokes each a list of points [x, y], as shares of the side */
  showStrokes(strokes) {
    this.#add({ strokes });
  }

  /** @param {ImageData} picture */
  showPicture(picture) {
    this.#add({ strokes: [], picture });
  }

  #add(state) {
    this.#states.push(state);
    this.#draw();
    this.#changed();
  }

  #begin(event) {
    if (this.#stroke || event.button !== 0) return;
    event.preventDefault();
    this.#canvas.setPointerCapture(event.pointerId);
    this.#stroke = { pointer: event.pointerId, points: [this.#locate(event)] };
    this.#draw();
  }

  #move(event) {
    if (this.#stroke?.pointer !== event.pointerId) return;
    const events = event.getCoalescedEvents?.() ?? [];
    for (const each of events.length ? events : [event]) {
      this.#stroke.points.push(this.#locate(each));
    }
    this.#draw();
  }

  #end() {
    if (!this.#stroke) return;
    const { points } = this.#stroke;
    this.#stroke = null;
    this.#add({ strokes: [...this.#state.strokes, points] });
  }

  /** Where a pointer is, as shares of the sheet's side. */
  #locate({ clientX, clientY }) {
    const box = this.#canvas.getBoundingClientRect();
    return [(clientX - box.left) / box.width, (clientY - box.top) / box.height];
  }

  #draw() {
    const { width, height } = this.#canvas;
    this.#context.fillStyle = PAPER;
    this.#context.fillRect(0, 0, width, height);
    const { strokes, picture } = this.#state;
    if (picture && !this.#stroke) this.#drawPicture(picture);
    for (const stroke of strokes) this.#drawStroke(stroke);
    if (this.#stroke) this.#drawStroke(this.#stroke.points);
  }

  /** The whole picture in the middle of the sheet. */
  #drawPicture(picture) {
    const { width, height } = this.#canvas;
    const scale = Math.min(width / picture.width, height / picture.height);
    const [wide, high] = [picture.width * scale, picture.height * scale];
    const whole = document.createElement("canvas");
    [whole.width, whole.height] = [picture.width, picture.height];
    whole.getContext("2d").putImageData(picture, 0, 0);
    this.#context.drawImage(whole, (width - wide) / 2, (height - high) / 2, wide, high);
  }

  /** A smooth line through the middles between the points. */
  #drawStroke(points) {
    const { width, height } = this.#canvas;
    const [first, ...rest] = points.map(([x, y]) => [x * width, y * height]);
    const context = this.#context;
    context.strokeStyle = INK;
    context.lineWidth = PEN * width;
    context.lineCap = "round";
    context.lineJoin = "round";
    context.beginPath();
    context.moveTo(...first);
    let before = first;
    for (const point of rest) {
      context.quadraticCurveTo(...before, (before[0] + point[0]) / 2, (before[1] + point[1]) / 2);
      before = point;
    }
    context.lineTo(...before);
    context.stroke();
  }
}
