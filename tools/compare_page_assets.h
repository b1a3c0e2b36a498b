// Style and script of the comparison page. Neither holds a character that XML would need escaped.
#pragma once

namespace tsugi::tools {

constexpr const char* kCompareStyle = R"css(
:root { color-scheme: light dark; }
body { font: 14px/1.4 system-ui, sans-serif; margin: 1.5em; }
h1 { font-size: 1.4em; margin: 0 0 .5em; }
table { border-collapse: collapse; }
td, th { padding: .2em .6em; text-align: left; vertical-align: top; border-bottom: 1px solid #8884; }
.sides { margin: 1em 0; }
.warn { color: #b34700; max-width: 24em; }
figure { margin: 1em 0; overflow-x: auto; }
figure svg { max-width: 100%; height: auto; background: white; }
.filters { display: flex; gap: 1em; flex-wrap: wrap; align-items: baseline; }
.hint { color: #888; }
.wide { overflow-x: auto; }
#points thead th { position: sticky; top: 0; background: Canvas; padding: 0; }
#points th button { font: inherit; font-weight: 600; border: 0; background: none; color: inherit; padding: .3em .6em; cursor: pointer; text-align: left; }
#points th[aria-sort=ascending] button::after { content: " \25B2"; }
#points th[aria-sort=descending] button::after { content: " \25BC"; }
#points td, .sides td:first-child { white-space: nowrap; }
#points td.because { white-space: normal; min-width: 22em; }
.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.bar { background: linear-gradient(to right, #0072b233 var(--share), transparent var(--share)); }
)css";

/// Sorts rows by data-v (numbers, unknown ones last) or by text, and hides those that a filter leaves out.
constexpr const char* kCompareScript = R"js(
(function () {
  "use strict";
  const table = document.getElementById("points");
  const body = table.tBodies[0];
  const rows = Array.from(body.rows);
  const heads = Array.from(table.tHead.rows[0].cells);
  const input = document.getElementById("text");
  const choices = Array.from(document.querySelectorAll("select[data-column]"));

  function sortBy(column) {
    const head = heads[column];
    const numeric = head.dataset.n === "1";
    const down = head.getAttribute("aria-sort") === "ascending" || (numeric ? head.getAttribute("aria-sort") === null : false);
    heads.forEach(function (other) { other.removeAttribute("aria-sort"); });
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const sign = down ? -1 : 1;
    const key = function (row) { return numeric ? Number(row.cells[column].dataset.v) : row.cells[column].textContent; };
    rows.sort(function (a, b) {
      const x = key(a), y = key(b);
      if (!numeric) { return sign * x.localeCompare(y); }
      if (0 > x || 0 > y) { return (0 > x ? 1 : 0) - (0 > y ? 1 : 0); }
      return sign * (x - y);
    });
    rows.forEach(function (row) { body.appendChild(row); });
  }

  function filter() {
    const words = input.value.toLowerCase().split(/\s+/);
    let shown = 0;
    rows.forEach(function (row) {
      const text = row.textContent.toLowerCase();
      const fits = words.every(function (word) { return text.includes(word); });
      const chosen = choices.every(function (choice) {
        return choice.value === "" ? true : row.cells[Number(choice.dataset.column)].textContent === choice.value;
      });
      row.hidden = !(fits ? chosen : false);
      shown += row.hidden ? 0 : 1;
    });
    document.getElementById("count").textContent = shown + " of " + rows.length + " points";
  }

  heads.forEach(function (head, column) { head.firstChild.addEventListener("click", function () { sortBy(column); }); });
  input.addEventListener("input", filter);
  choices.forEach(function (choice) { choice.addEventListener("change", filter); });
  filter();
})();
)js";

}  // namespace tsugi::tools
