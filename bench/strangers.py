#!/usr/bin/env python3
"""How well a device tells strangers from those it knows, one held-back person at a time (who is a hand-over's, as few_photos.py makes it).

    bench/strangers.py BUNDLE.tar=PHOTOS... --people FOLDER... --strangers FOLDER [--half 2] [--photos 5 10] [--tsugi PATH] [--options "--accept 0.95"] -o bench/results/FILE.csv

PHOTOS: the folder of people of the bundle's server. A line a bundle, number of photos and person: what `tsugi eval --strangers` says, shares 0 to 1.
Means and 95 % intervals over lines are printed; strangers and the test photos of general people are the same for all lines of a bundle, so that the
intervals of what concerns them are too small. --half: every strangers' photo of the first or second half of their names, one to develop, one to report.
"""

import csv
import os
import tempfile

from few_photos import hand_over, mean_text
from running import hand_over_parser, result_of

FIGURES = ("auroc", "accepted", "named_owner", "accepted_general", "accepted_personal", "owner_auroc")


def linked(folders, to):
    os.mkdir(to)
    for folder in folders:
        os.symlink(os.path.abspath(folder), os.path.join(to, os.path.basename(folder)))
    return to


def below(root):
    return [os.path.join(root, name) for name in sorted(os.listdir(root))]


def figures_of(arguments, checkpoint, photos, strangers):
    told = result_of(arguments.tsugi, "eval", checkpoint, photos=photos, strangers=strangers, threads=arguments.threads)
    return [{**told, **told["strangers"]}[name] for name in FIGURES]


def main():
    parser = hand_over_parser(__doc__, [5, 10])
    parser.add_argument("--strangers", required=True)
    parser.add_argument("--half", type=int, choices=(1, 2))
    arguments = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        strangers = below(arguments.strangers)
        middle = len(strangers) // 2
        strangers = {None: strangers, 1: strangers[:middle], 2: strangers[middle:]}[arguments.half]
        strangers = linked(strangers, os.path.join(scratch, "strangers"))
        for bundle, general in (pair.split("=") for pair in arguments.bundles):
            known = result_of(arguments.tsugi, "inspect", bundle)["class_names"]
            people = [folder for root in arguments.people for folder in below(root)]
            people = [folder for folder in people if os.path.basename(folder) not in known]
            name = os.path.splitext(os.path.basename(bundle))[0]
            for count in arguments.photos:
                able = [folder for folder in people if len(os.listdir(folder)) >= count + 2]
                for folder in able[: arguments.most or None]:
                    with tempfile.TemporaryDirectory() as place:
                        checkpoint = os.path.join(place, "device.safetensors")
                        hand_over(arguments, bundle, folder, count, checkpoint)
                        photos = linked([*below(general), folder], os.path.join(place, "photos"))
                        figures = figures_of(arguments, checkpoint, photos, strangers)
                    rows.append((name, count, os.path.basename(folder), *figures))
    for count in arguments.photos:
        those = [row for row in rows if row[1] == count]
        if those:
            told = ("%s %s" % (what, mean_text([100 * row[3 + i] for row in those])) for i, what in enumerate(FIGURES))
            print("%d photos, n %d, percent: %s" % (count, len(those), ", ".join(told)))
    if arguments.output:
        with open(arguments.output, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("bundle", "photos", "person", *FIGURES))
            writer.writerows((*row[:3], *("%.4f" % value for value in row[3:])) for row in rows)


if __name__ == "__main__":
    main()
