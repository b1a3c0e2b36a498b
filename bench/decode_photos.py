#!/usr/bin/env python3
"""Times photos from file to stored square, and what memory that takes, for builds of tsugi and for Pillow, in turn.

    bench/decode_photos.py [--build NAME=DIR ...] [--formats JPEG WEBP HEIF] [--sizes 250x250 4000x3000 ...] [-o bench/results/FILE.json]

Needs Pillow, NumPy and, for HEIF, pillow-heif. Photos are drawn: shades with a little noise, quality 90. A side is a process of its own on one
core: `tsugi predict`, or Python doing with Pillow what torchvision's ImageFolder, CenterCrop and Resize do, also with Pillow's own reduced
decoding (`Pillow, draft`). Time is the processor's, user and system, so that other jobs disturb it less; a photo's is the difference between
many photos and one, over their number: starting up is left out. Memory is the most that the process of one photo had, and what that is beyond
a photo of 16 x 16 pixels. Figures are medians over the rounds.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

from running import BUILD, output_of, provenance, write_report

CROP, STORED = 0.58, 80
# A network that takes next to no time.
SMALL = {
    "name": "small",
    "input": [64, 64, 3],
    "layers": [
        {"type": "conv2d", "name": "conv", "filters": 2, "kernel": 8, "stride": 8},
        {"type": "global_average_pool"},
        {"type": "flatten"},
        {"type": "dense", "name": "head", "units": "classes"},
    ],
}
PILLOW = """
import sys
from PIL import Image
try:
    import pillow_heif
    pillow_heif.register_heif_opener()
except ImportError:
    pass
Image.MAX_IMAGE_PIXELS = None
for path in sys.argv[2:]:
    with Image.open(path) as photo:
        if sys.argv[1] == "draft":
            photo.draft("RGB", ({enough}, {enough}))
        photo = photo.convert("RGB")
    side = {crop} * min(photo.size)
    left, top = (photo.width - side) / 2, (photo.height - side) / 2
    photo.resize(({stored}, {stored}), Image.Resampling.BICUBIC, box=(left, top, left + side, top + side)).tobytes()
""".format(enough=int(2 * STORED / CROP), crop=CROP, stored=STORED)


def draw(path, width, height, form):
    """Shades with noise of 13 grey levels, as photos have them: noise alone would be slower to decode than any photo. In a
    process of its own: what one had when it started others counts as theirs."""
    output_of(sys.executable, __file__, "--draw", path, width, height, form)


def draw_here(path, width, height, form):
    import numpy
    from PIL import Image

    if form == "HEIF":
        import pillow_heif

        pillow_heif.register_heif_opener()
    y, x = numpy.linspace(0, 12, height)[:, None], numpy.linspace(0, 9, width)[None]
    noise = numpy.random.default_rng(1)
    rgb = numpy.empty((height, width, 3), numpy.uint8)
    for c in range(3):
        shade = 128 + 60 * numpy.sin(y + c) * numpy.cos(x) + 30 * numpy.sin(3 * x + 2 * y)
        rgb[..., c] = numpy.clip(shade + noise.integers(-6, 7, (height, width)), 0, 255)
    Image.fromarray(rgb).save(path, form, quality=90)


def sides_of(arguments, checkpoint):
    """Name, and the command that photos are added to."""
    sides = []
    for build in arguments.build or ["tsugi=" + BUILD]:
        name, folder = build.split("=", 1)
        sides.append((name, [os.path.join(folder, "tsugi"), "predict", "--quiet", "--threads", "1", checkpoint]))
    for name in ("plain", "draft"):
        sides.append(("Pillow" + (", draft" if name == "draft" else ""), [sys.executable, "-c", PILLOW, name]))
    return sides


def run(command):
    """Seconds of the processor and bytes at most; nothing where the command failed."""
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=dict(os.environ, TSUGI_TUNING="off")
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return None if process.returncode else (usage.ru_utime + usage.ru_stime, usage.ru_maxrss << 10)


def measure(arguments, folder, checkpoint):
    tiny = os.path.join(folder, "tiny.jpg")
    draw(tiny, 16, 16, "JPEG")
    rows = []
    for form in arguments.formats:
        for size in arguments.sizes:
            width, height = map(int, size.split("x"))
            photo = os.path.join(folder, "%s.%s" % (size, form.lower()))
            draw(photo, width, height, form)
            many = max(2, min(400, int(60e6 / (width * height))))
            found = {}
            for _ in range(arguments.rounds):
                for name, command in sides_of(arguments, checkpoint):
                    runs = [run([*command, path]) for path in (tiny, photo)] + [run([*command, *[photo] * many])]
                    if None not in runs:
                        found.setdefault(name, []).append(runs)
            for name, _ in sides_of(arguments, checkpoint):
                row = {"format": form, "size": size, "side": name, "file_bytes": os.path.getsize(photo)}
                if name in found:
                    seconds = statistics.median((last[0] - one[0]) / (many - 1) for _, one, last in found[name])
                    row.update(
                        ms_a_photo=round(1e3 * seconds, 2),
                        photos_per_s=round(1 / seconds, 2),
                        seconds_of_one=round(statistics.median(one[0] for _, one, _ in found[name]), 3),
                        peak_bytes=int(statistics.median(one[1] for _, one, _ in found[name])),
                        bytes_beyond_tiny=int(statistics.median(one[1] - tiny[1] for tiny, one, _ in found[name])),
                    )
                rows.append(row)
                print(row, file=sys.stderr, flush=True)
            os.remove(photo)
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--build", action="append", metavar="NAME=DIR", help="a build folder; more than once to compare"
    )
    parser.add_argument("--formats", nargs="+", default=["JPEG"])
    parser.add_argument("--sizes", nargs="+", default=["250x250", "4000x3000", "12000x9000"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--draw", nargs=4, help=argparse.SUPPRESS)
    parser.add_argument("-o", metavar="FILE.json")
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    if arguments.draw:
        path, width, height, form = arguments.draw
        return draw_here(path, int(width), int(height), form)
    build = (arguments.build or ["tsugi=" + BUILD])[-1].split("=", 1)[1]
    with tempfile.TemporaryDirectory() as folder:
        people, checkpoint = os.path.join(folder, "people"), os.path.join(folder, "server.safetensors")
        tsugi = os.path.join(build, "tsugi")
        output_of(tsugi, "synth", people, people=2, photos=4)
        model = os.path.join(folder, "small.json")
        with open(model, "w") as file:
            json.dump(SMALL, file)
        output_of(tsugi, "pretrain", people, o=checkpoint, model=model, epochs=1, augment=1, quiet=True)
        rows = measure(arguments, folder, checkpoint)
    write_report(
        arguments.o,
        "photos from file to stored square, one core, in turn",
        pillow=output_of(sys.executable, "-c", "import PIL; print(PIL.__version__)").strip(),
        rounds=arguments.rounds,
        rows=rows,
        **provenance(build),
    )


main()
