"""--crop face from pretraining to prediction, --box and --save-crops, on drawn people, in about half of whose photos the detector finds the face."""

import json
import os
import re
import stat
import struct
import zlib

import support


def png(width, height):
    """A picture without a face: a slope of grey."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + bytes((x + y) % 256 for x in range(width)) for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def size_of(data):
    return struct.unpack(">II", data[16:24])


class Faces(support.CommandLine):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.detector = cls.result("doctor")["faces"]
        cls.write("tiny.json", json.dumps(support.TINY_MODEL))
        cls.tsugi("synth", "people", "--people", 3, "--photos", 12, "--first", 6)
        cls.names = sorted(os.listdir(cls.path("people")))
        cls.write("empty.png", png(300, 200))
        if not cls.detector["available"]:
            return
        cls.log = cls.tsugi("pretrain", "people", "--crop", "face", "-o", "server", *support.TINY).stderr
        cls.found = cls.result("eval", "server", "--photos", "people", "--all")["photos"]

    def setUp(self):
        if not self.detector["available"] and "without" not in self.id():
            self.skipTest("this build finds no faces")

    def preprocessing(self, checkpoint):
        return self.result("inspect", checkpoint)["preprocessing"]

    def photo(self, person=0, number=0):
        return os.path.join("people", self.names[person], f"{self.names[person]}_{number + 1:04}.jpg")

    def modes(self, folder):
        return {stat.S_IMODE(os.stat(self.path(folder, name)).st_mode) for name in os.listdir(self.path(folder))}

    # -- a build with and without a detector ------------------------------------------------------------------------------

    def test_doctor_tells_what_finds_faces_with_and_without_it(self):
        told = self.tsugi("doctor").stdout
        self.assertEqual(self.detector["package"], "libdlib-dev")
        self.assertRegex(told, "found by dlib [0-9.]+" if self.detector["available"] else "install libdlib-dev")

    def test_a_build_without_a_detector_names_the_package(self):
        if self.detector["available"]:
            self.skipTest("this build finds faces")
        for crop in ("face", "face-or-center"):
            self.refuses(["pretrain", "people", "--crop", crop, "-o", "x", *support.TINY], "libdlib-dev")

    # -- what is left out ---------------------------------------------------------------------------------------------------

    def test_photos_without_a_face_are_left_out_counted_and_listed(self):
        self.assertTrue(3 <= self.found < 36, self.found)
        missed = 36 - self.found
        self.assertIn(f"left out {missed} of 36 photos, in which no face is found", self.log)
        self.assertEqual(len(re.findall(r"left out \w+/\w+\.jpg: no face is found in it", self.log)), min(missed, 10))
        trained = self.result("inspect", "server")["provenance"]["training_photos"]
        self.assertEqual(trained + self.result("eval", "server", "--photos", "people")["photos"], self.found)

    def test_their_centre_is_taken_on_request(self):
        train = ["pretrain", "people", "--crop", "face-or-center", "-o", "both", *support.TINY]
        self.assertIn(f"took the centre of {36 - self.found} of 36 photos", self.tsugi(*train).stderr)
        self.assertEqual(self.result("eval", "both", "--photos", "people", "--all")["photos"], 36)

    def test_a_folder_without_any_face_is_an_error(self):
        for person in ("Ann", "Bob"):
            for i in range(3):
                self.write(f"slopes/{person}/{i}.png", png(90 + i, 70))
        self.refuses(["pretrain", "slopes", "--crop", "face", "-o", "x", *support.TINY], "no face is found in 6 of 6")

    # -- the checkpoint remembers ---------------------------------------------------------------------------------------------

    def test_a_checkpoint_remembers_the_crop_and_older_ones_keep_theirs(self):
        self.assertEqual(self.preprocessing("server")["crop"]["around"], "face")
        self.tsugi("pretrain", "people", "-o", "plain", *support.TINY)
        self.assertIsInstance(self.preprocessing("plain")["crop"], float)
        self.assertEqual(self.preprocessing("server")["crop"]["share"], self.preprocessing("plain")["crop"])

    def test_a_continued_run_keeps_the_crop(self):
        go_on = ["pretrain", "people", "--continue", "server", "-o", "on", "--epochs", "2", "--threads", "1"]
        self.refuses([*go_on, "--crop", "0.5"], "--crop is 0.5", "server has face")
        self.refuses([*go_on, "--crop", "face-or-center"], "--crop is face-or-center", "server has face")
        self.tsugi(*go_on, "--crop", "face")
        self.assertEqual(self.preprocessing("on"), self.preprocessing("server"))

    def test_the_same_photos_give_the_same_checkpoint(self):
        self.tsugi("pretrain", "people", "--crop", "face", "-o", "again", *support.TINY)
        self.assertEqual(self.read("again"), self.read("server"))

    def test_a_hand_over_finds_faces_too(self):
        self.tsugi("synth", "tony", "--people", 1, "--photos", 12, "--first", 9)
        self.tsugi("bundle", "server", "--photos", "people", "-o", "handover.tar")
        self.tsugi(
            "resume", "handover.tar", "--personal", "tony", "-o", "device", "--save-crops", "seen", "--threads", "1"
        )
        self.assertEqual(self.preprocessing("device"), self.preprocessing("server"))
        tony = os.listdir(self.path("tony"))[0]
        self.assertIn(f"{tony}.png", os.listdir(self.path("seen")))
        self.assertEqual(self.modes("seen"), {0o600})

    # -- one photo ------------------------------------------------------------------------------------------------------------

    def test_predict_goes_on_after_a_photo_without_a_face_unless_told_where_it_is(self):
        done = self.tsugi("predict", "server", "empty.png", self.photo(), "--crop", "center", "--json-lines")
        self.assertEqual(len(done.stdout.splitlines()), 2)
        done = self.tsugi("predict", "server", "empty.png", "people", "--json-lines", status=1)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual(sum("top" in line for line in lines), self.found)
        self.assertIn("no face is found in it; --box says where it is", lines[0]["error"])
        line = json.loads(self.tsugi("predict", "server", "empty.png", "--box", "20,30,80,80", "--json-lines").stdout)
        self.assertNotIn("faceless", line)
        line = json.loads(
            self.tsugi("predict", "server", "empty.png", "--crop", "face-or-center", "--json-lines").stdout
        )
        self.assertTrue(line["faceless"])

    def test_a_box_is_of_one_photo_and_lies_on_it(self):
        predict = ["predict", "server"]
        for photos in (["empty.png", self.photo()], ["people"]):
            self.refuses(
                [*predict, *photos, "--box", "1,2,30,30"], "--box says where the face is on one photo", photos[0]
            )
        self.refuses([*predict, "empty.png", "--box", "290,2,30,30"], "empty.png", "290,2,30,30", "300 x 200")
        self.refuses([*predict, "empty.png", "--box", "1,2,3"], "--box", status=2)
        self.refuses([*predict, "empty.png", "--box", "1,2,3,x"], "--box", status=2)

    def test_a_box_moves_what_is_seen(self):
        seen = set()
        for i, box in enumerate(("20,30,80,80", "180,90,80,80")):
            self.tsugi("predict", "server", "empty.png", "--box", box, "--save-crops", f"box{i}")
            seen.add(self.read(f"box{i}/photos.png"))
        self.assertEqual(len(seen), 2)

    # -- pictures of what is seen ---------------------------------------------------------------------------------------------

    def test_crops_are_saved_with_variants(self):
        for folder in ("crops", "more"):
            self.tsugi("pretrain", "people", "-o", "c", "--save-crops", folder, "--audit", "audit.json", *support.TINY)
        self.assertEqual(sorted(os.listdir(self.path("crops"))), [f"{name}.png" for name in self.names])
        for name in self.names:  # 12 photos of 16 pixels in 2 variants, lines of 2 pixels between
            self.assertEqual(size_of(self.read(f"crops/{name}.png")), (2 * 16 + 2, 12 * 16 + 11 * 2))
            self.assertEqual(self.read(f"crops/{name}.png"), self.read(f"more/{name}.png"))
        written = [
            entry["path"] for entry in json.loads(self.read("audit.json"))["written"] if entry["role"] == "crops"
        ]
        self.assertEqual(sorted(written), [f"more/{name}.png" for name in self.names])

    def test_eval_and_predict_save_them_without_variants(self):
        self.tsugi("eval", "server", "--photos", "people", "--all", "--crop", "center", "--save-crops", "tested")
        self.assertEqual(size_of(self.read(f"tested/{self.names[0]}.png")), (10 * 16 + 9 * 2, 2 * 16 + 2))
        self.tsugi("predict", "server", "people", "--crop", "center", "--save-crops", "named")
        self.assertEqual(os.listdir(self.path("named")), ["photos.png"])
        self.assertEqual(size_of(self.read("named/photos.png")), (10 * 16 + 9 * 2, 4 * 16 + 3 * 2))
        self.assertEqual(self.modes("named"), {0o600})

    def test_a_folder_that_holds_something_is_left_alone(self):
        for command in (
            ["pretrain", "people", "-o", "x", *support.TINY],
            ["predict", "server", self.photo()],
            ["eval", "server", "--photos", "people", "--all"],
        ):
            self.refuses([*command, "--save-crops", "people"], "people: exists and is not an empty folder")
        self.refuses(["predict", "server", self.photo(), "--save-crops", "server/x"], "server/x: cannot be made")


if __name__ == "__main__":
    support.main()
