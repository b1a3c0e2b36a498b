#!/usr/bin/env python3
"""Accuracy on Labeled Faces in the Wild: pretraining, compact checkpoints and the hand-over, as means over seeds.

    bench/lfw_accuracy.py LFW_DIR [--build build/cpu] [--models faces-resnet faces-cnn] [--seeds 1 2 3] [-o bench/results/FILE.json]

LFW_DIR holds general/ (32 people) and personal/Tony_Blair. For each model and seed: pretrain with default settings; evaluate the full, fp16 and
int8 checkpoint on the same test photos; bundle a fraction of the training photos; resume with 86 of Tony Blair's photos. Prints a table, and
writes every figure with --output.
"""

import argparse
import datetime
import json
import os
import statistics
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def tsugi(arguments, *words):
    """Runs a command with --json --quiet and returns its object."""
    done = subprocess.run(
        [os.path.join(arguments.build, "tsugi"), *map(str, words), "--json", "--quiet"], capture_output=True, text=True
    )
    if done.returncode != 0:
        sys.exit("tsugi %s failed:\n%s" % (" ".join(map(str, words)), done.stderr))
    return json.loads(done.stdout.splitlines()[-1])


def one_run(arguments, model, seed, folder):
    general = os.path.join(arguments.lfw, "general")
    full = os.path.join(folder, "full.safetensors")
    pretrained = tsugi(
        arguments,
        "pretrain",
        general,
        "--model",
        model,
        "--seed",
        seed,
        "--epochs",
        arguments.epochs,
        "--precision",
        arguments.precision,
        "-o",
        full,
    )
    row = {
        "model": model,
        "seed": seed,
        "precision": pretrained["precision"],
        "accuracy": pretrained["accuracy"],
        "pretrain_s": pretrained["wall_s"],
        "images_per_s": pretrained["images_per_s"],
        "full_bytes": os.path.getsize(full),
    }
    row["accuracy_full"] = tsugi(arguments, "eval", full, "--photos", general)["accuracy"]
    for kind in ("fp16", "int8"):
        small = os.path.join(folder, kind + ".safetensors")
        tsugi(arguments, "compact", full, "--as", kind, "-o", small)
        row[kind + "_bytes"] = os.path.getsize(small)
        row["accuracy_" + kind] = tsugi(arguments, "eval", small, "--photos", general)["accuracy"]
    bundle = os.path.join(folder, "handover.tar")
    row["bundle_bytes"] = tsugi(
        arguments, "bundle", full, "--photos", general, "--fraction", arguments.fraction, "--seed", seed, "-o", bundle
    )["bytes"]
    resumed = tsugi(
        arguments,
        "resume",
        bundle,
        "--personal",
        os.path.join(arguments.lfw, "personal", "Tony_Blair"),
        "--personal-photos",
        86,
        "--precision",
        arguments.precision,
        "-o",
        os.path.join(folder, "device.safetensors"),
    )
    for key in ("accuracy_general_before", "accuracy_general", "accuracy_personal"):
        row[key] = resumed[key]
    row["resume_s"] = resumed["wall_s"]
    return row


def summary(rows):
    mean = lambda key: statistics.mean(row[key] for row in rows)
    return {
        "model": rows[0]["model"],
        "precision": rows[0]["precision"],
        "seeds": [row["seed"] for row in rows],
        "accuracy": mean("accuracy"),
        "pretrain_s": mean("pretrain_s"),
        "fp16_bytes_share": mean("fp16_bytes") / mean("full_bytes"),
        "fp16_accuracy_change": mean("accuracy_fp16") - mean("accuracy_full"),
        "int8_bytes_share": mean("int8_bytes") / mean("full_bytes"),
        "int8_accuracy_change": mean("accuracy_int8") - mean("accuracy_full"),
        "general_change": mean("accuracy_general") - mean("accuracy_general_before"),
        "personal_recall": mean("accuracy_personal"),
        "resume_s": mean("resume_s"),
    }


def cpu_name():
    for line in open("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return "unknown"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lfw", metavar="LFW_DIR")
    parser.add_argument("--build", default=os.path.join(ROOT, "build", "cpu"))
    parser.add_argument("--models", nargs="+", default=["faces-resnet", "faces-cnn"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--fraction", type=float, default=0.3)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("-o", "--output")
    arguments = parser.parse_args()
    rows, summaries = [], []
    for model in arguments.models:
        own = []
        for seed in arguments.seeds:
            with tempfile.TemporaryDirectory() as folder:
                own.append(one_run(arguments, model, seed, folder))
            row = own[-1]
            print(
                "%s seed %d (%s): accuracy %.4f in %.0f s; fp16 %.4f, int8 %.4f; hand-over: general %.4f -> %.4f, Tony %.4f in %.0f s"
                % (
                    model,
                    seed,
                    row["precision"],
                    row["accuracy"],
                    row["pretrain_s"],
                    row["accuracy_fp16"],
                    row["accuracy_int8"],
                    row["accuracy_general_before"],
                    row["accuracy_general"],
                    row["accuracy_personal"],
                    row["resume_s"],
                ),
                flush=True,
            )
        rows += own
        summaries.append(summary(own))
        print(json.dumps(summaries[-1]), flush=True)
    if arguments.output:
        commit = subprocess.run(["git", "-C", ROOT, "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip()
        version = subprocess.run(
            [os.path.join(arguments.build, "tsugi"), "--version"], capture_output=True, text=True
        ).stdout.strip()
        with open(arguments.output, "w") as file:
            json.dump(
                {
                    "what": "accuracy on LFW: pretraining, compact checkpoints, hand-over with 86 photos of Tony Blair",
                    "cpu": cpu_name(),
                    "tsugi": version,
                    "commit": commit,
                    "date": datetime.date.today().isoformat(),
                    "epochs": arguments.epochs,
                    "fraction": arguments.fraction,
                    "summary": summaries,
                    "runs": rows,
                },
                file,
                indent=1,
            )
            file.write("\n")


if __name__ == "__main__":
    main()
