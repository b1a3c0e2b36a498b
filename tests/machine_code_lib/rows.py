"""One row a kernel and architecture: what was read from its machine code, and the rules that it must keep."""
import re
import subprocess

import cubin
import occupancy
import sass

ARCHITECTURES = ("sm_53", "sm_75")
OPS = ("conv2d_forward", "conv2d_backward_data", "conv2d_backward_weight")
MINIMUM_SHARE = 85.0  # percent FFMA of the best float32 tile of each convolution, which are these (op and variant). Not
# among them: depthwise, which waits for memory (one multiply-add an element it loads and tap), and Winograd, which buys fewer
# multiply-adds with additions.
CONVOLUTIONS = ("conv2d_forward gemm", "conv2d_forward gemm_1x1", "conv2d_forward direct", "conv2d_backward_data gemm",
                "conv2d_backward_weight gemm", "conv2d_backward_weight direct")
ALLOWED_LOSS = 1.0    # points of share
_WIDE = ("LDG", "LDS", "STG", "STS")


def _arguments(text):
    """"a, b<c, d>" -> ["a", "b<c, d>"]"""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter == "<") - (letter == ">")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts if part.strip()]


def _tile(kind, sizes):
    """"GemmTile", [128, 64, 8, 8, 4] -> "128x64x8 8x4", as name_of(Row) says it; kinds other than GEMM's lead."""
    text = "x".join(sizes[:-2]) + " " + "x".join(sizes[-2:])
    variant = kind[:-len("Tile")].lower()
    return f"{variant} f16 {text}" if variant in ("mma", "half2") else text


def registry_name(name):
    """"conv2d_forward_gemm_kernel<f32, GemmTile<128, 64, 8, 8, 8>, 4>" -> "conv2d_forward gemm f32 128x64x8 8x8 by 4".
    `by`: elements a load."""
    function, _, rest = name.partition("<")
    function = re.sub(r"_kernel$", "", function)
    op = op_of(function)
    if op:
        function = f"{op} {function[len(op) + 1:]}".replace(" half", " ").strip()
    words = [function]
    for argument in _arguments(rest[:-1]):
        template = re.match(r"(\w+)<(.*)>$", argument)
        if template and template.group(1).endswith("Tile"):
            word = _tile(template.group(1), _arguments(template.group(2)))
            words += [word] if len(words) < 3 else ["as " + word] * (word not in words)
        elif template:
            words.append(f"{template.group(1)}({', '.join(_arguments(template.group(2)))})")
        else:
            words.append(f"by {argument}" if re.match(r"\d+$", argument) else argument)
    return " ".join(" ".join(words).split())


def readable(symbols):
    """{symbol: name as in the registry}"""
    names = list(symbols)
    done = subprocess.run(["c++filt", "--no-params"], input="\n".join(names), capture_output=True, text=True, check=True)
    result = {}
    for symbol, name in zip(names, done.stdout.splitlines()):
        name = re.sub(r"^void ", "", name)
        name = re.sub(r"\btsugi::(cuda::)?(\(anonymous namespace\)::)?|\(anonymous namespace\)::", "", name)
        name = name.replace("__half", "f16").replace("float", "f32")
        result[symbol] = registry_name(re.sub(r"\((?:unsigned )?\w+\)(-?\d+)", r"\1", name))
    return result


def is_convolution(row):
    return row["file"].startswith(("conv2d_", "column_sum", "split_reduce"))


def read(file, arch, elf, text):
    """The rows of one compiled file: {(name, arch): row}."""
    resources, code = cubin.kernels(elf), sass.parse(text)
    names = readable(resources)
    rows = {}
    for symbol, kernel in sorted(resources.items()):
        name = names[symbol]
        if " mma " in name and arch == "sm_53":
            continue  # an empty kernel: Maxwell has no matrix units
        if (name, arch) in rows:
            raise ValueError(f"{file}: two kernels are called {name}")
        instructions, labels = code[symbol]
        whole = sass.summary(instructions)["counts"]
        hot = sass.hot_loop(instructions, labels)
        unrolled = not hot and any(whole.get(kind) for kind in sass.MATH)
        if unrolled:
            hot = sass.summary(instructions)
        held = occupancy.occupancy(arch, kernel["registers"], kernel["shared"], kernel["threads"] or 1)
        rows[name, arch] = {
            "file": file,
            "registers": kernel["registers"],
            "shared": kernel["shared"],
            "threads": kernel["threads"],
            "blocks": held["blocks"],
            "occupancy": held["percent"],
            "limit": held["limit"],
            "local": kernel["stack"] + kernel["local"],
            "spills": sum(n for kind, n in whole.items() if kind[:3] in ("LDL", "STL")),
            "wide": {kind: whole[f"{kind}.128"] for kind in _WIDE if f"{kind}.128" in whole},
            "hot": hot and {"whole": unrolled, **{key: hot[key] for key in ("math", "share", "slots", "nested", "counts")}},
        }
    return rows


def broken_rules(rows):
    """What must hold whatever the baseline says: a list of messages."""
    messages = []
    for (name, arch), row in rows.items():
        if row["threads"] == 0:
            messages.append(f"{name} on {arch}: no __launch_bounds__")
        elif row["blocks"] == 0:
            messages.append(f"{name} on {arch}: {row['threads']} threads of {row['registers']} registers do not fit")
        if is_convolution(row) and (row["local"] or row["spills"]):
            messages.append(f"{name} on {arch}: {row['local']} bytes of local memory, {row['spills']} accesses to it; "
                            "a convolution must have none")
    for arch in ARCHITECTURES:
        for convolution in CONVOLUTIONS:
            messages += _best_tile(rows, convolution, arch)
    return messages


def op_of(name):
    """The convolution that a kernel is for, or None."""
    return next((op for op in sorted(OPS, key=len, reverse=True) if name.startswith(op)), None)


def _needed_loads(convolution):
    """The 128-bit loads of a hot loop. Direct kernels bring three channels a pixel to shared memory before their loop."""
    return ("LDS.128",) if convolution.endswith(" direct") else ("LDG.128", "LDS.128")


def best_tile(rows, convolution, arch):
    """(name, row) of the float32 kernel of `convolution` with the greatest share of FFMA in its hot loop, among those that
    load 128 bits there; None where there is none."""
    tiles = [(name, row) for (name, a), row in rows.items() if a == arch and name.startswith(convolution + " f32 ")
             and row["hot"] and not row["hot"]["whole"] and row["hot"]["math"] == "FFMA"
             and all(row["hot"]["counts"].get(load) for load in _needed_loads(convolution))]
    return max(tiles, key=lambda tile: tile[1]["hot"]["share"], default=None)


def _best_tile(rows, convolution, arch):
    best = best_tile(rows, convolution, arch)
    if best is None:
        loads = " and ".join(_needed_loads(convolution))
        return [f"{convolution} on {arch}: no float32 kernel with FFMA, {loads} in its hot loop"]
    name, row = best
    if row["hot"]["share"] >= MINIMUM_SHARE:
        return []
    return [f"{convolution} on {arch}: the best tile, {name}, has {row['hot']['share']} % FFMA in its hot loop; "
            f"{MINIMUM_SHARE} % is the least"]


def worse(name, arch, before, now):
    """What got worse from one row to another: a list of messages."""
    messages = []

    def say(text):
        messages.append(f"{name} on {arch}: {text}")

    if now["blocks"] * now["threads"] < before["blocks"] * before["threads"]:
        say(f"{before['registers']} -> {now['registers']} registers, {before['shared']} -> {now['shared']} bytes shared: "
            f"{before['blocks']} x {before['threads']} -> {now['blocks']} x {now['threads']} threads a multiprocessor")
    for field, what in (("local", "bytes of local memory"), ("spills", "accesses to local memory")):
        if now[field] > before[field]:
            say(f"{before[field]} -> {now[field]} {what}")
    for kind in _WIDE:
        if before["wide"].get(kind) and not now["wide"].get(kind):
            say(f"no 128-bit {kind} any more")
    if before["hot"]:
        old, new = before["hot"], now["hot"]
        if not new or new["math"] != old["math"]:
            say(f"no loop of {old['math']} any more")
        else:
            if new["share"] < old["share"] - ALLOWED_LOSS:
                say(f"{old['share']} -> {new['share']} % {old['math']} in the hot loop")
            for kind in _WIDE:
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
