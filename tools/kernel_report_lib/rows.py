"""One row a kernel and architecture: what was read from its machine code."""

import re
import subprocess

import cubin
import occupancy
import sass

ARCHITECTURES = ("sm_53", "sm_75")
OPS = ("conv2d_forward", "conv2d_backward_data", "conv2d_backward_weight")
WIDE = ("LDG", "LDS", "STG", "STS")  # whose 128-bit accesses are counted


def op_of(name):
    """The convolution that a kernel is for, or None."""
    return next((op for op in sorted(OPS, key=len, reverse=True) if name.startswith(op)), None)


def _arguments(text):
    """ "a, b<c, d>" -> ["a", "b<c, d>"]"""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter == "<") - (letter == ">")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts if part.strip()]


def _tile(kind, sizes):
    """ "GemmTile", [128, 64, 8, 8, 4] -> "128x64x8 8x4", as name_of(Row) says it; kinds other than GEMM's lead."""
    text = "x".join(sizes[:-2]) + " " + "x".join(sizes[-2:])
    algorithm = kind[: -len("Tile")].lower()
    return f"{algorithm} f16 {text}" if algorithm in ("mma", "half2") else text


def registry_name(name):
    """ "conv2d_forward_gemm_kernel<f32, GemmTile<128, 64, 8, 8, 8>, 4>" -> "conv2d_forward gemm f32 128x64x8 8x8 by 4".
    `by`: elements a load."""
    function, _, rest = name.partition("<")
    function = re.sub(r"_kernel$", "", function)
    op = op_of(function)
    if op:
        function = f"{op} {function[len(op) + 1 :]}".replace(" half", " ").strip()
    elif function == "conv2d_winograd":  # of both passes
        function = "conv2d winograd f32"
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
    done = subprocess.run(
        ["c++filt", "--no-params"], input="\n".join(names), capture_output=True, text=True, check=True
    )
    result = {}
    for symbol, name in zip(names, done.stdout.splitlines()):
        name = re.sub(r"^void ", "", name)
        name = re.sub(r"\btsugi::(cuda::)?(\(anonymous namespace\)::)?|\(anonymous namespace\)::", "", name)
        name = name.replace("__half", "f16").replace("float", "f32").replace(", Rectifier", "")  # the usual activation
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
            "wide": {kind: whole[f"{kind}.128"] for kind in WIDE if f"{kind}.128" in whole},
            "hot": hot
            and {"whole": unrolled, **{key: hot[key] for key in ("math", "share", "slots", "nested", "counts")}},
        }
    return rows
