/** The list of networks, each with its answer: the digit, its confidence and a bar a digit. */

const DIGITS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];

/** Rounded down: what is not certain is not called 100 %. */
const percent = (share) => `${(Math.floor(1000 * share) / 10).toFixed(1)}\u00a0%`;
const count = (number) => number.toLocaleString("en");

function make(tag, className, text = "") {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = text;
  return element;
}

/** A row of the list. */
class Row {
  constructor({ name, params, misses }) {
    this.element = make("li", "draw-answer");
    this.element.dataset.entry = name;
    const link = make("a", "draw-name", name);
    link.href = new URL(`../../entries/${name}/`, import.meta.url);
    const size = `${count(params)} parameters, ${count(misses)} misses`;
    const about = make("span", "draw-about", size);
    this.digit = make("strong", "draw-digit");
    this.confidence = make("span", "draw-confidence");
    this.bars = make("span", "draw-bars");
    this.bars.setAttribute("role", "img");
    this.bars.append(...DIGITS.map((digit) => make("span", "draw-bar", digit)));
    this.element.append(link, about, this.digit, this.confidence, this.bars);
    this.clear();
  }

  clear() {
    this.element.classList.remove("draw-answered");
    this.digit.textContent = "";
    this.confidence.textContent = "";
    this.#fill(DIGITS.map(() => 0));
    this.bars.setAttribute("aria-label", "no answer yet");
  }

  show(probabilities, digit) {
    this.element.classList.add("draw-answered");
    this.digit.textContent = digit;
    this.confidence.textContent = percent(probabilities[digit]);
    this.#fill(probabilities);
    const likely = DIGITS.filter((each) => probabilities[each] >= 0.001);
    likely.sort((a, b) => probabilities[b] - probabilities[a]);
    const shares = likely.map((each) => `${each}: ${percent(probabilities[each])}`);
    this.bars.setAttribute("aria-label", shares.join(", "));
  }

  #fill(shares) {
    shares.forEach((share, digit) => this.bars.children[digit].style.setProperty("--share", share));
  }
}

export class Answers {
  #list;
  #status;
  #worker;
  #rows = new Map();
  #digits = new Map();
  #question = 0;

  /**
   * @param {HTMLElement} list gets a row a network
   * @param {HTMLElement} leftOut told of the networks that are too large for the page
   * @param {HTMLElement} status told what the networks say
   */
  constructor(list, leftOut, status) {
    this.#list = list;
    this.#status = status;
    this.#worker = new Worker(new URL("./networks.js", import.meta.url), { type: "module" });
    this.#worker.addEventListener("message", ({ data }) => {
      if (data.entries) this.#listAll(data, leftOut);
      else if (data.ready) this.#list.dataset.ready = "";
      else if (data.failure) this.#fail(data.failure);
      else if (data.question === this.#question) this.#answer(data);
    });
    this.#worker.addEventListener("error", ({ message }) => this.#fail(message));
  }

  /** @param {Uint8Array} image 784 bytes */
  ask(image) {
    this.#forget();
    this.#status.textContent = "";
    this.#worker.postMessage({ question: this.#question, image });
  }

  clear(reason) {
    this.#forget();
    this.#status.textContent = reason;
    for (const row of this.#rows.values()) row.clear();
  }

  #forget() {
    this.#question += 1;
    this.#digits.clear();
    for (const row of this.#rows.values()) row.element.classList.remove("draw-answered");
  }

  #listAll({ entries, leftOut }, place) {
    for (const entry of entries) this.#rows.set(entry.name, new Row(entry));
    this.#list.replaceChildren(...[...this.#rows.values()].map(({ element }) => element));
    if (leftOut.length) {
      place.textContent = `Too large for this page: ${leftOut.map(({ name }) => name).join(", ")}.`;
    }
  }

  #answer({ name, probabilities }) {
    const digit = probabilities.indexOf(Math.max(...probabilities));
    this.#rows.get(name).show(probabilities, digit);
    this.#digits.set(name, digit);
    if (this.#digits.size === 1) {
      this.#status.textContent = `${name} says ${digit}.`;
    } else if (this.#digits.size === this.#rows.size) {
      this.#status.textContent = this.#summary();
    }
  }

  /** What all say, the most frequent digit first. */
  #summary() {
    const digits = [...this.#digits.values()];
    const votes = DIGITS.map((digit) => digits.filter((each) => each === digit).length);
    const ordered = DIGITS.filter((digit) => votes[digit]).sort((a, b) => votes[b] - votes[a]);
    if (ordered.length === 1) return `All ${digits.length} networks say ${ordered[0]}.`;
    const said = ordered.map((digit) => `${votes[digit]} say ${digit}`);
    return `Of ${digits.length} networks ${said.join(", ")}.`;
  }

  #fail(message) {
    this.#status.textContent = `The networks cannot run here: ${message}`;
  }
}
