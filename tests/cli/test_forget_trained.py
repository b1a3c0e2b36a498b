"""tsugi forget where layers learnt: the hand-over is made again without whom it forgets, byte for byte as if it never saw them."""

import json
import shutil

import support


class ForgetTrained(support.CommandLine):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.people("people", 3)
        cls.names = cls.people("new", 3, first=4)
        cls.write("tiny.json", json.dumps(support.TINY_MODEL))
        cls.tsugi("pretrain", "people", "-o", "server", *support.TINY)
        cls.tsugi("bundle", "server", "--photos", "people", "--fraction", "0.5", "-o", "handover.tar")
        settings = ("--epochs", "2", "--lr", "0.01", "--general-loss", "2", "--threads", "1")
        cls.tsugi("resume", "handover.tar", "--personal", "new", "-o", "device", *settings)
        cls.people("others", 3, first=4)
        cls.gone = cls.names[1]
        shutil.rmtree(cls.path("others", cls.gone))
        cls.tsugi("resume", "handover.tar", "--personal", "others", "-o", "never", *settings)

    def forget(self, *words, **more):
        return self.tsugi("forget", "device", *words, "--threads", "1", "-o", "left", **more)

    def test_the_result_is_the_checkpoint_that_never_saw_them(self):
        for photos in ("others", "new"):  # photos of who is forgotten may still lie there: they are not read
            done = self.forget(self.gone, "--bundle", "handover.tar", "--personal", photos)
            self.assertIn("was made again without the others", done.stdout)
            self.assertEqual(self.read("left"), self.read("never"), photos)
        self.assertNotEqual(self.read("left"), self.read("device"))

    def test_what_is_missing_is_said_before_anything_is_written(self):
        self.tsugi("bundle", "server", "--photos", "people", "--fraction", "0.5", "--seed", "2", "-o", "same.tar")
        self.tsugi("pretrain", "people", "-o", "another", *support.TINY, "--seed", "9")
        self.tsugi("bundle", "another", "--photos", "people", "--fraction", "0.5", "-o", "another.tar")
        cases = (
            ((self.gone,), ("device", "layers learnt", "--bundle")),
            ((self.gone, "--bundle", "handover.tar"), ("device", "--personal", "2 who stay")),
            ((self.gone, "--bundle", "another.tar", "--personal", "new"), ("another.tar", "digest", "expected")),
            ((self.gone, "--bundle", "handover.tar", "--personal", "people"), ("people", self.names[0])),
            (("nobody", "--bundle", "handover.tar", "--personal", "new"), ("device", "nobody", self.gone)),
            ((*self.names, "--bundle", "handover.tar", "--personal", "new"), ("nobody personal is left",)),
        )
        for words, said in cases:
            self.refuses(("forget", "device", *words, "--threads", "1", "-o", "new-one"), *said)
        words = ("forget", "device", self.gone, "--bundle", "handover.tar", "--personal", "new", "-o")
        self.refuses((*words, "device"), "device: its hand-over is made again", "another file expected")
        self.refuses((*words, "handover.tar"), "handover.tar", "same file", status=2)


if __name__ == "__main__":
    support.main()
