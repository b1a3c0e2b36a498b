#!/usr/bin/env python3
"""Makes tests/data/photos: one small drawn picture in the formats that nothing here can write. Run once and kept, since
encoders change: python3 tests/data/make_photo_files.py, with Pillow 13.0, pillow-heif 1.8 and jpegtran
(libjpeg-turbo-progs 2.1)."""

import math
import pathlib
import subprocess

import pillow_heif
from PIL import Image

HERE = pathlib.Path(__file__).parent / "photos"
TURNED = 5  # the orientation that phones write for a transposed picture


def drawn(height=48, width=64, seed=1):
    """The picture of tests/data_path/image_files.h: make_image(48, 64, 1)."""
    picture = Image.new("RGB", (width, height))
    for y in range(height):
        for x in range(width):
            u, v = x / width, y / height
            values = (200 * u + 40 * v, 30 + 200 * v * v, 128 + 100 * math.sin(3 * u + 2 * v + seed))
            picture.putpixel((x, y), tuple(int(value) for value in values))
    return picture


def main():
    pillow_heif.register_heif_opener()
    HERE.mkdir(exist_ok=True)
    picture = drawn()
    exif = Image.Exif()
    exif[0x0112] = TURNED
    transposed = picture.transpose(Image.Transpose.TRANSPOSE)
    # As a phone does: stored transposed, with boxes that turn and mirror, and the same orientation in EXIF.
    transposed.save(HERE / "turned.heic", quality=95, chroma=444, exif=exif.tobytes())
    picture.save(HERE / "plain.heic", quality=95)
    wide = b"".join((value * 257).to_bytes(2, "little") for value in picture.tobytes())
    deep = pillow_heif.from_bytes("RGB;16", picture.size, wide)
    pillow_heif.options.SAVE_HDR_TO_12_BIT = False
    deep.save(HERE / "deep.heic", quality=95)  # 10 bits
    half = picture.copy()
    half.putalpha(51)
    half.save(HERE / "transparent.heic", quality=95, chroma=444)
    picture.save(HERE / "plain.avif", quality=95)
    picture.save(HERE / "lossy.webp", quality=98)
    picture.save(HERE / "lossless.webp", lossless=True)
    half.save(HERE / "transparent.webp", lossless=True, exact=True)
    transposed.save(HERE / "turned.webp", lossless=True, exif=exif.tobytes())
    picture.save(HERE / "animated.webp", save_all=True, append_images=[transposed.resize(picture.size)], lossless=True)
    picture.save(HERE / "progressive.jpg", quality=95, subsampling="4:2:0", progressive=True)
    picture.convert("CMYK").save(HERE / "cmyk.jpg", quality=95)
    plain = HERE / "plain.jpg"
    picture.save(plain, quality=95, subsampling="4:4:4")
    subprocess.run(["jpegtran", "-arithmetic", "-outfile", HERE / "arithmetic.jpg", plain], check=True)
    plain.unlink()


main()
