"""Result files of bench_gpu_ops (bench/gpu/ops.cpp), checked field by field: they come from other machines."""

import json
import os
import re
import stat
from typing import NamedTuple

from rows import OPS
from wording import printable

MAX_BYTES = 64 << 20  # a full run writes 5 MB
MAX_SIZE = 1 << 24  # of a tensor's side
_SHAPE = ("n", "h", "w", "c", "k", "r", "s", "stride_h", "stride_w", "pad_h", "pad_w", "groups")


class Invalid(Exception):
    """A file that is none, or none that says anything: file, place, what is there and what was expected."""


class Point(NamedTuple):
    """A registry row on a shape."""

    row: str
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
            raise Invalid(f"{path}: not a file, expected what bench_gpu_ops --json wrote")
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise Invalid(f"{path}: {error.strerror or error}") from None
    if len(data) > MAX_BYTES:
        raise Invalid(f"{path}: over {MAX_BYTES >> 20} MB, expected what bench_gpu_ops --json wrote")

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
    value = _parse(path)
    if isinstance(value, dict) and "benchmarks" in value:
        raise Invalid(f"{path}: written by tsugi bench or Google Benchmark, expected what bench_gpu_ops --json wrote")
    top = _Place(path, "", value)
    lines = top.get("results", "a list of bench_gpu_ops's results", lambda v: isinstance(v, list))
    device = plain(top.text("device"))
    if top.flag("smoke"):
        raise Invalid(f"{path}: written with --smoke: its times mean nothing")
    if device.startswith("emulated "):
        raise Invalid(f"{path}: measured on the emulator: its times mean nothing")
    sm = re.search(r", sm_(\d{2,3})\b", device)
    if not sm:
        top.fail("device", device, 'a name with the architecture, as "NVIDIA Tegra X1, sm_53, ..."')
    limits = top.inner("limits")
    peak = {
        "f32": limits.number("f32_flops_per_s", True),
        "f16": max(limits.number(key, False) for key in ("f16_pairs_flops_per_s", "f16_matrix_flops_per_s")),
    }
    places = [_Place(path, f"results[{i}]", line) for i, line in enumerate(lines)]
    measured = [place for place in places if "failure" not in place.value]
    points = [_point(place, peak) for place in measured if place.text("row")]  # cuDNN's lines have no row
    return ResultFile(
        plain(os.path.basename(path)),
        device[: sm.start()],
        int(sm.group(1)),
        limits.number("copy_bytes_per_s", False),
        peak,
        points,
        len(places) - len(measured),
        top.whole("shapes_left_out", 0, 1 << 30),
    )
