"""Which kernels no case launched, and which instructions of the launched ones no warp ever ran."""

from collections import defaultdict


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
    """Prints a line an architecture, and what is missing. Returns a line for each kernel that no case launched."""
    missing = []
    for arch in folders:
        kernels = read(root / "build/ptx" / f"coverage_{arch}")
        launched = {name: marks for name, (launches, marks) in kernels.items() if launches}
        total, seen = sum(map(len, launched.values())), sum(map(sum, launched.values()))
        print(
            f"ptx: sm_{arch}: {len(launched)} of {len(kernels)} kernels launched, "
            f"{seen} of their {total} instructions ran ({100.0 * seen / max(total, 1):.1f} %)"
        )
        for name in sorted(set(kernels) - set(launched)):
            if not (arch == "53" and "mma" in name):  # Maxwell has no matrix units: an empty kernel
                print(f"ptx: sm_{arch}: no case launches {name}")
                missing.append(name)
    return missing
