// Compares two runs: which test images one gets and the other does not. The choice is in the hash.
"use strict";

/** "entry:seed", "entry:seed" from the address, each "" where it is not said. */
function readHash() {
  const [one = "", other = ""] = decodeURIComponent(location.hash.slice(1)).split(",");
  return [one, other];
}

/** An image with its index, its class, and what each run took it for. */
function drawImage(index, dataset, predictions, base) {
  const item = document.createElement("li");
  const position = dataset.indices.indexOf(index);
  if (dataset.picture) {
    const [width, height] = dataset.size;
    const digit = document.createElement("span");
    digit.className = "digit";
    digit.setAttribute("role", "img");
    digit.setAttribute("aria-label", `test image ${index}`);
    digit.style.backgroundImage = `url(${new URL(dataset.picture, base)})`;
    digit.style.setProperty("--width", width);
    digit.style.setProperty("--height", height);
    digit.style.setProperty("--column", position % dataset.columns);
    digit.style.setProperty("--row", Math.floor(position / dataset.columns));
    item.append(digit);
  }
  const label = dataset.labels ? `${dataset.labels[position]} ` : "";
  for (const text of [`#${index}`, `${label}taken for ${predictions.join(" and ")}`]) {
    const line = document.createElement("span");
    line.textContent = text;
    item.append(line);
  }
  return item;
}

function drawList(heading, indices, dataset, predict, base) {
  const section = document.createElement("section");
  const title = document.createElement("h2");
  title.textContent = `${heading}: ${indices.length}`;
  const list = document.createElement("ul");
  list.className = "missed";
  for (const index of indices) list.append(drawImage(index, dataset, predict(index), base));
  section.append(title, list);
  return section;
}

function startComparing(part, record, base) {
  const one = document.getElementById("compare-one");
  const other = document.getElementById("compare-other");
  const lists = document.getElementById("compare-lists");
  const status = document.getElementById("compare-status");
  const names = Object.keys(record.runs);
  const show = (name) => name.replace(":", ", seed ");

  function fill(select, choices, chosen) {
    select.replaceChildren(...choices.map((name) => new Option(show(name), name)));
    select.value = choices.includes(chosen) ? chosen : choices[0];
  }

  function update(wanted) {
    const { dataset: name } = record.runs[one.value];
    const same = names.filter((run) => record.runs[run].dataset === name && run !== one.value);
    if (!same.length) {
      other.replaceChildren();
      lists.replaceChildren();
      status.textContent = `No other run is on ${name}.`;
      return;
    }
    fill(other, same, wanted);
    const dataset = record.datasets[name];
    const missed = [one, other].map((select) => record.runs[select.value].missed);
    const sorted = missed.map((misses) => Object.keys(misses).map(Number).sort((a, b) => a - b));
    const [first, second] = sorted.map(
      (indices, run) => indices.filter((index) => !(index in missed[1 - run])),
    );
    const both = sorted[0].filter((index) => index in missed[1]);
    const [a, b] = [show(one.value), show(other.value)];
    lists.replaceChildren(
      drawList(`Only ${a} misses`, first, dataset, (index) => [missed[0][index]], base),
      drawList(`Only ${b} misses`, second, dataset, (index) => [missed[1][index]], base),
      drawList("Both miss", both, dataset, (index) => {
        return [...new Set(missed.map((misses) => misses[index]))];
      }, base),
    );
    const total = record.runs[one.value].total.toLocaleString("en");
    status.textContent =
      `Of ${total} test images of ${name}, ${a} misses ${sorted[0].length} and ${b} misses ` +
      `${sorted[1].length}; both miss ${both.length}.`;
    history.replaceState(null, "", `#${one.value},${other.value}`);
  }

  function read() {
    const [first, second] = readHash();
    fill(one, names, first);
    update(second);
  }

  one.addEventListener("change", () => update(other.value));
  other.addEventListener("change", () => update(other.value));
  document.getElementById("compare-swap").addEventListener("click", () => {
    const was = one.value;
    one.value = other.value;
    update(was);
  });
  window.addEventListener("hashchange", read);
  part.querySelector("form").hidden = false;
  read();
}

const compare = document.getElementById("compare");
if (compare) {
  const address = new URL(compare.dataset.misses, location.href);
  const base = new URL("../../", address); // the root of the site
  fetch(address)
    .then((answer) => answer.json())
    .then((record) => startComparing(compare, record, base))
    .catch((error) => {
      document.getElementById("compare-status").textContent =
        `The list of misses could not be read: ${error.message}`;
    });
}
