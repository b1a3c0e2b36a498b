"""Photos as phones and exporters name and write them: found by content, named where they cannot be read, and still the
photos that an older version was trained on."""

import json
import os
import shutil
import struct

import support

DATA = os.environ.get("TSUGI_TEST_DATA", "")
SAMPLES = os.path.join(DATA, "photos")
JPEG_XL = b"\xff\x0a" + bytes(100)
TIFF = b"II*\0" + bytes(100)


def with_comment(jpeg):
    """The JPEG with a comment ahead: another file of the same picture."""
    return jpeg[:2] + b"\xff\xfe" + struct.pack(">H", 2 + 5) + b"hello" + jpeg[2:]


class PhotoFormats(support.CommandLine):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.names = cls.people("people", 2)
        cls.write("tiny.json", json.dumps(support.TINY_MODEL))
        cls.tsugi("pretrain", "people", "-o", "server", *support.TINY)
        cls.here = {row["format"]: row for row in cls.result("doctor")["photos"]}

    def sample(self, name, to):
        os.makedirs(os.path.dirname(self.path(to)) or ".", exist_ok=True)
        shutil.copy(os.path.join(SAMPLES, name), self.path(to))
        return to

    def test_doctor_says_which_formats_are_read_and_what_to_install(self):
        self.assertEqual(list(self.here), ["JPEG", "PNG", "WebP", "HEIC", "AVIF"])
        for row in self.here.values():
            self.assertEqual(row["readable"], row["library"] != "")
            if not row["readable"]:
                self.assertRegex(row["missing"], r"install lib\w+")
        said = self.tsugi("doctor").stdout
        for name, row in self.here.items():
            self.assertRegex(said, rf"(?m)^{name} +{row['library'] or 'nothing'}")

    def test_photos_are_read_by_content_whatever_their_name(self):
        for format, sample in (("HEIC", "turned.heic"), ("AVIF", "plain.avif"), ("WebP", "lossy.webp")):
            with self.subTest(format):
                named = self.sample(sample, f"album/{format}.jpg")
                if self.here[format]["readable"]:
                    self.assertEqual(len(self.result("predict", "server", named)["predictions"][0]["top"]), 2)
                else:
                    self.refuses(["predict", "server", named], named, format, "does not read", "install")

    def test_names_of_all_formats_are_found_in_folders(self):
        good = self.read(f"people/{self.names[0]}/{min(os.listdir(self.path('people', self.names[0])))}")
        names = [f"named/{name}" for name in ("a.JPE", "b.jfif", "c.heic", "d.HEIF", "e.avif", "f.webp", "g.tiff")]
        for name in names:
            self.write(name, good)
        self.write("named/notes.txt", "no photo")
        self.assertEqual([entry["photo"] for entry in self.result("predict", "server", "named")["predictions"]], names)

    def test_a_photo_of_a_format_that_nobody_reads_is_broken_not_ignored(self):
        shutil.copytree(self.path("people"), self.path("mixed"))
        self.write(f"mixed/{self.names[0]}/x.jxl", JPEG_XL)
        done = self.tsugi("pretrain", "mixed", "-o", "out", *support.TINY)
        self.assertIn(f"skipped broken photo {self.names[0]}/x.jxl: is JPEG XL, which tsugi does not read", done.stderr)
        self.assertNotIn("ignored", done.stderr)
        self.write(f"mixed/{self.names[0]}/y.tif", TIFF)
        self.refuses(["pretrain", "mixed", "-o", "out2", *support.TINY], "2 of 14", "JPEG XL", "TIFF")
        self.refuses(
            ["predict", "server", f"mixed/{self.names[0]}/y.tif"], "y.tif", "TIFF", "convert it to JPEG or PNG"
        )

    def test_decoding_is_part_of_memory_and_said(self):
        self.assertRegex(
            self.tsugi("pretrain", "people", "-o", "said", *support.TINY).stderr,
            "decoding took at most [0-9]+ MiB at a time",
        )

    def test_photos_that_an_older_version_knew_are_known_again_though_its_decoder_rounded_otherwise(self):
        # "known" has digests of pixels that version 0.1.0 decoded with stb_image (make_golden_files.sh).
        shutil.copytree(os.path.join(DATA, "golden", "general"), self.path("general"))
        shutil.copy(os.path.join(DATA, "golden", "known.safetensors"), self.path("known"))
        files = 0
        for person in os.listdir(self.path("general")):
            for photo in os.listdir(self.path("general", person)):
                self.write(f"general/{person}/renamed_{photo}", with_comment(self.read(f"general/{person}/{photo}")))
                os.remove(self.path("general", person, photo))
                files += 1
        said = self.tsugi("eval", "known", "--photos", "general", "--json")
        self.assertEqual(json.loads(said.stdout.splitlines()[-1])["photos"], 3)  # of 15: the others were trained on
        self.assertNotIn("unknown", said.stderr)
        self.assertEqual(files, 15)


support.main()
