"use strict";

// Plots: each figure carries its data beside its box.
const CONFIG = {
  responsive: true,
  displaylogo: false,
  modeBarButtonsToRemove: ["lasso2d", "select2d", "autoScale2d"],
  toImageButtonOptions: { scale: 2 },
};
for (const script of document.querySelectorAll("script[data-plot]")) {
  const figure = JSON.parse(script.textContent);
  Plotly.newPlot(script.dataset.plot, figure.data, figure.layout, CONFIG);
}

// Print: plots as wide as the paper, and back again.
function resizePlots(width) {
  for (const plot of document.querySelectorAll(".plot")) {
    Plotly.relayout(plot, width ? { width, autosize: false } : { width: null, autosize: true });
  }
}
window.addEventListener("beforeprint", () => resizePlots(700));
window.addEventListener("afterprint", () => resizePlots(null));

// Tables: a click on a head sorts by that column, a second click turns the order round.
function sortValue(row, column) {
  const cell = row.cells[column];
  const text = cell.dataset.sort ?? cell.textContent.trim();
  const number = Number(text);
  return text !== "" && Number.isFinite(number) ? number : text.toLowerCase();
}
function compare(a, b) {
  if (typeof a === typeof b) return a < b ? -1 : a > b ? 1 : 0;
  return typeof a === "number" ? -1 : 1;
}
function sortTable(head) {
  const table = head.closest("table");
  const descending = head.getAttribute("aria-sort") === "none"
    ? head.classList.contains("num")
    : head.getAttribute("aria-sort") === "ascending";
  const rows = Array.from(table.tBodies[0].rows, (row) => [sortValue(row, head.cellIndex), row]);
  rows.sort((a, b) => (descending ? compare(b[0], a[0]) : compare(a[0], b[0])));
  for (const other of table.tHead.rows[0].cells) other.setAttribute("aria-sort", "none");
  head.setAttribute("aria-sort", descending ? "descending" : "ascending");
  table.tBodies[0].append(...rows.map((pair) => pair[1]));
}
for (const button of document.querySelectorAll("table.sortable th span")) {
  button.addEventListener("click", () => sortTable(button.closest("th")));
  button.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    sortTable(button.closest("th"));
  });
}

// Filters: rows stay that hold every word typed.
for (const input of document.querySelectorAll("input[data-filters]")) {
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of document.getElementById(input.dataset.filters).tBodies[0].rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
    }
  });
}
