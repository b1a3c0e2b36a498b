#!/usr/bin/env python3
"""How well `tsugi plan --device this` predicts what `tsugi bench --step` then measures, in turn, for the built-in models.

    nice -n -5 bench/plan_accuracy.py --binary build/cpu/tsugi --rounds 3 -o bench/results/plan-accuracy-<machine>.json

Every pair is a plan that times steps of its own, then a measurement. Prints a line a pair, and at the end the median over the rounds: errors of the
step's time and of the process's memory, and whether the arena is exact. Exit status 1 where a median is off by more than the bounds.
"""

import argparse
import statistics
import sys

from running import result_of, write_report

MODELS = ("faces-cnn", "faces-resnet", "faces-mobile")


def pair(options, model, batch, precision):
    common = {"model": model, "batch": batch, "precision": precision, "threads": options.threads}
    plan = result_of(options.binary, "plan", device="this", **common)
    step = result_of(options.binary, "bench", step=True, device="cpu", min_time=options.min_time, **common)
    layers = [
        {"layer": one["layer"], **{key: [one[key], other[key]] for key in ("forward_s", "backward_s")}}
        for one, other in zip(plan["layers"], step["layers"])
    ]
    found = {
        "model": model,
        "batch": batch,
        "precision": step["precision"],
        "predicted_step_s": plan["step_s"],
        "step_s": step["step_s"],
        "watched_parts_s": step["parts_s"],
        "error": plan["step_s"] / step["step_s"] - 1,
        "predicted_peak_memory_bytes": plan["peak_memory_bytes"],
        "peak_memory_bytes": step["peak_memory_bytes"],
        "memory_error": plan["peak_memory_bytes"] / step["peak_memory_bytes"] - 1,
        "arena_exact": plan["arena_bytes"] == step["arena_bytes"],
    }
    if options.layers:
        found["layers_predicted_measured"] = layers
    return found, step["context"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", default="build/cpu/tsugi")
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--batches", default="16,64")
    parser.add_argument("--precisions", default="fp32,bf16")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--min-time", type=float, default=3.0, help="seconds of steps a measurement")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--time-bound", type=float, default=0.1)
    parser.add_argument("--memory-bound", type=float, default=0.1)
    parser.add_argument("--layers", action="store_true", help="keep every layer's two times, too")
    parser.add_argument("-o", "--output")
    options = parser.parse_args()
    pairs, context = [], {}
    for turn in range(options.rounds):
        for precision in options.precisions.split(","):
            for model in options.models.split(","):
                for batch in map(int, options.batches.split(",")):
                    one, context = pair(options, model, batch, precision)
                    pairs.append({"round": turn, **one})
                    print(
                        f"{turn} {model:13} b{batch:<3} {one['precision']}  predicted {1e3 * one['predicted_step_s']:8.2f} ms  measured "
                        f"{1e3 * one['step_s']:8.2f} ms  {100 * one['error']:+6.1f} %   memory {100 * one['memory_error']:+5.1f} %  "
                        f"arena {'exact' if one['arena_exact'] else 'WRONG'}",
                        flush=True,
                    )
    summary = []
    for key in sorted({(one["model"], one["batch"], one["precision"]) for one in pairs}):
        mine = [one for one in pairs if (one["model"], one["batch"], one["precision"]) == key]
        summary.append(
            {
                "model": key[0],
                "batch": key[1],
                "precision": key[2],
                "error": statistics.median(one["error"] for one in mine),
                "memory_error": statistics.median(one["memory_error"] for one in mine),
                "arena_exact": all(one["arena_exact"] for one in mine),
            }
        )
        print(
            f"median {key[0]:13} b{key[1]:<3} {key[2]}  step {100 * summary[-1]['error']:+6.1f} %  memory {100 * summary[-1]['memory_error']:+5.1f} %"
        )
    write_report(
        options.output,
        "tsugi plan --device this, and the tsugi bench --step that follows it",
        context=context,
        threads=options.threads,
        summary=summary,
        pairs=pairs,
    )
    good = all(
        abs(one["error"]) <= options.time_bound
        and abs(one["memory_error"]) <= options.memory_bound
        and one["arena_exact"]
        for one in summary
    )
    print(
        "within the bounds"
        if good
        else f"NOT within {100 * options.time_bound:.0f} % of time, {100 * options.memory_bound:.0f} % of memory, or the exact arena"
    )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
