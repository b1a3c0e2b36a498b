"""The report as a page that sorts and filters, and as CSV. Style and script are those of tsugi's own pages
(tools/html_assets.h), so that all look and work alike; the few tags are made here, since neither program needs the other."""

import csv
import html
import io
import re
from pathlib import Path

import report
import terminal
from wording import printable, size

ASSETS = Path(__file__).resolve().parent.parent / "html_assets.h"
_CHOICES = ("arch", "math", "limited_by", "device")  # columns with a choice of their values
_SHOWN = {"share": lambda v: f"{100.0 * v:.1f}", "ratio": terminal.ratio, "bytes": size}


def element(tag, text, attributes=""):
    return f"<{tag}{attributes}>{html.escape(printable(text))}</{tag}>"


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


def _columns(made):
    return [column for column in report.COLUMNS if not column[3] or report.has_measurements(made)]


def _cell(value, unit):
    shown = "-" if value is None else _SHOWN.get(unit, str)(value)
    if unit == "text":
        return element("td", shown)
    number = -1 if value is None else value  # below 0: unknown, to the end
    bar = f' class="bar" style="--share:{100.0 * min(number, 1.0):.1f}%"' if unit == "share" else ""
    return element("td", shown, f' data-v="{number:.9g}"{bar}')


def html_text(made, notes, source):
    columns = _columns(made)
    choices = " ".join(str(index) for index, column in enumerate(columns) if column[0] in _CHOICES)
    heads = "".join(element("th", heading) for _, heading, _, _ in columns)
    rows = ("".join(_cell(record.get(key), unit) for key, _, unit, _ in columns) for record in made)
    texts = [*report.legend(made), *notes, "A heading sorts, a second click turns the order."]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"/><title>tsugi kernels</title>'
        f'<meta name="viewport" content="width=device-width"/>\n<style>{asset("css")}</style></head><body>\n'
        "<h1>tsugi kernels: what their machine code allows</h1>\n"
        f"<p>{element('strong', report.ABOUT)}{element('span', f' ({source})')}</p>\n"
        + "".join(element("p", text) + "\n" for text in texts)
        + f'<div class="scroll"><table id="points" data-choices="{choices}" data-example="forward gemm f32">\n'
        + f"<thead><tr>{heads}</tr></thead><tbody>\n"
        + "".join(f"<tr>{row}</tr>\n" for row in rows)
        + f"</tbody></table></div>\n<script>{asset('js')}</script></body></html>\n"
    )


def csv_text(made, _notes, _source):
    """Shares as fractions, bytes as numbers; empty where something is not known."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    columns = _columns(made)
    writer.writerow([key for key, *_ in columns])
    for record in made:
        writer.writerow([field(record.get(key)) for key, *_ in columns])
    return text.getvalue()
