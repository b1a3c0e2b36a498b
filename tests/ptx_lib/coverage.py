"""Which kernels no case launched, and which instructions of the launched ones no warp ever ran."""

import re
from collections import defaultdict

import jobs
import runner


def read(folder):
    """{kernel: (launches, [whether some warp ran instruction i])}, of all processes together."""
    launches, ran = defaultdict(int), {}
    for path in sorted(folder.glob("*.txt")):
        for line in path.read_text().splitlines():
            name, count, marks = line.split("\t")
            launches[name] += int(count)
            before = ran.get(name) or [False] * len(marks)
            if marks:
                ran[name] = [old or mark == "1" for old, mark in zip(before, marks)]
            else:
                ran.setdefault(name, [])
    return {name: (launches[name], ran[name]) for name in ran}


def report(root, folders):
    """Prints a line an architecture; a failed job for each with kernels that were not launched."""
    failed = []
    for arch in folders:
        kernels = read(root / "build/ptx" / f"coverage_{arch}")
        idle = sorted(name for name, (launches, _) in kernels.items() if launches == 0)
        total = sum(len(marks) for _, marks in kernels.values())
        seen = sum(sum(marks) for _, marks in kernels.values())
        print(
            f"ptx: sm_{arch}: {len(kernels) - len(idle)} of {len(kernels)} kernels launched, "
            f"{seen} of their {total} instructions ran ({100.0 * seen / max(total, 1):.1f} %)"
        )
        for name in idle:
            print(f"ptx: sm_{arch}: never launched: {name}")
    return failed
