"""The report as a table for a terminal."""

import report
from rows import OPS
from wording import size


def _percent(value):
    return "-" if value is None else f"{100.0 * value:.1f}"


def ratio(value):
    return "-" if value is None else "0" if value == 0 else f"{value:.3f}" if value < 10 else f"{value:.0f}"


def _whole(value):
    return "-" if value is None else f"{value:.0f}"


_SHORT = {"registers": "regs"}

# Group, heading, text of a record, and how soon the column goes where the terminal is narrow (0: never).
_STATIC = (
    ("", "regs", lambda r: str(r["registers"]), 0),
    ("", "shared", lambda r: size(r["shared"]), 4),
    ("", "thr", lambda r: str(r["threads"]), 8),
    (
        "",
        "occupancy, %",
        lambda r: f"{r['occupancy_percent']} {_SHORT.get(r['occupancy_limit'], r['occupancy_limit'])}",
        0,
    ),
    ("instructions, %", "math", lambda r: _whole(r.get("mix", {}).get("math")), 5),
    ("instructions, %", "shd", lambda r: _whole(r.get("mix", {}).get("shared")), 5),
    ("instructions, %", "glb", lambda r: _whole(r.get("mix", {}).get("global")), 5),
    ("instructions, %", "int", lambda r: _whole(r.get("mix", {}).get("integer")), 5),
    ("hot loop", "slots", lambda r: str(r.get("slots", "-")), 3),
    ("hot loop", "share", lambda r: f"{r['share_percent']} {r['math']}" if "math" in r else "-", 1),
    ("bytes a FLOP", "shared", lambda r: ratio(r.get("shared_bytes_per_flop")), 2),
    ("bytes a FLOP", "distinct", lambda r: ratio(r.get("shared_distinct_bytes_per_flop")), 7),
    ("bytes a FLOP", "global", lambda r: ratio(r.get("global_bytes_per_flop")), 2),
    ("predicted", "%", lambda r: _percent(r.get("predicted")), 0),
    ("predicted", "limit", lambda r: r.get("limited_by", "-"), 0),
    ("predicted", "no bcast", lambda r: _percent(r.get("without_broadcasts")), 6),
    ("predicted", "no cache", lambda r: _percent(r.get("uncached")), 6),
)
_MEASURED = (
    ("measured, warm", "shapes", lambda r: str(r.get("shapes", "-")), 0),
    ("measured, warm", "median", lambda r: _percent(r.get("median")), 0),
    ("measured, warm", "best", lambda r: _percent(r.get("best")), 0),
    ("measured, warm", "/ pred", lambda r: ratio(r.get("best_over_predicted")), 0),
    ("measured, warm", "best shape", lambda r: r.get("best_shape", "-"), 9),
    ("measured, warm", "dram", lambda r: ratio(r.get("dram_bytes_per_flop")), 9),
    ("measured, warm", "by", lambda r: "".join(f"[{number}]" for number in r.get("numbers", ())) or "-", 0),
)
_TEXT = ("limit", "best shape", "by")  # aligned to the left


def _lay_out(columns, names, made):
    """Two lines of headings, then a line a record."""
    cells = [[column[2](record) for column in columns] for record in made]
    widths = [max([len(column[1])] + [len(line[i]) for line in cells]) for i, column in enumerate(columns)]
    name_width = max(len("kernel"), *map(len, names))
    upper, at = " " * name_width, 0
    while at < len(columns):
        end = at
        while end < len(columns) and columns[end][0] == columns[at][0]:
            end += 1
        group = columns[at][0]
        room = sum(widths[at:end]) + 2 * (end - at - 1)
        if room < len(group):
            widths[end - 1] += len(group) - room
            room = len(group)
        upper += "  " + (f" {group} ".center(room, "-") if group and room >= len(group) + 2 else group.ljust(room))
        at = end

    def line(name, texts):
        parts = (
            text.ljust(width) if column[1] in _TEXT else text.rjust(width)
            for text, width, column in zip(texts, widths, columns)
        )
        return (name.ljust(name_width) + "".join("  " + part for part in parts)).rstrip()

    return [upper.rstrip(), line("kernel", [column[1] for column in columns])] + [
        line(name, texts) for name, texts in zip(names, cells)
    ]


def _groups(made, by_op):
    """(heading, records, their names) an architecture and, where asked for, op: then names go without it."""

    def key(record):
        op = record["kernel"].split(" ")[0]
        return (record["arch"], op if by_op and op in OPS else "")

    for group in dict.fromkeys(map(key, made)):
        own = [record for record in made if key(record) == group]
        names = [record["kernel"][len(group[1]) + 1 if group[1] else 0 :] for record in own]
        yield " ".join(filter(None, group)), own, names


def table(made, by_op, width=None):
    """Lines of a table a group. width: of the terminal, None where there is none; columns that matter least go first."""
    columns = _STATIC + (_MEASURED if report.has_measurements(made) else ())
    lines = []
    for heading, own, names in _groups(made, by_op):
        for drop in range(10, 0, -1):
            kept = [column for column in columns if column[3] < drop]
            laid_out = _lay_out(kept, names, own)
            if width is None or max(map(len, laid_out)) <= width:
                break
        left_out = (
            f" ({len(columns) - len(kept)} columns left out: the terminal has {width})"
            if len(kept) < len(columns)
            else ""
        )
        count = len(set(names))
        lines += [f"{heading}: {count} kernel{'' if count == 1 else 's'}{left_out}", *laid_out, ""]
    return lines
