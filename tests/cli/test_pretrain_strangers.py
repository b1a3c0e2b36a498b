"""Strangers that a server learns beside its people: nobody is taken for one, no bundle has anything of them, and a run goes on with those that it began
with."""

import json
import os
import shutil
import tarfile

import support


class PretrainStrangers(support.CommandLine):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.general = cls.people("people", 3)
        cls.people("strangers", 5, photos=2, first=20)
        one = cls.people("once", 3, photos=1, first=40)
        for name in one:  # one folder with a photo, the others' lie loose
            (photo,) = os.listdir(cls.path("once", name))
            if name != one[0]:
                shutil.move(cls.path("once", name, photo), cls.path("once", f"{name}.jpg"))
                os.rmdir(cls.path("once", name))
        cls.write("tiny.json", json.dumps(support.TINY_MODEL))
        cls.trained("strangers", "server")

    @classmethod
    def trained(cls, strangers, output, *more):
        return cls.result("pretrain", "people", "--strangers", strangers, *support.TINY, "-o", output, *more)

    def head(self, checkpoint):
        return support.tensors(self.read(checkpoint))["head.weight"][1]

    def photo_of(self, folder):
        return os.path.join(folder, min(os.listdir(self.path(folder))))

    def test_a_checkpoint_knows_people_alone(self):
        told = self.result("inspect", "server")
        self.assertEqual(told["class_names"], self.general)
        self.assertEqual(told["provenance"]["classes_seen"], 3)
        self.assertEqual(told["provenance"]["training_photos"], 15)
        self.assertEqual(told["provenance"]["strangers"], {"people": 5, "photos": 10})
        self.assertEqual(self.head("server"), [3, 4])
        self.assertEqual(support.tensors(self.read("server"))["momentum/head.bias"][1], [3])
        evaluated = self.result("eval", "server", "--photos", "people")
        self.assertEqual(evaluated["photos"], 3)
        self.assertEqual(sorted(evaluated["per_class"]), self.general)
        self.assertEqual(evaluated["accuracy"], self.trained("strangers", "again")["accuracy"])
        for photo in self.result("predict", "server", "people", "strangers", "--top", "9")["predictions"]:
            self.assertEqual(sorted(top["name"] for top in photo["top"]), self.general)
        self.assertIn(
            "3 people, 5 strangers, 25 training and 3 test photos",
            self.tsugi("pretrain", "people", "--strangers", "strangers", *support.TINY, "-o", "again").stderr,
        )

    def test_strangers_change_what_is_learnt_and_the_split_stays(self):
        self.tsugi("pretrain", "people", *support.TINY, "-o", "without")
        weights = [support.tensors(self.read(name))["conv1.weight"] for name in ("server", "without")]
        self.assertNotEqual(*weights)
        tests = [
            support.parse_safetensors(self.read(name))[0]["__metadata__"]["test_photos"]
            for name in ("server", "without")
        ]
        self.assertEqual(*tests)

    def test_the_audit_lists_their_photos(self):
        self.trained("strangers", "again", "--audit", "audit.json")
        read = [entry["path"] for entry in json.loads(self.read("audit.json"))["read"]]
        for name in os.listdir(self.path("strangers")):
            for photo in os.listdir(self.path("strangers", name)):
                self.assertTrue(any(path.endswith(f"strangers/{name}/{photo}") for path in read), (name, photo))

    def test_folders_and_loose_photos_of_a_person_each(self):
        self.trained("once", "server-once")
        self.assertEqual(self.result("inspect", "server-once")["provenance"]["strangers"], {"people": 3, "photos": 3})

    def test_no_bundle_and_no_compact_copy_has_anything_of_them(self):
        names = os.listdir(self.path("strangers"))
        whole = self.read("server")
        self.assertIn(b"strangers.head.weight", whole)
        for name in names:
            self.assertIn(name.encode(), whole)
        self.tsugi("compact", "server", "-o", "small")
        self.tsugi("bundle", "server", "--photos", "people", "--fraction", "0.5", "-o", "bundle.tar", "--threads", "1")
        with tarfile.open(self.path("bundle.tar")) as bundle:
            self.assertFalse(
                [member for member in bundle.getnames() if member.split("/")[1:2] and member.split("/")[1] in names]
            )
            sent = bundle.extractfile("checkpoint.safetensors").read()
        for file in (self.read("small"), sent):
            self.assertNotIn(b"strangers.", file)
            for name in names:
                self.assertNotIn(name.encode(), file)
        listed = support.parse_safetensors(sent)[0]["__metadata__"]
        for name in ("train_photos", "train_digests", "train_prints"):
            self.assertEqual(len(json.loads(listed[name])), 15, name)
        self.people("tony", 1, first=60)
        self.tsugi("resume", "bundle.tar", "--personal", "tony", "-o", "device", "--epochs", "1", "--threads", "1")

    def test_a_run_goes_on_with_its_strangers(self):
        on = ["pretrain", "people", "--continue", "server", "-o", "more", "--epochs", "2"]
        self.refuses(on, "server", "10 are missing")
        self.refuses([*on, "--strangers", "once"], "server", "10 are missing", "3 are new")
        self.tsugi(*on, "--strangers", "strangers", "--threads", "1")
        self.tsugi("pretrain", "people", *support.TINY, "-o", "without")
        self.refuses(["pretrain", "people", "--continue", "without", "-o", "more", "--strangers", "once"], "3 are new")
        # A compact copy may train on others: their rows begin at zero.
        self.tsugi("compact", "server", "-o", "small")
        self.tsugi("pretrain", "people", "--continue", "small", "-o", "others", "--strangers", "once", "--epochs", "2")
        self.assertEqual(support.tensors(self.read("others"))["strangers.head.weight"][1], [3, 4])

    def test_rows_of_another_shape_are_refused(self):
        header, body = support.parse_safetensors(self.read("server"))
        header["strangers.head.weight"]["shape"] = [2, 10]
        self.write("bent", support.build_safetensors(header, body))
        self.refuses(
            ["pretrain", "people", "--strangers", "strangers", "--continue", "bent", "-o", "new", "--epochs", "2"],
            *("bent", "strangers.head.weight", "[2,10]", "[5,4]"),
        )

    def test_who_is_no_stranger(self):
        ask = ["pretrain", "people", *support.TINY, "-o", "new", "--strangers"]
        self.refuses([*ask, "missing"], "missing: no such folder")
        os.makedirs(self.path("empty"), exist_ok=True)
        self.refuses([*ask, "empty"], "empty: holds no photo")
        self.refuses([*ask, "people"], "people", self.general[0], "one of the 3 people")
        person = os.path.join("people", self.general[0])
        self.refuses([*ask, person], person, "6 of the 6 photos", "others expected")
        photo = self.photo_of(os.path.join("strangers", min(os.listdir(self.path("strangers")))))
        self.refuses([*ask, "strangers", "--metrics", photo], photo, status=2)

    def test_a_person_s_photo_among_strangers_is_left_out_aloud(self):
        shutil.copytree(self.path("once"), self.path("mixed"))
        shutil.copy(self.path(self.photo_of(os.path.join("people", self.general[1]))), self.path("mixed", "else.jpg"))
        told = self.tsugi("pretrain", "people", "--strangers", "mixed", *support.TINY, "-o", "mixed-server").stderr
        self.assertIn(
            f"mixed: 1 of the 4 photos of strangers are those of people to learn, else.jpg/else.jpg is {self.general[1]}/",
            told,
        )
        self.assertEqual(self.result("inspect", "mixed-server")["provenance"]["strangers"], {"people": 3, "photos": 3})
        self.tsugi(
            "pretrain", "people", "--strangers", "mixed", "--continue", "mixed-server", "-o", "on", "--epochs", "2"
        )


if __name__ == "__main__":
    support.main()
