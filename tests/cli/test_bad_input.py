"""Bad folders, photos, models, options, disks and learning rates: each is one clear line of error, exit status 1 or 2, and changes no
file. What breaks checkpoints and bundles is in test_bad_files.py."""

import json
import math
import os
import resource
import shutil
import signal
import struct
import subprocess
import time
import zlib

import support


def png_header(width, height):
    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 64)) + chunk(b"IEND", b"")
    )


def with_jpeg_size(photo, width, height):
    """The JPEG with another size in its frame header."""
    at = next(i for i in range(len(photo)) if photo[i] == 0xFF and photo[i + 1] in (0xC0, 0xC1, 0xC2))
    return photo[: at + 5] + struct.pack(">HH", height, width) + photo[at + 9 :]


class Photos(support.CommandLine):
    def setUp(self):
        for name in os.listdir(self.folder):
            shutil.rmtree(self.path(name)) if os.path.isdir(self.path(name)) else os.remove(self.path(name))
        self.names = self.people("people", 2)
        self.write("tiny.json", json.dumps(support.TINY_MODEL))
        self.train = ("pretrain", "people", "-o", "out.safetensors", *support.TINY)
        self.first = f"people/{self.names[0]}/" + min(os.listdir(self.path("people", self.names[0])))
        self.good = self.read(self.first)

    def test_folders_that_hold_no_people(self):
        os.makedirs(self.path("empty"))
        os.makedirs(self.path("vacant", "Ann"))
        self.write("file", "text")
        shutil.copytree(self.path("people", self.names[0]), self.path("loose"))
        for folder, words in {
            "missing": ["missing: no such folder"],
            "empty": ["empty: is empty", "each person"],
            "vacant": ["vacant/Ann: holds no photo"],
            "file": ["file: is not a folder"],
            "loose": ["loose: holds 6 photos but no folder", "each person"],
        }.items():
            with self.subTest(folder):
                self.refuses(["pretrain", folder, *self.train[2:]], *words)
        self.tsugi(*self.train)
        self.tsugi("bundle", "out.safetensors", "--photos", "people", "-o", "handover.tar")
        for folder, word in {"missing": "no such folder", "empty": "is empty", "file": "is not a folder"}.items():
            with self.subTest(folder):
                self.refuses(["bundle", "out.safetensors", "--photos", folder, "-o", "b.tar"], folder, word)
                self.refuses(["eval", "out.safetensors", "--photos", folder], folder, word)
                self.refuses(["resume", "handover.tar", "--personal", folder, "-o", "device"], folder, word)

    def test_one_person_only(self):
        shutil.rmtree(self.path("people", self.names[1]))
        self.refuses(self.train, "people: holds 1 person, at least 2 are needed")

    def test_a_person_with_one_photo(self):
        for file in sorted(os.listdir(self.path("people", self.names[0])))[1:]:
            os.remove(self.path("people", self.names[0], file))
        self.refuses(self.train, self.names[0], "1 photo", "at least 2")

    def test_a_personal_person_with_one_photo_or_only_broken_ones(self):
        self.tsugi(*self.train)
        self.tsugi("bundle", "out.safetensors", "--photos", "people", "-o", "handover.tar")
        resume = ["resume", "handover.tar", "--personal", "New", "-o", "device"]
        self.write("New/1.jpg", self.good)
        self.refuses(resume, "New", "1 photo", "at least 2")
        self.write("New/1.jpg", "text")
        self.refuses(resume, "New", "0 photos that can be read", "at least 2")

    def test_a_layer_that_cannot_be_frozen(self):
        self.refuses([*self.train, "--freeze-until", "conv2"], "--freeze-until", "conv2", "conv1, bn1, relu3, dropout4")
        self.refuses([*self.train, "--freeze-until", "head"], "--freeze-until", "head", "nothing would be left")

    def test_a_name_that_the_checkpoint_knows_already(self):
        self.tsugi(*self.train)
        self.tsugi("bundle", "out.safetensors", "--photos", "people", "-o", "handover.tar")
        self.refuses(
            ["resume", "handover.tar", "--personal", f"people/{self.names[0]}", "-o", "device"],
            self.names[0],
            "already",
        )

    def test_people_whom_the_checkpoint_does_not_know(self):
        self.tsugi(*self.train)
        stranger = self.people("others", 1, first=9)[0]
        self.refuses(["eval", "out.safetensors", "--photos", "others"], "others", stranger, "2 people")
        self.refuses(["bundle", "out.safetensors", "--photos", "others", "-o", "b.tar"], "others", stranger, "2 people")

    def test_a_broken_photo_is_skipped_and_listed_and_too_many_fail_the_run(self):
        broken = {
            "text": (b"not a photo", "is no photo: neither JPEG, PNG"),
            "empty": (b"", "is empty"),
            "cut": (self.good[: len(self.good) // 2], "truncated"),
            "cut at its end": (self.good[:-1], "truncated"),
            "large JPEG": (with_jpeg_size(self.good, 60000, 60000), "60000 x 60000 = 3600000000 pixels"),
            "large PNG": (png_header(60000, 60000), "60000 x 60000 = 3600000000 pixels"),
            "cut PNG": (png_header(8, 8)[:20], "truncated"),
        }
        second = self.first.replace("_0001", "_0002")
        for name, (content, reason) in broken.items():
            with self.subTest(name):
                self.write(self.first, content)
                done = self.tsugi(*self.train)
                file = self.first.split("/", 1)[1]
                self.assertRegex(done.stderr, rf"skipped broken photo {file}: .*{reason}")
                self.assertIn("skipped 1 broken photos of 12", done.stderr)
                self.refuses(["predict", "out.safetensors", self.first], self.first, reason)
                os.remove(self.path("out.safetensors"))
                whole = self.read(second)
                self.write(second, content)
                self.refuses(self.train, "2 of 12 cannot be read, at most 1", file, reason)
                self.write(second, whole)

    def test_nothing_but_broken_photos(self):
        for name in self.names:
            for file in os.listdir(self.path("people", name)):
                self.write(f"people/{name}/{file}", "text")
        self.refuses(self.train, "12 of 12 cannot be read", "is no photo: neither JPEG, PNG")

    def test_files_that_are_no_photos_are_told(self):
        self.write(f"people/{self.names[0]}/notes.txt", "text")
        self.assertIn(f"{self.names[0]}/notes.txt", self.tsugi(*self.train).stderr)


class Models(support.CommandLine):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.people("people", 2)

    def refuses_model(self, change, *words):
        model = json.loads(json.dumps(support.TINY_MODEL))
        change(model)
        self.write("model.json", json.dumps(model))
        with self.subTest(words):
            self.refuses(["pretrain", "people", "-o", "out", "--model", "model.json"], "model.json", *words)
            self.refuses(["inspect", "model.json"], "model.json", *words)

    def test_models_that_cannot_be(self):
        layers = lambda model: model["layers"]
        self.refuses_model(
            lambda m: layers(m).insert(1, {"type": "conv3d", "filters": 4}), "layer 2", "conv3d", "conv2d"
        )
        self.refuses_model(lambda m: layers(m)[0].update(filter=4), "layer 1 (conv1)", '"filter"')
        self.refuses_model(lambda m: layers(m)[0].update(filters=-4), "layer 1 (conv1)", '"filters" is -4')
        self.refuses_model(lambda m: layers(m)[0].update(kernel=99), "conv1", "99x99", "18x18")
        self.refuses_model(lambda m: layers(m)[0].update(groups=3), "conv1", "4", "3")
        self.refuses_model(
            lambda m: layers(m).insert(1, {"type": "add", "inputs": ["conv1", "input"]}), "add", "8x8x4", "16x16x3"
        )
        self.refuses_model(lambda m: layers(m).insert(1, {"type": "relu", "input": "nobody"}), "layer 2", '"nobody"')
        self.refuses_model(lambda m: layers(m)[-1].update(units=5), "(head)", "classes")
        self.refuses_model(lambda m: layers(m).clear(), "layers")
        self.refuses_model(lambda m: m.update(input=[16, 16, 4]), "4 channels")
        self.refuses_model(lambda m: m.update(input=[16, 99999, 3]), "99999", "4096")
        self.refuses_model(lambda m: m.update(training={"lr": "fast"}), "lr", '"fast"')
        self.refuses_model(lambda m: m.update(training={"speed": 1}), "speed")
        self.refuses_model(lambda m: m.update(training={"margin": 5}), "training", '"margin" is 5', "hand-over")
        self.refuses_model(lambda m: m.update(extra=1), "extra")

    def test_models_that_are_no_models(self):
        for text, word in {
            "": "JSON",
            "{": "JSON",
            "[]": "object",
            '{"layers": [], "layers": []}': "layers",
            "[" * 5000: "",
        }.items():
            with self.subTest(text[:40]):
                self.write("model.json", text)
                self.refuses(["pretrain", "people", "-o", "out", "--model", "model.json"], "model.json", word)
        self.refuses(["pretrain", "people", "-o", "out", "--model", "faces-huge"], "faces-huge", "faces-resnet")


class Explosion(support.CommandLine):
    def explode(self, *more):
        return [
            "pretrain",
            "people",
            "-o",
            "out.safetensors",
            "--continue",
            "out.safetensors",
            "--precision",
            "fp32",
            "--schedule",
            "constant",
            "--epochs",
            "300",
            "--lr",
            "1000",
            "--weight-decay",
            "1",
            *more,
        ]

    def setUp(self):
        shutil.rmtree(self.path("people"), ignore_errors=True)
        self.people("people", 2)
        self.write("tiny.json", json.dumps(support.TINY_MODEL))
        self.tsugi("pretrain", "people", "-o", "out.safetensors", *support.TINY)

    def test_a_loss_that_is_not_a_number_stops_the_run_and_keeps_the_last_good_checkpoint(self):
        # An epoch of 250 steps: the loss is gone before its end, so the checkpoint stays as it was.
        done = self.refuses(self.explode("--augment", "200"), "step ", "finite", "--lr")
        self.assertRegex(done.stderr, r"training: step \d+: loss is ")

    def test_no_checkpoint_holds_numbers_that_are_not_finite(self):
        for every in ("0", "1"):
            done = self.tsugi(*self.explode("--checkpoint-every", every), status=1)
            self.assertRegex(done.stderr, r"(step \d+|photo .*): .*finite")
            for name, (dtype, _, content) in support.tensors(self.read("out.safetensors")).items():
                self.assertEqual(dtype, "F32")
                values = struct.unpack(f"<{len(content) // 4}f", content)
                self.assertTrue(all(map(math.isfinite, values)), f"{name}: {values[:9]}")


class Options(support.CommandLine):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.people("people", 2)
        cls.write("tiny.json", json.dumps(support.TINY_MODEL))
        cls.train = ["pretrain", "people", "-o", "out", "--model", "tiny.json"]

    def test_values_out_of_range_are_wrong_usage(self):
        for option, value, *words in (
            ("--epochs", "-1", "epochs is -1", "0 to"),
            ("--epochs", "many", "--epochs", "many"),
            ("--batch", "0", "batch is 0", "1 to 65536"),
            ("--augment", "0", "augment", "0", "1 to"),
            ("--augment", "-3", "--augment", "-3"),
            ("--test-fraction", "1.5", "test_fraction is 1.5", "0.9"),
            ("--lr", "-1", "lr is -1", "0 to 1000"),
            ("--lr", "nan", "lr"),
            ("--momentum", "1", "momentum is 1"),
            ("--threads", "-1", "--threads", "-1"),
            ("--optimizer", "magic", "magic", "sgd, adam, adamw"),
            ("--schedule", "magic", "magic", "cosine"),
            ("--precision", "fp8", "--precision", "fp8", "bf16"),
            ("--memory", "lots", "lots", "512M"),
            ("--memory", "-1G", "-1G", "512M"),
            ("--compact", "int4", "--compact", "int4", "int8"),
            ("--size", "99999", "--size", "99999"),
            ("--crop", "2", "--crop", "2"),
            ("--checkpoint-every", "-1", "--checkpoint-every", "-1"),
            ("--label-smoothing", "1", "label_smoothing is 1", "0.99"),
            ("--balanced", "perhaps", "--balanced", "perhaps"),
        ):
            with self.subTest(f"{option} {value}"):
                self.refuses([*self.train, option, value], *words, status=2)
        for command in (
            ["bundle", "x", "--photos", "people", "-o", "b", "--fraction", "2"],
            ["bundle", "x", "--photos", "people", "-o", "b", "--strategy", "best"],
            ["synth", "drawn", "--people", "0"],
            ["inspect", "faces-cnn", "--batch", "0"],
            ["predict", "x", "y", "--top", "0"],
        ):
            with self.subTest(command):
                self.refuses(command, command[-2], command[-1], status=2)

    def test_devices_that_are_not_here(self):
        here = {device["name"]: device["available"] for device in self.result("doctor")["devices"]}
        for device in ("cuda", "cudnn", "simt"):
            if not here[device]:  # not in this build, or no GPU: which of the two is told
                self.refuses(
                    [*self.train, "--device", device], "device cu" if device != "simt" else "device simt", "this "
                )
        self.refuses([*self.train, "--device", "abacus"], "abacus", "auto, cpu, cuda, cudnn, simt, reference")
        if here["simt"]:
            for device in ("simt:", "simt:x", "simt:-1", "simt:7500", "simt:99", "simt:053", "simt:20"):
                self.refuses([*self.train, "--device", device], f"device {device}", "53, 60", "75, 80")
        self.refuses(
            [*self.train, "--device", "cpu", "--precision", "fp16"], "fp16", "device cpu", "does not compute in it"
        )

    def test_a_memory_budget_that_no_batch_fits_in(self):
        self.refuses([*self.train, "--memory", "1K"], "--memory", "one sample", "MiB")


class Outputs(support.CommandLine):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.people("people", 2)
        cls.write("tiny.json", json.dumps(support.TINY_MODEL))
        cls.tsugi("pretrain", "people", "-o", "c.safetensors", *support.TINY)
        cls.tsugi("bundle", "c.safetensors", "--photos", "people", "-o", "handover.tar")
        cls.people("new", 1, first=4)

    def commands(self, output):
        return (
            ["pretrain", "people", "-o", output, *support.TINY],
            ["compact", "c.safetensors", "-o", output],
            ["bundle", "c.safetensors", "--photos", "people", "-o", output],
            ["resume", "handover.tar", "--personal", "new", "-o", output, *support.TINY[2:]],
        )

    def test_outputs_that_cannot_be(self):
        for output, word in {
            "missing/out": "No such file",
            "people": "is a folder",
            "c.safetensors/out": "Not a directory",
            "/proc/out": "/proc/out",
            "/dev/full": "device",
            "x" * 300: "too long",
        }.items():
            for command in self.commands(output):
                with self.subTest(f"{command[0]} -o {output[:20]}"):
                    self.refuses(command, output, word)
        self.refuses([*self.commands("out")[0], "--metrics", "missing/m.jsonl"], "missing/m.jsonl", "No such file")
        self.refuses(["synth", "people"], "people", "not an empty folder")
        self.refuses(["synth", "tiny.json/people"], "tiny.json/people")

    def test_an_output_is_refused_before_the_training_for_it(self):
        done = self.tsugi(*self.commands("missing/out")[0], status=1)
        self.assertNotIn("epoch 1", done.stderr)

    def test_an_output_that_is_also_the_input(self):
        for command in (
            ["bundle", "c.safetensors", "--photos", "people", "-o", "c.safetensors"],
            ["compact", "c.safetensors", "-o", "./c.safetensors"],
            ["resume", "handover.tar", "--personal", "new", "-o", "people/../handover.tar"],
            ["pretrain", "people", "-o", "out", "--metrics", "out"],
        ):
            with self.subTest(command[0]):
                self.refuses(command, command[-1], "same file", status=2)
        photo = os.path.join("new", os.listdir(self.path("new"))[0])
        photo = os.path.join(photo, min(os.listdir(self.path(photo))))
        general = os.path.join("people", os.listdir(self.path("people"))[0])
        general = os.path.join(general, min(os.listdir(self.path(general))))
        os.link(self.path("c.safetensors"), self.path("linked"))
        self.addCleanup(os.remove, self.path("linked"))
        resume = ["resume", "handover.tar", "--personal", "new", *support.TINY[2:]]
        train = ["pretrain", "people", *support.TINY]
        for command, *words in (
            ([*resume, "-o", "out", "--metrics", "handover.tar"], "same file"),
            ([*resume, "-o", photo], "a photo of new"),
            ([*resume, "-o", "out", "--audit", photo], "--audit", "a photo of new"),
            ([*train, "-o", "tiny.json"], "same file"),
            ([*train, "-o", general], "a photo of people"),
            (["compact", "c.safetensors", "-o", "linked"], "same file"),
            (["predict", "c.safetensors", photo, "--audit", photo], "same file"),
            (
                ["bundle", "c.safetensors", "--photos", "people", "--previous", "tiny.json", "-o", "tiny.json"],
                "same file",
            ),
            (
                ["pretrain", "people", "--continue", "c.safetensors", "-o", "out", "--metrics", "c.safetensors"],
                "same file",
            ),
            (["bundle", "c.safetensors", "--photos", "people", "-o", general], "--output", "a photo of people"),
        ):
            with self.subTest(command):
                self.refuses(command, command[-1] if command[-2].startswith("-") else "", *words, status=2)

    def test_an_output_without_a_name(self):
        for command in self.commands(""):
            self.refuses(command, "--output is empty, the name of a file expected", status=2)
        self.refuses([*self.commands("out")[0], "--metrics", ""], "--metrics is empty", status=2)
        self.refuses([*self.commands("out")[3], "--personal-photos", "-1"], "--personal-photos", "-1", status=2)

    def test_an_output_may_lie_beside_the_photos_and_a_run_goes_on_in_place(self):
        self.tsugi(
            "pretrain", "people", *support.TINY, "-o", "people/1.safetensors", "--metrics", "1"
        )  # 1 is also the value of --epochs
        self.tsugi(
            "pretrain",
            "people",
            "--continue",
            "people/1.safetensors",
            "-o",
            "people/1.safetensors",
            "--epochs",
            "2",
            "--augment",
            "2",
        )
        for name in ("people/1.safetensors", "1"):
            os.remove(self.path(name))

    def test_a_bundle_is_no_checkpoint_and_the_other_way_round(self):
        for command in (
            ["bundle", "handover.tar", "--photos", "people", "-o", "b.tar"],
            ["eval", "handover.tar", "--photos", "people"],
            ["compact", "handover.tar", "-o", "small"],
            ["pretrain", "people", "-o", "out", "--continue", "handover.tar"],
        ):
            self.refuses(command, "handover.tar: looks like a bundle, a checkpoint (.safetensors) expected")
        self.refuses(
            ["resume", "c.safetensors", "--personal", "new", "-o", "out"],
            "c.safetensors: is a checkpoint that no hand-over left",
            "a bundle expected",
        )

    def test_pipes_and_devices_in_place_of_files(self):
        os.makedirs(self.path("piped", "Ann"))
        pipe = os.path.join("piped", "Ann", "1.jpg")
        os.mkfifo(self.path(pipe))
        self.addCleanup(shutil.rmtree, self.path("piped"))
        refused = lambda command, *words: self.assertRegex(
            self.tsugi(*command, "--quiet", status=1).stderr, ".*".join(words)
        )
        for path in (pipe, "/dev/zero", "people"):
            for command in (
                ["resume", path, "--personal", "new", "-o", "out"],
                ["bundle", path, "--photos", "people", "-o", "b.tar"],
                ["eval", path, "--photos", "people"],
                ["predict", path, "x.jpg"],
                *([["predict", "c.safetensors", path]] if path != "people" else []),  # folders are welcome
                ["forget", path, "somebody", "-o", "out"],
                ["inspect", path],
                ["compact", path, "-o", "small"],
                ["pretrain", "people", "-o", "out", "--continue", path],
                ["pretrain", "people", "-o", "out", "--model", path],
            ):
                with self.subTest(command):
                    refused(command, path, "is a folder, a pipe or a device, a regular file is expected")
        refused(["resume", "handover.tar", "--personal", "piped/Ann", "-o", "out"], "piped/Ann", "holds no photo")
        refused(["predict", "c.safetensors", ""], "file without a name", "No such file")

    def test_an_interrupt_leaves_no_temporary_behind(self):
        before = self.snapshot()
        for pause in (0, 0.005, 0.01, 0.02, 0.04):
            for command in self.commands("interrupted")[1:3]:
                process = subprocess.Popen(
                    [support.BINARY, *command, "--quiet"],
                    cwd=self.folder,
                    env=support.environment(),
                    stderr=subprocess.PIPE,
                    text=True,
                )
                time.sleep(pause)
                process.send_signal(signal.SIGINT)
                told = process.communicate(timeout=60)[1]
                self.assertIn(process.returncode, (0, 1, -signal.SIGINT))
                if process.returncode == 1:
                    self.assertIn("stopped", told)
                if os.path.exists(self.path("interrupted")):
                    self.tsugi("inspect", "interrupted")
                    os.remove(self.path("interrupted"))
                self.assertEqual(self.snapshot(), before)

    def test_a_read_only_folder(self):
        os.makedirs(self.path("locked"))
        if os.geteuid() != 0:
            os.chmod(self.path("locked"), 0o555)
        elif not self.mount("locked", "ro,size=64k"):
            self.skipTest("this root may not mount, and every folder is writable for it")
        for command in self.commands("locked/out"):
            with self.subTest(command[0]):
                self.refuses(command, "locked/out", "Read-only" if os.geteuid() == 0 else "Permission denied")

    def test_a_full_disk_keeps_the_old_file(self):
        os.makedirs(self.path("small"))
        if os.geteuid() != 0 or not self.mount("small", "size=64k"):
            self.skipTest("only a root that may mount can have a full disk")
        self.write("small/old", "old")
        self.fill("small/ballast")
        for command in self.commands("small/old"):
            with self.subTest(command[0]):
                self.refuses(command, "small/old", "No space left")
                self.assertEqual(self.read("small/old"), b"old")

    def test_a_file_size_limit_keeps_the_old_file(self):
        self.write("old", "old")

        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))

        for command in self.commands("old"):
            with self.subTest(command[0]):
                self.refuses(command, "old", "File too large", preexec_fn=limit)
                self.assertEqual(self.read("old"), b"old")

    def fill(self, name):
        with self.assertRaises(OSError), open(self.path(name), "wb", buffering=0) as file:
            while True:
                file.write(b"x" * 4096)

    def mount(self, name, options):
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", self.path(name)], capture_output=True)
        if done.returncode == 0:
            self.addCleanup(subprocess.run, ["umount", "-l", self.path(name)], check=True)
        return done.returncode == 0


if __name__ == "__main__":
    support.main()
