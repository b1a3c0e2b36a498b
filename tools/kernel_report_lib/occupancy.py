"""How many blocks of a kernel a multiprocessor holds, by the rules of NVIDIA's cuda_occupancy.h: registers are given to
warps in units of 256 from four equal partitions, shared memory in units of 256 bytes."""

from chips import CHIPS

_PARTITIONS = 4


def _round_up(value, unit):
    return (value + unit - 1) // unit * unit


def occupancy(arch, registers, shared, threads):
    """{"blocks", "warps", "percent", "limit"}: limit names what allows no further block. 0 blocks: cannot be launched."""
    chip = CHIPS[arch]
    warps = (threads + 31) // 32
    by_limit = {"blocks": chip["blocks"], "threads": chip["threads"] // (warps * 32)}
    if registers:
        a_warp = _round_up(registers * 32, 256)
        if a_warp * _round_up(warps, _PARTITIONS) > chip["block_registers"]:
            by_limit["registers"] = 0
        else:
            by_limit["registers"] = chip["registers"] // _PARTITIONS // a_warp * _PARTITIONS // warps
    if shared:
        by_limit["shared"] = chip["shared"] // _round_up(shared, 256)
    limit = min(by_limit, key=lambda name: by_limit[name])
    blocks = by_limit[limit]
    return {
        "blocks": blocks,
        "warps": blocks * warps,
        "limit": limit,
        "percent": round(100 * blocks * warps * 32 / chip["threads"]),
    }
