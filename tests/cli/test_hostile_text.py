"""Names, labels and messages of files, file names and arguments that would drive a terminal: whatever a command prints
about them, on stdout or stderr, into a pipe or a terminal, is text. And no source file of the command line writes to a
terminal but tools/console.cpp.
"""

import copy
import json
import os
import pathlib
import pty
import re
import shutil
import subprocess
import threading

import support

# What names may hold: C1 as UTF-8, override and isolate of direction, zero width, separator of lines, byte order mark,
# a tag.
NAME = "A\u009b31m\u0090x\u202egnp\u2066\u200b\u2028\ufeff\u061c\U000e0041Z"
# What other texts may hold, too: escape sequences (colour, title, clipboard), bells, returns, a line that is not ours.
TEXT = NAME + "\x1b[2J\x1b]0;title\x07\x1b]52;c;eA==\x07\x7f\x08\r\ntsugi: error: fake\n"
BYTES = os.fsencode(NAME) + b"\x9b31m\xff\xc0\x9b"  # a file's name need not be UTF-8; C1 as a byte
HARMFUL = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)


def checked(output, told):
    """The text of what a command wrote; fails on a byte that is not UTF-8, and on anything that a terminal obeys."""
    text = output.decode()  # strict
    found = HARMFUL.search(text)
    assert not found, f"{told}: {found.group()!r} in {text[max(0, found.start() - 60) : found.end() + 20]!r}"
    for line in text.splitlines():
        assert line.strip() != "tsugi: error: fake", told
    return text


class Hostile(support.CommandLine):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.people("people", 2)
        cls.people("new", 1, first=3)
        for folder in ("people", "new"):  # a person and her photos, by that name
            person = sorted(os.listdir(cls.path(folder)))[0]
            os.rename(cls.path(folder, person), cls.path(folder, NAME + folder))
            photo = sorted(os.listdir(cls.path(folder, NAME + folder)))[0]
            os.rename(cls.path(folder, NAME + folder, photo), cls.path(folder, NAME + folder, NAME + ".png"))
        model = copy.deepcopy(support.TINY_MODEL)
        model["name"] = TEXT
        model["about"] = TEXT
        model["layers"][0]["name"] = TEXT.translate(str.maketrans("", "", ' \t\n/."'))
        cls.write("model.json", json.dumps(model))
        cls.model = model
        cls.photo = f"people/{NAME}people/{NAME}.png"
        words = ("--model", "model.json", "--epochs", "1", "--augment", "2", "--batch", "8", "--threads", "1")
        cls.prints(
            "pretrain", "people", "-o", "server", *words, "--profile", "profile.json", "--metrics", "metrics.jsonl"
        )
        cls.prints(
            "bundle", "server", "--photos", "people", "--fraction", "1", "-o", "handover.tar", "--audit", "audit.json"
        )
        cls.prints(
            "resume",
            "handover.tar",
            "--personal",
            f"new/{NAME}new",
            "-o",
            "device",
            "--epochs",
            "1",
            "--augment",
            "2",
            "--batch",
            "8",
            "--threads",
            "1",
        )

    @classmethod
    def prints(cls, *arguments, status=0, env=None, words=()):
        """Runs a command without and with --json; both its outputs are text, and hold all words. status: None for 0
        or 1. Returns (stdout, stderr) of the first."""
        results = []
        for more in ((), ("--json",)):
            command = [
                os.fsencode(word) if isinstance(word, str) else word for word in (support.BINARY, *arguments, *more)
            ]
            done = subprocess.run(
                command,
                cwd=cls.folder,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=300,
                env=support.environment(**(env or {})),
            )
            told = f"{arguments} {more}: exit status {done.returncode}, {status} expected\n{done.stdout!r}\n"
            told += f"{done.stderr!r}"
            assert done.returncode in ((0, 1) if status is None else (status,)), told
            assert not support.CRASH.search(done.stderr.decode(errors="replace")), told
            results.append((checked(done.stdout, told), checked(done.stderr, told)))
            if more and done.returncode == 0:
                json.loads(results[-1][0].splitlines()[-1])
            errors = [line for line in results[-1][1].splitlines() if line.startswith("tsugi: error: ")]
            assert len(errors) == (1 if done.returncode else 0), told
        for word in words:
            assert word in "".join(results[0]), (word, results[0])
        return results[0]

    def test_inspect_shows_checkpoints_bundles_and_models(self):
        for name in ("server", "device", "handover.tar", "model.json"):
            with self.subTest(name):
                self.prints("inspect", name, words=("\\u{9b}31m", "\\x1b[2J", "\\u{202e}"))

    def test_people_and_photos_by_any_name(self):
        for command in (
            ["eval", "device", "--photos", "people", "--all", "--confusion"],
            ["predict", "device", self.photo],
            ["bundle", "server", "--photos", "people", "-o", "b.tar", "--as", "features"],
            ["compact", "server", "-o", "small"],
            ["bundle", "server", "--photos", "people", "--fraction", "0", "-o", "none.tar"],
            ["resume", "none.tar", "--personal", f"new/{NAME}new", "-o", "alive", "--threads", "1"],
            ["resume", "alive", "--personal", f"new/{NAME}new", "-o", "again", "--threads", "1"],
            ["forget", "alive", f"{NAME}new", "-o", "left"],
        ):
            with self.subTest(command):
                self.prints(*command)
        self.prints("forget", "alive", f"{NAME}people", "-o", "left", status=1, words=("\\u{202e}",))
        self.prints("bundle", "device", "--photos", "people", "-o", "b.tar", status=1, words=("\\u{202e}",))
        shutil.copytree(self.path("people"), self.path("broken"))
        for person in os.listdir(self.path("broken")):
            self.write(f"broken/{person}/{NAME}.png", b"no photo")
        self.prints("eval", "device", "--photos", "broken", "--all", status=1, words=("\\u{202e}",))
        self.prints("predict", "device", f"broken/{NAME}people/{NAME}.png", status=1, words=("\\u{9b}",))

    def test_an_audit_is_json_whatever_the_names(self):
        audit = json.loads(self.read("audit.json"))
        self.assertIn(self.photo, [use["path"] for use in audit["read"]])
        os.link(os.fsencode(self.path("server")), os.fsencode(self.folder) + b"/" + BYTES)
        self.prints("inspect", BYTES, "--audit", "odd.json")
        self.assertIn("\ufffd", json.loads(self.read("odd.json"))["read"][0]["path"])

    def test_a_file_of_nobody_knows_which_kind(self):
        for content, word in (
            (TEXT, ""),
            ("{" + TEXT, ""),
            (json.dumps({TEXT: TEXT}), "\\x1b"),
            (json.dumps({**self.model, TEXT: 1}), "\\x1b"),
            (json.dumps({**self.model, "input": [TEXT, 1, 3]}), ""),
            (json.dumps({**self.model, "training": {TEXT: 1}}), "\\x1b"),
            (json.dumps({**self.model, "training": {"lr": TEXT}}), ""),
            (json.dumps({**self.model, "layers": [TEXT]}), ""),
            (json.dumps({**self.model, "layers": [{"type": TEXT}]}), "\\x1b"),
            (json.dumps({**self.model, "layers": [{"type": "relu", TEXT: 1}]}), "\\x1b"),
            (b"\xff\xfe" + TEXT.encode(), ""),
            (json.dumps({"layers": 1}).encode()[:-1] + b',"\xff\x9b":1}', ""),
        ):
            with self.subTest(content):
                self.write("odd", content)
                self.prints("inspect", "odd", status=1, words=(word,))
        header = {"__metadata__": {TEXT: TEXT}, TEXT: {"dtype": TEXT, "shape": [1], "data_offsets": [0, 4]}}
        self.write("odd", support.build_safetensors(header, b"0000"))
        self.prints("inspect", "odd", status=1, words=("\\x1b",))

    def test_arguments_and_the_environment(self):
        for arguments in (
            [TEXT],
            ["--" + TEXT],
            ["inspect", "--" + TEXT, "a"],
            ["inspect", "a", TEXT],
            ["inspect", "a", "--batch", TEXT],
            ["pretrain", "people", "-o", "x", "--optimizer", TEXT],
            ["pretrain", "people", "-o", "x", "--precision", TEXT],
            ["pretrain", "people", "-o", "x", "--memory", TEXT],
            ["pretrain", "people", "-o", "x", "--compact", BYTES],
            ["pretrain", "people", "-o", "x", "--optimizer", BYTES],
        ):
            with self.subTest(arguments):
                command = [
                    os.fsencode(word) if isinstance(word, str) else word for word in (support.BINARY, *arguments)
                ]
                done = subprocess.run(
                    command, cwd=self.folder, capture_output=True, timeout=60, env=support.environment()
                )
                self.assertEqual(done.returncode, 2, done)
                checked(done.stdout, arguments)
                checked(done.stderr, arguments)
        for arguments in (
            ["inspect", TEXT],
            ["inspect", BYTES + b"none"],
            ["eval", TEXT, "--photos", TEXT],
            ["pretrain", TEXT, "-o", "x"],
            ["pretrain", "people", "-o", TEXT + "/x/y"],
            ["pretrain", "people", "-o", "x", "--device", TEXT],
            ["pretrain", "people", "-o", "x", "--model", TEXT],
            ["pretrain", "people", "-o", "x", "--freeze-until", TEXT],
            ["pretrain", "people", "-o", "x", "--freeze-until", BYTES],
            ["experiment", "report", TEXT],
            ["experiment", "report", BYTES],
            ["plan", "--device", TEXT],
            ["bench", "--model", TEXT],
            ["bench", "--compare", TEXT, BYTES],
            ["tune", "--device", TEXT],
        ):
            with self.subTest(arguments):
                self.prints(*arguments, status=1)
        self.prints("doctor", env={"TMPDIR": TEXT}, words=("\\x1b[2J",))
        self.write("tuning.json", json.dumps({"tsugi_tuning": TEXT}))
        self.prints("doctor", env={"TSUGI_TUNING": "tuning.json"})
        self.prints("doctor", env={"TSUGI_TUNING": TEXT})
        self.prints(
            "pretrain",
            "people",
            "-o",
            "x",
            "--tuning",
            "tuning.json",
            "--model",
            "model.json",
            "--epochs",
            "1",
            "--augment",
            "1",
            status=None,
        )

    def test_result_files_and_device_descriptions(self):
        row = {
            "name": TEXT,
            "run_type": "iteration",
            "real_time": 1.0,
            "time_unit": "ms",
            "model": TEXT,
            "layer": TEXT,
            "op": TEXT,
            "dtype": "f32",
            "cache": "warm",
            "batch": 1,
            "flops": 1e6,
            "bytes": 1e3,
            "kernel": TEXT,
            "peer": TEXT,
            "peer_time": 1.0,
        }
        context = {
            "date": TEXT,
            "tsugi_schema": 1,
            "tsugi_version": TEXT,
            "tsugi_commit": TEXT,
            "device": TEXT,
            "device_description": TEXT,
            "build": TEXT,
            "board": TEXT,
            "power_mode": TEXT,
            "peak_f32_gflops": 1,
            "copy_gb_per_s": 1,
            TEXT: TEXT,
        }
        for name, version in ((NAME + "1.json", TEXT), (NAME + "2.json", "x" + TEXT)):
            self.write(name, json.dumps({"context": {**context, "tsugi_version": version}, "benchmarks": [row]}))
        self.prints("bench", "--compare", NAME + "1.json", NAME + "2.json", "--html", "page.html", "--csv", "table.csv")
        self.write("many.json", json.dumps({"context": context, "benchmarks": [{**row, "kernel": " ± 1" * 60000}]}))
        self.tsugi("bench", "--compare", "many.json", "many.json", "--html", "many.html", "--quiet")
        for name in ("page.html", "table.csv"):
            text = self.read(name).decode()
            self.assertFalse(re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text), name)
        self.write("odd.json", json.dumps({"context": {**context, "tsugi_schema": TEXT}, "benchmarks": []}))
        self.prints("bench", "--compare", "odd.json", "odd.json", status=1)
        root = pathlib.Path(os.environ.get("TSUGI_SOURCE_DIR", "."))
        device = json.loads((root / "bench/plan/devices/jetson-nano.json").read_text())
        device.update(name=TEXT, about=TEXT, kernels="reference", sources={key: TEXT for key in device["sources"]})
        for entry in device["efficiencies"]:  # no kernels, no table of their speeds
            if "tiles" in entry:
                entry["tiles"] = [[64, 64, 0.8]]
        self.write("device.json", json.dumps(device))
        self.prints("plan", "--device", "device.json", "--model", "model.json", "--batch", "8", words=("\\x1b[2J",))
        self.write("device.json", json.dumps({**device, TEXT: 1}))
        self.prints("plan", "--device", "device.json", status=1, words=("\\x1b",))

    def test_on_a_terminal_the_progress_line_and_its_returns_are_all_that_is_added(self):
        for arguments in (
            ["eval", "device", "--photos", "people", "--all"],
            [
                "pretrain",
                "people",
                "-o",
                "x",
                "--model",
                "model.json",
                "--epochs",
                "2",
                "--augment",
                "2",
                "--threads",
                "1",
            ],
        ):
            ours, theirs = pty.openpty()
            seen = bytearray()

            def read():
                try:
                    while block := os.read(ours, 4096):
                        seen.extend(block)
                except OSError:  # the other end is closed
                    pass

            reader = threading.Thread(target=read)
            reader.start()
            done = subprocess.run(
                [support.BINARY, *arguments],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=theirs,
                stderr=theirs,
                timeout=300,
                env=support.environment(),
            )
            os.close(theirs)
            reader.join()
            os.close(ours)
            self.assertEqual(done.returncode, 0, bytes(seen))
            self.assertIn("\r", seen.decode())
            checked(bytes(seen).replace(b"\r", b"\n"), arguments)

    def test_no_source_but_the_console_writes_to_a_terminal(self):
        root = pathlib.Path(os.environ.get("TSUGI_SOURCE_DIR", "."))
        sources = [
            path for kind in ("cpp", "h") for path in (root / "tools").rglob("*." + kind) if path.name != "console.cpp"
        ]
        self.assertGreater(len(sources), 60)
        for path in sources:
            for number, line in enumerate(path.read_text().splitlines(), 1):
                code = line.split("//")[0]
                self.assertIsNone(
                    re.search(
                        r"\b(?:v?f?printf|f?puts|fputc|putchar|putc|perror|fwrite|cout|cerr|clog)\b(?!, \d)", code
                    ),
                    f"{path}:{number}: {line.strip()}",
                )


if __name__ == "__main__":
    support.main()
