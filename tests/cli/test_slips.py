"""Slips of the keys, and photos as they lie on people's disks: each works, or the error says what to type."""

import json
import os
import shutil
import unicodedata

import support

COMPOSED, DECOMPOSED = (unicodedata.normalize(form, "Zoë") for form in ("NFC", "NFD"))


class Words(support.CommandLine):
    def test_a_slip_in_a_command_or_an_option_gets_a_suggestion(self):
        for arguments, meant in {
            ("pretarin", "photos"): "pretrain",
            ("inspekt", "x"): "inspect",
            ("--verison",): "--version",
            ("pretrain", "photos", "-o", "x", "--epoch", "3"): "--epochs",
            ("pretrain", "photos", "--ouput", "x"): "--output",  # said before what is missing
            ("pretrain", "photos", "-o", "x", "-epochs", "3"): "--epochs",
            ("eval", "x", "--photos", "y", "--confussion"): "--confusion",
            ("eval", "x", "--photo=y"): "--photos",
            ("predict", "x", "y", "--jsonlines"): "--json-lines",
            ("experiment", "handovr"): "handover",
            ("experiment", "life", "--peopel", "x"): "--people",
        }.items():
            with self.subTest(arguments):
                done = self.refuses(arguments, f"did you mean {meant}?", status=2)
                command = [word for word in arguments if word in ("pretrain", "eval", "predict", "experiment", "life")]
                self.assertIn(" ".join(["Run tsugi", *command, "--help for more information"]), done.stderr)

    def test_what_is_near_to_nothing_gets_none(self):
        for arguments in (("photograph",), ("eval", "x", "--photos", "y", "--zebra"), ("doctor", "everything")):
            with self.subTest(arguments):
                done = self.refuses(arguments, arguments[-1], status=2)
                self.assertNotIn("did you mean", done.stderr)

    def test_a_long_or_hostile_word_is_text(self):
        self.refuses(["pretrain", "p", "-o", "x", "--" + "epochs" * 100], "unknown option", "...", status=2)
        self.refuses(["doctor", "--js\x1b[2Jon"], "\\x1b", status=2)

    def test_a_slip_in_a_model_gets_a_suggestion(self):
        for word, meant in {"resnet18": "resnet-18", "Faces-CNN": "faces-cnn", "mobilenet_v2": "mobilenet-v2"}.items():
            for command in (
                ["inspect", word],
                ["pretrain", "photos", "-o", "x", "--model", word],
                ["plan", "--device", "jetson-nano", "--model", word],
            ):
                with self.subTest(command):
                    self.refuses(command, f"did you mean {meant}?", "faces-resnet, faces-cnn, faces-mobile")

    def test_a_slip_in_a_model_file_gets_a_suggestion(self):
        for change, meant in (
            ({"type": "conv2"}, "conv2d"),
            ({"filter": 4}, "filters"),
            ({"strides": 1}, "stride"),
        ):
            model = json.loads(json.dumps(support.TINY_MODEL))
            model["layers"][0].update(change)
            self.write("m.json", json.dumps(model))
            self.refuses(["inspect", "m.json"], f"did you mean {meant}?")
        self.write("m.json", json.dumps({**support.TINY_MODEL, "training": {"epoch": 3}}))
        self.refuses(["inspect", "m.json"], "unknown setting", "did you mean epochs?")

    def test_models_of_the_literature_train_like_any_other(self):
        self.people("people", 2)
        words = ("--size", "32", "--epochs", "1", "--augment", "1", "--batch", "4", "--threads", "2")
        for model in ("resnet-18", "mobilenet-v2"):
            self.tsugi("pretrain", "people", "-o", "out", "--model", model, *words)
            found = self.result("inspect", "out")
            self.assertEqual((found["model"], found["description"]["input"]), (model, [32, 32, 3]))
            self.assertEqual(self.result("eval", "out", "--photos", "people", "--all")["photos"], 12)


class Folders(support.CommandLine):
    def setUp(self):
        for name in os.listdir(self.folder):
            shutil.rmtree(self.path(name)) if os.path.isdir(self.path(name)) else os.remove(self.path(name))
        self.names = self.people("people", 2)
        self.write("tiny.json", json.dumps(support.TINY_MODEL))

    def train(self, folder):
        return ["pretrain", folder, "-o", "out", *support.TINY]

    def test_one_level_too_high(self):
        for part in ("train", "val"):
            shutil.copytree(self.path("people"), self.path("set", part))
        os.makedirs(self.path("one/level"))
        shutil.move(self.path("people"), self.path("one/level/people"))
        self.refuses(self.train("set"), "set: its folders hold no photos", "set/train or set/val")
        self.refuses(self.train("one/level"), "one/level/people")
        self.tsugi(*self.train("set/train"))
        self.refuses(["eval", "out", "--photos", "set"], "set/train or set/val")
        self.refuses(["bundle", "out", "--photos", "set", "-o", "b.tar"], "set/train or set/val")
        self.assertEqual(len(self.result("predict", "out", "set")["predictions"]), 24)

    def test_albums_within_a_person_s_folder(self):
        photos = sorted(os.listdir(self.path("people", self.names[0])))
        os.makedirs(self.path("people", self.names[0], "2019"))
        for photo in photos:
            os.rename(self.path("people", self.names[0], photo), self.path("people", self.names[0], "2019", photo))
        self.refuses(self.train("people"), f"people/{self.names[0]}: holds no photo", "folders (2019)", "move them up")

    def test_an_empty_folder_of_a_person(self):
        os.makedirs(self.path("people/Nobody"))
        self.refuses(self.train("people"), "people/Nobody: holds no photo", "put photos into it, or remove it")
        os.makedirs(self.path("hidden/.cache"))
        self.refuses(self.train("hidden"), "hidden: holds nothing but hidden entries")

    def test_what_macos_and_viewers_leave_behind(self):
        self.write(f"people/__MACOSX/{self.names[0]}/._1.jpg", "resource fork")
        self.write("people/.thumbnails/1.jpg", "text")
        self.write(f"people/{self.names[0]}/._1.jpg", "resource fork")
        self.write(f"people/{self.names[0]}/.DS_Store", "text")
        done = self.tsugi(*self.train("people"))
        self.assertIn("2 people, 10 training and 2 test photos", done.stderr)
        self.assertIn("ignored 1 files that are no photos, __MACOSX the first", done.stderr)

    def test_a_name_that_is_not_utf_8(self):
        folder = os.fsencode(self.path("people", ""))
        os.rename(folder + self.names[1].encode(), folder + b"Zo\xeb")
        self.refuses(self.train("people"), "Zo\\xeb", "not valid UTF-8", "convmv -r --notest -f latin1 -t utf8 people")
        os.rename(folder + b"Zo\xeb", folder + "Zoë".encode())  # what convmv makes of it
        self.tsugi(*self.train("people"))
        photo = sorted(os.listdir(folder + "Zoë".encode()))[0]
        os.rename(folder + "Zoë/".encode() + photo, folder + "Zoë/".encode() + b"\xe4.png")
        self.refuses(self.train("people"), "people/Zoë", "\\xe4.png", "not valid UTF-8")
        self.assertEqual(len(self.result("predict", "out", "people")["predictions"]), 12)

    def test_a_name_in_either_form_of_unicode_is_one_person_s(self):
        os.rename(self.path("people", self.names[1]), self.path("people", DECOMPOSED))
        self.tsugi(*self.train("people"))
        self.assertEqual(self.result("inspect", "out")["class_names"][1], COMPOSED)
        self.tsugi("bundle", "out", "--photos", "people", "--fraction", "0.5", "-o", "b.tar")
        apart = self.read("out")
        os.rename(self.path("people", DECOMPOSED), self.path("people", COMPOSED))
        self.assertEqual(self.result("eval", "out", "--photos", "people")["photos"], 2)
        self.tsugi(*self.train("people"))
        self.assertTrue(self.read("out") == apart, "the form of a folder's name shows in the checkpoint")
        os.makedirs(self.path("people", DECOMPOSED))
        self.refuses(self.train("people"), f"people: {COMPOSED} has two folders", "Zoe\\u{308} and Zo\\u{eb}")

    def test_a_personal_person_is_found_and_forgotten_in_either_form(self):
        self.tsugi(*self.train("people"))
        self.people("new", 1, first=9)
        os.rename(self.path("new", os.listdir(self.path("new"))[0]), self.path("new", DECOMPOSED))
        self.tsugi("bundle", "out", "--photos", "people", "--fraction", "0", "-o", "b.tar")
        self.tsugi("resume", "b.tar", "--personal", "new", "-o", "device")
        self.assertIn(COMPOSED, self.result("inspect", "device")["personal_classes"])
        for name in (COMPOSED, DECOMPOSED):
            self.tsugi("forget", "device", name, "-o", f"without {name}")
        self.assertTrue(self.read(f"without {COMPOSED}") == self.read(f"without {DECOMPOSED}"))

    def test_a_checkpoint_of_an_older_version_knows_a_person_in_either_form(self):
        os.rename(self.path("people", self.names[1]), self.path("people", COMPOSED))
        self.tsugi(*self.train("people"))
        self.tsugi("bundle", "out", "--photos", "people", "--fraction", "0.5", "-o", "new.tar")
        header, body = support.parse_safetensors(self.read("out"))
        told = header["__metadata__"]
        for field in ("class_names", "train_photos", "test_photos"):
            told[field] = told[field].replace(COMPOSED, DECOMPOSED)
        self.write("old", support.build_safetensors(header, body))
        self.assertEqual(self.result("inspect", "old")["class_names"][1], COMPOSED)
        for form in (COMPOSED, DECOMPOSED):
            os.rename(self.path("people", COMPOSED), self.path("people", form))
            self.assertEqual(self.result("eval", "old", "--photos", "people")["photos"], 2)
            self.tsugi("bundle", "old", "--photos", "people", "--fraction", "0.5", "-o", "b.tar")
            self.tsugi("pretrain", "people", "--continue", "old", "-o", "more", "--epochs", "2", "--threads", "1")
            os.rename(self.path("people", form), self.path("people", COMPOSED))


if __name__ == "__main__":
    support.main()
