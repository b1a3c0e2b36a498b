#!/usr/bin/env python3
"""How a hand-over with no photo sent does by how few photos there are of the new person, one held-back person at a time.

    bench/few_photos.py BUNDLE.tar... --people FOLDER... [--photos 5 10 20] [--tsugi PATH] [--options "--general-loss 2"] -o bench/results/FILE.csv

Everybody in the folders whom a bundle's checkpoint does not know and who has two photos more than asked for is handed over alone: so many photos
teach, the others test. A line a bundle, number of photos and person: change of the general people in points (against the checkpoint as it came), the
person's recall, both in percent, and their test photos. Means and 95 % intervals over lines are printed; the test photos of a bundle's general people
are the same for all its lines, so that the interval of their change is too small.
"""

import csv
import math
import os
import shlex
import statistics
import tempfile

from running import hand_over_parser, result_of


# Student's t, two-sided 95 %, by degrees of freedom; of those between, the fewer.
T95 = {
    3: 3.182,
    4: 2.776,
    5: 2.571,
    6: 2.447,
    7: 2.365,
    9: 2.262,
    14: 2.145,
    19: 2.093,
    23: 2.069,
    39: 2.023,
    119: 1.980,
}


def mean_and_interval(values):
    """The mean, and half of its 95 % interval by Student's t; 0 for fewer than four values, which tell of none."""
    if len(values) < 4:
        return statistics.mean(values), 0
    t = T95[max(freedom for freedom in T95 if freedom < len(values))]
    return statistics.mean(values), t * statistics.stdev(values) / math.sqrt(len(values))


def mean_text(values):
    mean, interval = mean_and_interval(values)
    return "%.1f ± %.1f" % (mean, interval) if interval else "%.1f" % mean


def hand_over(arguments, bundle, folder, count, output):
    """All photos but `count` are tested, at most nine of ten; those between are in neither."""
    photos = len(os.listdir(folder))
    return result_of(
        arguments.tsugi,
        "resume",
        bundle,
        *shlex.split(arguments.options),
        personal=folder,
        test_fraction="%.6f" % min((photos - count) / photos, 0.9),
        personal_photos=count,
        threads=arguments.threads,
        o=output,
    )


def main():
    arguments = hand_over_parser(__doc__, [5, 10, 20]).parse_args()
    rows = []
    for bundle in arguments.bundles:
        known = result_of(arguments.tsugi, "inspect", bundle)["class_names"]
        folders = [os.path.join(root, name) for root in arguments.people for name in sorted(os.listdir(root))]
        folders = [folder for folder in folders if os.path.basename(folder) not in known]
        for count in arguments.photos:
            able = [folder for folder in folders if len(os.listdir(folder)) >= count + 2]
            for folder in able[: arguments.most or None]:
                with tempfile.TemporaryDirectory() as scratch:
                    done = hand_over(arguments, bundle, folder, count, os.path.join(scratch, "device.safetensors"))
                general = 100 * (done["accuracy_general"] - done["accuracy_general_before"])
                personal = 100 * done["accuracy_personal"]
                tests = min(len(os.listdir(folder)) - count, round(0.9 * len(os.listdir(folder))))
                name = os.path.splitext(os.path.basename(bundle))[0]
                rows.append((name, count, os.path.basename(folder), "%.2f" % general, "%.2f" % personal, tests))
    for count in arguments.photos:
        those = [row for row in rows if row[1] == count]
        if those:
            general, personal = ([float(row[column]) for row in those] for column in (3, 4))
            print(
                "%d photos: general %s points, recall %s %%, n %d"
                % (count, mean_text(general), mean_text(personal), len(those))
            )
    if arguments.output:
        with open(arguments.output, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("bundle", "photos", "person", "general_points", "recall", "test_photos"))
            writer.writerows(rows)


if __name__ == "__main__":
    main()
