#!/usr/bin/env python3
"""Times photos from file to stored square, and what memory that takes, for builds of tsugi and for Pillow, in turn.

    bench/decode_photos.py [--build NAME=DIR ...] [--formats JPEG WEBP HEIF] [--sizes 250x250 4000x3000 ...] [-o bench/results/FILE.json]

Needs Pillow, NumPy and, for HEIF, pillow-heif. Photos are drawn: shades with a little noise, quality 90. A side is a process of its own on one
core, `tsugi predict` or a Python process that does as torchvision's ImageFolder with CenterCrop and Resize would (`Pillow`), also with Pillow's
own reduced decoding (`Pillow, draft`). Time a photo is the difference between many photos and one, over their number: starting up is left
out. Memory is the most that the process of one photo had, and what that is beyond a photo of 16 x 16 pixels. Figures are medians over rounds.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time

from running import BUILD, output_of, provenance, write_report

CROP, STORED = 0.58, 80
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
    """Shades with noise of 13 grey levels, as photos have them: noise alone would be slower to decode than any photo."""
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
    """Seconds and bytes at most; nothing where the command failed."""
    start = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=dict(os.environ, TSUGI_TUNING="off")
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return None if process.returncode else (time.perf_counter() - start, usage.ru_maxrss << 10)


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
    parser.add_argument("-o", metavar="FILE.json")
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    build = (arguments.build or ["tsugi=" + BUILD])[-1].split("=", 1)[1]
    with tempfile.TemporaryDirectory() as folder:
        people, checkpoint = os.path.join(folder, "people"), os.path.join(folder, "server.safetensors")
        tsugi = os.path.join(build, "tsugi")
        output_of(tsugi, "synth", people, people=2, photos=4)
        output_of(tsugi, "pretrain", people, o=checkpoint, epochs=1, augment=1, quiet=True)
        rows = measure(arguments, folder, checkpoint)
    import PIL

    write_report(
        arguments.o,
        "photos from file to stored square, one core, in turn",
        pillow=PIL.__version__,
        rounds=arguments.rounds,
        rows=rows,
        **provenance(build),
    )


main()
