"""The Jetson Nano's share of peak of each tile (bench/plan/devices/jetson-nano.json, which tsugi plan reads): that of multiply-adds among the
issue slots of the kernel's hot loop. tests/machine_code --update writes them here, too; a share that says something else fails.

Not of the machine code, and left alone: Winograd's (in FLOP of the direct convolution) and those of few channels in float16."""

import json
import re
from pathlib import Path

ARCH = "sm_53"
FILE = Path(__file__).resolve().parent.parent.parent / "bench/plan/devices/jetson-nano.json"
EXACT = 0.0006  # the file has three digits


def _kernel(op, variant, dtype, m, n):
    """A pattern of the kernel that computes such an op in such a tile, of those with wide loads where there are several."""
    conv = op.replace("dense", "conv2d")
    if variant.startswith("depthwise"):
        return rf"{conv} depthwise {dtype} .* DepthwiseFilter\(3, {2 if variant.endswith('strided') else 1}\) by 4"
    if variant == "shallow":
        return rf"{conv} direct f32 {m}x{n} .* DirectFilter\(3, 1\)" if dtype == "f32" else None
    if dtype == "f16":
        return rf"{conv} half2 f16 {m}x{n}x.*"
    return rf"{conv} {'gemm_1x1' if variant == 'pointwise' or op == 'dense_forward' else 'gemm'} f32 {m}x{n}x.* by 4"


def derived(rows, efficiency, tile):
    """The share that the machine code gives a tile [rows, columns, share]; None where it says nothing of it."""
    op, variant, dtype = efficiency["op"], efficiency["variant"], efficiency["dtype"]
    pattern = _kernel(op, variant, dtype, *tile[:2])
    if pattern is None or tile[2] > 1:
        return None
    hot = [row["hot"] for (name, arch), row in rows.items() if arch == ARCH and re.fullmatch(pattern, name)]
    if len(hot) != 1 or not hot[0]:
        return None
    # A kernel that multiplies float16 in float32 reaches half of the peak, which is half2's.
    return hot[0]["share"] / 100 / (2 if dtype == "f16" and hot[0]["math"] == "FFMA" else 1)


def _differing(rows, device):
    for efficiency in device["efficiencies"]:
        for tile in efficiency.get("tiles", []):
            share = derived(rows, efficiency, tile)
            if share is not None and abs(share - tile[2]) > EXACT:
                yield efficiency, tile, share


def compare(rows):
    """A message for each share that is not the machine code's."""
    return [
        f"{FILE.name}: {e['op']} {e['variant']} {e['dtype']} has {tile}, the machine code says {share:.3f}"
        for e, tile, share in _differing(rows, json.loads(FILE.read_text(encoding="utf-8")))
    ]


def update(rows):
    text = FILE.read_text(encoding="utf-8")
    for efficiency, tile, share in _differing(rows, json.loads(text)):
        start = text.index(json.dumps({key: efficiency[key] for key in ("op", "variant", "dtype")})[:-1])
        at = text.index(json.dumps(tile), start)
        text = text[:at] + json.dumps([*tile[:2], round(share, 3)]) + text[at + len(json.dumps(tile)) :]
    FILE.write_text(text, encoding="utf-8")
