"""What a kernel's machine code allows at best: bytes a FLOP from each level of memory, and the share of peak that remains.

FLOP are those of the op, as Conv2dShape::flops() counts them. A share is of the peak of the kernel's type: float16's is HFMA2's on
sm_53 and that of the matrix units on sm_75. Every bound is an upper one: time goes nowhere but where the bound says.

  issue slots    the slots of the hot loop, against the multiply-adds in it (sass.py says how slots are counted)
  arithmetic     the lanes: an instruction of a warp keeps them busy for chips.py's `interval`
  shared memory  the bytes that loads of the hot loop must fetch at least: what lanes of a warp share counts once

Not in it, because nothing here says what it costs: latency of loads that too few warps hide, bank conflicts, shared stores, the caches'
bandwidth, what comes before and after the hot loop, and tiles that a shape fills in part. (Latency of arithmetic is hidden: a thread has
16 to 64 independent sums, an FFMA takes 4 to 6 clocks.)
"""

from chips import CHIPS, FLOPS, peak_flops

_WINOGRAD = 36 / 16  # F(2x2,3x3) multiplies 16 times for the 36 products of four results


def _bytes(counts, kind):
    """That a lane requests by instructions of this kind; ldmatrix brings up to 128 bits to each (the kernels' always do)."""
    width = sum(count * int(name.split(".")[1]) // 8 for name, count in counts.items() if name.startswith(kind + "."))
    return width + (16 * counts.get("LDSM", 0) if kind == "LDS" else 0)


def products(kernel, hot):
    """Instructions of a lane that multiply in one turn of the hot loop."""
    count = hot["counts"][hot["math"]]
    if kernel.algorithm == "half2":  # a stage is a run of k / 2 pairs, whose first product is no multiply-add but HMUL2
        return count * (kernel.tile.k / 2) / (kernel.tile.k / 2 - 1)
    return count


def loop_flops(kernel, hot):
    """Of a lane in one turn of the hot loop."""
    return products(kernel, hot) * FLOPS[hot["math"]] * (_WINOGRAD if kernel.algorithm == "winograd" else 1)


def _saved_by_broadcasts(kernel, flops):
    """Bytes a lane, in one turn of the hot loop, that a warp requests more than once. None: not derived for this kernel.

    A lane multiplies thread_m values of A by thread_n of B, which it loads in words of 128 bits. The lanes of a warp are a patch of
    rows x columns (GemmTile, Half2Tile; conv2d_winograd.cu has 4 x 8): its rows need different words of A, its columns of B."""
    if kernel.algorithm == "mma":
        return 0.0  # ldmatrix: every lane gets its own 16 bytes
    if kernel.algorithm == "winograd":
        thread_m, thread_n, columns = 8, 4, 8
        flops /= _WINOGRAD
    elif kernel.tile:
        thread_m, thread_n = kernel.tile.thread_m, kernel.tile.thread_n
        columns = min(8, kernel.tile.n // thread_n)
    else:
        return None
    rows = 32 // columns
    # One step: a term of float32, or a pair of terms in a 32-bit word of half2.
    steps = flops / (thread_m * thread_n * (4 if kernel.algorithm == "half2" else 2))
    return steps * 4 * (thread_m * (1 - rows / 32) + thread_n * (1 - columns / 32))


def tile_bytes_per_flop(kernel):
    """m + n values from global memory for m x n multiply-adds; None where a block has no such tile."""
    if not kernel.tile:
        return None
    return (kernel.tile.m + kernel.tile.n) / (2 * kernel.tile.m * kernel.tile.n) * (2 if kernel.dtype == "f16" else 4)


def estimate(kernel, arch, row, device):
    """Figures of a kernel's row; None where it has no hot loop. device: chips.device()."""
    hot, chip = row["hot"], CHIPS[arch]
    if not hot:
        return None
    flops, peak = loop_flops(kernel, hot), peak_flops(arch, kernel.dtype)
    busy = products(kernel, hot) * chip["interval"][hot["math"]]
    requested, loaded = _bytes(hot["counts"], "LDS") / flops, _bytes(hot["counts"], "LDG") / flops
    saved, tile = _saved_by_broadcasts(kernel, flops), tile_bytes_per_flop(kernel)
    distinct = None if saved is None else requested - saved / flops
    rate = chip["schedulers"] * 32 * flops / peak
    bounds = {"issue slots": rate / hot["slots"], "arithmetic": rate / busy}
    if distinct:
        bounds["shared memory"] = chip["shared_bytes"] / (distinct * peak)
    limit = min(bounds, key=bounds.get)
    each_lane = min([bounds[limit]] + ([chip["shared_bytes"] / (requested * peak)] if requested else []))
    outer = loaded or tile  # tensor cores' loads are outside of their hot loop: then by the tile
    return {
        "flops": flops,
        "shared_bytes_per_flop": requested,
        "shared_distinct_bytes_per_flop": distinct,
        "global_bytes_per_flop": outer,
        "global_from": "loop" if loaded else "tile" if tile else None,
        "tile_bytes_per_flop": tile,
        "bounds": bounds,
        "predicted": bounds[limit],
        "limited_by": limit,
        "without_broadcasts": each_lane,
        "uncached": device["bandwidth"] / ((tile or loaded) * device["peak"][kernel.dtype]) if tile or loaded else None,
    }
