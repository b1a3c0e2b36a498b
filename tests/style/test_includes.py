#!/usr/bin/env python3
"""Includes point one way: tools → bench → engine → kernels/api, and inside the engine handover → train → what a run is
made of → core. CUDA's headers are seen by kernels/cuda, kernels/vendor and what stands in for the CUDA
runtime (kernels/ptx/runtime) alone."""

import os
import pathlib
import re
import shutil
import tempfile
import unittest

ROOT = pathlib.Path(os.environ.get("TSUGI_SOURCE_DIR", pathlib.Path(__file__).resolve().parent.parent.parent))

# A room, and those that it may include beside itself. A name stands for every room below it.
ROOMS = {
    "tools": "bench engine kernels/api",
    "bench": "engine kernels/api",
    "engine/handover": "engine/train engine/tuning engine/model engine/formats engine/data engine/core kernels/api",
    "engine/train": "engine/tuning engine/optim engine/model engine/formats engine/data engine/core kernels/api",
    "engine/tuning": "engine/core kernels/api",
    "engine/optim": "engine/model engine/core kernels/api",
    "engine/model": "engine/core kernels/api",
    "engine/formats": "engine/data engine/core kernels/api",
    "engine/data": "engine/core kernels/api",
    "engine/core": "kernels/api",
    "kernels/api": "",
    "kernels": "kernels",
}
CUDA = re.compile(r"(cuda|cudnn|cublas|curand|cub/|nvtx|nvrtc|nvml|nvToolsExt|mma\.h|cooperative_groups)")
SEES_CUDA = ("kernels/cuda/", "kernels/vendor/", "kernels/ptx/runtime/")
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', re.MULTILINE)
FLOORS = ("kernels", "engine", "tools", "bench")


def within(path, room):
    return path.startswith(room + "/")


def room_of(path):
    return next((room for room in ROOMS if within(path, room)), None)


def wrong_includes(root):
    """Of every source below `root` the includes that its room may not make, as "FILE includes FILE"."""
    wrong = []
    for floor in FLOORS:
        for file in sorted((root / floor).rglob("*")):
            if file.suffix not in {".h", ".cpp", ".cu", ".cuh", ".inc", ".in"}:
                continue
            path = file.relative_to(root).as_posix()
            room = room_of(path)
            if room is None:
                wrong.append(f"{path} is in no room that ROOMS knows")
                continue
            for name in INCLUDE.findall(file.read_text(encoding="utf-8", errors="replace")):
                if name.startswith(tuple(floor + "/" for floor in (*FLOORS, "tests"))):
                    allowed = any(within(name, other) for other in (room, *ROOMS[room].split()))
                else:
                    allowed = not CUDA.match(name) or path.startswith(SEES_CUDA)
                if not allowed:
                    wrong.append(f"{path} includes {name}")
    return wrong


class Includes(unittest.TestCase):
    def test_every_include_points_downwards(self):
        self.assertEqual("\n".join(wrong_includes(ROOT)), "")

    def test_the_table_itself_has_no_way_back(self):
        above = set()
        for room, below in ROOMS.items():  # in the order of the table, from the roof down
            above.add(room)
            for other in below.split():
                self.assertFalse(other != room and other in above, f"{room} may include {other}, which stands above it")

    def test_a_planted_include_is_found(self):
        planted = {
            "engine/train/run.cpp": "engine/handover/bundle.h",
            "engine/core/text.h": "engine/data/photo.h",
            "engine/model/cut.cpp": "tools/console.h",
            "kernels/api/error.h": "kernels/cpu/cpu_backend.h",
            "kernels/cpu/cpu_backend.h": "engine/core/text.h",
            "engine/optim/optimizer.cpp": "cuda_runtime.h",
            "tools/main.cpp": "kernels/cuda/runtime.h",
            "bench/plan/plan.h": "tools/console.h",
        }
        with tempfile.TemporaryDirectory() as folder:
            copy = pathlib.Path(folder)
            for floor in FLOORS:
                shutil.copytree(ROOT / floor, copy / floor, ignore=shutil.ignore_patterns("results", "__pycache__"))
            before = wrong_includes(copy)
            for file, include in planted.items():
                self.assertTrue((copy / file).is_file(), file)
                with (copy / file).open("a", encoding="utf-8") as source:
                    source.write(f'\n# include "{include}"\n')
            (copy / "engine/attic").mkdir()
            (copy / "engine/attic/box.h").write_text("// A box.\n")
            found = sorted(set(wrong_includes(copy)) - set(before))
            expected = [f"{file} includes {include}" for file, include in planted.items()]
            self.assertEqual(found, sorted([*expected, "engine/attic/box.h is in no room that ROOMS knows"]))


if __name__ == "__main__":
    unittest.main(verbosity=2)
