"""The speed tables of kernels/tuning, one a chip, which dispatch and tsugi plan read: the share of peak that the machine code of each row
allows on the usual shapes. tests/machine_code --update writes them; one that says something else fails."""

from pathlib import Path

import chips
import estimate
import registry

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDER = ROOT / "kernels/tuning"
LINE = "TSUGI_SPEED("  # what begins a line that is written here; others are kept
# Of the kernels of a row those that usual shapes take, where there are several: filters of 3x3, channels in vectors.
USUAL = {
    "gemm": ("by 4",),
    "gemm_1x1": ("by 4",),
    "direct": ("DirectFilter(3, 1)", "by 3"),
    "depthwise": ("DepthwiseFilter(3, 1) by 4", "DepthwiseFilter(3, 2) by 4"),
}


def share(name, arch, row):
    """Of the peak of the kernel's type: what the estimate allows, latency included where slots are left."""
    bounds = estimate.estimate(registry.kernel_of(name), arch, row, chips.device(ROOT, arch))["bounds"]
    return min(*bounds.values(), chips.CHIPS[arch]["reached"] * bounds["arithmetic"])


def lines(rows, arch):
    """The chip's table."""
    for (name, a), row in rows.items():
        kernel = registry.kernel_of(name)
        if a != arch or not kernel or kernel.instance not in USUAL.get(kernel.algorithm, ("",)):
            continue
        for op in kernel.ops:
            sizes = ", ".join(map(str, kernel.row_tile))
            yield (
                f"{LINE}{op}, {kernel.algorithm}, {kernel.dtype}, {sizes}, "
                f'"{kernel.instance}", {share(name, arch, row):.3f})'
            )


def _files(rows):
    """(file, its lines, the lines that it should have)"""
    for arch in chips.CHIPS:
        path = FOLDER / f"{arch}.inc"
        old = path.read_text(encoding="utf-8").splitlines()
        yield path, old, [line for line in old if not line.startswith(LINE)] + sorted(lines(rows, arch))


def compare(rows):
    """A message for each speed that is not the machine code's."""
    return [
        f"{path.name}: {what} {line}"
        for path, old, new in _files(rows)
        for what, changed in (("has", set(old) - set(new)), ("has not", set(new) - set(old)))
        for line in sorted(changed)
    ]


def update(rows):
    for path, _, new in _files(rows):
        path.write_text("\n".join(new) + "\n", encoding="utf-8")
