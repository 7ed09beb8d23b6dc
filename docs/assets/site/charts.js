// Shows what a point of a chart says as soon as it is hovered or focused.
"use strict";

for (const chart of document.querySelectorAll(".chart")) {
  const tip = document.createElement("div");
  tip.className = "tooltip";
  tip.hidden = true;
  tip.setAttribute("aria-hidden", "true"); // the link's own label says the same
  document.body.append(tip);

  function show(event) {
    const point = event.target.closest("[data-point]");
    if (!point) return;
    tip.textContent = point.getAttribute("aria-label");
    tip.hidden = false;
    const place = point.getBoundingClientRect();
    const left = Math.min(place.right + 8, window.innerWidth - tip.offsetWidth - 8);
    tip.style.left = `${Math.max(left, 8)}px`;
    tip.style.top = `${Math.max(place.top - tip.offsetHeight - 8, 8)}px`;
  }

  function hide() {
    tip.hidden = true;
  }

  for (const title of chart.querySelectorAll("[data-point] > title")) title.remove();
  chart.addEventListener("pointerover", show);
  chart.addEventListener("focusin", show);
  chart.addEventListener("pointerout", hide);
  chart.addEventListener("focusout", hide);
}
