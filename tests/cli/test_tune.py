"""tsugi tune: what it measures and keeps, that other commands use it from then on, and that nothing damaged or foreign is believed."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import time

import support

# Convolutions that several kernels compute on a CPU: a 1x1 among them, which is a matrix product, too.
MODEL = {
    "name": "tunable",
    "training": {"lr": 0.05},
    "input": [16, 16, 3],
    "layers": [
        {"type": "conv2d", "name": "conv1", "filters": 16, "kernel": 3, "stride": 2, "pad": 1},
        {"type": "batch_norm", "name": "bn1"},
        {"type": "relu"},
        {"type": "conv2d", "name": "point", "filters": 16, "kernel": 1, "bias": False},
        {"type": "batch_norm", "name": "bn2"},
        {"type": "relu"},
        {"type": "global_average_pool"},
        {"type": "flatten"},
        {"type": "dense", "name": "head", "units": "classes"},
    ],
}
TUNE = (
    "tune",
    "--model",
    "tunable.json",
    "--batch",
    "8",
    "--threads",
    "1",
    "--device",
    "cpu",
    "--precision",
    "fp32",
    "--budget",
    "5s",
)
TRAIN = (
    "--model",
    "tunable.json",
    "--augment",
    "2",
    "--batch",
    "8",
    "--threads",
    "1",
    "--device",
    "cpu",
    "--precision",
    "fp32",
)


def signed(text):
    """The text with a digest that fits what it says now: of the text itself, the digits as zeros."""
    at = text.rindex('"sha256": "') + len('"sha256": "')
    blank = text[:at] + "0" * 64 + text[at + 64 :]
    return blank[:at] + hashlib.sha256(blank.encode()).hexdigest() + blank[at + 64 :]


POINT = '"shape":[8,8,8,16,16,1,1,1,1,0,0,1]'  # of the model's 1x1 convolution at batch 8


def with_products(text, default):
    """The file with the 1x1 convolution's passes as matrix products, whatever was measured; `default` is what computed them before."""
    lines = [line.rstrip(",") for line in text.split("\n") if line.startswith("  {") and POINT not in line]
    lines += [
        f'  {{"op":"conv2d_{op}","dtype":"f32","dense":false,{POINT},"kernel":"product","default":"{default}","seconds":0.001,"default_seconds":0.002}}'
        for op in ("forward", "backward_data", "backward_weight")
    ]
    head, tail = text[: text.index('"calls": [')], text[text.index("\n ],") :]
    return signed(head + '"calls": [\n' + ",\n".join(lines) + tail)


class Digest(support.CommandLine):
    def digest(self, build="GNU 12, Release"):
        script = os.path.join(os.environ["TSUGI_SOURCE_DIR"], "kernels", "tuning", "digest.cmake")
        subprocess.run(
            [
                "cmake",
                f"-DSOURCE={self.path('kernels')}",
                f"-DBUILD={build}",
                f"-DOUTPUT={self.path('digest.cpp')}",
                "-P",
                script,
            ],
            check=True,
        )
        return re.search(r'return "([0-9a-f]{64})";', self.read("digest.cpp").decode())[1]

    def test_any_source_and_any_flag_is_another_digest_a_page_is_not(self):
        if shutil.which("cmake") is None:
            self.skipTest("cmake is not here")
        self.write("kernels/cuda/a.cu", "a")
        self.write("kernels/tuning/b.inc", "b")
        seen = [self.digest()]
        self.write("kernels/README.md", "a page")
        self.assertEqual(self.digest(), seen[0])
        for name, text in (("kernels/cuda/a.cu", "A"), ("kernels/tuning/b.inc", "c"), ("kernels/cpu/new.h", "")):
            self.write(name, text)
            seen.append(self.digest())
        os.rename(self.path("kernels", "cpu", "new.h"), self.path("kernels", "cpu", "old.h"))
        seen.append(self.digest())
        seen.append(self.digest(build="GNU 13, Release"))
        self.assertEqual(len(set(seen)), 6, seen)


class Tuning(support.CommandLine):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.write("tunable.json", json.dumps(MODEL))
        cls.people("people", 2)

    def setUp(self):
        if "oneDNN" not in self.tsugi("doctor").stdout:
            self.skipTest("this build has one kernel for every call of the CPU")

    def tuned(self):
        """A tuning file of this device that changes something."""
        made = self.result(*TUNE, "--tuning", "made.json", "--quiet")
        self.default = next(
            call["kernels"][0]["kernel"] for call in made["models"][0]["calls"] if call["layer"] == "point"
        )
        text = with_products(self.read("made.json").decode(), self.default)
        self.write("tuned.json", text)
        return text

    def test_winners_are_measured_within_the_budget_and_kept(self):
        begin = time.monotonic()
        done = self.tsugi(*TUNE, "--tuning", "new.json", "--json")
        self.assertLess(time.monotonic() - begin, 5 + 10)  # the budget, and starting up on a busy machine
        self.assertRegex(done.stdout, r"(?m)^point +conv2d_forward +1 +\w+ +[\d.]+ [um]s ")
        self.assertRegex(done.stderr, r"tunable at batch 8: \d+ of \d+ calls with a choice take another kernel")
        result = json.loads(done.stdout.splitlines()[-1])
        file = json.loads(self.read("new.json"))
        self.assertEqual(file["tsugi_tuning"], 1)
        self.assertEqual(len(file["kernels"]), 64)
        self.assertIn("1 thread", file["device"])
        self.assertIn("oneDNN", file["driver"])
        self.assertEqual(self.read("new.json").decode(), signed(self.read("new.json").decode()))
        self.assertEqual(result["calls"], len(file["calls"]))
        self.assertEqual(result["changed"], sum(call["kernel"] != call["default"] for call in file["calls"]))
        (model,) = result["models"]
        self.assertEqual((model["model"], model["batch"]), ("tunable", 8))
        kernels = {
            kernel["kernel"] for call in model["calls"] if call["layer"] == "point" for kernel in call["kernels"]
        }
        self.assertTrue({"onednn", "product"} <= kernels, kernels)
        for call in model["calls"]:
            self.assertIn(call["chosen"], [kernel["kernel"] for kernel in call["kernels"]])
        # A second time adds to it: other batch sizes are other calls.
        self.result(*TUNE[:4], "4", *TUNE[5:], "--tuning", "new.json", "--quiet")
        more = json.loads(self.read("new.json"))["calls"]
        self.assertEqual([call for call in more if call["shape"][0] == 8], file["calls"])
        self.assertEqual({call["shape"][0] for call in more} - {8, 4}, set())

    def test_other_commands_take_the_winners_without_being_asked(self):
        self.tuned()
        env = {"TSUGI_TUNING": self.path("tuned.json")}
        train = ["pretrain", "people", *TRAIN, "--epochs", "2"]
        plain = self.tsugi(*train, "-o", "plain.safetensors")
        done = self.tsugi(*train, "-o", "a.safetensors", env=env)
        self.assertRegex(
            done.stderr, r"kernels as tuned: \d+ of \d+ known calls take another than by default \(.*tuned.json\)"
        )
        self.assertNotIn("tuned", plain.stderr)
        named = self.tsugi(*train, "-o", "b.safetensors", "--tuning", "tuned.json", "--audit", "audit.json")
        self.assertIn("kernels as tuned", named.stderr)
        self.assertIn("tuning", [entry["role"] for entry in json.loads(self.read("audit.json"))["read"]])
        self.assertEqual(support.tensors(self.read("a.safetensors")), support.tensors(self.read("b.safetensors")))
        self.assertNotIn("tuned", self.tsugi(*train, "-o", "off.safetensors", "--tuning", "off", env=env).stderr)
        self.assertEqual(support.tensors(self.read("off.safetensors")), support.tensors(self.read("plain.safetensors")))
        for command in (
            ["eval", "a.safetensors", "--photos", "people", "--all", "--device", "cpu", "--threads", "1"],
            [
                "bench",
                "--step",
                "--smoke",
                "--model",
                "tunable.json",
                "--batch",
                "8",
                "--size",
                "16",
                "--device",
                "cpu",
                "--threads",
                "1",
            ],
        ):
            self.assertIn("kernels as tuned", self.tsugi(*command, env=env).stderr, command)
        context = self.result(
            "bench",
            "--step",
            "--smoke",
            "--model",
            "tunable.json",
            "--device",
            "cpu",
            "--threads",
            "1",
            "--quiet",
            env=env,
        )["context"]
        self.assertGreater(context["tuned_calls"], 0)
        doctor = self.result("doctor", env=env)
        cpu = next(device for device in doctor["devices"] if device["name"] == "cpu")["tuning"]
        self.assertEqual(cpu["file"], self.path("tuned.json"))

    def test_tuned_training_goes_on_bit_for_bit(self):
        self.tuned()
        train = ["pretrain", "people", *TRAIN, "--tuning", "tuned.json"]
        self.tsugi(*train, "--epochs", "2", "--schedule", "constant", "-o", "whole.safetensors")
        self.tsugi(*train, "--epochs", "1", "--schedule", "constant", "-o", "part.safetensors")
        self.tsugi(
            "pretrain",
            "people",
            "--continue",
            "part.safetensors",
            "-o",
            "part.safetensors",
            "--epochs",
            "2",
            "--threads",
            "1",
            "--device",
            "cpu",
            "--precision",
            "fp32",
            "--tuning",
            "tuned.json",
        )
        self.assertEqual(
            support.tensors(self.read("whole.safetensors")), support.tensors(self.read("part.safetensors"))
        )
        # Without the tuning it goes on, too: the results differ by rounding at most.
        self.tsugi(
            "pretrain",
            "people",
            "--continue",
            "part.safetensors",
            "-o",
            "more.safetensors",
            "--epochs",
            "3",
            "--threads",
            "1",
            "--device",
            "cpu",
            "--precision",
            "fp32",
        )

    def test_an_experiment_does_not_mix_kernels(self):
        self.tuned()
        self.people("new", 1, photos=9, first=5)
        experiment = [
            "experiment",
            "handover",
            "--general",
            "people",
            "--personal",
            "new",
            "--people",
            "2",
            "--fractions",
            "0",
            "--seeds",
            "1",
            "--methods",
            "default",
            "--epochs",
            "1",
            "--handover-epochs",
            "1",
            *TRAIN,
            "-o",
            "grid",
        ]
        del experiment[experiment.index("--batch") : experiment.index("--batch") + 2]
        self.tsugi(*experiment, env={"TSUGI_TUNING": self.path("tuned.json")})
        self.refuses(experiment, "grid", "another experiment", "tuned kernels")
        self.tsugi(*experiment, env={"TSUGI_TUNING": self.path("tuned.json")})

    def test_what_is_damaged_stale_or_foreign_is_ignored_with_a_warning_and_refused_where_it_was_named(self):
        text = self.tuned()
        train = ["pretrain", "people", *TRAIN, "--epochs", "1"]
        self.tsugi(*train, "-o", "plain.safetensors")
        plain = support.tensors(self.read("plain.safetensors"))
        kernels = json.loads(text)["kernels"]
        for content, words in {
            "": ["invalid JSON"],
            text[: len(text) // 2]: ["invalid JSON"],
            "\x00\x01 no JSON": ["invalid JSON"],
            "[]": ["object expected"],
            "{}": ["not a tuning file"],
            text.replace('"product"', '"onednn"', 1): ["digest does not fit"],
            signed(text.replace('"tsugi_tuning": 1', '"tsugi_tuning": 9')): ["9", "reads 1"],
            signed(text.replace(kernels, "0" * 64)): ['made for kernels "000000000000"', kernels[:12]],
            signed(re.sub(r'"driver": "[^"]*"', '"driver": "oneDNN 0.1"', text)): [
                'made for driver "oneDNN 0.1"',
                'here is "oneDNN',
            ],
            signed(re.sub(r'"device": "[^"]*"', '"device": "Jetson Nano"', text)): ['made for device "Jetson Nano"'],
            signed(text.replace('"kernel":"product"', '"kernel":"rm -rf"', 1)): ['kernel "rm -rf"'],
        }.items():
            with self.subTest(words):
                self.write("bad.json", content)
                self.refuses([*train, "-o", "named.safetensors", "--tuning", "bad.json"], "bad.json", *words)
                done = self.tsugi(*train, "-o", "bad.safetensors", env={"TSUGI_TUNING": "bad.json"})
                warning = [
                    line for line in done.stderr.splitlines() if line.startswith("warning: tuning ignored: bad.json")
                ]
                self.assertEqual(len(warning), 1, done.stderr)
                for word in words:
                    self.assertIn(word, warning[0])
                self.assertEqual(support.tensors(self.read("bad.safetensors")), plain)
                doctor = self.tsugi("doctor", env={"TSUGI_TUNING": self.path("bad.json"), "OMP_NUM_THREADS": "1"})
                self.assertIn("ignored: ", doctor.stdout)

    def test_the_cache_folder_is_found_and_made(self):
        env = {"TSUGI_TUNING": "", "XDG_CACHE_HOME": self.path("cache")}
        done = self.tsugi(*TUNE, env=env)
        (name,) = os.listdir(self.path("cache", "tsugi"))
        self.assertRegex(name, r"^tuning-[0-9a-f]{12}\.json$")
        self.assertIn(f"kept in {self.path('cache', 'tsugi', name)}", done.stderr)
        cached = self.path("cache", "tsugi", name)
        with open(cached) as file:
            text = with_products(file.read(), "none")
        with open(cached, "w") as file:
            file.write(text)
        done = self.tsugi("pretrain", "people", *TRAIN, "--epochs", "1", "-o", "cached.safetensors", env=env)
        self.assertIn(f"({cached})", done.stderr)
        # Another number of threads is another device: nothing is known of it, and nobody is warned.
        other = self.tsugi(
            "pretrain", "people", *TRAIN[:-5], "2", *TRAIN[-4:], "--epochs", "1", "-o", "other.safetensors", env=env
        )
        self.assertNotIn("tun", other.stderr.replace("tunable", ""))

    def test_rows_to_ship_come_from_the_emulated_gpu(self):
        if "simt       yes" not in self.tsugi("doctor").stdout:
            self.skipTest("this build has no emulator")
        self.write(
            "point.json",
            json.dumps(
                {
                    "name": "point",
                    "input": [4, 4, 3],
                    "layers": [
                        {"type": "conv2d", "name": "conv1", "filters": 4, "kernel": 1},
                        {"type": "global_average_pool"},
                        {"type": "flatten"},
                        {"type": "dense", "name": "head", "units": "classes"},
                    ],
                }
            ),
        )
        result = self.result(
            "tune",
            "--device",
            "simt:53",
            "--model",
            "point.json",
            "--batch",
            "1",
            "--budget",
            "10s",
            "--tuning",
            "simt.json",
            "--inc",
            "rows.inc",
            "--quiet",
        )
        self.assertIn(
            "conv2d_forward gemm_1x1 f32 32x32x8 4x4",
            [kernel["kernel"] for call in result["models"][0]["calls"] for kernel in call["kernels"]],
        )
        rows = self.read("rows.inc").decode().splitlines()
        self.assertTrue(rows[0].startswith("// Rows tuned for a shape by tsugi "))
        file = json.loads(self.read("simt.json"))
        changed = [call for call in file["calls"] if call["kernel"] != call["default"]]
        self.assertEqual(len(rows) - 1, len(changed))
        for row in rows[1:]:
            self.assertRegex(
                row, r'^TSUGI_TUNED\(conv2d_\w+, f32(, \d+){12}, "conv2d_\w+ \w+ f32 \d+x\d+x\d+ \d+x\d+"\)$'
            )
        self.assertIn("emulated sm_53", file["device"])

    def test_bad_input(self):
        self.write("photo.jpg", "no tuning file")
        self.write("foreign.json", signed(re.sub(r'"device": "[^"]*"', '"device": "Jetson Nano"', self.tuned())))
        os.makedirs(self.path("folder"), exist_ok=True)
        base = ["tune", "--threads", "1", "--batch", "8"]
        cpu, model = ["--device", "cpu"], ["--model", "tunable.json"]
        for arguments, words in {
            (*cpu, "--model", "faces-none"): ["faces-none", "faces-cnn"],
            (*model, "--device", "toaster"): ["toaster", "cpu"],
            (*model, "--device", "reference"): ["reference", "nothing to tune"],
            (*model, *cpu, "--precision", "fp16"): ["fp16", "cpu"],
            (*model, *cpu, "--tuning", "missing/t.json"): ["missing/t.json"],
            (*model, *cpu, "--tuning", "folder"): ["folder"],
            (*model, *cpu, "--tuning", "photo.jpg"): ["photo.jpg", "not overwritten"],
            (*model, *cpu, "--tuning", "foreign.json"): ["foreign.json", "Jetson Nano", "not overwritten"],
            (*model, *cpu, "--tuning", "off"): ["off", "--tuning"],
            (*model, *cpu, "--inc", "rows.inc", "--tuning", "t.json"): ["--inc", "cpu"],
        }.items():
            with self.subTest(arguments):
                self.refuses([*base, *arguments], *words)
        for env in (
            {"TSUGI_TUNING": self.path("photo.jpg", "t.json")},
            {"TSUGI_TUNING": "", "XDG_CACHE_HOME": "/proc/none"},
            {"TSUGI_TUNING": "", "XDG_CACHE_HOME": "", "HOME": ""},
        ):
            with self.subTest(env):
                word = env["TSUGI_TUNING"] or env["XDG_CACHE_HOME"] or "no home folder"
                self.refuses([*base, *cpu, *model], word, env=env)
        for batch in ("0", "many", "70000"):
            self.refuses(["tune", "--batch", batch], "--batch", status=2)
        for budget in ("0", "0s", "-5s", "nan", "inf", "1e9h", "25h", "0.01s", "soon", "5 parsecs", ""):
            with self.subTest(budget):
                self.refuses([*base, "--budget", budget], "--budget", " expected", status=2)
        for arguments, words in {
            ("--size", "5000"): ["--size"],
            ("--precision", "fp8"): ["--precision"],
            ("--tuning", "t.json", "--inc", "t.json"): ["same file"],
            ("--tuning", "t.json", "--inc", ""): ["--inc is empty"],
        }.items():
            with self.subTest(arguments):
                self.refuses([*base, *arguments], *words, status=2)
        self.refuses(
            ["pretrain", "people", *TRAIN, "-o", "x.safetensors", "--tuning", "none.json"], "none.json", "No such file"
        )
        self.refuses(
            ["pretrain", "people", *TRAIN, "-o", "tuned.json", "--tuning", "tuned.json"], "same file", status=2
        )

    def test_a_stop_keeps_what_was_measured(self):
        command = [
            support.BINARY,
            "tune",
            "--model",
            "faces-cnn",
            "--batch",
            "64",
            "--device",
            "cpu",
            "--budget",
            "100s",
            "--tuning",
            "stopped.json",
        ]
        process = subprocess.Popen(
            command,
            cwd=self.folder,
            env=support.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        time.sleep(2.0)
        process.terminate()
        _, error = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 1, error)
        self.assertIn("stopped; what was measured is kept in stopped.json", error)
        self.assertEqual(json.loads(self.read("stopped.json"))["tsugi_tuning"], 1)


if __name__ == "__main__":
    support.main()
