"""What the scripts here share: running built programs, options of hand-overs, and writing down what was measured on what."""

import argparse
import datetime
import json
import os
import platform
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, "build", "cpu")


def words_of(options):
    """The words of options given by name: epochs=3 is --epochs 3, o="a" is -o a, step=True is --step."""
    for name, value in options.items():
        yield ("-" if len(name) == 1 else "--") + name.replace("_", "-")
        if value is not True:
            yield value


def output_of(*command, env=None, **options):
    """What a command printed; where it fails, what it complained of ends the script."""
    words = [str(word) for word in (*command, *words_of(options))]
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)
    if done.returncode != 0:
        raise SystemExit("%s:\n%s" % (" ".join(words), done.stderr.strip()))
    return done.stdout


def result_of(*command, env=None, **options):
    """The object that a tsugi command given --json ends with."""
    return json.loads(output_of(*command, env=env, json=True, quiet=True, **options).splitlines()[-1])


def hand_over_parser(description, photos):
    """A parser of what hand-overs of held-back people are made of. photos: of a person, where nobody says so."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundles", nargs="+")
    parser.add_argument("--people", nargs="+", required=True)
    parser.add_argument("--photos", nargs="+", type=int, default=photos)
    parser.add_argument("--most", type=int, default=0, help="people a bundle and number of photos, 0 = all")
    parser.add_argument("--tsugi", default=os.path.join(BUILD, "tsugi"))
    parser.add_argument("--options", default="", help="of tsugi resume")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("-o", "--output")
    return parser


def provenance(build):
    """What was measured, on what, and when."""
    with open("/proc/cpuinfo") as file:
        names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    return {
        "cpu": (names + [platform.machine()])[0],
        "tsugi": output_of(os.path.join(build, "tsugi"), "--version").strip(),
        "commit": output_of("git", "-C", ROOT, "rev-parse", "HEAD").strip(),
        "date": datetime.date.today().isoformat(),
    }


def write_report(path, what, **fields):
    """A result file; nothing where no path was given."""
    if path:
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"what": what, **fields}, file, indent=1)
            file.write("\n")
