"""The jobs: test cases of test_gpu_device, compute-sanitizer over them, benchmarks."""

import os
import re

from gpu_lib.runner import FAILED, OK, SKIPPED, Job, judge_by_status, last_line

TOOLS = ["memcheck", "racecheck", "initcheck", "synccheck"]
SANITIZER_ERROR = 99
SUITES = {"rows": 120, "ops": 90, "training": 150, "cudnn": 120}  # limits of one test case, seconds


def parse_test_cases(output):
    """Names from doctest's --list-test-cases: the lines between its two rules of ====."""
    names, inside = [], False
    for line in output.splitlines():
        if re.match(r"^=+$", line.strip()):
            inside = not inside
        elif inside and line.strip():
            names.append(line.strip())
    return names


def judge_test_case(code, output):
    """ok only when doctest says that exactly this case ran and passed."""
    counted = re.search(r"test cases:\s+(\d+)\s+\|\s+(\d+) passed\s+\|\s+(\d+) failed", output)
    messages = re.findall(r"MESSAGE: (.*)", output)
    if code == 0 and counted and int(counted.group(1)) == 1 and counted.group(3) == "0":
        return OK, "; ".join(messages)[:300]
    errors = re.findall(r"ERROR: (.*)", output)
    return FAILED, (errors[0] if errors else "exit status %d: %s" % (code, last_line(output)))[:300]


def judge_sanitizer(code, output):
    """compute-sanitizer's own summary decides; a run without one has checked nothing."""
    race = re.findall(r"RACECHECK SUMMARY: (\d+) hazards? displayed", output)
    errors = re.findall(r"ERROR SUMMARY: (\d+) errors?", output)
    counts = [int(number) for number in race + errors]
    if not counts:
        return FAILED, "no summary of compute-sanitizer: " + last_line(output)
    if sum(counts) > 0 or code == SANITIZER_ERROR:
        first = re.search(r"========= (?!COMPUTE-SANITIZER)(.*)", output)
        return FAILED, "%d findings: %s" % (sum(counts), first.group(1) if first else "")
    if code != 0:
        return judge_test_case(code, output)
    return OK, "0 findings"


def test_jobs(program, cases, env):
    """cases: {suite: [test case]}."""
    return [
        Job(suite, case, [program, "--test-case=" + case, "--no-colors=true"], SUITES[suite], judge_test_case, env)
        for suite in SUITES
        for case in cases.get(suite, [])
    ]


def sanitizer_jobs(tool_path, program, cases, env):
    if tool_path is None:
        job = Job("sanitizer", "compute-sanitizer", [], 0)
        job.status, job.note = SKIPPED, "compute-sanitizer is not installed"
        return [job]
    return [
        Job(
            "sanitizer " + tool,
            case,
            [
                tool_path,
                "--tool",
                tool,
                "--error-exitcode",
                SANITIZER_ERROR,
                program,
                "--test-case=" + case,
                "--no-colors=true",
            ],
            150,
            judge_sanitizer,
            env,
        )
        for tool in TOOLS
        for case in cases
    ]


def tune_job(programs, output, env, emulated):
    """Registry rows against each other for the shapes of a model: what `tsugi tune` keeps, and rows to ship in kernels/tuning."""
    what = (
        ["--device", "simt", "--model", "faces-mobile", "--size", "16", "--batch", "1", "--budget", "5s"]
        if emulated
        else ["--device", "cuda", "--model", "faces-resnet,faces-mobile", "--batch", "64", "--budget", "30s"]
    )
    return Job(
        "bench",
        "tune",
        [
            programs["tsugi"],
            "tune",
            *what,
            "--tuning",
            os.path.join(output, "tuning.json"),
            "--inc",
            os.path.join(output, "tuned.inc"),
        ],
        120,
        judge_by_status,
        env,
    )


def ops_job(programs, output, env, emulated, precision, seconds):
    """Every kernel of every convolution and dense layer beside cuDNN, caches warm and cold."""
    what = (
        ["--device", "simt", "--smoke"]
        if emulated
        else [
            "--device",
            "cuda",
            "--model",
            "faces-cnn,faces-resnet,faces-mobile,resnet-18",
            "--batch",
            "64,16",
            "--min-time",
            "0.01",
            "--rounds",
            "1",
            "--budget",
            "%gs" % seconds,
        ]
    )
    return Job(
        "bench",
        "ops " + precision,
        [
            programs["tsugi"],
            "bench",
            "--kernels",
            "all",
            "--precision",
            precision,
            *what,
            "-o",
            os.path.join(output, "ops-%s.json" % precision),
        ],
        600 if emulated else seconds + 60,
        judge_by_status,
        env,
    )


def bench_jobs(programs, output, env, emulated, seconds):
    """One after the other, alone on the machine."""
    tune = tune_job(programs, output, env, emulated)
    ops = [ops_job(programs, output, env, emulated, precision, seconds / 2) for precision in ("fp32", "fp16")]
    if emulated:
        return ops + [
            Job(
                "bench",
                "step",
                [
                    programs["bench_gpu_step"],
                    "--devices",
                    "simt,cpu",
                    "--models",
                    "faces-mobile",
                    "--batches",
                    "2",
                    "--size",
                    "16",
                    "--precisions",
                    "fp32",
                    "--rounds",
                    "1",
                    "--seconds",
                    "0.01",
                    "--json",
                    os.path.join(output, "steps.json"),
                ],
                600,
                judge_by_status,
                env,
            ),
            tune,
        ]
    return ops + [
        Job(
            "bench",
            "step",
            [programs["bench_gpu_step"], "--json", os.path.join(output, "steps.json")],
            90,
            judge_by_status,
            env,
        ),
        tune,
    ]
