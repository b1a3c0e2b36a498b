"""The report as a page that sorts and filters, and as CSV. Style and script are those of `tsugi bench --compare`
(tools/compare_page_assets.h), so that both pages look and work alike."""

import csv
import html
import io
import re
from pathlib import Path

import report
import terminal
from wording import printable, size

ASSETS = Path(__file__).resolve().parent.parent / "compare_page_assets.h"
_CHOICES = ("arch", "math", "limited_by", "device")  # columns with a choice of their values


def escaped(text):
    return html.escape(printable(text))


def field(value):
    """Of a CSV table, before its quotes: a spreadsheet takes what begins with = + - @ for a formula."""
    if isinstance(value, str):
        return ("'" if value[:1] in tuple("=+-@") else "") + printable(value)
    return "" if value is None else f"{value:.6g}" if isinstance(value, float) else value


def asset(kind):
    """The raw string "css" or "js" of the header."""
    found = re.search(rf'R"{kind}\((.*?)\){kind}"', ASSETS.read_text(encoding="utf-8"), re.DOTALL)
    if not found:
        raise ValueError(f'{ASSETS}: no R"{kind}(...){kind}" in it')
    return found.group(1)


def _shown(value, unit):
    if value is None:
        return "-"
    return {"share": lambda v: f"{100.0 * v:.1f}", "ratio": terminal.ratio, "bytes": size}.get(unit, str)(value)


def _cell(record, key, unit):
    value = record.get(key)
    if unit == "text":
        return f"<td>{escaped('-' if value is None else value)}</td>"
    number = f'data-v="{-1 if value is None else value:.9g}"'  # below 0: unknown, to the end
    if unit == "share" and value is not None:
        return f'<td class="n bar" {number} style="--share:{100.0 * min(value, 1.0):.1f}%">{_shown(value, unit)}</td>'
    return f'<td class="n" {number}>{escaped(_shown(value, unit))}</td>'


def html_text(made, notes, source):
    columns = [column for column in report.COLUMNS if not column[3] or report.has_measurements(made)]
    heads = "".join(
        f'<th data-n="{0 if unit == "text" else 1}"><button type="button">{escaped(heading)}</button></th>'
        for _, heading, unit, _ in columns
    )
    choices = ""
    for index, (key, heading, _, _) in enumerate(columns):
        if key in _CHOICES:
            values = sorted({str(record.get(key) or "-") for record in made})
            options = "".join(f'<option value="{escaped(value)}">{escaped(value)}</option>' for value in values)
            choices += f'<label>{escaped(heading)} <select data-column="{index}"><option value="">all</option>{options}</select></label>\n'
    body = "".join(
        "<tr>" + "".join(_cell(record, key, unit) for key, _, unit, _ in columns) + "</tr>\n" for record in made
    )
    listed = "".join(f"<li>{escaped(note)}</li>" for note in notes)
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"/><title>tsugi kernels</title>'
        f'<meta name="viewport" content="width=device-width"/>\n<style>{asset("css")}</style></head><body>\n'
        f"<h1>tsugi kernels: what their machine code allows</h1>\n<p><strong>{escaped(report.ABOUT)}</strong> ({escaped(source)})</p>\n"
        + "".join(f"<p>{escaped(line)}</p>\n" for line in report.legend(made))
        + (f"<ul>{listed}</ul>\n" if listed else "")
        + f'<div class="filters"><label>filter <input type="search" id="text" placeholder="forward gemm f32"/></label>\n{choices}'
        f'<span id="count"></span></div>\n<p class="hint">A heading sorts, a second click turns the order.</p>\n'
        f'<div class="wide"><table id="points"><thead><tr>{heads}</tr></thead><tbody>\n{body}</tbody></table></div>\n'
        f"<script>{asset('js')}</script></body></html>\n"
    )


def csv_text(made, _notes, _source):
    """Shares as fractions, bytes as numbers; empty where something is not known."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    columns = [column for column in report.COLUMNS if not column[3] or report.has_measurements(made)]
    writer.writerow([key for key, *_ in columns])
    for record in made:
        writer.writerow([field(record.get(key)) for key, *_ in columns])
    return text.getvalue()
