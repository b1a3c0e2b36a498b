"""The main job as a user does it: synth, pretrain, bundle, resume, eval, predict, inspect, compact; and what lands on stdout,
on stderr, on a terminal, and in the files."""

import errno
import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import tarfile
import termios
import threading

import support

PRETRAIN = {
    "accuracy",
    "epochs",
    "steps",
    "wall_s",
    "images_per_s",
    "peak_memory_bytes",
    "device",
    "precision",
    "checkpoint",
    "diverged",
}
RESUME = PRETRAIN | {
    "accuracy_general",
    "accuracy_general_before",
    "accuracy_personal",
    "accuracy_general_start",
    "accuracy_personal_start",
    "accuracy_general_interval",
    "accuracy_personal_interval",
    "kept",
}
METRICS = {"wall_s", "step", "epoch", "loss", "accuracy", "train_accuracy"}


def accuracies(value, name=""):
    """Every number of a JSON value that stands under a name with "accuracy" in it, or under per_class."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield from accuracies(part, key if name != "per_class" else name)
    elif isinstance(value, (int, float)) and ("accuracy" in name or name == "per_class"):
        yield value


class MainJob(support.CommandLine):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.general = cls.people("people", 3)
        cls.new = cls.people("new", 1, first=4)[0]
        options = ("--size", "32", "--epochs", "2", "--augment", "2", "--batch", "8", "--threads", "1")
        cls.pretrained = cls.result(
            "pretrain",
            "people",
            "-o",
            "server.safetensors",
            "--model",
            "faces-mobile",
            "--metrics",
            "server.jsonl",
            *options,
        )
        cls.bundled = cls.result(
            "bundle", "server.safetensors", "--photos", "people", "--fraction", "0.5", "-o", "handover.tar"
        )
        cls.resumed = cls.result(
            "resume",
            "handover.tar",
            "--personal",
            "new",
            "-o",
            "device.safetensors",
            "--metrics",
            "device.jsonl",
            *options[2:],
        )

    def rows(self, name):
        return [json.loads(line) for line in self.read(name).decode().splitlines()]

    def test_pretrain_and_resume_report_all_fields(self):
        for result, fields, name in ((self.pretrained, PRETRAIN, "server"), (self.resumed, RESUME, "device")):
            self.assertEqual(set(result), fields)
            self.assertEqual((result["epochs"], result["checkpoint"]), (2, f"{name}.safetensors"))
            for positive in ("steps", "wall_s", "images_per_s", "peak_memory_bytes"):
                self.assertGreater(result[positive], 0)
            self.assertEqual(result["device"], "cpu")
            self.assertIn(result["precision"], ("fp32", "bf16"))
            for value in accuracies(result):
                self.assertTrue(0 <= value <= 1, result)
        self.assertEqual(self.resumed["accuracy_general_before"], self.pretrained["accuracy"])

    def test_metrics_are_a_json_line_an_evaluation(self):
        for name, result, more in (
            ("server", self.pretrained, set()),
            ("device", self.resumed, {"accuracy_general", "accuracy_personal"}),
        ):
            rows = self.rows(f"{name}.jsonl")
            if more:  # a hand-over begins with what the new person's row can do before any step
                start = rows.pop(0)
                self.assertEqual((start["epoch"], start["step"], start["loss"]), (0, 0, None))
                self.assertTrue(0 < start["wall_s"] < rows[0]["wall_s"])
                self.assertTrue(all(0 <= start[field] <= 1 for field in {"accuracy"} | more))
                end = (
                    rows.pop()
                )  # and ends with what was made of the trained weights, or with the start again: draws decide it here
                self.assertEqual((end["epoch"], end["step"], end["loss"]), (2, result["steps"], None))
                self.assertIn(result["kept"], ("trained", "start"))
                for field in {"accuracy"} | more:
                    self.assertEqual(end[field], result[field])
                    if result["kept"] == "start":
                        self.assertEqual(end[field], start[field])
            self.assertEqual([row["epoch"] for row in rows], [1, 2])
            self.assertEqual([row["step"] for row in rows], [result["steps"] // 2, result["steps"]])
            self.assertTrue(0 < rows[0]["wall_s"] < rows[1]["wall_s"] <= result["wall_s"])
            for row in rows:
                self.assertEqual(set(row), METRICS | more)
                self.assertGreater(row["loss"], 0)
                self.assertTrue(all(0 <= value <= 1 for value in accuracies(row)), row)
            if not more:
                self.assertEqual(rows[-1]["accuracy"], result["accuracy"])

    def test_personal_people_are_carried_over_to_the_next_release(self):
        self.tsugi("bundle", "server.safetensors", "--photos", "people", "--fraction", "0", "-o", "none.tar")
        self.tsugi("resume", "none.tar", "--personal", "new", "-o", "first.safetensors")
        self.tsugi("pretrain", "people", "--continue", "server.safetensors", "-o", "later.safetensors", "--epochs", "3")
        later = ("bundle", "later.safetensors", "--photos", "people", "--fraction", "0.5")
        self.tsugi(*later, "--previous", "server.safetensors", "-o", "later.tar")
        result = self.result("resume", "later.tar", "--from", "first.safetensors", "-o", "second.safetensors")
        self.assertEqual(result["steps"], 0)
        self.assertEqual(
            self.result("inspect", "second.safetensors")["class_names"],
            self.result("inspect", "first.safetensors")["class_names"],
        )
        self.refuses(["resume", "none.tar", "--from", "first.safetensors", "-o", "out"], "none.tar", "--previous")
        self.refuses(["resume", "none.tar", "-o", "out"], "--personal", status=2)
        self.refuses(
            ["resume", "later.tar", "--from", "first.safetensors", "--new-row", "random", "-o", "out"],
            "--from",
            status=2,
        )
        self.refuses([*later, "--previous", "first.safetensors", "-o", "out"], "first.safetensors", "personal photos")
        self.refuses([*later, "--previous", "later.safetensors", "--no-knowledge", "-o", "out"], "--previous", status=2)

    def test_every_line_says_of_which_network_it_is(self):
        for epochs in (0, 1):
            told = self.tsugi(
                "resume",
                "handover.tar",
                "--personal",
                "new",
                "-o",
                "told.safetensors",
                "--epochs",
                epochs,
                "--augment",
                "2",
            ).stderr
            lines = [line.split("  test accuracy ")[0] for line in told.splitlines() if "  test accuracy " in line]
            lines[1:-1] = [re.sub(r"[0-9.]+$", "x", line) for line in lines[1:-1]]
            trained = ["epoch 1  loss x", "the network it ends with"] if epochs else []  # or nothing changes
            self.assertEqual(lines, ["before the first step", *trained], told)
            self.assertNotRegex(told, r"\b(nan|inf)\b")

    def test_any_tar_lists_the_bundle_and_its_photos_are_the_files_themselves(self):
        listed = subprocess.run(["tar", "tf", self.path("handover.tar")], check=True, capture_output=True, text=True)
        names = listed.stdout.splitlines()
        self.assertEqual(listed.stderr, "")
        self.assertEqual(names[:3], ["manifest.json", "checkpoint.safetensors", "tensors/knowledge.safetensors"])
        photos = [name for name in names if name.startswith("photos/")]
        tests = [name for name in names if name.startswith("test/")]
        self.assertEqual(len(names), 3 + len(photos) + len(tests))
        self.assertEqual({name.split("/")[1] for name in photos}, set(self.general), "someone is left out")
        with tarfile.open(self.path("handover.tar")) as tar:
            for name in photos + tests:
                self.assertEqual(tar.extractfile(name).read(), self.read("people/" + name.split("/", 1)[1]), name)
            self.assertEqual(tar.extractfile("checkpoint.safetensors").read(), self.read("server.safetensors"))
            knowledge = support.tensors(tar.extractfile("tensors/knowledge.safetensors").read())
            manifest = json.load(tar.extractfile("manifest.json"))
            sizes = {member.name: member.size for member in tar}
        self.assertEqual([member["name"] for member in manifest["members"]], names[1:])
        self.assertEqual((manifest["strategy"], manifest["fraction"]), ("stratified", 0.5))
        self.assertTrue({"photos", "bytes", "fraction", "strategy"} <= set(self.bundled))
        self.assertEqual(
            (self.bundled["photos"], self.bundled["bytes"]), (len(photos), os.path.getsize(self.path("handover.tar")))
        )
        self.assertEqual(self.bundled["bytes_knowledge"], sizes["tensors/knowledge.safetensors"])
        self.assertEqual(self.bundled["bytes_checkpoint"], sizes["checkpoint.safetensors"])
        self.assertEqual(self.bundled["bytes_photos"], sum(sizes[name] for name in photos))
        self.assertEqual(self.bundled["bytes_test_photos"], sum(sizes[name] for name in tests))
        width = support.tensors(self.read("server.safetensors"))["head.weight"][1][1]
        self.assertEqual(
            {name: (kind, shape) for name, (kind, shape, _) in knowledge.items()},
            {
                "logits": ("F16", [len(photos), 3]),
                "feature_mean": ("F32", [3, width]),
                "feature_covariance": ("F32", [width, width]),
                "feature_count": ("F32", [3]),
                "held_out": ("F32", [2]),
                "held_out_scores": ("F32", [21]),
            },
        )

    def test_a_bundle_can_leave_knowledge_and_test_photos_out(self):
        bare = self.result(
            "bundle",
            "server.safetensors",
            "--photos",
            "people",
            "--fraction",
            "0.5",
            "-o",
            "bare.tar",
            "--no-knowledge",
            "--no-test",
        )
        self.assertEqual((bare["bytes_knowledge"], bare["test_photos"], bare["photos"]), (0, 0, self.bundled["photos"]))
        self.assertEqual(self.result("inspect", "bare.tar")["bundle"]["tensors"], {})

    def test_every_strategy_names_itself_and_sends_everyone(self):
        chosen = {}
        for strategy in ("stratified", "herding", "k-center", "typical", "random"):
            with self.subTest(strategy):
                more = ("--strategy", strategy, "--threads", "1")
                made = self.result(
                    "bundle", "server.safetensors", "--photos", "people", "--fraction", "0.4", "-o", "chosen.tar", *more
                )
                self.assertEqual(made["strategy"], strategy)
                self.result(
                    "bundle", "server.safetensors", "--photos", "people", "--fraction", "0.4", "-o", "again.tar", *more
                )
                self.assertEqual(self.read("chosen.tar"), self.read("again.tar"))
                with tarfile.open(self.path("chosen.tar")) as tar:
                    self.assertEqual(json.load(tar.extractfile("manifest.json"))["strategy"], strategy)
                    chosen[strategy] = [name for name in tar.getnames() if name.startswith("photos/")]
                self.assertEqual(len(chosen[strategy]), made["photos"])
                if strategy != "random":
                    self.assertEqual({name.split("/")[1] for name in chosen[strategy]}, set(self.general))
                self.assertIn(f"{strategy} choice", self.tsugi("inspect", "chosen.tar").stdout)
        unknown = self.tsugi(
            "bundle", "server.safetensors", "--photos", "people", "-o", "b.tar", "--strategy", "best", status=2
        ).stderr
        for strategy in chosen:
            self.assertIn(strategy, unknown)

    def test_eval_measures_what_was_kept_for_testing(self):
        server = self.result("eval", "server.safetensors", "--photos", "people", "--confusion")
        self.assertTrue({"accuracy", "photos", "per_class"} <= set(server))
        self.assertEqual(server["accuracy"], self.pretrained["accuracy"])
        low, high = server["accuracy_interval"]
        self.assertTrue(0 <= low <= server["accuracy"] <= high <= 1)
        self.assertEqual(set(server["per_class"]), set(self.general))
        self.assertEqual(sum(map(sum, server["confusion"])), server["photos"])
        # The device knows only half of the server's training photos; the other half must not pass for unseen ones.
        device = self.result("eval", "device.safetensors", "--photos", "people")
        self.assertEqual((device["accuracy"], device["photos"]), (self.resumed["accuracy_general"], server["photos"]))
        personal = self.result("eval", "device.safetensors", "--photos", "new")
        self.assertEqual(personal["accuracy"], self.resumed["accuracy_personal"])
        self.assertEqual(personal["accuracy_interval"], self.resumed["accuracy_personal_interval"])
        everything = self.result("eval", "device.safetensors", "--photos", "people", "--all")
        self.assertEqual(everything["photos"], 18)
        for value in accuracies([server, device, personal, everything]):
            self.assertTrue(0 <= value <= 1)

    def test_predict_ranks_names(self):
        photo = f"new/{self.new}/{sorted(os.listdir(self.path('new', self.new)))[0]}"
        result = self.result("predict", "device.safetensors", photo, "--top", "9")["predictions"]
        self.assertEqual([entry["photo"] for entry in result], [photo])
        top = [entry["probability"] for entry in result[0]["top"]]
        self.assertEqual({entry["name"] for entry in result[0]["top"]}, {self.new, *self.general})
        self.assertEqual(top, sorted(top, reverse=True))
        self.assertAlmostEqual(sum(top), 1, places=4)

    def test_inspect_tells_personal_checkpoints_from_others(self):
        device = self.result("inspect", "device.safetensors")
        self.assertEqual((device["personal_classes"], device["provenance"]["personal"]), ([self.new], True))
        self.assertEqual(device["class_names"], [*self.general, self.new])
        server = self.result("inspect", "handover.tar")
        self.assertEqual((server["personal_classes"], server["provenance"]["personal"]), ([], False))
        self.assertEqual(server["bundle"]["photos"], self.bundled["photos"])
        arrays = {array["name"]: array for array in server["bundle"]["tensors"]["knowledge"]}
        self.assertEqual(
            arrays["logits"],
            {
                "name": "logits",
                "type": "f16",
                "shape": [self.bundled["photos"], 3],
                "bytes": 6 * self.bundled["photos"],
            },
        )
        self.assertEqual(arrays["feature_count"]["bytes"], 12)
        self.assertRegex(
            self.tsugi("inspect", "handover.tar").stdout, rf"knowledge +logits +f16 +{self.bundled['photos']}x3 "
        )
        model = self.tsugi("inspect", "faces-mobile", "--classes", "3").stdout
        self.assertRegex(model, rf"\ntotal +{server['parameters']} ")
        for text in (self.tsugi("inspect", "device.safetensors").stdout, self.tsugi("inspect", "handover.tar").stdout):
            for word in ("faces-mobile", "parameters", "FLOPs", "memory", self.general[0]):
                self.assertIn(word, text)

    def test_inspect_says_in_words_whose_photos_a_checkpoint_learnt_from(self):
        device, server = (
            self.tsugi("inspect", "device.safetensors").stdout,
            self.tsugi("inspect", "server.safetensors").stdout,
        )
        self.assertIn(f"learnt from personal photos: of {self.new} (the other {len(self.general)} are general)", device)
        self.assertIn("keep it on its device; tsugi bundle refuses it", device)
        self.assertIn("learnt from personal photos: of nobody; tsugi bundle accepts it", server)

    def test_personal_checkpoints_are_not_bundled(self):
        refused = ["--photos", "people", "-o", "leak.tar"]
        self.refuses(["bundle", "device.safetensors", *refused], "device.safetensors", self.new, "personal")
        self.refuses(
            ["bundle", "device.safetensors", *refused, "--fraction", "0", "--no-test", "--no-knowledge"],
            self.new,
            "personal",
        )
        self.tsugi("compact", "device.safetensors", "--as", "int8", "-o", "small")
        self.refuses(["bundle", "small", *refused], "small", self.new, "personal")
        more = ("--epochs", "3", "--augment", "1", "--allow-missing-people")
        self.tsugi("pretrain", "people", "--continue", "small", "-o", "on", *more)  # general people only
        self.refuses(["bundle", "on", *refused], "on", self.new, "personal")

    def test_no_detour_makes_a_personal_checkpoint_general(self):
        self.tsugi("compact", "device.safetensors", "--as", "int8", "-o", "detour")
        self.refuses(["bundle", "detour", "--photos", "people", "-o", "leak.tar"], "detour", self.new, "personal")
        # Trained on with nothing but general photos: what was learnt before is still inside.
        more = ("--epochs", "9", "--augment", "1", "--allow-missing-people")
        self.tsugi("pretrain", "people", "--continue", "device.safetensors", "-o", "detour", *more)
        self.refuses(["bundle", "detour", "--photos", "people", "-o", "leak.tar"], "detour", self.new, "personal")
        self.assertEqual(self.result("inspect", "detour")["personal_classes"], [self.new])

    def test_compact_checkpoints_are_small_and_still_work(self):
        self.tsugi("pretrain", "people", "-o", "default", "--size", "32", "--epochs", "1", "--augment", "1")
        full = os.path.getsize(self.path("default"))
        for kind, share in (("fp16", 4), ("int8", 8)):
            result = self.result("compact", "default", "--as", kind, "-o", kind)
            self.assertEqual((result["bytes"], result["bytes_before"]), (os.path.getsize(self.path(kind)), full))
            # The header aside: it lists every photo in a full checkpoint, so its share says little about a run on 18 photos.
            body = support.parse_safetensors(self.read(kind))[1]
            self.assertLessEqual(len(body) * share, full)
            self.assertIn("accuracy", self.result("eval", kind, "--photos", "people"))
            self.result("bundle", kind, "--photos", "people", "-o", f"{kind}.tar")
            resumed = self.result(
                "resume", f"{kind}.tar", "--personal", "new", "-o", f"{kind}.device", "--epochs", "1", "--batch", "8"
            )
            self.assertEqual(set(resumed), RESUME)
            self.assertFalse(
                [name for name in support.tensors(self.read(kind)) if "/" in name], "moments in a compact checkpoint"
            )

    def test_a_checkpoint_trains_on_for_more_epochs(self):
        result = self.result(
            "pretrain",
            "people",
            "--continue",
            "server.safetensors",
            "-o",
            "longer",
            "--epochs",
            "3",
            "--metrics",
            "longer.jsonl",
        )
        self.assertEqual(result["epochs"], 3)
        rows = self.rows("longer.jsonl")
        # The clock's times are in the run's own metrics file alone: a checkpoint holds none.
        self.assertEqual(rows[:2], [{**row, "wall_s": None} for row in self.rows("server.jsonl")])
        self.assertEqual(rows[2]["epoch"], 3)

    def test_a_continued_run_keeps_its_model(self):
        go_on = ["pretrain", "people", "--continue", "server.safetensors", "-o", "other"]
        self.refuses([*go_on, "--model", "faces-cnn"], "--model is faces-cnn", "server.safetensors has faces-mobile")
        self.refuses([*go_on, "--size", "64"], "--size is 64", "server.safetensors has 32")
        self.refuses([*go_on, "--crop", "0.9"], "--crop is 0.9", "server.safetensors has 0.")
        self.tsugi(*go_on, "--model", "faces-mobile", "--size", "32")

    def test_a_finished_run_that_is_continued_writes_its_metrics_again(self):
        self.tsugi("pretrain", "people", "--continue", "server.safetensors", "-o", "again", "--metrics", "again.jsonl")
        self.assertEqual(self.rows("again.jsonl"), [{**row, "wall_s": None} for row in self.rows("server.jsonl")])


class Output(support.CommandLine):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.people("people", 2)
        cls.write("tiny.json", json.dumps(support.TINY_MODEL))
        cls.train = ("pretrain", "people", "-o", "c.safetensors", *support.TINY)
        cls.tsugi(*cls.train)
        cls.tony = cls.people("tony", 1, first=9)[0]
        cls.tsugi("bundle", "c.safetensors", "--photos", "people", "--fraction", "0", "-o", "none.tar")
        cls.tsugi("resume", "none.tar", "--personal", "tony", "-o", "alive", "--threads", "1")

    def commands(self):
        photo = "people/" + sorted(os.listdir(self.path("people")))[0]
        photo += "/" + os.listdir(self.path(photo))[0]
        return (
            self.train,
            ("eval", "c.safetensors", "--photos", "people"),
            ("predict", "c.safetensors", photo),
            ("inspect", "c.safetensors"),
            ("compact", "c.safetensors", "-o", "small"),
            ("resume", "alive", "--personal", "tony", "-o", "again", "--threads", "1"),
            ("forget", "alive", self.tony, "-o", "left"),
            ("doctor",),
            ("bundle", "c.safetensors", "--photos", "people", "-o", "b.tar"),
            ("synth", f"drawn{self.drawn()}", "--photos", "1", "--people", "1"),
        )

    def drawn(self):
        return sum(name.startswith("drawn") for name in os.listdir(self.folder))

    def test_the_last_line_of_stdout_is_one_object(self):
        for command in self.commands():
            with self.subTest(command[0]):
                self.assertIsInstance(json.loads(self.tsugi(*command, "--json").stdout.splitlines()[-1]), dict)

    def test_quiet_prints_nothing_else(self):
        for command in self.commands():
            with self.subTest(command[0]):
                done = self.tsugi(*command, "--json", "--quiet")
                self.assertEqual((done.stdout.count("\n"), done.stderr), (1, ""))
                json.loads(done.stdout)
        for command in self.commands():
            with self.subTest(command[0]):
                done = self.tsugi(*command, "--quiet")
                self.assertEqual((done.stdout, done.stderr), ("", ""))

    def test_only_results_go_to_stdout_and_no_progress_line_to_a_file(self):
        done = self.tsugi(*self.train)
        self.assertEqual(len(done.stdout.splitlines()), 2, done.stdout)
        self.assertRegex(done.stdout, r"^test accuracy .*checkpoint\n.* c\.safetensors\n$")
        self.assertRegex(
            done.stderr, r"device cpu.*\nmodel tiny, .*\nbatch 8, memory .*\nepoch 1  loss .*  test accuracy "
        )
        self.assertNotIn("\r", done.stderr + done.stdout)
        self.assertNotIn("images/s", done.stderr)

    def test_a_terminal_gets_a_progress_line(self):
        try:
            main_end, terminal = pty.openpty()
        except OSError as error:  # a chroot or a container without /dev/pts
            self.skipTest(f"no terminal can be made here: {error}")
        columns = 70
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        seen = []

        def drain():
            while True:
                try:
                    part = os.read(main_end, 65536)
                except OSError as error:
                    if error.errno == errno.EIO:  # the other end is closed
                        return
                    raise
                if not part:
                    return
                seen.append(part)

        train = (
            "pretrain",
            "people",
            "-o",
            "watched",
            "--model",
            "tiny.json",
            "--epochs",
            "2",
            "--augment",
            "20",
            "--batch",
            "8",
        )
        reader = threading.Thread(target=drain)
        reader.start()
        done = subprocess.run(
            [support.BINARY, *train],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=terminal,
            env=support.environment(),
            timeout=300,
        )
        os.close(terminal)
        reader.join()
        os.close(main_end)
        text = b"".join(seen).decode()
        self.assertEqual(done.returncode, 0, text)
        self.assertRegex(text, r"\repoch [12]/2  step \d+/\d+  loss [0-9.]+  accuracy [0-9.]+ %  \d+ images/s", text)
        # The line is wiped before anything else is written, so no trace of it stays.
        self.assertRegex(text, r"\r +\repoch [12]  loss ")
        self.assertFalse(re.search(r"images/s[^\r]*\n", text), text)
        self.assertLess(max(len(drawn) for drawn in re.findall(r"\r(epoch \d+/\d+[^\r\n]*)", text)), columns, text)

    def test_a_full_stdout_is_a_failure(self):
        for extra in ("--json", "--threads=1"):
            with self.subTest(extra), open("/dev/full", "w") as full:
                done = self.tsugi("eval", "c.safetensors", "--photos", "people", extra, status=1, stdout=full)
                self.assertIn("standard output cannot be written", done.stderr)


if __name__ == "__main__":
    support.main()
