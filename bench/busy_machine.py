#!/usr/bin/env python3
"""Times training on the idle machine and beside busy processes, with several ways for OpenMP's threads to wait for each other, in turn.

    bench/busy_machine.py [--build build/cpu] [--spinners 2] [--spins 0 1000 10000] [--other old=PATH/tsugi] [-o bench/results/FILE.json]

Sides: tsugi as it is with nothing set (`default`), on one thread, with OMP_WAIT_POLICY active and passive, with each GOMP_SPINCOUNT of --spins, and
other builds. Each measurement is a `tsugi pretrain` of drawn people in a process of its own. In each round every side has its turn, idle and busy, in an
order that rotates; figures are medians over the rounds, and medians of the rounds' ratios: idle to `active`, busy to one thread.
"""

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile

from running import BUILD, output_of, result_of, write_report

BUSY_LOOP = (sys.executable, "-c", "while True: pass")


def sides_of(arguments):
    """Name, program, options and environment of each side."""
    tsugi = os.path.join(arguments.build, "tsugi")
    sides = [
        ("default", tsugi, (), {}),
        ("one thread", tsugi, ("--threads", "1"), {}),
        ("active", tsugi, (), {"OMP_WAIT_POLICY": "active"}),
        ("passive", tsugi, (), {"OMP_WAIT_POLICY": "passive"}),
    ]
    sides += [("spin %d" % spin, tsugi, (), {"GOMP_SPINCOUNT": str(spin)}) for spin in arguments.spins]
    sides += [(name, path, (), {}) for name, path in (other.split("=", 1) for other in arguments.other)]
    return [side for side in sides if not arguments.only or side[0] in arguments.only]


def images_per_s(arguments, folder, side):
    _, program, options, settings = side
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("OMP_", "GOMP_"))}
    return result_of(
        program,
        "pretrain",
        os.path.join(folder, "people"),
        *options,
        env=dict(environment, TSUGI_TUNING="off", **settings),
        o=os.path.join(folder, "out.safetensors"),
        epochs=1,
        augment=arguments.augment,
        model=arguments.model,
        device="cpu",
    )["images_per_s"]


def measure(arguments, folder):
    """Images/s by condition and side, one a round."""
    sides = sides_of(arguments)
    figures = {condition: {side[0]: [] for side in sides} for condition in arguments.conditions}
    for turn in range(arguments.rounds):
        for condition in figures:
            spinners = [subprocess.Popen(BUSY_LOOP) for _ in range(arguments.spinners if condition == "busy" else 0)]
            try:
                for side in sides[turn % len(sides) :] + sides[: turn % len(sides)]:
                    figures[condition][side[0]].append(images_per_s(arguments, folder, side))
                    print(
                        "round %d  %s  %-12s %7.0f" % (turn + 1, condition, side[0], figures[condition][side[0]][-1]),
                        file=sys.stderr,
                        flush=True,
                    )
            finally:
                for spinner in spinners:
                    spinner.kill()
                    spinner.wait()
    return figures


def table(figures):
    rows = []
    for condition, base in (("idle", "active"), ("busy", "one thread")):
        for side, values in figures.get(condition, {}).items():
            ratios = [value / other for value, other in zip(values, figures[condition].get(base, []))]
            row = {
                "condition": condition,
                "side": side,
                "images_per_s": values,
                "median_images_per_s": statistics.median(values),
                "base": base,
                "ratios": ratios,
                "median_ratio": statistics.median(ratios) if ratios else None,
            }
            rows.append(row)
            spread = " (%.0f to %.0f)" % (min(values), max(values))
            if ratios:
                spread += "  %.3f x %s (%.3f to %.3f)" % (row["median_ratio"], base, min(ratios), max(ratios))
            print("%(condition)s  %(side)-12s %(median_images_per_s)7.0f images/s" % row + spread, flush=True)
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=BUILD, help="folder with the built tsugi")
    parser.add_argument("--model", default="faces-resnet")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--spinners", type=int, default=2, help="busy processes beside")
    parser.add_argument("--spins", nargs="*", type=int, default=[], help="values of GOMP_SPINCOUNT, a side each")
    parser.add_argument("--other", nargs="*", default=[], metavar="NAME=PROGRAM", help="other builds of tsugi")
    parser.add_argument("--conditions", nargs="+", choices=("idle", "busy"), default=["idle", "busy"])
    parser.add_argument("--only", nargs="*", default=[], help="these sides alone")
    parser.add_argument("--augment", type=int, default=9, help="length of a measurement: 288 images times this")
    parser.add_argument("-o", "--output", help="result file (JSON)")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the busy processes end, too
    with tempfile.TemporaryDirectory() as folder:
        people = os.path.join(folder, "people")
        output_of(os.path.join(arguments.build, "tsugi"), "synth", people, people=12, photos=30, quiet=True)
        rows = table(measure(arguments, folder))
    write_report(
        arguments.output,
        "pretraining idle and beside busy processes, in turn",
        model=arguments.model,
        spinners=arguments.spinners,
        cores=len(os.sched_getaffinity(0)),
        results=rows,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
