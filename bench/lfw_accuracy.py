#!/usr/bin/env python3
"""Accuracy on Labeled Faces in the Wild: pretraining, compact checkpoints and the hand-over, as means over seeds.

    bench/lfw_accuracy.py LFW_DIR [--build build/cpu] [--models faces-resnet faces-cnn] [--seeds 1 2 3] [-o bench/results/FILE.json]

LFW_DIR holds general/ (32 people) and personal/Tony_Blair. For each model and seed: pretrain with default settings; evaluate the full, fp16 and
int8 checkpoint on the same test photos; bundle a fraction of the training photos; resume with 86 of Tony Blair's photos. Prints a table, and
writes every figure with --output.
"""

import argparse
import functools
import json
import os
import statistics
import tempfile

from running import BUILD, provenance, result_of, write_report


def one_run(arguments, model, seed, folder):
    general = os.path.join(arguments.lfw, "general")
    full = os.path.join(folder, "full.safetensors")
    tsugi = functools.partial(result_of, os.path.join(arguments.build, "tsugi"))
    precision = arguments.precision
    pretrained = tsugi(
        "pretrain", general, model=model, seed=seed, epochs=arguments.epochs, precision=precision, o=full
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
    row["accuracy_full"] = tsugi("eval", full, photos=general)["accuracy"]
    for kind in ("fp16", "int8"):
        small = os.path.join(folder, kind + ".safetensors")
        tsugi("compact", full, "--as", kind, o=small)
        row[kind + "_bytes"] = os.path.getsize(small)
        row["accuracy_" + kind] = tsugi("eval", small, photos=general)["accuracy"]
    bundle = os.path.join(folder, "handover.tar")
    bundled = tsugi("bundle", full, photos=general, fraction=arguments.fraction, seed=seed, o=bundle)
    row["bundle_bytes"] = bundled["bytes"]
    tony, device = os.path.join(arguments.lfw, "personal", "Tony_Blair"), os.path.join(folder, "device.safetensors")
    resumed = tsugi("resume", bundle, personal=tony, personal_photos=86, precision=precision, o=device)
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


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lfw", metavar="LFW_DIR")
    parser.add_argument("--build", default=BUILD)
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
            print(
                "%(model)s seed %(seed)d (%(precision)s): accuracy %(accuracy).4f in %(pretrain_s).0f s; "
                "fp16 %(accuracy_fp16).4f, int8 %(accuracy_int8).4f; hand-over: general %(accuracy_general_before).4f -> "
                "%(accuracy_general).4f, Tony %(accuracy_personal).4f in %(resume_s).0f s" % own[-1],
                flush=True,
            )
        rows += own
        summaries.append(summary(own))
        print(json.dumps(summaries[-1]), flush=True)
    write_report(
        arguments.output,
        "accuracy on LFW: pretraining, compact checkpoints, hand-over with 86 photos of Tony Blair",
        **provenance(arguments.build),
        epochs=arguments.epochs,
        fraction=arguments.fraction,
        summary=summaries,
        runs=rows,
    )


if __name__ == "__main__":
    main()
