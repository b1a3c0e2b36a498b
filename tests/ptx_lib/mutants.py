"""Faults planted in the PTX itself, one at a time, as a compiler's mistake would look: each must be caught by the cases that
run the kernel it is in."""

import re
import shutil
from collections import namedtuple

import coverage
import jobs
import runner

# A kernel to plant faults in: its file in kernels/cuda, words of its symbol, and what runs it: a pattern of test cases, and
# the registry rows that these are narrowed to.
Subject = namedtuple("Subject", "name file words cases rows")

SUBJECTS = (
    Subject(
        "gemm",
        "conv2d_forward",
        ("forward_gemm_kernel", "GemmTileILi32ELi32", "Li4E"),
        "rows of conv2d_forward*",
        "gemm f32 32x32",
    ),
    Subject(
        "gemm backward data",
        "conv2d_backward_data",
        ("GemmTileILi32ELi32", "Li4E"),
        "rows of conv2d_backward_data*",
        "gemm f32 32x32",
    ),
    Subject(
        "gemm backward weight",
        "conv2d_backward_weight",
        ("GemmTileILi32ELi32", "Li4E"),
        "rows of conv2d_backward_weight*",
        "gemm f32 32x32",
    ),
    Subject("mma", "conv2d_mma", ("forward", "MmaTileILi64"), "rows of conv2d_forward*", "mma f16 64x64"),
    Subject("half2", "conv2d_half2", ("forward", "Half2TileILi64"), "rows of conv2d_forward*", "half2 f16 64x64"),
    Subject("winograd", "conv2d_winograd", ("winograd_kernel",), "rows of conv2d_forward*", "winograd"),
    Subject(
        "direct",
        "conv2d_direct",
        ("DirectTileILi128", "AnyFilter", "If"),
        "rows of conv2d_forward*",
        "direct f32 128x64",
    ),
    Subject(
        "direct backward weight",
        "conv2d_direct_backward_weight",
        ("DirectWeightTileILi32ELi9", "If", "Li0E"),
        "rows of conv2d_backward_weight*",
        "direct f32 32x9",
    ),
    Subject(
        "depthwise",
        "conv2d_depthwise",
        ("forward_depthwise", "If", "FilterILi3ELi1", "Li4E"),
        "rows of conv2d_forward*",
        "depthwise f32",
    ),
    Subject(
        "depthwise backward weight",
        "conv2d_depthwise_backward_weight",
        ("If", "FilterILi3ELi1", "Li4E"),
        "rows of conv2d_backward_weight*",
        "depthwise f32",
    ),
    Subject("batch norm", "batch_norm", ("batch_norm_statistics", "IfLi4E"), "batch_norm equals*", ""),
    Subject(
        "batch norm backward",
        "batch_norm_backward",
        ("batch_norm_sums", "IfLi4E", "Rectifier"),
        "batch_norm equals*",
        "",
    ),
    Subject("loss", "softmax_cross_entropy", ("softmax_cross_entropy_row", "If"), "softmax_cross_entropy*", ""),
    Subject("gradient norm", "gradient_norm", ("chunks", "Li4E"), "gradient_norm*", ""),
    Subject("optimizer", "optimizer", ("SgdRuleEfLi4E",), "optimizers*", ""),
    Subject("pool", "pool", ("backward_tiledIfLi4",), "pool*", ""),
)

# What may go wrong: a name, the statement that it strikes, and what becomes of it. Of all statements that fit and that the
# subject's cases run, the one in the middle of the kernel is struck.
Fault = namedtuple("Fault", "name statement replacement checks")


def _further(bytes_of):
    """The same access, one element further."""

    def move(match):
        step = bytes_of(match)
        offset = int(match.group("offset") or 0) + step
        return f"{match.group('head')}[{match.group('base')}+{offset}]{match.group('tail')}"

    return move


def _element(match):
    count = 4 if ".v4." in match.group("head") else 2 if ".v2." in match.group("head") else 1
    return count * int(re.search(r"[usbf](\d+)\b", match.group("head")).group(1)) // 8


_ACCESS = r"^(?P<head>(?:@!?%p\d+ )?{0}\.\S+\s+[^\[]*)\[(?P<base>[^\]+]+)(?:\+(?P<offset>-?\d+))?\](?P<tail>.*)$"

FAULTS = (
    Fault("a barrier is gone", r"^bar\.sync\s+0;$", "", "races"),
    Fault("a branch is taken the other way", r"^@(%p\d+) bra\b", r"@!\1 bra", ""),
    Fault("a shared load reads the next element", _ACCESS.format(r"ld\.shared"), _further(_element), ""),
    Fault("a shared store writes the next element", _ACCESS.format(r"st\.shared"), _further(_element), ""),
    Fault("a global load reads the next element", _ACCESS.format(r"ld\.global"), _further(_element), ""),
    Fault("a global store writes the next element", _ACCESS.format(r"st\.global"), _further(_element), ""),
    Fault("a sum forgets what it had", r"^fma\.rn\.f32 (\S+ \S+ \S+) %f\d+;", r"fma.rn.f32 \1 0f00000000;", ""),
    Fault("a limit is one too far", r"^setp\.lt\.s32", "setp.le.s32", ""),
    Fault("a limit is one too near", r"^setp\.ge\.s32", "setp.gt.s32", ""),
    Fault("a shuffle goes elsewhere", r"^(shfl\.sync\.bfly\.b32 \S+ \S+) [^,]+,", r"\1 0,", ""),
    Fault("a matrix is not transposed", r"^(ldmatrix\S*)\.trans", r"\1", ""),
    Fault("a matrix product forgets its sum", r"^(mma\.sync.*)\{(%f\d+), ?%f\d+,", r"\1{\2, \2,", ""),
    Fault(
        "a pair of halves forgets its sum",
        r"^\{ ?fma\.rn\.f16x2 ([^,]+),([^,]+),([^,]+),[^;]+;",
        r"{mul.f16x2 \1,\2,\3;",
        "",
    ),
)

# Faults that no case tells from the kernel: most are limits that no case of these rows meets exactly. They are planted, too,
# and said to survive; whoever adds such a case takes the line away.
UNTOLD = {
    "gemm backward weight: a limit is one too far",
    "gemm backward weight: a limit is one too near",
    "mma: a limit is one too near",
    "direct: a limit is one too far",
    "direct: a limit is one too near",
    "direct backward weight: a limit is one too far",
    "direct backward weight: a shared load reads the next element",  # no case has a seventh term for the filter of any size
    "depthwise: a limit is one too far",
    "depthwise: a limit is one too near",
    "batch norm: a limit is one too far",
    "batch norm: a shared store writes the next element",  # a count, which neighbours share
    "batch norm backward: a limit is one too far",
    "loss: a limit is one too far",
    "gradient norm: a branch is taken the other way",  # in the second pass, of float64: there one huge value decides
    "gradient norm: a global load reads the next element",  # the same
    "pool: a limit is one too far",
    "pool: a limit is one too near",
}


def body_of(text, words):
    """(symbol, begin, end) of the first kernel whose symbol has all the words, without its parameters."""
    for match in re.finditer(r"\.entry ([^(]+)\(", text):
        if all(word in match.group(1) for word in words):
            end = text.find(".entry ", match.end())
            return match.group(1), match.end(), end if end >= 0 else len(text)
    raise ValueError(f"no kernel has {words}")


def plant(text, subject, fault, ran):
    """The module's text with the fault, and what it changed; None where no statement in the lines `ran` fits."""
    _, begin, end = body_of(text, subject.words)
    first = text.count("\n", 0, begin) + 1
    lines = text[begin:end].split("\n")
    squeezed = [re.sub(r"\s+", " ", line.strip()) for line in lines]
    places = [i for i, line in enumerate(squeezed) if first + i in ran and re.search(fault.statement, line)]
    if not places:
        return None, ""
    place = places[len(places) // 2]
    struck = re.sub(fault.statement, fault.replacement, squeezed[place])
    was, lines[place] = lines[place].strip(), struck
    return text[:begin] + "\n".join(lines) + text[end:], f"line {first + place}: {was} -> {struck or 'nothing'}"


def job(root, arch, folder, name, subject, more):
    """The subject's cases on the PTX in `folder`."""
    told = {**jobs.environment(root, arch, folder), "TSUGI_PTX_FOLDER": str(folder), "TSUGI_TEST_SEED": "20", **more}
    if subject.rows:
        told["TSUGI_TEST_ROWS"] = subject.rows
    return runner.Job(name, (jobs.program(root), f"--test-case={subject.cases}", "--abort-after=1"), told, limit_s=300)


def lines_that_run(root, arch, folder, base, places):
    """{subject: the lines of its kernel that its cases run}. Throws where the unchanged PTX fails."""
    todo = []
    for subject in SUBJECTS:
        covered = base / re.sub(r"\W+", "_", subject.name) / "coverage"
        covered.mkdir(parents=True)
        todo.append(job(root, arch, folder, subject.name, subject, {"TSUGI_PTX_COVERAGE": str(covered)}))
    ran = {}
    for done in runner.each(todo, places):
        if not done.passed:
            raise RuntimeError(f"the unchanged PTX fails for {done.name}:\n{done.output[-2000:]}")
    for subject in SUBJECTS:
        symbol, _, _ = body_of((folder / f"{subject.file}.ptx").read_text(), subject.words)
        ran[subject] = coverage.read(base / re.sub(r"\W+", "_", subject.name) / "coverage")[symbol].ran
    return ran


def run(root, folders, names, places):
    """Exit status: 0 when every fault was caught."""
    arch = next(iter(folders))
    folder, base = folders[arch], root / "build/ptx/mutants"
    shutil.rmtree(base, ignore_errors=True)
    ran = lines_that_run(root, arch, folder, base, places)
    todo, said = [], {}
    for subject in SUBJECTS:
        text = (folder / f"{subject.file}.ptx").read_text()
        for fault in FAULTS:
            name = f"{subject.name}: {fault.name}"
            changed, what = plant(text, subject, fault, ran[subject])
            if changed is None or (names and not any(part in name for part in names)):
                continue
            planted = base / re.sub(r"\W+", "_", name)
            planted.mkdir(parents=True)
            for path in folder.glob("*.ptx"):
                if path.stem != subject.file:
                    (planted / path.name).symlink_to(path)
            (planted / f"{subject.file}.ptx").write_text(changed)
            todo.append(job(root, arch, planted, name, subject, {"TSUGI_PTX_CHECK": fault.checks}))
            said[name] = what
    survived, untold = 0, 0
    for done in runner.each(todo, places):
        word = "caught  " if not done.passed else "untold  " if done.name in UNTOLD else "SURVIVED"
        survived += word == "SURVIVED"
        untold += word == "untold  "
        print(f"{word} {done.seconds:6.1f} s  {done.name}: {said[done.name]}", flush=True)
    caught = len(todo) - survived - untold
    print(
        f"ptx: {len(todo)} faults planted in the PTX of sm_{arch}: {caught} caught, {untold} untold, {survived} survived"
    )
    return 1 if survived or not todo else 0
