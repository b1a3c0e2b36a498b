#!/usr/bin/env python3
"""Accuracy where faces lie anywhere on photos, by what is cropped: the same test photos as they are, and pasted at random places and sizes into scenes.

    bench/faces_in_scenes.py PHOTOS --scraps PHOTOS [--seeds 1 2] [--epochs 20] [--tsugi PATH] -o bench/results/FILE.json

PHOTOS: aligned photos, a folder a person; every fifth of a person is tested, the others teach. A scene of 1600 x 1200 pixels is made of what surrounds the
faces on other people's photos (--scraps), enlarged and blurred; the test photo on it has 150 to 700 pixels a side. A server is trained on the aligned
photos with the usual crop, one with --crop face, and one with --crop face-or-center on photos that were all pasted. Needs Pillow.
"""

import argparse
import json
import math
import os
import random
import re
import shutil
import subprocess
import tempfile

from PIL import Image, ImageFilter

from running import BUILD, output_of, provenance, write_report

WIDTH, HEIGHT = 1600, 1200
SMALLEST, LARGEST = 150, 700  # pixels of a side of a pasted photo
COARSE = 4  # the ground is made at a quarter of the size
SCRAP = 50  # of 250: the strip at a photo's side, which an aligned face does not reach


def scene_of(photo, scraps, draw):
    """The photo, pasted somewhere."""
    ground = Image.new("RGB", (WIDTH // COARSE, HEIGHT // COARSE))
    cell = ground.width // 4
    for top in range(0, ground.height, cell):
        for left in range(0, ground.width, cell):
            with Image.open(draw.choice(scraps)) as other:
                x = draw.choice((0, other.width - SCRAP))
                y = draw.randrange(other.height - SCRAP + 1)
                scrap = other.convert("RGB").crop((x, y, x + SCRAP, y + SCRAP))
            ground.paste(scrap.resize((cell, cell), Image.BICUBIC), (left, top))
    scene = ground.filter(ImageFilter.GaussianBlur(draw.choice((0, 1, 3)))).resize((WIDTH, HEIGHT), Image.BICUBIC)
    side = round(SMALLEST * math.exp(draw.random() * math.log(LARGEST / SMALLEST)))
    left, top = draw.randrange(WIDTH - side + 1), draw.randrange(HEIGHT - side + 1)
    with Image.open(photo) as picture:
        scene.paste(picture.convert("RGB").resize((side, side), Image.BICUBIC), (left, top))
    return scene


def write_scenes(photos, scraps, folder, seed):
    """photos: {person: [path]}."""
    for person, paths in photos.items():
        os.makedirs(os.path.join(folder, person))
        for path in paths:
            name = os.path.basename(path)
            scene = scene_of(path, scraps, random.Random("%d %s" % (seed, name)))
            scene.save(os.path.join(folder, person, name), quality=92)


def write_copies(photos, folder):
    for person, paths in photos.items():
        os.makedirs(os.path.join(folder, person))
        for path in paths:
            shutil.copy(path, os.path.join(folder, person))


def split(root):
    """Every fifth photo of a person is a test photo."""
    train, test = {}, {}
    for person in sorted(os.listdir(root)):
        paths = [os.path.join(root, person, name) for name in sorted(os.listdir(os.path.join(root, person)))]
        test[person], train[person] = paths[2::5], [path for i, path in enumerate(paths) if i % 5 != 2]
    return train, test


def evaluated(arguments, checkpoint, folder, crop):
    """Accuracy in percent, and in how many photos no face was found."""
    words = [arguments.tsugi, "eval", checkpoint, "--photos", folder, "--crop", crop, "--all", "--json"]
    words += ["--threads", str(arguments.threads)]
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise SystemExit(done.stderr.strip())
    missed = re.search(r"took the centre of (\d+) of", done.stderr)
    told = json.loads(done.stdout.splitlines()[-1])
    return {"accuracy": round(100 * told["accuracy"], 2), "faceless": int(missed[1]) if missed else 0}


def train(arguments, photos, crop, seed, output):
    output_of(
        arguments.tsugi,
        "pretrain",
        photos,
        crop=crop,
        epochs=arguments.epochs,
        seed=seed,
        test_fraction=0,
        threads=arguments.threads,
        quiet=True,
        o=output,
    )


def once(path, make):
    """What lies at the path; it is made where there is nothing."""
    if not os.path.exists(path):
        make(path + ".new")
        os.rename(path + ".new", path)
    return path


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos")
    parser.add_argument("--scraps", required=True, help="a folder a person: other people")
    parser.add_argument("--seeds", nargs="+", type=int, default=[1])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--servers", nargs="+", default=["aligned", "face", "pasted"])
    parser.add_argument("--tsugi", default=os.path.join(BUILD, "tsugi"))
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--work", help="keep scenes and servers in this folder; what it has already is not made again")
    parser.add_argument("-o", "--output")
    arguments = parser.parse_args()
    scraps = [
        os.path.join(root, name) for root, _, names in sorted(os.walk(arguments.scraps)) for name in sorted(names)
    ]
    teach, test = split(arguments.photos)
    total = sum(map(len, test.values()))
    rows = []
    servers = {"aligned": ("teach", 0), "face": ("teach", "face"), "pasted": ("pasted", "face-or-center")}
    with tempfile.TemporaryDirectory() as scratch:
        work = arguments.work or scratch
        at = {
            "teach": once(os.path.join(work, "teach"), lambda path: write_copies(teach, path)),
            "aligned": once(os.path.join(work, "aligned"), lambda path: write_copies(test, path)),
        }
        for seed in arguments.seeds:

            def pasted(photos, name, first):
                return once(os.path.join(work, name), lambda path: write_scenes(photos, scraps, path, first + seed))

            at["scenes"] = pasted(test, "scenes-%d" % seed, 0)
            for server in arguments.servers:
                photos, crop = servers[server]
                if photos == "pasted":
                    at[photos] = pasted(teach, "pasted-%d" % seed, 1000)
                checkpoint = once(
                    os.path.join(work, "%s-%d" % (server, seed)),
                    lambda path: train(arguments, at[photos], crop, seed, path),
                )
                for folder in ("aligned", "scenes"):
                    for crop in ("center", "face-or-center"):
                        row = {"seed": seed, "server": server, "test": folder, "crop": crop}
                        row.update(evaluated(arguments, checkpoint, at[folder], crop))
                        rows.append(row)
                        print(row, flush=True)
    write_report(
        arguments.output,
        "accuracy of aligned test photos, and of the same pasted into scenes of %d x %d" % (WIDTH, HEIGHT),
        epochs=arguments.epochs,
        people=len(test),
        test_photos=total,
        rows=rows,
        **provenance(os.path.dirname(os.path.abspath(arguments.tsugi))),
    )


if __name__ == "__main__":
    main()
