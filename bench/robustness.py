#!/usr/bin/env python3
"""What a face that is not where training saw it costs: a server is trained, its test photos are moved and resized, and evaluated again.

    bench/robustness.py --people FOLDER [FOLDER...] [--seeds 1 2] [--epochs 40] [--train "--crop 0.58"] [--checkpoints PREFIX] -o bench/results/FILE.csv

The cases: as is; shifted by 10 and 20 % of what the network sees, to each of four sides in turn; at 0.5, 0.7 and 1.5 times the size. A photo is
warped as a whole about its centre, edge pixels repeated. A line a seed and case: accuracy of the people, percent. Needs Pillow (python3-pil).
"""

import argparse
import csv
import os
import random
import statistics
import tempfile

from PIL import Image
from running import BUILD, output_of, result_of

VIEW = 0.464  # of the photo's shorter side: what the network sees by default
SIDES = ((1, 0), (0, 1), (-1, 0), (0, -1))
CASES = (
    ("as is", 0.0, 1.0),
    ("shift 10 %", 0.1, 1.0),
    ("shift 20 %", 0.2, 1.0),
    ("size 0.5", 0.0, 0.5),
    ("size 0.7", 0.0, 0.7),
    ("size 1.5", 0.0, 1.5),
)


def warped(photo, move, size):
    """The photo with everything in it moved by (x, y) pixels and at `size` times its size, about its centre."""
    width, height = photo.size
    border = max(width, height)
    padded = Image.new("RGB", (width + 2 * border, height + 2 * border))
    padded.paste(photo.resize((width, 3 * height), box=(0, 0, width, 1)), (border, 0))  # above and below: edge rows
    padded.paste(photo.resize((width, border), box=(0, height - 1, width, height)), (border, border + height))
    padded.paste(photo, (border, border))
    left = padded.crop((border, 0, border + 1, padded.height)).resize((border, padded.height))
    right = padded.crop((border + width - 1, 0, border + width, padded.height)).resize((border, padded.height))
    padded.paste(left, (0, 0))
    padded.paste(right, (border + width, 0))
    x = border + width / 2 - move[0] / size - width / 2 / size
    y = border + height / 2 - move[1] / size - height / 2 / size
    seen = (x, y, x + width / size, y + height / size)
    if size < 1:  # an area, so that nothing aliases
        return padded.resize((width, height), Image.BICUBIC, box=seen, reducing_gap=None)
    return padded.transform((width, height), Image.AFFINE, (1 / size, 0, x, 0, 1 / size, y), Image.BICUBIC)


def split(people, seed, to):
    """Folders train and test in `to`, links to 80 and 20 % of each person's photos. Returns the test photos."""
    draw, test = random.Random(seed), []
    for folder in people:
        name = os.path.basename(folder)
        photos = sorted(os.listdir(folder))
        draw.shuffle(photos)
        for part in ("train", "test"):
            os.makedirs(os.path.join(to, part, name))
        for index, photo in enumerate(photos):
            part = "test" if index < max(1, len(photos) // 5) else "train"
            os.symlink(os.path.abspath(os.path.join(folder, photo)), os.path.join(to, part, name, photo))
            if part == "test":
                test.append((name, photo))
    return test


def evaluated(arguments, checkpoint, place, test, case):
    name, shift, size = case
    with tempfile.TemporaryDirectory() as moved:
        for index, (person, file) in enumerate(test):
            os.makedirs(os.path.join(moved, person), exist_ok=True)
            with Image.open(os.path.join(place, "test", person, file)) as photo:
                photo = photo.convert("RGB")
            pixels = shift * VIEW * min(photo.size)
            move = [pixels * side for side in SIDES[index % 4]]
            png = os.path.join(moved, person, os.path.splitext(file)[0] + ".png")
            warped(photo, move, size).save(png, compress_level=1)
        return 100 * result_of(arguments.tsugi, "eval", checkpoint, photos=moved, threads=arguments.threads)["accuracy"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", nargs="+", required=True)
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--train", default="", help="options of tsugi pretrain")
    parser.add_argument("--tsugi", default=os.path.join(BUILD, "tsugi"))
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("-o", "--output")
    arguments = parser.parse_args()
    people = [os.path.join(root, name) for root in arguments.people for name in sorted(os.listdir(root))]
    rows = []
    for seed in arguments.seeds:
        with tempfile.TemporaryDirectory() as place:
            test = split(people, seed, place)
            server = os.path.join(place, "server.safetensors")
            training = {"test_fraction": 0, "epochs": arguments.epochs, "seed": seed, "threads": arguments.threads}
            train = os.path.join(place, "train")
            output_of(arguments.tsugi, "pretrain", train, *arguments.train.split(), o=server, quiet=True, **training)
            for case in CASES:
                rows.append((seed, case[0], evaluated(arguments, server, place, test, case)))
                print("seed %d  %-10s  %5.1f %% of %d" % (*rows[-1], len(test)), flush=True)
    for name, *_ in CASES:
        print("%-10s  %5.1f %%" % (name, statistics.mean(row[2] for row in rows if row[1] == name)))
    if arguments.output:
        with open(arguments.output, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("options", "epochs", "seed", "case", "accuracy_percent"))
            writer.writerows((arguments.train, arguments.epochs, *row[:2], "%.2f" % row[2]) for row in rows)


if __name__ == "__main__":
    main()
