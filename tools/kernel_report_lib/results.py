"""Result files of tsugi bench --kernels all, and of bench_gpu_ops of earlier versions, checked field by field: they come from
other machines."""

import json
import os
import re
import stat
from typing import NamedTuple

from rows import OPS
from wording import printable

MAX_BYTES = 64 << 20  # a full run writes 5 MB
MAX_SIZE = 1 << 24  # of a tensor's side
_LIMITS = ("peak_f32_gflops", "peak_f16_gflops", "peak_f16_matrix_gflops", "copy_gb_per_s")
_SHAPE = ("n", "h", "w", "c", "k", "r", "s", "stride_h", "stride_w", "pad_h", "pad_w", "groups")


class Invalid(Exception):
    """A file that is none, or none that says anything: file, place, what is there and what was expected."""


class Point(NamedTuple):
    """A registry row on a shape."""

    row: str
    compiled: str  # the kernel's whole name; the row's in files that do not say it
    pinned: bool  # chosen by the benchmark; else by dispatch
    op: str
    dtype: str
    model: str
    layer: str
    shape: dict
    warm: float  # shares of the peak that the same run measured
    cold: float
    gflops: float  # with warm caches

    @property
    def flops(self):
        return flops_of(self.shape)


class ResultFile(NamedTuple):
    name: str
    device: str
    sm: int
    copy: float  # bytes a second
    peak: dict  # FLOP a second of "f32", "f16"
    points: list
    failures: int
    left_out: int


def outputs(shape):
    """(p, q)"""
    return tuple(
        (shape[side] + 2 * shape["pad_" + side] - shape[tap]) // shape["stride_" + side] + 1
        for side, tap in (("h", "r"), ("w", "s"))
    )


def flops_of(shape):
    p, q = outputs(shape)
    return 2.0 * shape["n"] * p * q * shape["k"] * shape["r"] * shape["s"] * (shape["c"] // shape["groups"])


def compulsory_bytes(point):
    """Inputs once, outputs once. Weight gradients are float32."""
    s, width = point.shape, 2 if point.dtype == "f16" else 4
    p, q = outputs(s)
    weights = s["k"] * s["r"] * s["s"] * (s["c"] // s["groups"])
    tensors = s["n"] * (s["h"] * s["w"] * s["c"] + p * q * s["k"])
    return tensors * width + weights * (4 if point.op == "conv2d_backward_weight" else width)


def plain(text):
    """Text of a file that may go to a terminal."""
    return printable(text)[:120]


class _Place:
    """A JSON object and where it stands, for messages."""

    def __init__(self, file, path, value):
        self.file, self.path, self.value = file, path, value
        if not isinstance(value, dict):
            self.fail("", value, "an object")

    def fail(self, key, value, expected):
        where = ".".join(part for part in (self.path, key) if part)
        shown = "nothing" if value is None else plain(json.dumps(value))[:60]
        raise Invalid(f"{self.file}: {where or 'the file'}: {shown}, expected {expected}")

    def get(self, key, expected, check):
        value = self.value.get(key)
        if not check(value):
            self.fail(key, value, expected)
        return value

    def text(self, key):
        return self.get(key, "text", lambda v: isinstance(v, str))

    def word(self, key, words):
        return self.get(key, " or ".join(words), lambda v: isinstance(v, str) and v in words)

    def flag(self, key):
        return self.get(key, "true or false", lambda v: isinstance(v, bool))

    def whole(self, key, least, most):
        return self.get(
            key,
            f"a whole number from {least} to {most}",
            lambda v: isinstance(v, int) and not isinstance(v, bool) and least <= v <= most,
        )

    def number(self, key, above_zero):
        def check(value):
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < 1e30:
                return False
            return value > 0 if above_zero else value >= 0

        return float(self.get(key, "a number " + ("above 0" if above_zero else "from 0 on"), check))

    def inner(self, key):
        path = f"{self.path}.{key}" if self.path else key
        if not isinstance(self.value.get(key), dict):
            self.fail(key, self.value.get(key), "an object")
        return _Place(self.file, path, self.value[key])


def _parse(path):
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # before it is opened: a pipe would wait for its writer
            raise Invalid(f"{path}: not a file, expected what tsugi bench --kernels all -o wrote")
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise Invalid(f"{path}: {error.strerror or error}") from None
    if len(data) > MAX_BYTES:
        raise Invalid(f"{path}: over {MAX_BYTES >> 20} MB, expected what tsugi bench --kernels all -o wrote")

    def constant(word):
        raise ValueError(f"{word}, which is no number of JSON")

    try:
        return json.loads(data.decode("utf-8"), parse_constant=constant)
    except (ValueError, RecursionError) as error:
        raise Invalid(f"{path}: not JSON, or cut off: {plain(str(error) or 'nested too deeply')}") from None


def _shape(place):
    shape = {key: place.whole(key, 0 if key.startswith("pad_") else 1, MAX_SIZE) for key in _SHAPE}
    if shape["c"] % shape["groups"] or shape["k"] % shape["groups"]:
        place.fail("groups", shape["groups"], f"a divisor of {shape['c']} channels and {shape['k']} filters")
    if min(outputs(shape)) < 1:
        place.fail("", {side: shape[side] for side in "hwrs"}, "a filter within the padded input")
    return shape


def _compiled(place, row):
    return place.text("compiled" if "compiled" in place.value else row)


def _share(place, key, flops, peak):
    """A cache state's (share of peak, GFLOP/s). What a file says twice must agree."""
    timing = place.inner(key)
    seconds, share, gflops = (timing.number(name, True) for name in ("seconds", "peak_share", "gflops"))
    for name, said, follows in (
        ("gflops", gflops, flops / seconds / 1e9),
        ("peak_share", share, flops / seconds / peak),
    ):
        if abs(said - follows) > 0.01 * follows:
            timing.fail(name, said, f"{follows:.4g}, which shape, seconds and limits give")
    return share, gflops


def _point(place, peak):
    shape, dtype = _shape(place.inner("shape")), place.word("dtype", ("f32", "f16"))
    if not peak[dtype]:
        place.fail("dtype", dtype, "a type whose peak is among the file's limits")
    (warm, gflops), (cold, _) = (_share(place, key, flops_of(shape), peak[dtype]) for key in ("warm", "cold"))
    return Point(
        place.text("row"),
        _compiled(place, "row"),
        place.text("contender") == place.text("row"),
        place.word("op", OPS),
        dtype,
        plain(place.text("model")),
        plain(place.text("layer")),
        shape,
        warm,
        cold,
        gflops,
    )


def load(path):
    """A ResultFile. Throws Invalid."""
    top = _Place(path, "", _parse(path))
    return _of_bench(top) if "benchmarks" in top.value else _of_gpu_ops(top)


def _device(place, key, smoke):
    """(its name, its architecture as a number)"""
    text = plain(place.text(key))
    if smoke:
        raise Invalid(f"{place.file}: written with --smoke: its times mean nothing")
    if text.startswith("emulated "):
        raise Invalid(f"{place.file}: measured on the emulator: its times mean nothing")
    sm = re.search(r", sm_(\d{2,3})\b", text)
    if not sm:
        place.fail(key, text, 'a name with the architecture, as "NVIDIA Tegra X1, sm_53, ..."')
    return text[: sm.start()], int(sm.group(1))


def _result(top, device, copy, peak, points, failures, left_out):
    return ResultFile(plain(os.path.basename(top.file)), *device, copy, peak, points, failures, left_out)


def _of_bench(top):
    """What tsugi bench writes: a point for each state of the caches, its kernel's name and shape beside it."""
    lines = top.get("benchmarks", "a list of points", lambda v: isinstance(v, list))
    context = top.inner("context")
    context.get("tsugi_schema", "1", lambda v: v == 1)
    device = _device(context, "device_description", context.flag("smoke"))
    limit = {key: context.number(key, False) if key in context.value else 0.0 for key in _LIMITS}
    peak = {
        "f32": limit["peak_f32_gflops"] * 1e9,
        "f16": max(limit["peak_f16_gflops"], limit["peak_f16_matrix_gflops"]) * 1e9,
    }
    places = [_Place(top.file, f"benchmarks[{i}]", line) for i, line in enumerate(lines)]
    products = [place for place in places if "shape" in place.value]
    measured = [place for place in products if "error_occurred" not in place.value]
    states = {}
    for place in measured:
        name = place.text("run_name").replace("/warm", "/*").replace("/cold", "/*")
        states.setdefault(name, {})[place.word("cache", ("warm", "cold"))] = place
    points = [_bench_point(pair, peak) for pair in states.values() if len(pair) == 2]
    if not points:
        raise Invalid(
            f"{top.file}: no convolution with warm and cold caches, expected what tsugi bench --kernels all -o wrote"
        )
    left_out = context.whole("points_left_out", 0, 1 << 30)
    return _result(top, device, limit["copy_gb_per_s"] * 1e9, peak, points, len(products) - len(measured), left_out)


def _bench_point(pair, peak):
    warm, cold = pair["warm"], pair["cold"]
    shape, dtype = _shape(warm.inner("shape")), warm.word("dtype", ("f32", "f16"))
    if not peak[dtype]:
        warm.fail("dtype", dtype, "a type whose peak is among the file's limits")
    flops = flops_of(shape)

    def rate(place):
        place.get("time_unit", "ns", lambda v: v == "ns")
        if abs(place.number("flops", True) - flops) > 0.01 * flops:
            place.fail("flops", place.value["flops"], f"{flops:.4g}, which the shape gives")
        return flops / (place.number("real_time", True) * 1e-9)

    return Point(
        warm.text("kernel"),
        _compiled(warm, "kernel"),
        "pinned" in warm.value and warm.flag("pinned"),
        warm.word("op", [*OPS, *(op.replace("conv2d", "dense") for op in OPS)]).replace("dense", "conv2d"),
        dtype,
        plain(warm.text("model")),
        plain(warm.text("layer")),
        shape,
        rate(warm) / peak[dtype],
        rate(cold) / peak[dtype],
        rate(warm) / 1e9,
    )


def _of_gpu_ops(top):
    """What bench_gpu_ops wrote: a line a contender, cuDNN's among them."""
    lines = top.get("results", "a list of results", lambda v: isinstance(v, list))
    device = _device(top, "device", top.flag("smoke"))
    limits = top.inner("limits")
    peak = {
        "f32": limits.number("f32_flops_per_s", True),
        "f16": max(limits.number(key, False) for key in ("f16_pairs_flops_per_s", "f16_matrix_flops_per_s")),
    }
    places = [_Place(top.file, f"results[{i}]", line) for i, line in enumerate(lines)]
    measured = [place for place in places if "failure" not in place.value]
    points = [_point(place, peak) for place in measured if place.text("row")]  # cuDNN's lines have no row
    left_out = top.whole("shapes_left_out", 0, 1 << 30)
    return _result(
        top, device, limits.number("copy_bytes_per_s", False), peak, points, len(places) - len(measured), left_out
    )
