#!/usr/bin/env python3
"""The picture at the top of the README: what one new person's photos reach and cost, from the life.csv of `tsugi experiment life`.

    bench/plot_life.py bench/results/life-lfw-epyc-zen4-2c.csv -o bench/results/life-lfw.png      (needs gnuplot)

Means over the hand-overs of one person alone, and 95 % intervals by Student's t where there are more than three.
"""

import argparse
import collections
import csv
import subprocess

from few_photos import mean_and_interval

SCRIPT = """
set terminal pngcairo size 900,420 font "sans,11" noenhanced
set output "{output}"
set multiplot layout 1,2
set logscale x
set xtics ({tics})
set xrange [4:110]
set grid ytics lc rgb "#dddddd"
set border 3
set tics nomirror
set xlabel "photos of the new person"
set key bottom right
set title "new person recognised, %"
set yrange [70:100]
{recall}
set title "change of everybody else, points"
set yrange [-4:2]
set key top right
set arrow from 4,0 to 110,0 nohead lc rgb "#888888"
{general}
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("life")
    parser.add_argument("-o", "--output", required=True)
    arguments = parser.parse_args()
    found = collections.defaultdict(lambda: ([], []))
    with open(arguments.life, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["event"] == "joins" and row["people"] == "1":
                recall, general = found[float(row["fraction"]), int(row["photos"])]
                recall.append(100 * float(row["personal"]))
                general.append(100 * (float(row["general"]) - float(row["general_before"])))
    fractions = sorted({fraction for fraction, _ in found})
    data, panels = [], []
    for which in (0, 1):
        lines = []
        for index, fraction in enumerate(fractions):
            name = "$data%d%d" % (which, index)
            data.append(name + " << EOD")
            for photos in sorted(count for sent, count in found if sent == fraction):
                mean, interval = mean_and_interval(found[fraction, photos][which])
                data.append("%g %g %g" % (photos * (1 + 0.04 * index), mean, interval))
            data.append("EOD")
            title = "%g %% of the server's photos sent" % (100 * fraction)
            lines.append('%s using 1:2:3 with yerrorlines lw 2 pt 7 title "%s"' % (name, title))
        panels.append("plot " + ", ".join(lines))
    tics = ", ".join(str(photos) for photos in sorted({photos for _, photos in found}))
    script = SCRIPT.format(output=arguments.output, tics=tics, recall=panels[0], general=panels[1])
    subprocess.run(["gnuplot"], input="\n".join(data) + script, text=True, check=True)


if __name__ == "__main__":
    main()
