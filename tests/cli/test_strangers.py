"""Who is nobody that a checkpoint knows: predict says unknown, --owner verifies, eval --strangers counts; and what cannot tell."""

import json
import os
import shutil

import support


def area(positive, negative):
    """The share of pairs in which the first is the higher, ties half."""
    pairs = [(p > n) + 0.5 * (p == n) for p in positive for n in negative]
    return sum(pairs) / len(pairs)


class Strangers(support.CommandLine):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.general = cls.people("people", 3, photos=10)
        cls.owners = cls.people("owners", 2, photos=6, first=4)
        cls.people("strangers", 4, photos=3, first=20)
        cls.write("tiny.json", json.dumps(support.TINY_MODEL))
        cls.tsugi("pretrain", "people", "-o", "server", *support.TINY)
        cls.bundled("server", "none.tar")
        cls.tsugi("resume", "none.tar", "--personal", "owners", "-o", "device", "--threads", "1")
        shutil.copytree(cls.path("people"), cls.path("everyone"))
        shutil.copytree(cls.path("owners"), cls.path("everyone"), dirs_exist_ok=True)

    @classmethod
    def bundled(cls, checkpoint, bundle):
        cls.tsugi("bundle", checkpoint, "--photos", "people", "--fraction", "0", "-o", bundle, "--threads", "1")

    def evaluated(self, *options, checkpoint="device"):
        return self.result(
            "eval", checkpoint, "--photos", "everyone", "--all", "--strangers", "strangers", "--threads", "1", *options
        )

    def predicted(self, folder, *options, checkpoint="device"):
        return self.result("predict", checkpoint, folder, "--threads", "1", *options)["predictions"]

    def test_eval_counts_what_predict_says(self):
        for accept in ("0.6", "0.95"):
            result = self.evaluated("--accept", accept)
            known, strange = (self.predicted(name, "--owner", "--accept", accept) for name in ("everyone", "strangers"))
            for photo in known + strange:
                self.assertEqual(photo["known"], photo["score"] >= result["threshold"], photo)
            general = [photo for photo in known if photo["photo"].split("/")[1] in self.general]
            personal = [photo for photo in known if photo not in general]
            self.assertEqual([len(general), len(personal), len(strange)], [30, 12, 12])

            def share(photos):
                return sum(photo["known"] for photo in photos) / len(photos)

            told = result["strangers"]
            self.assertEqual(sorted(told), ["accepted", "auroc", "named_owner", "photos"])
            self.assertEqual(told["photos"], 12)
            self.assertAlmostEqual(result["accepted_general"], share(general))
            self.assertAlmostEqual(result["accepted_personal"], share(personal))
            self.assertAlmostEqual(told["accepted"], share(strange))
            owned = [photo for photo in strange if photo["known"] and photo["top"][0]["name"] in self.owners]
            self.assertAlmostEqual(told["named_owner"], len(owned) / 12)
            scores = [[photo["score"] for photo in photos] for photos in (known, strange)]
            self.assertAlmostEqual(told["auroc"], area(*scores), delta=0.004)  # a pair or two may change by rounding
            owners = []
            for name in self.owners:
                own = [photo["owner"][name] for photo in personal if photo["photo"].split("/")[1] == name]
                others = [photo["owner"][name] for photo in known + strange if photo["photo"].split("/")[1] != name]
                owners.append(area(own, others))
            self.assertAlmostEqual(result["owner_auroc"], sum(owners) / 2, delta=0.01)

    def test_who_accepts_less_calls_more_unknown(self):
        unknown = [
            sum(not photo["known"] for photo in self.predicted("everyone", "--accept", accept))
            for accept in ("1", "0.9", "0.5", "0.1")
        ]
        self.assertEqual(unknown, sorted(unknown))
        self.assertGreater(unknown[-1], 20)

    def test_the_hand_over_chooses_the_threshold_and_the_checkpoint_keeps_it(self):
        self.tsugi("resume", "none.tar", "--personal", "owners", "-o", "half", "--accept", "0.5", "--threads", "1")
        self.assertEqual(self.predicted("everyone", checkpoint="half"), self.predicted("everyone", "--accept", "0.5"))
        self.tsugi("compact", "half", "-o", "small")
        self.tsugi("forget", "half", self.owners[0], "-o", "left")
        half = self.evaluated(checkpoint="half")["threshold"]
        for other in ("small", "left"):
            shutil.rmtree(self.path("strange"), ignore_errors=True)
            self.people("strange", 1, first=30)
            result = self.result("eval", other, "--photos", "people", "--all", "--strangers", "strange")
            self.assertEqual(result["threshold"], half)

    def test_people_read_who_is_unknown(self):
        lines = self.tsugi(
            "predict", "device", "everyone", "strangers", "--accept", "0.5", "--owner"
        ).stdout.splitlines()
        self.assertEqual(len(lines), 54)
        for line in lines:
            self.assertRegex(line, r"  (known|unknown) +-?\d\.\d\d  .* %  owner .* -?\d\.\d\d  owner .* -?\d\.\d\d$")
        told = {word for line in lines for word in ("  known ", "  unknown ") if word in line}
        self.assertEqual(len(told), 2)
        done = self.tsugi("eval", "device", "--photos", "everyone", "--all", "--strangers", "strangers")
        for words in ("taken for somebody known", "strangers, for a personal person", "AUROC", "--owner"):
            self.assertIn(words, done.stdout)

    def test_lines_of_json_say_it_too(self):
        done = self.tsugi("predict", "device", "everyone", "--json-lines")
        for line in map(json.loads, done.stdout.splitlines()):
            self.assertEqual(sorted(line), ["known", "photo", "score", "top"])

    def test_a_checkpoint_without_statistics_says_what_it_always_said(self):
        for photo in self.predicted("everyone", checkpoint="server"):
            self.assertEqual(sorted(photo), ["photo", "top"])
        self.refuses(["predict", "server", "people", "--owner"], "server", "no statistics", "--owner")
        self.refuses(["predict", "server", "people", "--accept", "0.9"], "server", "no statistics", "--accept")
        self.refuses(
            ["eval", "server", "--photos", "people", "--all", "--strangers", "strangers"],
            "no statistics",
            "--strangers",
        )

    def test_a_server_without_test_photos_leaves_no_threshold(self):
        self.tsugi("pretrain", "people", "-o", "untested", *support.TINY, "--test-fraction", "0")
        self.bundled("untested", "untested.tar")
        self.tsugi("resume", "untested.tar", "--personal", "owners", "-o", "open")
        done = self.tsugi("predict", "open", "strangers", "--json")
        self.assertIn("nobody is called unknown", done.stderr)
        for photo in json.loads(done.stdout.splitlines()[-1])["predictions"]:
            self.assertEqual(sorted(photo), ["photo", "score", "top"])
        result = self.evaluated(checkpoint="open")
        self.assertIsNone(result["threshold"])
        for value in (result["accepted_general"], result["strangers"]["accepted"], result["strangers"]["named_owner"]):
            self.assertIsNone(value)
        self.assertGreaterEqual(result["strangers"]["auroc"], 0)
        self.tsugi("eval", "open", "--photos", "everyone", "--all", "--strangers", "strangers")

    def test_strangers_who_are_none(self):
        ask = ["eval", "device", "--photos", "people", "--all", "--strangers"]
        self.refuses([*ask, "owners"], "owners", self.owners[0], "one of the 5 people")
        self.refuses([*ask, "missing"], "missing: no such folder")
        self.write("broken/1.jpg", "text")
        self.refuses([*ask, "broken"], "1 of 1")
        os.makedirs(self.path("empty"))
        self.refuses([*ask, "empty"], "empty")
        one = self.path("strangers", min(os.listdir(self.path("strangers"))))
        self.assertEqual(self.result(*ask, one)["strangers"]["photos"], 3)

    def test_no_output_takes_a_strangers_photo_s_place(self):
        folder = os.path.join("strangers", min(os.listdir(self.path("strangers"))))
        photo = os.path.join(folder, min(os.listdir(self.path(folder))))
        ask = ["eval", "device", "--photos", "people", "--all", "--strangers", "strangers", "--audit", photo]
        self.refuses(ask, photo, status=2)

    def test_what_is_asked_in_vain(self):
        self.refuses(["predict", "device", "people", "--accept", "1.5"], "--accept", status=2)
        self.refuses(["eval", "device", "--photos", "people", "--accept", "0.5"], "--strangers", status=2)
        self.refuses(
            ["eval", "device", "--photos", "people", "--strangers", "strangers", "--json-lines"],
            "--strangers",
            status=2,
        )
        self.refuses(
            ["resume", "none.tar", "--personal", "owners", "-o", "new", "--accept", "2"], "accept", "2", status=2
        )
        self.tsugi("forget", "device", *self.owners, "-o", "nobody")
        self.refuses(["predict", "nobody", "people", "--owner"], "nobody: knows no personal people", "--owner")


if __name__ == "__main__":
    support.main()
