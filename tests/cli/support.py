"""What the tests of the command line share: running the binary in a folder of its own, looking at what it left there, and
reading its files by the formats' descriptions alone. Standard library only."""

import hashlib
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest

# A process takes ten times as long under a sanitizer, and errs in a few draws as in many.
SANITIZED = bool(os.environ.get("TSUGI_SANITIZE"))
BINARY = os.environ.get("TSUGI_BINARY", "")
REPORTED = 99  # how a process ends that a sanitizer stopped: a status that no command has
CRASH = re.compile(r"(Address|Leak|Thread)Sanitizer|runtime error:|terminate called|Segmentation fault|Assertion")

# Every kind of state that training has: weights, running statistics, moments, and dropout's randomness.
TINY_MODEL = {
    "name": "tiny",
    "training": {"lr": 0.05},
    "input": [16, 16, 3],
    "layers": [
        {"type": "conv2d", "name": "conv1", "filters": 4, "kernel": 3, "stride": 2, "pad": 1},
        {"type": "batch_norm", "name": "bn1"},
        {"type": "relu"},
        {"type": "dropout", "rate": 0.2},
        {"type": "global_average_pool"},
        {"type": "flatten"},
        {"type": "dense", "name": "head", "units": "classes"},
    ],
}
TINY = ("--model", "tiny.json", "--epochs", "1", "--augment", "2", "--batch", "8", "--threads", "1")


def environment(**more):
    # Tests share the cores: waiting threads must not spin. What somebody once tuned on this machine must not change results.
    reports = {
        f"{name}_OPTIONS": f"{os.environ.get(f'{name}_OPTIONS', '')}:exitcode={REPORTED}:print_stacktrace=1"
        for name in ("ASAN", "UBSAN", "TSAN")
    }
    return {**os.environ, **reports, "OMP_WAIT_POLICY": "passive", "LC_ALL": "C.UTF-8", "TSUGI_TUNING": "off", **more}


class CommandLine(unittest.TestCase):
    """A test case with a folder of its own, in which its commands run."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="tsugi-cli-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)

    @classmethod
    def path(cls, *names):
        return os.path.join(cls.folder, *names)

    @classmethod
    def write(cls, name, content):
        os.makedirs(os.path.dirname(cls.path(name)), exist_ok=True)
        with open(cls.path(name), "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())
        return name

    @classmethod
    def read(cls, name):
        with open(cls.path(name), "rb") as file:
            return file.read()

    @classmethod
    def tsugi(cls, *arguments, status=0, **options):
        """Runs the binary; fails on any other exit status, on a signal, and on what a crash or a sanitizer writes."""
        done = subprocess.run(
            [BINARY, *map(str, arguments)],
            cwd=options.pop("cwd", cls.folder),
            text=True,
            timeout=300,
            stdin=subprocess.DEVNULL,
            stdout=options.pop("stdout", subprocess.PIPE),
            stderr=subprocess.PIPE,
            env=environment(**options.pop("env", {})),
            **options,
        )
        told = f"tsugi {' '.join(map(str, arguments))}\nexit status {done.returncode}, {status} expected\n{done.stdout}\n{done.stderr}"
        if done.returncode != status or CRASH.search(done.stderr):
            raise AssertionError(told)
        return done

    @classmethod
    def result(cls, *arguments, **options):
        """The object that a command given --json ends with."""
        return json.loads(cls.tsugi(*arguments, "--json", **options).stdout.splitlines()[-1])

    @classmethod
    def people(cls, name, people, photos=6, first=1):
        cls.tsugi("synth", name, "--people", people, "--photos", photos, "--size", 64, "--first", first)
        return sorted(os.listdir(cls.path(name)))

    @classmethod
    def snapshot(cls):
        """Everything in the folder: a path and a digest each."""
        found = {}
        for parent, folders, files in os.walk(cls.folder):
            for name in folders:
                found[os.path.join(parent, name)] = "folder"
            for name in files:
                with open(os.path.join(parent, name), "rb") as file:
                    found[os.path.join(parent, name)] = hashlib.sha256(file.read()).hexdigest()
        return found

    def refuses(self, arguments, *words, status=1, **options):
        """The command fails with one line of error that has all `words` in it, prints no result, and changes no file."""
        before = self.snapshot()
        quiet = [] if "--quiet" in arguments or status == 2 else ["--quiet"]
        done = self.tsugi(*arguments, *quiet, status=status, **options)
        lines = done.stderr.splitlines()
        told = f"tsugi {' '.join(map(str, arguments))}\n{done.stderr}"
        self.assertTrue(lines and lines[0].startswith("tsugi: error: "), told)
        self.assertEqual(len(lines), 1 if status == 1 else 2, told)
        self.assertLess(len(lines[0]), 1000, told)
        for word in words:
            self.assertIn(str(word), lines[0], told)
        self.assertFalse(done.stdout, told)
        self.assertEqual(self.snapshot(), before, told)
        return done


def parse_safetensors(data):
    """(header, body): the header with its "__metadata__", tensors by name."""
    (length,) = struct.unpack("<Q", data[:8])
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def build_safetensors(header, body, length=None):
    """A file of this header and these bytes, with a digest that fits where the header has room for one."""
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    data = struct.pack("<Q", len(text) if length is None else length) + text + body
    found = re.search(rb'"sha256":"([0-9a-f]{64})"', data)
    if found is None:
        return data
    blank = data[: found.start(1)] + b"0" * 64 + data[found.end(1) :]
    return blank[: found.start(1)] + hashlib.sha256(blank).hexdigest().encode() + blank[found.end(1) :]


def tensors(data):
    """{name: (dtype, shape, bytes)} of a .safetensors file."""
    header, body = parse_safetensors(data)
    header.pop("__metadata__", None)
    return {
        name: (entry["dtype"], entry["shape"], body[slice(*entry["data_offsets"])]) for name, entry in header.items()
    }


def main():
    if not os.access(BINARY, os.X_OK):
        print(f"skipped: TSUGI_BINARY ({BINARY or 'not set'}) is not built")
        sys.exit(77)
    unittest.main(verbosity=2)
