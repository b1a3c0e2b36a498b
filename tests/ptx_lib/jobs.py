"""What tests/ptx runs: the cases of tests/gpu_device, which a GPU runs too, and the command line."""

import re
import subprocess

import handover
import runner

# The longest first, so that none is left alone at the end.
ORDER = ("trains as", "recorded step", "conv2d_backward_weight", "conv2d_forward", "conv2d_backward_data", "")


def program(root):
    return root / "build/ptx/tests/gpu_device/test_gpu_device"


def environment(root, arch, folder):
    """What the interpreter is told. sm_75's PTX is in the program; another's lies in `folder`."""
    told = {"TSUGI_PTX_SM": arch, "TSUGI_GPU_DEVICE": "cuda"}
    if arch != "75":
        told["TSUGI_PTX_FOLDER"] = str(folder)
    return told


def cases(root, suite):
    done = subprocess.run(
        [str(program(root)), f"--test-suite={suite}", "--list-test-cases"], capture_output=True, text=True, check=True
    )
    return [line for line in done.stdout.splitlines() if line and not line.startswith(("[doctest]", "==="))]


def pattern(name):
    """A doctest filter for the test case of this name: commas part filters."""
    return re.sub(r",", "?", name)


MODES = {
    "every access checked": {"TSUGI_PTX_CHECK": "races,unwritten"},
    "in another order": {"TSUGI_PTX_SHUFFLE": "1"},
}


def jobs(root, arch, folder):
    """The jobs of an architecture."""
    covered = root / "build/ptx" / f"coverage_{arch}"
    covered.mkdir(exist_ok=True)
    for old in covered.glob("*.txt"):
        old.unlink()
    told = {**environment(root, arch, folder), "TSUGI_PTX_COVERAGE": str(covered)}

    def case(name, more="", variables=()):
        command = (program(root), f"--test-case={pattern(name)}")
        return runner.Job(f"sm_{arch} {name}{more}", command, {**told, **dict(variables)})

    made = [case(name) for suite in ("rows", "ops", "training") for name in cases(root, suite)]
    made += [case(name, f", {mode}", MODES[mode]) for mode in MODES for name in cases(root, "sanitizer")]
    made.append(runner.Job(f"sm_{arch} hand-over", call=lambda: handover.run(root, told)))
    if arch == "75":
        runtime = root / "build/ptx/tests/ptx_lib/runtime/test_ptx_runtime"
        made.append(runner.Job("the CUDA runtime's refusals", (runtime,)))
    return sorted(made, key=lambda job: next(place for place, words in enumerate(ORDER) if words in job.name))


def totals(done):
    """A line an architecture: how much was held against the reference."""
    lines = []
    for arch in ("75", "53"):
        counted = [job.rows_and_cases() for job in done if job.name.startswith(f"sm_{arch} ")]
        rows, checked = sum(r for r, _ in counted), sum(c for _, c in counted)
        if rows:
            lines.append(f"ptx: sm_{arch}: {rows} registry rows, {checked} cases equal the reference")
    return "\n".join(lines)
