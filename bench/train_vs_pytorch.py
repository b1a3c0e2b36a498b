#!/usr/bin/env python3
"""Trains a built-in model in tsugi and in PyTorch, in turn, and compares images/s and peak memory.

    bench/train_vs_pytorch.py [--build build/cpu] [--models faces-cnn faces-resnet] [--batches 16 64 256] [-o bench/results/FILE.json]

Both sides: the same layers (read from tsugi's own description), batch, threads, SGD with Nesterov momentum and weight decay, and label
smoothing. PyTorch runs in its better memory format and without augmentation; tsugi's steps include it. Each point is a process of its
own; the sides take turns, and the figures are medians over the rounds and the median of the rounds' ratios.
Needs PyTorch in the Python that runs it (Debian: python3-torch; a newer one from PyPI, in a virtual environment).
"""

import argparse
import datetime
import itertools
import json
import os
import platform
import re
import resource
import statistics
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def torch_step(model_json, precision, channels_last, batch, threads, seconds):
    """One PyTorch measurement in this process; prints a JSON object."""
    import torch
    import torch.nn.functional as F

    from torch_model import Net

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    description = json.load(open(model_json))
    classes = 32

    net = Net(description, classes)
    height, width, channels = description["input"]
    x = torch.randn(batch, channels, height, width)
    y = torch.randint(0, classes, (batch,))
    if channels_last:
        net, x = net.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(net.parameters(), 0.001, momentum=0.9, nesterov=True, weight_decay=5e-4)

    def step():
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            logits = net(x)
        F.cross_entropy(logits.float(), y, label_smoothing=0.1).backward()
        optimizer.step()

    for _ in range(3):
        step()
    steps, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        step()
        steps += 1
    elapsed = time.perf_counter() - start
    print(
        json.dumps(
            {
                "images_per_s": steps * batch / elapsed,
                "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
                "version": torch.__version__,
            }
        )
    )


def output_of(command, env):
    """What a command printed; where it fails, what it complained of ends this script."""
    done = subprocess.run(command, capture_output=True, text=True, env=env)
    if done.returncode != 0:
        raise SystemExit("%s:\n%s" % (" ".join(command), done.stderr.strip()))
    return done.stdout


def run_torch(arguments, model_json, precision, channels_last, batch, threads_env):
    command = [
        sys.executable,
        os.path.abspath(__file__),
        "--torch-step",
        model_json,
        precision,
        str(int(channels_last)),
        "--batches",
        str(batch),
        "--threads",
        str(arguments.threads),
        "--seconds",
        str(arguments.seconds),
    ]
    return json.loads(output_of(command, threads_env).splitlines()[-1])


def run_tsugi(arguments, model, precision, batch, threads_env):
    command = [
        os.path.join(arguments.build, "bench", "bench_train_step"),
        "--benchmark_filter=^%s/%s/" % (model, precision),
        "--benchmark_min_time=%g" % arguments.seconds,
        "--benchmark_format=json",
    ]
    env = dict(threads_env, TSUGI_BENCH_THREADS=str(arguments.threads), TSUGI_BENCH_BATCH=str(batch))
    report = json.loads(output_of(command, env))
    point = report["benchmarks"][0]
    if point.get("error_occurred"):
        return None
    return {
        "images_per_s": point["items_per_second"],
        "peak_memory_bytes": point["peak_memory_bytes"],
        "arena_bytes": point["arena_bytes"],
        "forward_flops_per_image": point["forward_flops_per_image"],
    }


def cpu_name():
    for line in open("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def model_description(arguments, model):
    """Writes the model's JSON beside the results and returns its path."""
    text = output_of([os.path.join(arguments.build, "tsugi"), "inspect", model, "--json"], os.environ)
    path = os.path.join(arguments.build, model + ".model.json")
    json.dump(json.loads(text.splitlines()[-1])["description"], open(path, "w"))
    return path


def compare_point(arguments, model, path, precision, batch, env):
    """Both sides in turn on one point: a row of the results; None where tsugi does not compute it on this CPU."""
    trial = {
        layout: run_torch(arguments, path, precision, layout, batch, env)["images_per_s"] for layout in (False, True)
    }
    channels_last = trial[True] > trial[False]
    ours, theirs = [], []
    for _ in range(arguments.rounds):
        mine = run_tsugi(arguments, model, precision, batch, env)
        if mine is None:
            return None
        ours.append(mine)
        theirs.append(run_torch(arguments, path, precision, channels_last, batch, env))
    median = lambda rows, key: statistics.median(r[key] for r in rows)
    ratios = [a["images_per_s"] / b["images_per_s"] for a, b in zip(ours, theirs)]
    return {
        "model": model,
        "precision": precision,
        "batch": batch,
        "threads": arguments.threads,
        "rounds": len(ours),
        "tsugi_images_per_s": median(ours, "images_per_s"),
        "torch_images_per_s": median(theirs, "images_per_s"),
        "ratio": statistics.median(ratios),
        "ratios": ratios,
        "tsugi_peak_memory_bytes": median(ours, "peak_memory_bytes"),
        "torch_peak_memory_bytes": median(theirs, "peak_memory_bytes"),
        "torch_memory_format": "channels_last" if channels_last else "contiguous",
        "forward_flops_per_image": ours[0]["forward_flops_per_image"],
        "torch": theirs[0]["version"],
    }


def write_report(arguments, results):
    commit = subprocess.run(["git", "-C", ROOT, "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip()
    version = subprocess.run(
        [os.path.join(arguments.build, "tsugi"), "--version"], capture_output=True, text=True
    ).stdout.strip()
    report = {
        "what": "training images/s, tsugi and PyTorch in turn",
        "cpu": cpu_name(),
        "tsugi": version,
        "commit": commit,
        "torch": results[0]["torch"],
        "date": datetime.date.today().isoformat(),
        "seconds_a_point": arguments.seconds,
        "geometric_mean": geometric_mean(results),
        "results": results,
    }
    with open(arguments.output, "w") as file:
        json.dump(report, file, indent=1)
        file.write("\n")


def geometric_mean(results):
    return statistics.geometric_mean(row["ratio"] for row in results)


def compare(arguments):
    env = dict(os.environ, OMP_NUM_THREADS=str(arguments.threads))
    results = []
    paths = {model: model_description(arguments, model) for model in arguments.models}
    for model, precision, batch in itertools.product(arguments.models, arguments.precisions, arguments.batches):
        row = compare_point(arguments, model, paths[model], precision, batch, env)
        if row is None:
            print("%s %s: not computed on this CPU" % (model, precision))
            continue
        results.append(row)
        print(
            "%-13s %s b%-3d  tsugi %7.1f  PyTorch %7.1f images/s (%s)  ratio %.2f (%.2f to %.2f)  peak memory %.0f / %.0f MB"
            % (
                model,
                precision,
                batch,
                row["tsugi_images_per_s"],
                row["torch_images_per_s"],
                row["torch_memory_format"],
                row["ratio"],
                min(row["ratios"]),
                max(row["ratios"]),
                row["tsugi_peak_memory_bytes"] / 1e6,
                row["torch_peak_memory_bytes"] / 1e6,
            ),
            flush=True,
        )
        if arguments.output:
            write_report(arguments, results)
    if results:
        print(
            "geometric mean %.2f, least %.2f, of %d points"
            % (geometric_mean(results), min(row["ratio"] for row in results), len(results))
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=os.path.join(ROOT, "build", "cpu"), help="folder of the cpu preset's build")
    parser.add_argument("--models", nargs="+", default=["faces-cnn", "faces-resnet", "faces-mobile"])
    parser.add_argument("--precisions", nargs="+", default=["fp32", "bf16"])
    parser.add_argument("--batches", nargs="+", type=int, default=[16, 64, 256])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0, help="a point")
    parser.add_argument("-o", "--output", help="result file (JSON)")
    parser.add_argument(
        "--torch-step", nargs=3, metavar=("MODEL", "PRECISION", "CHANNELS_LAST"), help=argparse.SUPPRESS
    )
    arguments = parser.parse_args()
    if arguments.torch_step:
        model, precision, channels_last = arguments.torch_step
        torch_step(model, precision, channels_last == "1", arguments.batches[0], arguments.threads, arguments.seconds)
    else:
        compare(arguments)


if __name__ == "__main__":
    main()
