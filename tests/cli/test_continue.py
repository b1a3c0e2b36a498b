"""N steps = n steps + checkpoint + new process + N-n steps, bit for bit: runs that are stopped by signals, or killed at
random moments, end with the weights, moments and metrics of a run that nothing disturbed."""

import json
import os
import random
import re
import shlex
import signal
import subprocess
import time

import support

SEED = int(os.environ.get("TSUGI_TEST_SEED", random.SystemRandom().randrange(1 << 31)))
print(f"TSUGI_TEST_SEED={SEED} repeats the moments of this run", flush=True)


class Continue(support.CommandLine):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.random = random.Random(SEED)
        cls.people("people", 3)
        cls.people("new one", 1, first=4)
        cls.people("strangers", 4, photos=1, first=20)
        cls.write("tiny.json", json.dumps(support.TINY_MODEL))
        options = ("--epochs", "3", "--augment", "8", "--batch", "3")
        cls.jobs = {"pretrain": ("pretrain", "people", "--model", "tiny.json", "--threads", "1", *options)}
        cls.jobs["strangers"] = (*cls.jobs["pretrain"], "--strangers", "strangers")
        for job in ("pretrain", "strangers"):
            cls.tsugi(*cls.jobs[job], "-o", f"{job}.whole", "--metrics", f"{job}.whole.jsonl")
        cls.tsugi("bundle", "pretrain.whole", "--photos", "people", "--fraction", "0.6", "-o", "handover.tar")
        cls.jobs["resume"] = (
            "resume",
            "handover.tar",
            "--personal",
            "new one",
            "--personal-photos",
            "3",
            "--threads",
            "2",
            *options,
        )
        cls.tsugi(*cls.jobs["resume"], "-o", "resume.whole", "--metrics", "resume.whole.jsonl")
        # Two buffers of moments, float32, warm-up, and gradients that add up over two or more parts of a batch: 48 MiB are the program's.
        cls.jobs["adamw"] = (
            *cls.jobs["pretrain"][:-6],
            "--epochs",
            "3",
            "--augment",
            "40",
            "--batch",
            "32",
            "--optimizer",
            "adamw",
            "--lr",
            "0.01",
            "--precision",
            "fp32",
            "--memory",
            f"{(48 << 10) + 405}K",
            "--clip-norm",
            "1",
            "--balanced",
            "true",
        )
        done = cls.tsugi(*cls.jobs["adamw"], "-o", "adamw.whole", "--metrics", "adamw.whole.jsonl")
        assert "in micro-batches of" in done.stderr, done.stderr

    def start(self, job, name, *more):
        """The job in a process of its own, its stderr in a file, so that nothing ever waits for a reader."""
        with open(self.path(f"{name}.stderr"), "w") as stderr:
            return subprocess.Popen(
                [support.BINARY, *self.jobs[job], "-o", name, "--metrics", f"{name}.jsonl", *more],
                cwd=self.folder,
                env=support.environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
            )

    def wait_for(self, process, happened, what):
        """Until happened() or the process has ended; True in the first case."""
        end = time.monotonic() + 120
        while not happened():
            if process.poll() is not None:
                return happened()  # it may have, while this process was waiting for a core
            self.assertLess(time.monotonic(), end, f"{what} took more than two minutes")
            time.sleep(0.002)
        return True

    def trains(self, name):
        """Whether training has begun: the line before its first step is written."""
        return lambda: b", photos " in self.read(f"{name}.stderr")

    def assert_same(self, job, name):
        expected, found = (support.parse_safetensors(self.read(file)) for file in (f"{job}.whole", name))
        for file, (header, _) in ((f"{job}.whole", expected), (name, found)):
            self.assertTrue({"momentum/conv1.weight", "adam_v/conv1.weight"} & set(header), file)
        self.assertEqual(found[0], expected[0])
        self.assertTrue(found[1] == expected[1], "weights, statistics or moments differ")
        self.assertTrue(self.read(name) == self.read(f"{job}.whole"), "the files differ")
        times = [json.loads(line)["wall_s"] for line in self.read(f"{name}.jsonl").decode().splitlines()]
        self.assertTrue(all(times) and times == sorted(times), times)  # those of earlier processes are kept
        lines = [
            [re.sub(r'"wall_s":[0-9.e-]+,', "", line) for line in self.read(f"{file}.jsonl").decode().splitlines()]
            for file in (f"{job}.whole", name)
        ]
        self.assertEqual(lines[1], lines[0])
        self.assertEqual(
            len(lines[0]), 5 if job == "resume" else 3
        )  # a hand-over's begin before its first step and end with averaged weights
        self.assertNotIn("wall_s", lines[0][0])

    def stop(self, job, sign, longest):
        """Starts the job, stops it after up to `longest` seconds of training; what it wrote to stderr, or None when it was faster."""
        name = f"{job}.stopped"
        process = self.start(job, name)
        self.assertTrue(self.wait_for(process, self.trains(name), "the start"), self.read(f"{name}.stderr").decode())
        time.sleep(self.random.random() * longest)
        process.send_signal(sign)
        status = process.wait(timeout=120)
        stderr = self.read(f"{name}.stderr").decode()
        self.assertIsNone(support.CRASH.search(stderr), stderr)
        if status == 0:
            return None
        self.assertEqual(status, 1, stderr)
        return stderr

    def check_stop(self, job, sign):
        name = f"{job}.stopped"
        longest = 0.2
        stderr = self.stop(job, sign, longest)
        while stderr is None:
            longest /= 2
            self.assertGreater(longest, 1e-4, "the run always ends before its signal comes")
            stderr = self.stop(job, sign, longest)
        told = re.search(
            rf"^tsugi: error: stopped after step (\d+); the work is saved in {re.escape(name)}\. Go on with: tsugi (.*)$",
            stderr,
            re.M,
        )
        self.assertTrue(told, stderr)
        progress = self.progress(name)
        self.assertEqual(progress["step"], int(told[1]))
        self.assertTrue(1 <= progress["step"] < self.progress(f"{job}.whole")["step"])
        self.assertFalse([file for file in os.listdir(self.folder) if ".tmp-" in file])
        # The very command that it told finishes the job.
        words = shlex.split(told[2])
        self.assertEqual(
            (words[0], words[words.index("--continue") + 1], words[words.index("-o") + 1]),
            (self.jobs[job][0], name, name),
        )
        self.tsugi(*words)
        self.assert_same(job, name)
        for file in (name, f"{name}.jsonl"):
            if os.path.exists(self.path(file)):
                os.remove(self.path(file))

    def progress(self, name):
        return json.loads(support.parse_safetensors(self.read(name))[0]["__metadata__"]["progress"])

    def said(self, job, epochs, *more):
        """What the job with so many epochs says."""
        words = list(self.jobs[job])
        words[words.index("--epochs") + 1] = epochs
        return self.tsugi(*words, *more, "-o", "again").stderr

    def test_a_finished_run_says_so_and_how_to_train_on(self):
        for job in self.jobs:
            said = self.said(job, 3, "--continue", f"{job}.whole")
            self.assertIn("this run is finished, 3 of 3 epochs", said)
            self.assertIn("--epochs 6", said)
            self.assertNotIn("jumps", said)
            self.assertNotIn("finished", self.said(job, 0))
            self.assertNotIn("finished", self.said(job, 4, "--continue", f"{job}.whole"))

    def test_a_schedule_that_jumps_is_told(self):
        """The cosine of three epochs ends near 0; that of six is near its middle there, at half of the rate, 0.05."""
        said = self.said("pretrain", 6, "--continue", "pretrain.whole")
        told = re.search(r"rate jumps from (\S+) to (\S+): its schedule is cosine over 6 epochs from 0.05, was", said)
        self.assertTrue(told, said)
        self.assertLess(float(told[1]), 0.001)
        self.assertAlmostEqual(float(told[2]), 0.03, delta=0.006)  # a warm-up of an epoch comes before the cosine
        self.assertIn("was cosine over 3 epochs from 0.05; --lr and --schedule choose another", said)
        for more, jumps in (
            ((), False),
            (("--lr", "0.05"), False),
            (("--lr", "0.5"), True),
            (("--lr", "0.005"), True),
            (("--schedule", "cosine"), False),  # its half wave begins after the warm-up, where the constant rate is
        ):
            with self.subTest(more):
                self.assertNotIn("jumps", self.said("pretrain", 1, "--schedule", "constant"))
                self.assertEqual("jumps" in self.said("pretrain", 2, "--continue", "again", *more), jumps)

    def test_a_loss_that_rises_is_told_early_and_once(self):
        said = self.said("pretrain", 12, "--clip-norm", "0", "--lr", "30")
        self.assertEqual(said.count("warning: the loss rises"), 1, said)
        self.assertRegex(said, r"guessing has 1\.1; if it goes on, try a --lr below 30, or --clip-norm 1")
        self.assertLess(said.index("warning"), said.index("epoch 2 "), said)
        for job in self.jobs:
            self.assertNotIn("warning", self.said(job, 3))

    def test_the_same_run_twice_ends_with_the_same_bits(self):
        for job in self.jobs:
            self.tsugi(*self.jobs[job], "-o", "twice", "--metrics", "twice.jsonl")
            self.assert_same(job, "twice")

    def test_a_stopped_run_goes_on_bit_for_bit(self):
        self.check_stop("pretrain", signal.SIGTERM)
        self.check_stop("pretrain", signal.SIGINT)
        self.check_stop("resume", signal.SIGHUP)
        self.check_stop("resume", signal.SIGXCPU)
        self.check_stop("adamw", signal.SIGTERM)
        self.check_stop("strangers", signal.SIGTERM)

    def test_a_killed_run_goes_on_bit_for_bit(self):
        for job, every in (("pretrain", 1), ("pretrain", 3), ("resume", 2), ("adamw", 2), ("strangers", 1)):
            with self.subTest(job, every=every):
                self.check_kills(f"{job}.killed{every}", job, every)

    def check_kills(self, name, job, every):
        kills, longest = 0, 0.05
        for _ in range(20):
            more = ["--continue", name] if os.path.exists(self.path(name)) else []
            process = self.start(job, name, "--checkpoint-every", str(every), *more)
            before = os.stat(self.path(name)).st_ino if more else None
            written = lambda: os.path.exists(self.path(name)) and os.stat(self.path(name)).st_ino != before
            self.wait_for(process, self.trains(name) if self.random.random() < 0.3 else written, "a checkpoint")
            time.sleep(self.random.random() * longest)
            process.kill()
            if process.wait(timeout=120) == 0:  # it was faster: once more from the start
                os.remove(self.path(name))
                kills, longest = 0, longest / 2
            elif os.path.exists(self.path(name)):
                self.tsugi("inspect", name, "--quiet")  # whole, whenever it was killed
                kills += 1
                if kills == 4:
                    break
        self.assertGreater(kills, 0, "every run ended before it could be killed")
        self.tsugi(*self.jobs[job], "-o", name, "--metrics", f"{name}.jsonl", "--continue", name)
        self.assert_same(job, name)

    def test_a_run_does_not_go_on_with_another_seed_or_other_photos(self):
        for _ in range(20):
            process = self.start("pretrain", "half", "--checkpoint-every", "1")
            self.assertTrue(self.wait_for(process, lambda: os.path.exists(self.path("half")), "a checkpoint"))
            process.kill()
            process.wait(timeout=120)
            if self.progress("half")["batch"] > 0:
                break
            os.remove(self.path("half"))
        self.assertGreater(self.progress("half")["batch"], 0, "never killed in the middle of an epoch")
        for leftover in [file for file in os.listdir(self.folder) if ".tmp-" in file]:
            os.remove(self.path(leftover))
        arguments = ("pretrain", "people", "--continue", "half", "-o", "other")
        self.refuses([*arguments, "--seed", "2"], "seed is 2", "half", "seed 1")
        person = sorted(os.listdir(self.path("people")))[0]
        moved = max(os.listdir(self.path("people", person)))
        os.rename(self.path("people", person, moved), self.path("moved.jpg"))
        try:
            self.refuses(arguments, "half", "training photos")
        finally:
            os.rename(self.path("moved.jpg"), self.path("people", person, moved))


if __name__ == "__main__":
    support.main()
