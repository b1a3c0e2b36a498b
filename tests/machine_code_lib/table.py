"""The rows as Markdown, put between two markers of kernels/MACHINE_CODE.md; and as JSON, one line a row."""

import json

import rows as r
import rules
from wording import instructions, natural, size

BEGIN = "<!-- tests/machine_code --update writes from here -->"
END = "<!-- to here -->"


def _occupancy(row):
    return f"{row['occupancy']} % ({row['blocks']} x {row['threads']}, {row['limit']})"


def _convolutions(rows, arch):
    yield "| kernel | registers | shared | occupancy | share | slots | hot loop |"
    yield "| --- | --: | --: | --- | --: | --: | --- |"
    for (name, _), row in rows:
        hot = row["hot"]
        loop = (
            f"{hot['share']} % {hot['math']} | {hot['slots']} | {instructions(hot)}" if hot else "| | no multiply-add"
        )
        yield f"| `{name}` | {row['registers']} | {size(row['shared'])} | {_occupancy(row)} | {loop} |"


def _others(names, rows):
    yield "| kernel | " + " | ".join(f"{a}: registers | occupancy | local" for a in r.ARCHITECTURES) + " | shared |"
    yield "| --- |" + " --: | --- | --: |" * len(r.ARCHITECTURES) + " --: |"
    for name in names:
        cells, shared = [], 0
        for arch in r.ARCHITECTURES:
            row = rows.get((name, arch))
            cells.append(f"{row['registers']} | {_occupancy(row)} | {row['local']}" if row else "| |")
            shared = max(shared, row["shared"] if row else 0)
        yield f"| `{name}` | {' | '.join(cells)} | {size(shared)} |"


def markdown(rows):
    lines = []
    for arch in r.ARCHITECTURES:
        chosen = sorted(
            ((key, row) for key, row in rows.items() if key[1] == arch and r.is_convolution(row)),
            key=lambda item: natural(item[0][0]),
        )
        local = sum(bool(row["local"] or row["spills"]) for _, row in chosen)
        lines += [
            f"## Convolutions on {arch}",
            "",
            f"{len(chosen)} kernels, {local} with spills or local memory. Best float32 tile with 128-bit loads: "
            + "; ".join(
                f"`{best[0]}` {best[1]['hot']['share']} % FFMA"
                for convolution in rules.CONVOLUTIONS
                if (best := rules.best_tile(rows, convolution, arch))
            )
            + ".",
            "",
        ]
        lines += [*_convolutions(chosen, arch), ""]
    names = sorted({name for (name, _), row in rows.items() if not r.is_convolution(row)}, key=natural)
    lines += ["## Other kernels", "", *_others(names, rows), ""]
    return "\n".join(lines)


def write_markdown(path, rows):
    text = path.read_text()
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    path.write_text(before + BEGIN + "\n\n" + markdown(rows) + "\n" + END + after)


def write_json(path, rows):
    lines = (
        f"{json.dumps(f'{arch} {name}')}: {json.dumps(row, sort_keys=True)}"
        for (name, arch), row in sorted(
            rows.items(), key=lambda item: (item[1]["file"], natural(item[0][0]), item[0][1])
        )
    )
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")
