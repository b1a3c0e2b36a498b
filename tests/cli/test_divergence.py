"""A loss that rises for good spoils no checkpoint: the file stays as it was before, and what is said is said of it."""

import json
import os
import random
import subprocess
import time

import support

SEED = int(os.environ.get("TSUGI_TEST_SEED", random.SystemRandom().randrange(1 << 31)))
print(f"TSUGI_TEST_SEED={SEED} repeats the moments of this run", flush=True)

TRAIN = ("--augment", "8", "--batch", "8", "--threads", "1", "--clip-norm", "0")


class Divergence(support.CommandLine):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.random = random.Random(SEED)
        cls.people("people", 3)
        cls.write("tiny.json", json.dumps(support.TINY_MODEL))
        cls.tsugi("pretrain", "people", "-o", "good", "--model", "tiny.json", "--epochs", "20", "--lr", "0.3", *TRAIN)
        cls.good = cls.read("good")

    def progress(self, name):
        return json.loads(support.parse_safetensors(self.read(name))[0]["__metadata__"]["progress"])

    def on_from(self, start, output, *more):
        return ["pretrain", "people", "--continue", start, "-o", output, "--epochs", "40", *TRAIN, *more]

    def test_the_file_stays_as_it_was_before_the_rise(self):
        for name in ("inplace", "elsewhere"):
            with self.subTest(name):
                self.write("inplace", self.good)
                start = "inplace" if name == "inplace" else "good"
                done = self.tsugi(*self.on_from(start, name, "--lr", "5", "--schedule", "constant"), "--json")
                said = done.stderr
                self.assertEqual(said.count("warning: the loss rises"), 1, said)
                self.assertEqual(said.count(f"warning: {name} stays as of step 300 until"), 1, said)
                self.assertIn(f"the loss has not recovered: {name} stays as of step 300 of 600", said)
                self.assertRegex(
                    said, r"until the loss has recovered: \S+ lately and 0\.\d+ at its lowest; guessing has"
                )
                self.assertLess(said.index("warning: the loss rises"), said.index("epoch 21 "), said)
                self.assertEqual(self.progress(name)["step"], 300)
                self.assertEqual(support.tensors(self.read(name)), support.tensors(self.good))
                result = json.loads(done.stdout.splitlines()[-1])
                self.assertEqual((result["diverged"], result["steps"], result["epochs"]), (True, 300, 20))
                self.assertEqual(result["accuracy"], self.result("eval", name, "--photos", "people")["accuracy"])
        self.assertTrue(self.read("inplace") == self.good)

    def test_a_loss_that_is_no_number_says_what_stays(self):
        self.write("inplace", self.good)
        done = self.tsugi(*self.on_from("inplace", "inplace", "--lr", "1000", "--schedule", "constant"), status=1)
        self.assertRegex(done.stderr, "tsugi: error: .*; inplace stays as of step 300")
        self.assertTrue(self.read("inplace") == self.good)

    def test_a_run_that_does_not_rise_says_that(self):
        result = self.result(*self.on_from("good", "out", "--lr", "0.01"))
        self.assertEqual((result["diverged"], result["steps"]), (False, 600))

    def test_a_run_that_has_learnt_nothing_yet_has_nothing_worth_keeping(self):
        """A large rate at first throws many a training back above guessing before it learns."""
        rising = ("--model", "tiny.json", "--epochs", "3", "--lr", "5", "--schedule", "constant", *TRAIN)
        done = self.tsugi("pretrain", "people", "-o", "young", *rising)
        self.assertIn("warning: the loss rises", done.stderr)
        self.assertNotIn("stays as of", done.stderr)
        self.assertEqual(self.progress("young")["step"], 45)

    def test_a_run_that_is_killed_while_the_loss_is_high_goes_on_bit_for_bit(self):
        rising = ("--lr", "0.7", "--schedule", "cosine", "--checkpoint-every", "1")
        self.write("whole", self.good)
        said = self.tsugi(*self.on_from("whole", "whole", *rising)).stderr
        self.assertIn("warning: whole stays as of step ", said)
        kills = 0
        self.write("killed", self.good)
        for _ in range(40):
            with open(self.path("stderr"), "w") as stderr:
                process = subprocess.Popen(
                    [support.BINARY, *self.on_from("killed", "killed", *rising)],
                    cwd=self.folder,
                    env=support.environment(),
                    stdout=subprocess.DEVNULL,
                    stderr=stderr,
                )
            while process.poll() is None and b"photos " not in self.read("stderr"):
                time.sleep(0.002)
            time.sleep(self.random.random() * 0.1)
            process.kill()
            if process.wait(timeout=120) == 0:
                break
            kills += 1
        self.assertGreater(kills, 0, "the run ended before it could be killed")
        self.tsugi(*self.on_from("killed", "killed", *rising))
        self.assertTrue(self.read("killed") == self.read("whole"))


if __name__ == "__main__":
    support.main()
