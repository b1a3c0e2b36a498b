"""The whole run: programs, checks side by side, measurements one after the other, results, table."""

import argparse
import json
import os
import sys
import tempfile
import time

from gpu_lib import checks, machine, peers, programs
from gpu_lib.runner import FAILED, OK, Clock, Job, exit_status, run_command, run_jobs, summary, table

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
NO_GPU = 77


def parse_arguments(description, arguments):
    parser = argparse.ArgumentParser(
        prog="tests/gpu", description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", help="folder of the results (default: bench/results/gpu-<name>)")
    parser.add_argument("--build", default=os.path.join(ROOT, "build", "gpu"), help="build folder (default: build/gpu)")
    parser.add_argument("--no-build", action="store_true", help="use what the build folder holds")
    parser.add_argument("--packed", help="use a folder that --pack made")
    parser.add_argument("--pack", help="build, and pack the programs into this folder; needs no GPU")
    parser.add_argument("--arch", help="architecture to build for, as 90 (default: this GPU's)")
    parser.add_argument(
        "--march", default="native", help="-march of the host code (default: native; --pack: x86-64-v3)"
    )
    parser.add_argument("--limit", type=float, default=530.0, help="seconds for everything (default: 530)")
    parser.add_argument("--bench-seconds", type=float, default=90.0, help="of the op benchmark (default: 90)")
    parser.add_argument("--only", nargs="+", help="only these groups: rows ops training cudnn sanitizer bench pytorch")
    parser.add_argument("--cases", help="only test cases whose names contain this")
    parser.add_argument("--emulate", action="store_true", help="on the emulator instead of a GPU, shortened")
    return parser.parse_args(arguments)


def wanted(options, group):
    return options.only is None or group.split()[0] in options.only


def list_cases(program, suite, env, part):
    code, output, late = run_command(
        [program, "--list-test-cases", "--test-suite=" + suite, "--no-colors=true"], 60, env
    )
    if code != 0 or late:
        raise RuntimeError("test_gpu_device does not start: " + output.strip()[-300:])
    cases = checks.parse_test_cases(output)
    if not cases:
        raise RuntimeError("test_gpu_device has no suite " + suite)
    return [case for case in cases if not part or part in case]


def check_jobs(options, paths, env):
    program = paths["test_gpu_device"]
    suites = [suite for suite in checks.SUITES if wanted(options, suite) and not (options.emulate and suite == "cudnn")]
    jobs = checks.test_jobs(program, {suite: list_cases(program, suite, env, options.cases) for suite in suites}, env)
    if wanted(options, "sanitizer") and not options.emulate:
        jobs += checks.sanitizer_jobs(
            machine.find_tool("compute-sanitizer"), program, list_cases(program, "sanitizer", env, options.cases), env
        )
    return jobs


def write_json(path, value):
    with open(path, "w") as file:
        json.dump(value, file, indent=1)
        file.write("\n")


def add_machine(output, about):
    """Puts the machine into every result that a program wrote."""
    for name in ("ops-fp32.json", "ops-fp16.json", "steps.json", "pytorch.json"):
        path = os.path.join(output, name)
        if os.path.exists(path):
            with open(path) as file:
                content = json.load(file)
            write_json(path, dict({"machine": about}, **content))


def run_all(options, gpu, output):
    clock, begin, jobs = Clock(options.limit), time.monotonic(), []
    logs = os.path.join(tempfile.mkdtemp(prefix="tsugi-gpu-"))
    folder = options.packed or options.build
    print("logs: %s" % logs, flush=True)
    if not options.packed and not options.no_build:
        job = Job("build", "programs", [], 300)
        start = time.monotonic()
        problem = programs.build(
            ROOT, folder, options.arch or machine.architecture(gpu), options.march, min(300.0, clock.left()), logs
        )
        job.status, job.note, job.seconds = (FAILED if problem else OK), problem, time.monotonic() - start
        jobs.append(job)
        print("  %-8s %6.1f s  build  %s" % (job.status, job.seconds, job.note), flush=True)
    env = programs.environment(folder)
    if options.emulate:
        env["TSUGI_GPU_DEVICE"] = "simt"
    about = {}
    try:
        paths = programs.find(folder)
        about = machine.describe(ROOT, gpu, paths)
        count = machine.workers(os.cpu_count(), float(gpu["memory.free"])) if gpu else os.cpu_count()
        checking = check_jobs(options, paths, env)
        peer = [] if options.emulate or not wanted(options, "pytorch") else peers.jobs(ROOT, paths, output, env)
        warm_up = [job for job in peer if job.name.startswith("warm-up")]
        jobs += run_jobs(checking + warm_up, count, clock, logs)
        if wanted(options, "bench"):
            jobs += run_jobs(
                checks.bench_jobs(paths, output, env, options.emulate, options.bench_seconds), 1, clock, logs
            )
        jobs += run_jobs([job for job in peer if job not in warm_up], 1, clock, logs)
        if peer:
            peers.collect(output, peer)
    except (FileNotFoundError, RuntimeError) as error:
        job = Job("programs", "start", [], 0)
        job.status, job.note = FAILED, str(error)
        jobs.append(job)
    about["clocks_after"] = machine.query_gpu() if gpu else None
    add_machine(output, about)
    write_json(
        os.path.join(output, "checks.json"),
        {
            "what": "tests/gpu: every check and measurement, how it ended",
            "machine": about,
            "emulated": options.emulate,
            "seconds": round(time.monotonic() - begin, 1),
            "exit_status": exit_status(jobs),
            "jobs": summary(jobs),
        },
    )
    print("\n" + table(jobs))
    print("%.0f s; results in %s, logs in %s" % (time.monotonic() - begin, output, logs))
    return exit_status(jobs)


def pack(options):
    logs = tempfile.mkdtemp(prefix="tsugi-gpu-")
    if not options.no_build:
        march = "x86-64-v3" if options.march == "native" else options.march
        problem = programs.build(ROOT, options.build, options.arch or "90", march, 3600, logs)
        if problem:
            print("build: %s (log: %s)" % (problem, logs), file=sys.stderr)
            return 1
    print("%s: %.1f MB" % (options.pack, programs.pack(options.build, options.pack) / 1e6))
    return 0


def main(description, arguments=None):
    options = parse_arguments(description, arguments)
    if options.pack:
        return pack(options)
    gpu = None
    if not options.emulate:
        gpu = machine.query_gpu()
        if gpu is None:
            print("tests/gpu: this machine has no NVIDIA GPU (nvidia-smi finds none): nothing was checked")
            return NO_GPU
        print("%(name)s, compute capability %(compute_cap)s, driver %(driver_version)s" % gpu, flush=True)
    name = machine.slug(gpu["name"]) if gpu else "emulated"
    output = options.output or os.path.join(ROOT, "bench", "results", "gpu-" + name)
    os.makedirs(output, exist_ok=True)
    return run_all(options, gpu, output)
