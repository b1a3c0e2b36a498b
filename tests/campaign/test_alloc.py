"""Every k-th allocation fails, one at a time and all from the k-th on, in every command: the command ends in a line of
error and exit status 1, or, where a library could do without or cannot say so, in the right result or an announced end.
No output is half-written.
    test_alloc.py                 some k of each command, drawn anew (TSUGI_TEST_SEED repeats them)
    test_alloc.py --all           every k; --command NAME of one command; --each N of N drawn ones
alloc_shim/shim.cpp makes them fail."""

import argparse
import concurrent.futures
import json
import os
import random
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
import support

SHIM = os.path.join(os.environ.get("TSUGI_BUILD_DIR", ""), "tests", "alloc_shim.so")
TRAIN = ("--model", "tiny.json", "--epochs", "1", "--augment", "2", "--batch", "8", "--threads", "2")
COMMANDS = {
    "inspect": ("inspect", "good", "--json"),
    "inspect a bundle": ("inspect", "good.tar", "--json"),
    "predict": ("predict", "good", "people/1/1.jpg", "people/1/2.png", "--json", "--threads", "2"),
    "eval": ("eval", "good", "--photos", "people", "--json", "--threads", "2"),
    "pretrain": ("pretrain", "people", "-o", "out", *TRAIN),
    "pretrain --continue": ("pretrain", "people", "--continue", "good", "-o", "out", "--epochs", "2", "--threads", "2"),
    "bundle": ("bundle", "good", "--photos", "people", "--fraction", "0.5", "-o", "out", "--threads", "2"),
    "resume": ("resume", "good.tar", "--personal", "new", "-o", "out", "--epochs", "1", "--threads", "2"),
    "compact": ("compact", "good", "-o", "out", "--as", "int8"),
    "synth": ("synth", "out", "--people", "2", "--photos", "2", "--size", "32"),
    "plan": ("plan", "--device", "jetson-nano", "--json"),
}
# What ends a process inside a library that cannot report says so: tools/ending.h, libgomp, libarchive.
ANNOUNCED = re.compile(r"^(tsugi: error: |libgomp: |Fatal Internal Error|.*[Oo]ut of memory)", re.MULTILINE)
BEFORE_MAIN = re.compile(
    r"terminate called after throwing an instance of '(std|St9)(::)?bad_alloc'"
)  # a library's own start
OLD = b"the old file"


def count_file(folder):
    return folder + ".count"


def run(folder, arguments, k, times):
    """(exit status, stdout, stderr) with the k-th allocation failing; 0 = none."""
    fault = {
        "LD_PRELOAD": SHIM,
        "TSUGI_ALLOC_FAIL": str(k),
        "TSUGI_ALLOC_TIMES": str(times),
        "TSUGI_ALLOC_COUNT": count_file(folder),
    }
    done = subprocess.run(
        [support.BINARY, *arguments, "--quiet"],
        cwd=folder,
        text=True,
        timeout=120,
        errors="replace",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=support.environment(**fault),
    )
    return done.returncode, done.stdout, done.stderr


def result_of(folder):
    """What the command left at its output, clock times left out; None where nothing."""
    path = os.path.join(folder, "out")
    if os.path.isdir(path):
        return sorted((os.path.basename(parent), len(files)) for parent, _, files in os.walk(path))
    if not os.path.exists(path):
        return None
    with open(path, "rb") as file:
        data = file.read()
    if data == OLD or data[:1] == b"m":  # a tar: its checkpoint holds clock times
        return data if data == OLD else len(data)
    return support.tensors(data)


def is_whole_checkpoint(folder):
    """Whether the output is a checkpoint whose digest fits: of an epoch before the last, or before a hand-over's end."""
    try:
        with open(os.path.join(folder, "out"), "rb") as file:
            data = file.read()
        header, body = support.parse_safetensors(data)
    except (OSError, ValueError, struct.error):
        return False
    return "sha256" in header["__metadata__"] and support.build_safetensors(header, body) == data


class Campaign:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="tsugi-alloc-")
        self.template = os.path.join(self.folder, "template")
        os.makedirs(self.template)
        self.wrong = []

    def prepare(self):
        def tsugi(*arguments):
            subprocess.run(
                [support.BINARY, *arguments, "--quiet"], cwd=self.template, check=True, env=support.environment()
            )

        with open(os.path.join(self.template, "tiny.json"), "w") as file:
            json.dump(support.TINY_MODEL, file)
        tsugi("synth", "people", "--people", "2", "--photos", "5", "--size", "32")
        for i, name in enumerate(sorted(os.listdir(os.path.join(self.template, "people")))):
            os.rename(os.path.join(self.template, "people", name), os.path.join(self.template, "people", str(i + 1)))
        first = os.path.join(self.template, "people", "1")
        names = sorted(os.listdir(first))
        os.rename(os.path.join(first, names[0]), os.path.join(first, "1.jpg"))
        with open(os.path.join(first, "2.png"), "wb") as file:
            file.write(png(24, 20))
        tsugi("synth", "new", "--people", "1", "--photos", "4", "--size", "32", "--first", "3")
        tsugi("pretrain", "people", "-o", "good", *TRAIN)
        tsugi("bundle", "good", "--photos", "people", "--fraction", "0.5", "-o", "good.tar", "--threads", "2")

    def work_folder(self, name):
        folder = os.path.join(self.folder, name)
        shutil.copytree(self.template, folder)
        return folder

    def check(self, folder, name, expected, k, times):
        arguments = COMMANDS[name]
        out = os.path.join(folder, "out")
        shutil.rmtree(out, ignore_errors=True)
        old = "-o" in arguments
        if old:
            with open(out, "wb") as file:
                file.write(OLD)
        before = set(os.listdir(folder))
        status, stdout, stderr = run(folder, arguments, k, times)
        told = f"{name}: allocation {k}, {times} failing: exit status {status}\n{stdout}\n{stderr}"
        left = set(os.listdir(folder)) - before - {"out"}
        found = result_of(folder)
        kind = "result" if status == 0 else "error" if status == 1 else "announced"
        if status == 0:
            assert found == expected[0] and without_clock(stdout) == expected[1], told + "\nanother result"
        else:
            assert ANNOUNCED.search(stderr) or (k < 1000 and BEFORE_MAIN.search(stderr)), told + "\nunannounced"
            assert status == 1 or status in (-6, -11, -7), told
            whole = found in (OLD if old else None, expected[0]) or is_whole_checkpoint(folder)
            # A folder of drawings is taken away again where there is memory to do it.
            assert whole or (name == "synth" and times > 1), told + "\nhalf-written"
        for extra in left:
            path = os.path.join(folder, extra)
            shutil.rmtree(path) if os.path.isdir(path) else os.remove(path)
        # Who ends by force cannot tidy up: such a temporary goes at the next start.
        return kind + (" leaving a temporary" if left else "")

    def command(self, name, draw, seed):
        folder = self.work_folder(name.replace(" ", "_"))
        if "-o" in COMMANDS[name]:
            with open(os.path.join(folder, "out"), "wb") as file:
                file.write(OLD)
        status, stdout, stderr = run(folder, COMMANDS[name], 0, 0)
        assert status == 0, stderr
        with open(count_file(folder)) as file:
            count = int(file.read())
        expected = (result_of(folder), without_clock(stdout))
        ends = {}
        for k in draw(random.Random(f"{seed} {name}"), count):
            for times in (1, 1 << 40):
                try:
                    kind = self.check(folder, name, expected, k, times)
                except AssertionError as error:
                    kind = "WRONG"
                    self.wrong.append(str(error))
                ends[kind] = ends.get(kind, 0) + 1
        told = ", ".join(f"{n} {kind}" for kind, n in sorted(ends.items()))
        print(f"{name}: {count} allocations, {told}", flush=True)
        assert ends.get("error", 0) > 0, f"{name}: no failed allocation was an error: does the shim work?"
        shutil.rmtree(folder)


def without_clock(stdout):
    return re.sub(r'"(wall_s|images_per_s|peak_memory_bytes)":[^,}]*', "", stdout)


def png(w, h):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + bytes((x * 9 + y * 5 + c * 80) % 256 for x in range(w) for c in range(3)) for y in range(h))
    header = struct.pack(">IIBBBBB", w, h, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--each", type=int, default=12)
    parser.add_argument("--command", choices=sorted(COMMANDS))
    options = parser.parse_args()
    if not os.access(support.BINARY, os.X_OK) or not os.path.exists(SHIM):
        print(f"skipped: {support.BINARY or 'TSUGI_BINARY'} or {SHIM} is not built (sanitizers, cross builds)")
        sys.exit(77)
    seed = int(os.environ.get("TSUGI_TEST_SEED", random.SystemRandom().randrange(1 << 31)))
    print(f"TSUGI_TEST_SEED={seed} repeats this run", flush=True)

    def draw(source, count):
        every = range(1, count + 1)
        return every if options.all else sorted(source.sample(every, min(count, options.each)))

    campaign = Campaign()
    try:
        campaign.prepare()
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            names = [options.command] if options.command else COMMANDS
            for done in [pool.submit(campaign.command, name, draw, seed) for name in names]:
                done.result()
        for told in campaign.wrong[:20]:
            print(told)
        if campaign.wrong:
            sys.exit(f"{len(campaign.wrong)} wrong ends")
    finally:
        shutil.rmtree(campaign.folder, ignore_errors=True)


main()
