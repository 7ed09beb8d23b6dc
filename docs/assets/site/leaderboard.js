// Sorts and filters the leaderboard. Without this script it is a plain table.
"use strict";

/** The cell's value: a number where the column holds numbers, else text; null is unknown. */
function valueOf(row, key, isNumber) {
  const text = row.querySelector(`[data-key="${key}"]`).dataset.value;
  if (text === "") return null;
  return isNumber ? Number(text) : text;
}

/** Order of two values, the unknown last in either direction. */
function compareValues(one, other, sign) {
  if (one === null || other === null) return (one === null) - (other === null);
  return sign * (typeof one === "number" ? one - other : one.localeCompare(other));
}

function makeSortable(table) {
  const headers = [...table.tHead.rows[0].cells];
  for (const header of headers) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = header.textContent;
    header.replaceChildren(button);
    button.addEventListener("click", () => {
      const ascending = header.getAttribute("aria-sort") !== "ascending";
      for (const other of headers) other.removeAttribute("aria-sort");
      header.setAttribute("aria-sort", ascending ? "ascending" : "descending");
      const key = header.dataset.key;
      const isNumber = header.classList.contains("number");
      const rows = [...table.tBodies[0].rows].sort((one, other) =>
        compareValues(valueOf(one, key, isNumber), valueOf(other, key, isNumber), ascending ? 1 : -1),
      );
      table.tBodies[0].append(...rows);
    });
  }
}

function makeFilterable(table, form, count) {
  const rows = [...table.tBodies[0].rows];
  const fields = [...form.querySelectorAll("[data-filter], [data-limit]")];

  function passes(row, field) {
    if (field.value === "") return true;
    if (field.dataset.limit) {
      const value = valueOf(row, field.dataset.limit, true);
      return value !== null && value <= Number(field.value);
    }
    const value = valueOf(row, field.dataset.filter, false);
    return field.dataset.filter === "name"
      ? value.includes(field.value.trim().toLowerCase())
      : value === field.value;
  }

  function update() {
    for (const row of rows) row.hidden = !fields.every((field) => passes(row, field));
    const shown = rows.filter((row) => !row.hidden).length;
    count.textContent = `${shown} of ${rows.length} entries shown`;
  }

  form.addEventListener("input", update);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(update)); // the fields are emptied after this
  form.hidden = false;
  count.hidden = false;
  update();
}

const board = document.getElementById("board");
if (board) {
  const part = board.closest(".leaderboard");
  makeSortable(board);
  makeFilterable(board, part.querySelector(".filters"), part.querySelector(".count"));
}
