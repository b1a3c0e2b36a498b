"""Which kernels compute the rows of the registry (kernels/api/rows.h): a row is compiled into several, of which its launcher takes one by
the shape."""

import re
from typing import NamedTuple

from rows import op_of

_LIST = re.compile(r"#define TSUGI_CONV2D_(\w+)_ROWS\(ROW\)((?:.*\\\n)*.*)")
_ENTRY = re.compile(r"ROW\((\w+), (\d+), (\d+), (\d+), (\d+), (\d+), (\d+), (\d+)\)")
_TILE = re.compile(r"\b(\d+)x(\d+)x(\d+) (\d+)x(\d+)")
_OF_BLOCKS = ("gemm", "gemm_1x1", "mma", "half2")  # variants whose blocks compute m x n results, k terms at a time


class Tile(NamedTuple):
    m: int
    n: int
    k: int
    thread_m: int
    thread_n: int


class Row(NamedTuple):
    """A row of the registry."""

    op: str
    variant: str
    dtype: str
    min_sm: int
    tile: Tile

    @property
    def name(self):
        """As name_of(Row) says it (kernels/api/registry.cpp)."""
        t = self.tile
        return f"{self.op} {self.variant} {self.dtype} {t.m}x{t.n}x{t.k} {t.thread_m}x{t.thread_n}"

    @property
    def stem(self):
        """What the names of its kernels begin with."""
        t = self.tile
        if self.variant == "winograd":
            return "conv2d_winograd"
        if self.variant == "direct" and self.op == "conv2d_backward_weight":
            sizes = f"{t.m}"
        else:
            sizes = f"{t.m}x{t.n}" if self.variant in ("direct", "depthwise") else f"{t.m}x{t.n}x{t.k}"
        return f"{self.op} {self.variant} {self.dtype} {sizes} {t.thread_m}x{t.thread_n}"

    def kernel(self, shape):
        """What the name of the kernel begins with that its launcher takes for a shape, a dict of Conv2dShape's fields. Tensors are
        aligned, as a benchmark's are."""
        s = shape
        channels, filters = s["c"] // s["groups"], s["k"] // s["groups"]
        square = s["r"] == s["s"] and s["stride_h"] == s["stride_w"]
        if self.variant in ("gemm", "gemm_1x1"):
            wide = {
                "conv2d_forward": channels % (4 if self.variant == "gemm_1x1" else self.tile.k) == 0,
                "conv2d_backward_data": channels % 4 == 0 and filters % self.tile.k == 0,
                "conv2d_backward_weight": channels % 4 == 0 and filters % 4 == 0,
            }[self.op]
            return f"{self.stem} by {4 if wide else 1}"
        if self.variant == "direct" and self.op == "conv2d_forward":
            fixed = square and s["c"] == 3 and (s["r"], s["stride_h"]) in ((3, 1), (3, 2), (7, 2))
            return f"{self.stem} DirectFilter({s['r']}, {s['stride_h']})" if fixed else f"{self.stem} DirectAnyFilter"
        if self.variant == "direct":
            step = s["stride_w"] * s["c"]
            return f"{self.stem} by {step if step in (3, 6) else 0}"
        if self.variant == "depthwise":
            width = self.tile.thread_n if s["k"] == s["c"] and s["c"] % self.tile.thread_n == 0 else 1
            fixed = square and s["r"] in (3, 5) and s["stride_h"] <= 2
            if not fixed:
                return f"{self.stem.replace(' depthwise ', ' depthwise_any ')} by {width}"
            return f"{self.stem} DepthwiseFilter({s['r']}, {s['stride_h']}) by {width}"
        return self.stem


class Kernel(NamedTuple):
    """A compiled kernel of registry rows."""

    name: str
    rows: tuple  # of Row; Winograd's kernel is that of two
    tile: Tile  # of a block, or None where blocks do not compute m x n results in stages of k terms

    @property
    def variant(self):
        return self.rows[0].variant

    @property
    def dtype(self):
        return self.rows[0].dtype


def read(root):
    """All rows of the registry."""
    rows = []
    for which, entries in _LIST.findall((root / "kernels/api/rows.h").read_text(encoding="utf-8")):
        name = f"conv2d_{which.lower()}"
        op = op_of(name)
        ops, variant = (
            ((op,), name[len(op) + 1 :]) if op else (("conv2d_forward", "conv2d_backward_data"), which.lower())
        )  # Winograd: both
        for dtype, min_sm, _max_sm, *sizes in _ENTRY.findall(entries):
            rows += [Row(op, variant, dtype, int(min_sm), Tile(*map(int, sizes))) for op in ops]
    return rows


def kernel_of(name, registry):
    """The Kernel of this name; None where it is of no row."""
    plain = name.replace(" depthwise_any ", " depthwise ")
    rows = tuple(row for row in registry if plain == row.stem or plain.startswith(row.stem + " "))
    if not rows:
        return None
    sizes = _TILE.findall(name) if rows[0].variant in _OF_BLOCKS else []
    return Kernel(name, rows, Tile(*map(int, sizes[-1])) if sizes else None)  # the last one: "by 1 as 64x64x8 8x4"
