"""Measurements beside the kernels that made them: which kernel each point of a result file ran, and what a kernel's points say together."""

from statistics import median

import registry
from results import compulsory_bytes, flops_of


def architecture(sm, known):
    """(the architecture in `known` whose machine code a GPU comes closest to, whether it is its own); (None, False): none is that old."""
    fitting = [arch for arch in known if int(arch[3:]) <= sm]
    return (max(fitting, key=lambda arch: int(arch[3:])), f"sm_{sm}" in known) if fitting else (None, False)


def shape_text(shape):
    """ "64x56x56x64, 128 of 3x3 / 2": input, filters and their size, stride and groups where they are not 1."""
    s = shape
    text = f"{s['n']}x{s['h']}x{s['w']}x{s['c']}, {s['k']} of {s['r']}x{s['s']}"
    if (s["stride_h"], s["stride_w"]) != (1, 1):
        text += f" / {s['stride_h']}" + ("" if s["stride_h"] == s["stride_w"] else f"x{s['stride_w']}")
    return text + (f", {s['groups']} groups" if s["groups"] != 1 else "")


def _shapes(pairs):
    """One entry a shape. A shape that several layers have counts once, as their median. pairs: (Point, ResultFile)."""
    groups = {}
    for point, file in pairs:
        groups.setdefault(tuple(point.shape.values()), []).append((point, file))
    for same in groups.values():
        points, (point, file) = [p for p, _ in same], same[0]
        bytes_per_flop = compulsory_bytes(point) / flops_of(point.shape)
        yield {
            "shape": shape_text(point.shape),
            "sizes": point.shape,
            "layers": sorted({f"{p.model} {p.layer}" for p in points}),
            "warm_share": median(p.warm for p in points),
            "cold_share": median(p.cold for p in points),
            "warm_gflops": median(p.gflops for p in points),
            "dram_bytes_per_flop": bytes_per_flop,
            # What memory allows where caches keep nothing, by the run's own limits.
            "memory_share": file.copy / (bytes_per_flop * file.peak[point.dtype]) if file.copy else None,
        }


def _names(kernels, arch):
    """{(op, type, what results call a kernel): its name}; by its row alone where the row has no other."""
    found, of_row = {}, {}
    for name, a in kernels:
        kernel = registry.kernel_of(name) if a == arch else None
        for op, row, whole in zip(kernel.ops, kernel.rows, kernel.names) if kernel else ():
            found[op, kernel.dtype, whole] = name
            of_row.setdefault((op, kernel.dtype, row), []).append(name)
    return {row: names[0] for row, names in of_row.items() if len(names) == 1} | found


def join(kernels, files, known):
    """({(kernel's name, arch): [measurement]}, [note]). kernels: the (name, arch) pairs that there are; files: ResultFiles. Files of one
    device are one measurement: {"device", "own", "files", "shapes": [...]}; own: of the architecture itself."""
    found, notes = {}, []
    names = {arch: _names(kernels, arch) for arch in known}
    for number, file in enumerate(files, 1):
        arch, own = architecture(file.sm, known)
        if arch is None:
            notes.append(
                f"[{number}] {file.name}: {file.device} is sm_{file.sm}, older than {', '.join(known)}: left out"
            )
            continue
        unknown, joined = set(), 0
        pinned = {
            (point.row, tuple(point.shape.values()), point.model, point.layer) for point in file.points if point.pinned
        }
        for point in file.points:
            if not point.pinned and (point.row, tuple(point.shape.values()), point.model, point.layer) in pinned:
                continue  # dispatch took a row that was measured by itself, too
            name = names[arch].get((point.op, point.dtype, point.compiled))
            if not name:
                unknown.add(point.row)
                continue
            entry = found.setdefault((name, arch), {}).setdefault(file.device, {"own": own, "files": {}, "pairs": []})
            entry["files"][number] = file
            entry["pairs"].append((point, file))
            joined += 1
        notes.append(
            f"[{number}] {file.name}: {file.device}, sm_{file.sm}, {joined} measurements"
            + ("" if own else f"; the machine code is {arch}'s: measured elsewhere, not compared")
            + (f"; {file.left_out} left out for time" if file.left_out else "")
            + (f"; {file.failures} failures" if file.failures else "")
        )
        if unknown:
            notes.append(f"[{number}] {file.name}: no kernel here for {', '.join(sorted(unknown))[:200]}")
    return {
        key: [_measurement(device, entry) for device, entry in devices.items()] for key, devices in found.items()
    }, notes


def _measurement(device, entry):
    shapes = sorted(_shapes(entry["pairs"]), key=lambda shape: -shape["warm_share"])
    return {
        "device": device,
        "own": entry["own"],
        "files": [file.name for file in entry["files"].values()],
        "numbers": list(entry["files"]),
        "shapes": shapes,
        "median": median(shape["warm_share"] for shape in shapes),
        "best": shapes[0]["warm_share"],
    }
