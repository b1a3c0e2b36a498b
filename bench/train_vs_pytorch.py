#!/usr/bin/env python3
"""Trains a built-in model in tsugi and in PyTorch, in turn, and compares images/s and peak memory.

    bench/train_vs_pytorch.py [--build build/cpu] [--models faces-cnn faces-resnet] [--batches 16 64 256] [-o bench/results/FILE.json]

Both sides: the same layers (read from tsugi's own description), batch, threads, SGD with Nesterov momentum and weight decay, and label
smoothing. PyTorch runs in its better memory format and without augmentation; tsugi's steps include it. Each point is a process of its
own; the sides take turns, and the figures are medians over the rounds and the median of the rounds' ratios.
Needs PyTorch in the Python that runs it (Debian: python3-torch; a newer one from PyPI, in a virtual environment).
"""

import argparse
import itertools
import json
import os
import statistics
import sys
import tempfile

from running import BUILD, ROOT, output_of, provenance, result_of, write_report


def run_torch(arguments, model_json, precision, mode, batch, env):
    """One turn of PyTorch, eager: in channels_last ("eager") or contiguous ("eager_contiguous") memory format."""
    script = (sys.executable, os.path.join(ROOT, "bench", "gpu", "torch_step.py"), model_json)
    point = {"precision": precision, "modes": mode, "batch": batch, "threads": arguments.threads}
    text = output_of(*script, env=env, device="cpu", rounds=1, seconds=arguments.seconds, **point)
    result = json.loads(text.splitlines()[-1])
    if result["failures"]:
        raise SystemExit("PyTorch, %s: %s" % (mode, result["failures"][mode]))
    return {**result, "images_per_s": result["best_images_per_s"]}


def run_tsugi(arguments, model, precision, batch, env):
    """One turn of bench_gpu_step; None where this CPU does not compute in that type."""
    program = os.path.join(arguments.build, "bench", "gpu", "bench_gpu_step")
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        point = {"models": model, "precisions": precision, "batches": batch, "threads": arguments.threads}
        output_of(program, env=env, devices="cpu", rounds=1, seconds=arguments.seconds, json=file.name, **point)
        with open(file.name) as written:
            line = json.load(written)["results"][0]
    return None if "failure" in line else line


def model_description(arguments, model):
    """Writes the model's JSON beside the results; returns its path, and the FLOPs of an image."""
    inspected = result_of(os.path.join(arguments.build, "tsugi"), "inspect", model)
    path = os.path.join(arguments.build, model + ".model.json")
    with open(path, "w") as file:
        json.dump(inspected["description"], file)
    return path, inspected["forward_flops"]


def compare_point(arguments, model, description, precision, batch, env):
    """Both sides in turn on one point: a row of the results; None where tsugi does not compute it on this CPU."""
    path, flops = description
    modes = {"eager": "channels_last", "eager_contiguous": "contiguous"}
    best = max(modes, key=lambda one: run_torch(arguments, path, precision, one, batch, env)["images_per_s"])
    ours, theirs = [], []
    for _ in range(arguments.rounds):
        mine = run_tsugi(arguments, model, precision, batch, env)
        if mine is None:
            return None
        ours.append(mine)
        theirs.append(run_torch(arguments, path, precision, best, batch, env))
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
        "torch_memory_format": modes[best],
        "forward_flops_per_image": flops,
        "torch": theirs[0]["torch"],
    }


def geometric_mean(results):
    return statistics.geometric_mean(row["ratio"] for row in results)


def compare(arguments):
    env = dict(os.environ, OMP_NUM_THREADS=str(arguments.threads))
    results = []
    descriptions = {model: model_description(arguments, model) for model in arguments.models}
    for model, precision, batch in itertools.product(arguments.models, arguments.precisions, arguments.batches):
        row = compare_point(arguments, model, descriptions[model], precision, batch, env)
        if row is None:
            print("%s %s: not computed on this CPU" % (model, precision))
            continue
        results.append(row)
        print(
            "%(model)-13s %(precision)s b%(batch)-3d  tsugi %(tsugi_images_per_s)7.1f  PyTorch %(torch_images_per_s)7.1f "
            "images/s (%(torch_memory_format)s)  ratio %(ratio).2f"
            % row
            + " (%.2f to %.2f)  peak memory " % (min(row["ratios"]), max(row["ratios"]))
            + " / ".join("%.0f" % (row[side + "_peak_memory_bytes"] / 1e6) for side in ("tsugi", "torch"))
            + " MB",
            flush=True,
        )
        write_report(
            arguments.output,
            "training images/s, tsugi and PyTorch in turn",
            **provenance(arguments.build),
            torch=row["torch"],
            seconds_a_point=arguments.seconds,
            geometric_mean=geometric_mean(results),
            results=results,
        )
    if results:
        print(
            "geometric mean %.2f, least %.2f, of %d points"
            % (geometric_mean(results), min(row["ratio"] for row in results), len(results))
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=BUILD, help="folder of the cpu preset's build")
    parser.add_argument("--models", nargs="+", default=["faces-cnn", "faces-resnet", "faces-mobile"])
    parser.add_argument("--precisions", nargs="+", default=["fp32", "bf16"])
    parser.add_argument("--batches", nargs="+", type=int, default=[16, 64, 256])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0, help="a point")
    parser.add_argument("-o", "--output", help="result file (JSON)")
    compare(parser.parse_args())


if __name__ == "__main__":
    main()
