"""The rules that every kernel must keep, whatever the baseline says, and what got worse since the baseline."""

from rows import ARCHITECTURES, WIDE, is_convolution

# Percent FFMA of the best float32 tile of each convolution, which are these (op and algorithm). Not among them: depthwise,
# which waits for memory (one multiply-add an element it loads and tap), and Winograd, which buys fewer multiply-adds with
# additions.
MINIMUM_SHARE = 85.0
CONVOLUTIONS = (
    "conv2d_forward gemm",
    "conv2d_forward gemm_1x1",
    "conv2d_forward direct",
    "conv2d_backward_data gemm",
    "conv2d_backward_weight gemm",
    "conv2d_backward_weight direct",
)
ALLOWED_LOSS = 1.0  # points of share


def broken_rules(rows):
    """What must hold whatever the baseline says: a list of messages."""
    messages = []
    for (name, arch), row in rows.items():
        if row["threads"] == 0:
            messages.append(f"{name} on {arch}: no __launch_bounds__")
        elif row["blocks"] == 0:
            messages.append(f"{name} on {arch}: {row['threads']} threads of {row['registers']} registers do not fit")
        if is_convolution(row) and (row["local"] or row["spills"]):
            messages.append(
                f"{name} on {arch}: {row['local']} bytes of local memory, {row['spills']} accesses to it; "
                "a convolution must have none"
            )
    for arch in ARCHITECTURES:
        for convolution in CONVOLUTIONS:
            messages += _best_tile(rows, convolution, arch)
    return messages


def _needed_loads(convolution):
    """The 128-bit loads of a hot loop. Direct kernels bring three channels a pixel to shared memory before their loop."""
    return ("LDS.128",) if convolution.endswith(" direct") else ("LDG.128", "LDS.128")


def best_tile(rows, convolution, arch):
    """(name, row) of the float32 kernel of `convolution` with the greatest share of FFMA in its hot loop, among those that
    load 128 bits there; None where there is none."""
    tiles = [
        (name, row)
        for (name, a), row in rows.items()
        if a == arch
        and name.startswith(convolution + " f32 ")
        and row["hot"]
        and not row["hot"]["whole"]
        and row["hot"]["math"] == "FFMA"
        and all(row["hot"]["counts"].get(load) for load in _needed_loads(convolution))
    ]
    return max(tiles, key=lambda tile: tile[1]["hot"]["share"], default=None)


def _best_tile(rows, convolution, arch):
    best = best_tile(rows, convolution, arch)
    if best is None:
        loads = " and ".join(_needed_loads(convolution))
        return [f"{convolution} on {arch}: no float32 kernel with FFMA, {loads} in its hot loop"]
    name, row = best
    if row["hot"]["share"] >= MINIMUM_SHARE:
        return []
    return [
        f"{convolution} on {arch}: the best tile, {name}, has {row['hot']['share']} % FFMA in its hot loop; "
        f"{MINIMUM_SHARE} % is the least"
    ]


def worse(name, arch, before, now):
    """What got worse from one row to another: a list of messages."""
    messages = []

    def say(text):
        messages.append(f"{name} on {arch}: {text}")

    if now["blocks"] * now["threads"] < before["blocks"] * before["threads"]:
        say(
            f"{before['registers']} -> {now['registers']} registers, {before['shared']} -> {now['shared']} bytes shared: "
            f"{before['blocks']} x {before['threads']} -> {now['blocks']} x {now['threads']} threads a multiprocessor"
        )
    for field, what in (("local", "bytes of local memory"), ("spills", "accesses to local memory")):
        if now[field] > before[field]:
            say(f"{before[field]} -> {now[field]} {what}")
    for kind in WIDE:
        if before["wide"].get(kind) and not now["wide"].get(kind):
            say(f"no 128-bit {kind} any more")
    if before["hot"]:
        old, new = before["hot"], now["hot"]
        if not new or new["math"] != old["math"]:
            say(f"no loop of {old['math']} any more")
        else:
            if new["share"] < old["share"] - ALLOWED_LOSS:
                say(f"{old['share']} -> {new['share']} % {old['math']} in the hot loop")
            for kind in WIDE:
                if old["counts"].get(f"{kind}.128") and not new["counts"].get(f"{kind}.128"):
                    say(f"no 128-bit {kind} in the hot loop any more")
    return messages


def compare(baseline, rows):
    """What differs for the worse between two sets of rows, kernels that came or went included."""
    messages = []
    for key in sorted(set(baseline) | set(rows)):
        name, arch = key
        if key not in rows:
            messages.append(f"{name} on {arch}: in the baseline, but no kernel has this name")
        elif key not in baseline:
            messages.append(f"{name} on {arch}: a kernel without an entry in the baseline")
        else:
            messages += worse(name, arch, baseline[key], rows[key])
    return messages
