"""What the tests of tools/kernel_report share: the kept rows, and result files as they could come from a GPU: of tsugi bench --kernels all
(bench_document), and of bench_gpu_ops of earlier versions (document)."""

import json
import os
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(os.environ.get("TSUGI_SOURCE_DIR") or Path(__file__).resolve().parent.parent.parent)
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "tools/kernel_report_lib"))
import compiled  # noqa: E402
import report  # noqa: E402
import results  # noqa: E402

PROGRAM = str(ROOT / "tools/kernel_report")
ROWS = compiled.read_json(ROOT / "tests/machine_code_lib/baseline.json")
SHAPE = dict(n=2, h=8, w=8, c=64, k=32, r=1, s=1, stride_h=1, stride_w=1, pad_h=0, pad_w=0, groups=1)
ROW = "conv2d_forward gemm f32 128x128x8 8x8"
TURING, MAXWELL = "NVIDIA GeForce RTX 2080 Ti, sm_75, CUDA 12.2", "NVIDIA Tegra X1, sm_53, CUDA 10.2"
PEAK, COPY = 1e12, 5e10


def line(share, row=ROW, contender=None, layer="conv", **changes):
    """A result with this share of peak, warm, and half of it cold; of the kernel that the row's launcher takes."""
    shape = {**SHAPE, **changes}
    flops = results.flops_of(shape)
    timings = {
        key: {"seconds": flops / (s * PEAK), "gflops": s * PEAK / 1e9, "peak_share": s, "ratio_to_cudnn": 1.0}
        for key, s in (("warm", share), ("cold", share / 2))
    }
    return {
        "op": row.split()[0] if row else "conv2d_forward",
        "model": "model",
        "layer": layer,
        "dtype": "f32",
        "shape": shape,
        "contender": row if contender is None else contender,
        "row": row,
        "compiled": f"{row} by {1 if shape['c'] % 8 else 4}" if " gemm" in row else row,
        **timings,
    }


def document(*lines, device=TURING):
    return {
        "device": device,
        "smoke": False,
        "shapes_left_out": 0,
        "results": list(lines),
        "limits": {
            "f32_flops_per_s": PEAK,
            "f16_pairs_flops_per_s": 2 * PEAK,
            "f16_matrix_flops_per_s": 0.0,
            "copy_bytes_per_s": COPY,
        },
    }


def bench_document(*lines, device=TURING):
    """The same lines as document()'s, as tsugi bench --kernels all writes them."""
    points = []
    for i, one in enumerate(lines):
        for cache in ("warm", "cold"):
            name = f"{one['model']}/b2/{one['layer']}-{i}/{one['op']}/f32/{cache}"
            pinned = one["contender"] == one["row"]
            points.append(
                {
                    "run_name": name + ("/" + one["row"] if pinned else ""),
                    "model": one["model"],
                    "layer": one["layer"],
                    "op": one["op"],
                    "dtype": one["dtype"],
                    "cache": cache,
                    "kernel": one["row"],
                    "compiled": one["compiled"],
                    **({"pinned": True} if pinned else {}),
                    "shape": one["shape"],
                    "real_time": one[cache]["seconds"] * 1e9,
                    "time_unit": "ns",
                    "flops": results.flops_of(one["shape"]),
                }
            )
    context = {
        "tsugi_schema": 1,
        "device_description": device,
        "smoke": False,
        "points_left_out": 0,
        "peak_f32_gflops": PEAK / 1e9,
        "peak_f16_gflops": 2 * PEAK / 1e9,
        "copy_gb_per_s": COPY / 1e9,
    }
    return {"context": context, "benchmarks": points}


class Files(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = folder.name

    def file(self, content, name="ops.json"):
        path = os.path.join(self.folder, name)
        Path(path).write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return path

    def joined(self, *documents):
        """The records of the measured kernels, by (kernel, architecture, device), and the notes."""
        files = [results.load(self.file(one, f"{i}.json")) for i, one in enumerate(documents)]
        made, notes = report.records(ROOT, ROWS, files)
        return {(r["kernel"], r["arch"], r["device"]): r for r in made if "device" in r}, notes
