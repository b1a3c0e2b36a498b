"""What the name of a compiled kernel says: its name begins with that of its row in the registry (kernels/api/registry.h), and what follows
tells the kernels of a row apart. A program that runs one writes the whole name into its results."""

import re
from typing import NamedTuple

_NAME = re.compile(r"(conv2d\w*) (\w+) (f32|f16) (\d+x\d+x\d+ \d+x\d+)(?: (.*))?")
_TILE = re.compile(r"\b(\d+)x(\d+)x(\d+) (\d+)x(\d+)")
_OF_BLOCKS = ("gemm", "gemm_1x1", "mma", "half2")  # algorithms whose blocks compute m x n results, k terms at a time


class Tile(NamedTuple):
    m: int
    n: int
    k: int
    thread_m: int
    thread_n: int


class Kernel(NamedTuple):
    """A compiled kernel of registry rows."""

    ops: tuple  # Winograd's kernel is that of two
    algorithm: str
    dtype: str
    row_tile: Tile
    instance: str  # among the kernels of the row: "by 4"
    tile: Tile  # of a block, or None where blocks do not compute m x n results in stages of k terms

    @property
    def rows(self):
        """The rows' names, as name_of(Row) says them (kernels/api/registry.cpp)."""
        t = self.row_tile
        return [f"{op} {self.algorithm} {self.dtype} {t.m}x{t.n}x{t.k} {t.thread_m}x{t.thread_n}" for op in self.ops]

    @property
    def names(self):
        """As results name it, op by op: without the tile that it works in, "by 1 as 64x64x8 8x4"."""
        return [f"{row} {self.instance.partition(' as ')[0]}".rstrip() for row in self.rows]


def kernel_of(name):
    """The Kernel of this name; None where it is of no row."""
    found = _NAME.fullmatch(name)
    if not found:
        return None
    op, algorithm, dtype, tile, instance = found.groups()
    tiles = [Tile(*map(int, sizes)) for sizes in _TILE.findall(name)]
    return Kernel(
        ("conv2d_forward", "conv2d_backward_data") if op == "conv2d" else (op,),
        algorithm,
        dtype,
        tiles[0],
        instance or "",
        tiles[-1] if algorithm in _OF_BLOCKS else None,  # the last one: "by 1 as 64x64x8 8x4"
    )
