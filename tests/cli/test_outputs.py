"""What commands leave behind: who may read it, temporaries of the dead, two runs on one output, outputs that cannot be written to their end,
the same bytes from the same input. (A full disk while a file is written: test_bad_input.py.)"""

import fcntl
import json
import os
import resource
import shutil
import signal
import stat
import subprocess
import time

import support


class Outputs(support.CommandLine):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.people("people", 3)
        cls.tony = cls.people("tony", 1, first=9)[0]
        cls.write("tiny.json", json.dumps(support.TINY_MODEL))
        cls.tsugi("pretrain", "people", "-o", "server", *support.TINY)
        cls.tsugi("bundle", "server", "--photos", "people", "-o", "handover.tar")
        cls.resume = ("resume", "handover.tar", "--personal", f"tony/{cls.tony}", *support.TINY[2:])
        cls.tsugi(*cls.resume, "-o", "device")

    def modes(self, names):
        return {name: oct(stat.S_IMODE(os.stat(self.path(name)).st_mode)) for name in names}

    def open_umask(self, *arguments, **options):
        return self.tsugi(*arguments, preexec_fn=lambda: os.umask(0), **options)

    def test_people_join_and_leave_a_device_s_checkpoint_in_place(self):
        self.people("more", 1, first=12)
        self.tsugi("bundle", "server", "--photos", "people", "--fraction", "0", "-o", "statistics.tar")
        person = ("--personal", f"tony/{self.tony}")
        self.tsugi("resume", "statistics.tar", *person, "-o", "before")
        self.tsugi("resume", "before", "--personal", "more", "-o", "after")
        shutil.copy(self.path("before"), self.path("inplace"))
        self.tsugi("resume", "inplace", "--personal", "more", "-o", "./inplace")
        self.assertTrue(self.read("inplace") == self.read("after"))
        self.tsugi("forget", "inplace", os.listdir(self.path("more"))[0], "-o", "inplace")
        self.assertTrue(self.read("inplace") == self.read("before"))
        self.refuses(["resume", "statistics.tar", *person, "-o", "statistics.tar"], "same file", status=2)
        training = ["resume", "inplace", "--personal", "more", "--epochs", "1", "-o", "inplace"]
        self.refuses(training, "inplace: is what training begins with", "another file expected")

    def test_a_device_that_cannot_live_on_hears_of_it(self):
        self.tsugi("bundle", "server", "--photos", "people", "--fraction", "0", "-o", "statistics.tar")
        resume = ("resume", "statistics.tar", "--personal", f"tony/{self.tony}", "-o", "lives")
        for more in ((), ("--epochs", "1"), ("--new-class-scale", "0.9"), ("--new-class-bias-shift", "0.1")):
            with self.subTest(more):
                said = self.tsugi(*resume, *more).stderr
                self.assertEqual("nobody joins or is forgotten without a bundle" in said, bool(more), said)
                if more:
                    self.assertIn(more[0], said)

    # -- who may read it ------------------------------------------------------------------------------------------------

    def test_what_personal_photos_taught_is_its_owner_s_alone(self):
        personal = ["own", "own.jsonl", "own.trace", "own.audit", "small", "on", "on.jsonl", "seen.audit"]
        self.open_umask(
            *self.resume, "-o", "own", "--metrics", "own.jsonl", "--profile", "own.trace", "--audit", "own.audit"
        )
        self.open_umask("compact", "own", "-o", "small")
        shutil.copytree(self.path("people"), self.path("everyone"))
        shutil.copytree(self.path("tony", self.tony), self.path("everyone", self.tony))
        self.open_umask(
            "pretrain",
            "everyone",
            "--continue",
            "small",
            "-o",
            "on",
            "--metrics",
            "on.jsonl",
            "--epochs",
            "2",
            "--threads",
            "1",
        )
        self.open_umask(
            "predict",
            "server",
            f"tony/{self.tony}/{os.listdir(self.path('tony', self.tony))[0]}",
            "--audit",
            "seen.audit",
        )
        self.assertEqual(self.modes(personal), dict.fromkeys(personal, "0o600"))
        general = ["general", "general.jsonl", "general.audit"]
        self.open_umask(
            "pretrain",
            "people",
            "-o",
            "general",
            "--metrics",
            "general.jsonl",
            "--audit",
            "general.audit",
            *support.TINY,
        )
        self.assertEqual(self.modes(general), dict.fromkeys(general, "0o666"))

    def test_a_file_that_is_replaced_keeps_its_mode(self):
        for source, mode in (("device", 0o640), ("device", 0o600), ("server", 0o600), ("server", 0o664)):
            self.write("again", "")
            os.chmod(self.path("again"), mode)
            self.tsugi("compact", source, "-o", "again")
            self.assertEqual(self.modes(["again"]), {"again": oct(mode)}, source)

    # -- temporaries ----------------------------------------------------------------------------------------------------

    def test_temporaries_of_killed_processes_go_and_those_of_living_ones_stay(self):
        for left in ("stale.tmp-1-0", "stale.tmp-77777-12", "stale.jsonl.tmp-77777-0", "stale.tmp-alive-1"):
            self.write(left, "a whole copy")
        for others in ("stale2.tmp-77777-0", "stale.tmp", "stale.tmp-notes"):
            self.write(others, "the user's")
        with open(self.path("stale.tmp-alive-1"), "r+") as other, open(self.path("stale.tmp-2-2"), "w") as living:
            fcntl.flock(living, fcntl.LOCK_EX)
            self.tsugi("pretrain", "people", "-o", "stale", "--metrics", "stale.jsonl", *support.TINY)
            left = {name for name in os.listdir(self.folder) if name.startswith("stale")}
        self.assertEqual(
            left,
            {
                "stale",
                "stale.jsonl",
                "stale2.tmp-77777-0",
                "stale.tmp",
                "stale.tmp-notes",
                "stale.tmp-alive-1",
                "stale.tmp-2-2",
            },
        )
        self.tsugi("compact", "server", "-o", "stale")
        self.assertNotIn("stale.tmp-2-2", os.listdir(self.folder))

    def start(self, *arguments, stderr=subprocess.DEVNULL, **options):
        process = subprocess.Popen(
            [support.BINARY, *arguments],
            cwd=self.folder,
            env=support.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            **options,
        )
        self.addCleanup(lambda: process.poll() is None and (process.kill(), process.wait()))
        return process

    def wait_for(self, name, process):
        end = time.monotonic() + 60
        while not os.path.exists(self.path(name)):
            ended = process.poll() is not None
            self.assertFalse(ended and not os.path.exists(self.path(name)), f"ended before {name} was there")
            self.assertLess(time.monotonic(), end, f"{name} took more than a minute")
            time.sleep(0.01)

    endless = (
        "pretrain",
        "people",
        *support.TINY[:2],
        "--epochs",
        "100000",
        "--augment",
        "2",
        "--batch",
        "8",
        "--threads",
        "1",
    )

    def test_two_runs_on_one_output(self):
        process = self.start(*self.endless, "-o", "busy", "--metrics", "busy.jsonl")
        self.wait_for("busy", process)
        for arguments in (
            ("pretrain", "people", "-o", "busy", *support.TINY),
            ("compact", "server", "-o", "busy"),
            (*self.resume, "-o", "./busy"),
            ("pretrain", "people", "-o", "other", "--metrics", "busy.jsonl", *support.TINY),
            ("bundle", "server", "--photos", "people", "-o", "busy"),
            ("inspect", "server", "--audit", "busy"),
        ):
            done = self.tsugi(*arguments, "--quiet", status=1)
            self.assertRegex(
                done.stderr,
                rf"^tsugi: error: \S*busy\S*: is being written by another run, process {process.pid}, one at a time expected\n$",
            )
        self.assertNotIn("other", os.listdir(self.folder))
        self.assertIsNone(process.poll())
        process.kill()
        process.wait()
        self.tsugi("compact", "server", "-o", "busy")
        self.assertEqual(
            {name for name in os.listdir(self.folder) if "busy" in name and ".tmp-" not in name}, {"busy", "busy.jsonl"}
        )

    # -- outputs that cannot be written to their end ----------------------------------------------------------------------

    def test_a_full_disk_behind_standard_output(self):
        photo = f"tony/{self.tony}/{os.listdir(self.path('tony', self.tony))[0]}"
        for arguments in (
            ["--help"],
            ["--version"],
            ["pretrain", "--help"],
            ["inspect", "server"],
            ["inspect", "faces-resnet", "--json"],
            ["doctor"],
            ["eval", "server", "--photos", "people", "--all", "--json"],
            ["predict", "server", photo],
            ["compact", "server", "-o", "out", "--json", "--quiet"],
            ["plan", "--device", "jetson-nano", "--photos", "100", "--json"],
        ):
            with self.subTest(arguments), open("/dev/full", "w") as full:
                done = self.tsugi(*arguments, stdout=full, status=1)
                self.assertRegex(done.stderr, r"tsugi: error: standard output cannot be written")

    def test_standard_output_that_is_cut_off_is_never_a_success(self):
        whole = len(self.tsugi("inspect", "resnet-18", "--json").stdout)
        for room in (1, 1000, 4096, whole - 1):
            with self.subTest(room), open(self.path("cut.json"), "w") as out:
                limit = lambda room=room: resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
                done = self.tsugi("inspect", "resnet-18", "--json", stdout=out, preexec_fn=limit, status=1)
                self.assertIn("standard output cannot be written", done.stderr)
        with open(self.path("cut.json"), "w") as out:
            self.tsugi(
                "inspect",
                "resnet-18",
                "--json",
                stdout=out,
                preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (whole, whole)),
            )

    def test_a_result_does_not_go_into_a_file_because_standard_output_is_closed(self):
        def close(*descriptors):
            return lambda: [os.close(descriptor) for descriptor in descriptors]

        self.tsugi("compact", "server", "-o", "good")
        for descriptors, status in (((1,), 1), ((0, 1, 2), 1), ((2,), 0), ((0,), 0)):
            with self.subTest(descriptors):
                self.tsugi("compact", "server", "-o", "closed", "--json", preexec_fn=close(*descriptors), status=status)
                self.assertEqual(self.read("closed"), self.read("good"))

    # -- signals --------------------------------------------------------------------------------------------------------

    def stopped(self, name, act, **options):
        """What an endless run says that is stopped by act(process) once its first checkpoint is there."""
        with open(self.path(f"{name}.stderr"), "w") as stderr:
            process = self.start(*self.endless, "-o", name, "--checkpoint-every", "1", stderr=stderr, **options)
        self.wait_for(name, process)
        act(process)
        self.assertEqual(process.wait(timeout=60), 1)
        said = self.read(f"{name}.stderr").decode()
        self.assertIn(
            f"; the work is saved in {name}. Go on with: tsugi pretrain people --continue {name} -o {name}", said
        )

    def test_a_closed_terminal_and_spent_processor_time_save_the_work(self):
        def twice(sign):
            return lambda process: (process.send_signal(sign), time.sleep(0.001), process.send_signal(sign))

        self.stopped("hangup", twice(signal.SIGHUP))
        self.stopped("spent", twice(signal.SIGXCPU))
        self.stopped(
            "limited", lambda process: None, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (1, 60))
        )

    def test_signals_that_are_ignored_stay_ignored(self):
        ignore = lambda: [signal.signal(sign, signal.SIG_IGN) for sign in (signal.SIGHUP, signal.SIGINT)]
        process = self.start(*self.endless, "-o", "nohup", preexec_fn=ignore)
        self.wait_for("nohup", process)
        for sign in (signal.SIGHUP, signal.SIGINT):
            process.send_signal(sign)
        before = os.stat(self.path("nohup")).st_ino
        end = time.monotonic() + 60
        while os.stat(self.path("nohup")).st_ino == before and time.monotonic() < end:
            self.assertIsNone(process.poll())
            time.sleep(0.01)
        self.assertIsNone(process.poll())
        self.assertNotEqual(os.stat(self.path("nohup")).st_ino, before)

    def test_a_reader_that_goes_away_does_not_end_a_training(self):
        reading, writing = os.pipe()
        process = subprocess.Popen(
            [support.BINARY, "pretrain", "people", "-o", "piped", *support.TINY],
            cwd=self.folder,
            env=support.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=writing,
        )
        os.close(writing)
        os.close(reading)
        self.assertEqual(process.wait(timeout=60), 0)
        self.assertEqual(self.read("piped"), self.read("server"))

    # -- the same bytes ---------------------------------------------------------------------------------------------------

    def test_the_same_input_leaves_the_same_bytes(self):
        anna = self.people("anna", 1, first=12)[0]
        made = {}
        for turn in range(3):
            time.sleep(0.01)
            for name, arguments in {
                "a": ("pretrain", "people", *support.TINY),
                "a.tar": ("bundle", "a", "--photos", "people"),
                "f.tar": ("bundle", "a", "--photos", "people", "--as", "features", "--cut", "conv1", "--variants", "2"),
                "b": ("resume", "a.tar", "--personal", "tony", *support.TINY[2:]),
                "c": (
                    "resume",
                    "f.tar",
                    "--personal",
                    "tony",
                    *(x for x in support.TINY[2:6] if x not in ("--augment", "2")),
                ),
                "d": ("compact", "b", "--as", "int8"),
                "e": ("pretrain", "people", "--continue", "a", "--epochs", "2", "--threads", "1"),
                "none.tar": ("bundle", "a", "--photos", "people", "--fraction", "0"),
                "g": ("resume", "none.tar", "--personal", "tony", "--threads", "1"),
                "h": ("resume", "g", "--personal", "anna", "--threads", "1"),
                "i": ("forget", "h", anna),
            }.items():
                self.tsugi(*arguments, "-o", name, "--quiet")
                self.assertEqual(self.read(name), made.setdefault(name, self.read(name)), f"{name}, turn {turn}")
        self.assertEqual(made["g"], made["i"])


class Photos(support.CommandLine):
    """--continue and the photos that a run began with."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.people("people", 3)
        cls.tony = cls.people("tony", 1, first=9)[0]
        cls.write("tiny.json", json.dumps(support.TINY_MODEL))
        cls.tsugi("pretrain", "people", "-o", "server", *support.TINY)
        cls.tsugi("bundle", "server", "--photos", "people", "-o", "handover.tar")
        cls.tsugi("bundle", "server", "--photos", "people", "--fraction", "0.6", "-o", "larger.tar")
        cls.tsugi("resume", "handover.tar", "--personal", f"tony/{cls.tony}", "-o", "device", *support.TINY[2:])
        cls.first, cls.last = (sorted(os.listdir(cls.path("people")))[i] for i in (0, -1))

    def setUp(self):
        for name in ("people", "tony"):
            shutil.copytree(self.path(name), self.path("kept", name))
        self.addCleanup(shutil.rmtree, self.path("kept"))

    def tearDown(self):
        for name in ("people", "tony"):
            shutil.rmtree(self.path(name))
            shutil.copytree(self.path("kept", name), self.path(name))

    def photos(self, folder):
        return [os.path.join(folder, name) for name in sorted(os.listdir(self.path(folder)))]

    def goes_on(self, checkpoint="server"):
        return ("pretrain", "people", "--continue", checkpoint, "-o", "on", "--epochs", "2", "--threads", "1")

    def device_goes_on(self, bundle="handover.tar"):
        return (
            "resume",
            bundle,
            "--personal",
            f"tony/{self.tony}",
            "--continue",
            "device",
            "-o",
            "on",
            "--epochs",
            "2",
            "--threads",
            "1",
        )

    def exchange(self, one, other):
        self.write("exchange", self.read(one))
        shutil.copy(self.path(other), self.path(one))
        os.replace(self.path("exchange"), self.path(other))

    def test_the_same_photos_go_on_wherever_they_lie_and_whenever_they_were_written(self):
        os.utime(self.path(self.photos(f"people/{self.first}")[0]))
        os.rename(self.path("people"), self.path("moved"))
        try:
            self.tsugi("pretrain", "moved", *self.goes_on()[2:])
        finally:
            os.rename(self.path("moved"), self.path("people"))
        self.tsugi(*self.device_goes_on())

    def test_photos_that_were_added_removed_and_exchanged_are_told_by_name(self):
        first, last = self.photos(f"people/{self.first}"), self.photos(f"people/{self.last}")
        in_people = lambda path: path[len("people/") :]
        shutil.copy(self.path(first[0]), self.path("people", self.first, "new.jpg"))
        self.refuses(
            self.goes_on(),
            "server: began with 15 training photos and 3 test photos",
            f"1 is new ({self.first}/new.jpg)",
        )
        os.remove(self.path("people", self.first, "new.jpg"))
        self.exchange(first[0], last[0])
        self.refuses(self.goes_on(), in_people(first[0]), in_people(last[0]), "another person's")
        self.exchange(first[0], last[0])
        self.exchange(first[0], first[1])
        self.refuses(self.goes_on(), "2 have other content", in_people(first[0]), in_people(first[1]))
        self.exchange(first[0], first[1])
        os.rename(self.path(first[1]), self.path("people", self.first, "renamed.jpg"))
        os.remove(self.path(last[1]))
        self.refuses(
            self.goes_on(),
            f"1 is missing ({in_people(last[1])})",
            f"1 was renamed ({in_people(first[1])} to {self.first}/renamed.jpg)",
        )

    def test_personal_photos_and_bundles_too(self):
        tony = self.photos(f"tony/{self.tony}")
        self.exchange(tony[0], tony[1])
        self.refuses(self.device_goes_on(), "device", "2 have other content", os.path.basename(tony[0]))
        self.exchange(tony[0], tony[1])
        os.remove(self.path(tony[0]))
        self.refuses(self.device_goes_on(), "1 is missing", os.path.basename(tony[0]))
        shutil.copy(self.path("kept", tony[0]), self.path(tony[0]))
        self.refuses(self.device_goes_on("larger.tar"), "device", "are new")

    def test_a_checkpoint_of_an_older_version_goes_on_and_says_what_is_not_checked(self):
        header, body = support.parse_safetensors(self.read("server"))
        for role in ("train", "test"):
            for texts, digits in (("digests", 64), ("prints", 80)):
                listed = json.loads(header["__metadata__"].pop(f"{role}_{texts}"))
                self.assertEqual({len(text) for text in listed}, {digits})
        header["__metadata__"]["sha256"] = "0" * 64
        self.write("old", support.build_safetensors(header, body))
        os.remove(self.path(self.photos(f"people/{self.first}")[0]))
        self.assertIn("old: holds no digests of its photos", self.tsugi(*self.goes_on("old")).stderr)

    def test_a_compact_copy_may_train_on_others(self):
        self.tsugi("compact", "server", "-o", "compact")
        os.remove(self.path(self.photos(f"people/{self.first}")[0]))
        self.tsugi(*self.goes_on("compact"))


if __name__ == "__main__":
    support.main()
