#!/usr/bin/env python3
"""Times training steps with and without what `tsugi tune` found out, in turn: a tuned step must never be slower.

    bench/tuned_vs_default.py [--build build/cpu] [--models faces-cnn faces-resnet faces-mobile] [--batches 16 64] [-o bench/results/FILE.json]

Tunes first, into a file of its own. Each measurement is a process of its own (`tsugi bench --step`); the two sides take turns and go
first in turn, and the figures are medians over the rounds and the median of the rounds' ratios, tuned to default. Exit status 1 when a
tuned step was slower by more than the rounds' own spread (their median absolute deviation). Where tuning changed no call both sides are
the same program: their ratio shows the machine's noise, and says nothing of tuning.
"""

import argparse
import os
import statistics
import sys
import tempfile

from running import BUILD, result_of, write_report


def compare(arguments, tuning, model, precision, batch):
    def tsugi(*command, **options):
        point = {"model": model, "batch": batch, "precision": precision}
        place = {"threads": arguments.threads, "device": arguments.device}
        program, env = os.path.join(arguments.build, "tsugi"), dict(os.environ, TSUGI_TUNING="off")
        return result_of(program, *command, env=env, **point, **place, **options)

    tuned = tsugi("tune", budget=arguments.budget, tuning=tuning)["models"][0]
    sides = {"default": [], "tuned": []}
    for turn in range(arguments.rounds):
        for side in ("default", "tuned") if turn % 2 == 0 else ("tuned", "default"):
            chosen = tuning if side == "tuned" else "off"
            sides[side].append(tsugi("bench", "--step", min_time=arguments.seconds, tuning=chosen))
    ratios = [a["step_s"] / b["step_s"] for a, b in zip(sides["tuned"], sides["default"])]
    ratio = statistics.median(ratios)
    row = {
        "model": model,
        "precision": precision,
        "batch": batch,
        "rounds": arguments.rounds,
        "calls": len(tuned["calls"]),
        "changed": tuned["changed"],
        "default_step_s": statistics.median(r["step_s"] for r in sides["default"]),
        "tuned_step_s": statistics.median(r["step_s"] for r in sides["tuned"]),
        "ratio": ratio,
        "ratio_mad": statistics.median(abs(r - ratio) for r in ratios),
        "ratios": ratios,
    }
    print(
        "%(model)-13s %(precision)s batch %(batch)-3d  %(changed)2d of %(calls)2d calls changed" % row
        + "  default %8.3f ms  tuned %8.3f ms" % (1e3 * row["default_step_s"], 1e3 * row["tuned_step_s"])
        + "  ratio %.4f +- %.4f (%.4f to %.4f)" % (ratio, row["ratio_mad"], min(ratios), max(ratios)),
        flush=True,
    )
    return row, sides["default"][0]["context"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=BUILD, help="folder with the built tsugi")
    parser.add_argument("--models", nargs="+", default=["faces-cnn", "faces-resnet", "faces-mobile"])
    parser.add_argument("--batches", nargs="+", type=int, default=[16, 64])
    parser.add_argument("--precisions", nargs="+", default=["fp32"])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=4.0, help="a measurement")
    parser.add_argument("--budget", default="60s", help="of tsugi tune, a point")
    parser.add_argument("-o", "--output", help="result file (JSON)")
    arguments = parser.parse_args()
    results, context = [], {}
    with tempfile.TemporaryDirectory() as folder:
        for model in arguments.models:
            for precision in arguments.precisions:
                for batch in arguments.batches:
                    row, context = compare(arguments, os.path.join(folder, "tuning.json"), model, precision, batch)
                    results.append(row)
    write_report(
        arguments.output,
        "training steps with and without tuned kernels, in turn",
        context=context,
        budget=arguments.budget,
        seconds_a_measurement=arguments.seconds,
        results=results,
    )
    slower = [row for row in results if row["changed"] > 0 and row["ratio"] - row["ratio_mad"] > 1.0]
    for row in slower:
        print("slower when tuned: %(model)s %(precision)s batch %(batch)d, ratio %(ratio).4f" % row, file=sys.stderr)
    return 1 if slower else 0


if __name__ == "__main__":
    sys.exit(main())
