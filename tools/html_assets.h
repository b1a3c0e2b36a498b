// Style and script of every page (tools/html.h, tools/kernel_report_lib/page.py): for phones, desktops and paper.
// Neither holds a character that XML would need escaped.
#pragma once

namespace tsugi::tools {

constexpr const char* kHtmlStyle = R"css(
:root{color-scheme:light dark}
*{box-sizing:border-box}
body{margin:0 auto;max-width:76rem;padding:1rem;
font:1rem/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
body:has(#points){font-size:.9rem}
body:has(#points),body:has(#points) :is(p,.words){max-width:none}
h1{font-size:1.6rem;line-height:1.25;margin:.5rem 0}
h2{font-size:1.2rem;margin:2.2rem 0 .5rem;padding-top:.6rem;border-top:1px solid #8886}
p{max-width:46rem;margin:.6rem 0}
.scroll{overflow-x:auto;margin:.8rem 0}
table{border-collapse:collapse;font-size:.92rem;font-variant-numeric:tabular-nums}
caption{text-align:left;font-weight:600;padding:.3rem 0;max-width:46rem}
th,td{padding:.22rem .55rem;border-bottom:1px solid #8884;text-align:right;vertical-align:top;white-space:nowrap}
thead th{border-bottom:2px solid #888;vertical-align:bottom;white-space:normal}
th:first-child{text-align:left;font-weight:500;padding-left:0}
small{opacity:.75;font-size:.84em}
.tables{display:flex;flex-wrap:wrap;gap:0 2.5rem;align-items:flex-start}
.tables .scroll{max-width:100%}
.tables caption{max-width:24rem}
.words{max-width:60rem}
.words td,.words th{text-align:left;overflow-wrap:anywhere}
.words td,.words th,.long th:first-child{white-space:normal}
.long th:first-child{min-width:5rem}
.warn{color:#b34700}
figure{margin:1rem 0}
.panels{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(19rem,100%),1fr));gap:.5rem}
.panels svg{width:100%;height:auto;max-width:34rem;display:block}
figcaption{max-width:46rem;font-size:.92rem;opacity:.8}
svg{background:white}
figure>svg{max-width:100%;height:auto}
pre{white-space:pre-wrap;overflow-wrap:anywhere;background:#8882;padding:.6rem;font-size:.85rem;border-radius:4px}
.filters{display:flex;gap:1em;flex-wrap:wrap;align-items:baseline}
#points{font-size:.85rem}
#points thead th{position:sticky;top:0;background:Canvas;padding:0}
#points button{font:inherit;font-weight:600;border:0;background:none;color:inherit;padding:.3em .6em}
#points button{cursor:pointer;text-align:left}
#points th[aria-sort=ascending] button::after{content:" \25B2"}
#points th[aria-sort=descending] button::after{content:" \25BC"}
#points th,#points td{text-align:left}
#points td[data-v]{text-align:right}
#points td.sentence{white-space:normal;min-width:22em}
.bar{background:linear-gradient(to right,#0072b233 var(--share),transparent var(--share))}
@media (max-width:30rem){body{padding:.7rem}th,td{padding:.2rem .24rem}table{font-size:.82rem}}
@media print{
@page{margin:14mm}
body{max-width:none;padding:0;font-size:9.5pt}
h2{break-after:avoid}
figure,tr,.short{break-inside:avoid}
.panels{grid-template-columns:repeat(3,1fr)}
.scroll{overflow:visible}
.tables{display:block}
thead{display:table-header-group}
caption{break-after:avoid}
pre{background:none;border:1px solid #8886}
}
)css";

/// Makes the table "points" sort by any column (by data-v where cells have it, unknown numbers last, else by text), and
/// puts filters above it: words, and a choice of the values of each column in data-choices.
constexpr const char* kHtmlScript = R"js(
(function () {
  "use strict";
  const table = document.getElementById("points");
  const body = table.tBodies[0], rows = Array.from(body.rows), heads = Array.from(table.tHead.rows[0].cells);
  const bar = document.createElement("div");

  function make(tag, parent, text) {
    const made = document.createElement(tag);
    made.textContent = text;
    return parent.appendChild(made);
  }

  function sortBy(column) {
    const numeric = rows.some(row => row.cells[column].dataset.v !== undefined);
    const before = heads[column].getAttribute("aria-sort");
    const down = numeric ? before !== "descending" : before === "ascending";
    heads.forEach(head => head.removeAttribute("aria-sort"));
    heads[column].setAttribute("aria-sort", down ? "descending" : "ascending");
    const sign = down ? -1 : 1;
    rows.sort((a, b) => {
      if (!numeric) { return sign * a.cells[column].textContent.localeCompare(b.cells[column].textContent); }
      const x = Number(a.cells[column].dataset.v), y = Number(b.cells[column].dataset.v);
      return 0 > x || 0 > y ? (0 > x ? 1 : 0) - (0 > y ? 1 : 0) : sign * (x - y);
    });
    rows.forEach(row => body.appendChild(row));
  }

  function filter() {
    const words = input.value.toLowerCase().split(/\s+/);
    rows.forEach(row => {
      const text = row.textContent.toLowerCase();
      const fits = ([select, column]) => select.value === "" || row.cells[column].textContent === select.value;
      row.hidden = !choices.every(fits) || !words.every(word => text.includes(word));
    });
    count.textContent = rows.filter(row => !row.hidden).length + " of " + rows.length + " points";
  }

  bar.className = "filters";
  table.parentNode.before(bar);
  const input = make("input", make("label", bar, "filter "), "");
  input.type = "search";
  input.placeholder = table.dataset.example;
  input.addEventListener("input", filter);
  const choices = table.dataset.choices.split(" ").map(Number).map(column => {
    const select = make("select", make("label", bar, heads[column].textContent + " "), "");
    make("option", select, "all").value = "";
    const values = rows.map(row => row.cells[column].textContent).sort();
    new Set(values).forEach(value => { make("option", select, value).value = value; });
    select.addEventListener("change", filter);
    return [select, column];
  });
  const count = make("span", bar, "");
  heads.forEach((head, column) => {
    const text = head.textContent;
    head.textContent = "";
    const button = make("button", head, text);
    button.type = "button";
    button.addEventListener("click", () => sortBy(column));
  });
  filter();
})();
)js";

}  // namespace tsugi::tools
