"""The folder that the campaigns run their commands in, and running them."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from jobs import INPUTS, MODEL, PRETRAIN, SHORT

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "cli"))
import support  # noqa: E402

TEMPORARY = re.compile(r"\.tmp-\d+-\d+(/|$)")


class World:
    """A folder with the inputs, made by the program itself. `log` lies beside it, out of the program's way."""

    def __init__(self, binary, keep=False):
        self.binary = os.path.abspath(binary)
        self.base = os.path.realpath(tempfile.mkdtemp(prefix="tsugi-campaign-"))
        self.folder, self.log = os.path.join(self.base, "w"), os.path.join(self.base, "calls")
        self.keep = keep
        os.makedirs(self.path("in"))
        os.makedirs(self.path("out"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.keep:
            print(f"kept: {self.base}")
        else:
            shutil.rmtree(self.base, ignore_errors=True)

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def start(self, command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **more):
        environment = {**support.environment(), "SOURCE_DATE_EPOCH": "1700000000", "TMPDIR": self.base, **more}
        environment["ASAN_OPTIONS"] += ":verify_asan_link_order=0"  # a library of ours may come first
        return subprocess.Popen(
            [self.binary, *command],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
        )

    def run(self, command, stdout=None, **more):
        """(exit status, what it said on stderr); standard output goes to the file `stdout`."""
        with open(self.path(stdout) if stdout else os.devnull, "wb") as out, tempfile.TemporaryFile() as err:
            status = self.start(command, out, err, **more).wait(timeout=300)
            err.seek(0)
            return status, err.read().decode(errors="replace")

    def must(self, *command, stdout=None):
        status, said = self.run(command, stdout)
        if status != 0:
            raise RuntimeError(f"tsugi {' '.join(command)}: exit status {status}\n{said}")

    def build(self):
        """The inputs of every job."""
        with open(self.path("in/small.json"), "w") as file:
            json.dump(MODEL, file)
        for command in INPUTS:
            self.must(*command.split())
        photo = next(Path(self.path("in/people")).glob("*/*.jpg"))
        shutil.copy(photo, self.path("in/photo.jpg"))
        self.stop_half_way()
        shutil.rmtree(self.path("out"))

    def stop_half_way(self):
        """in/half: a checkpoint in the middle of a run."""
        while not os.path.exists(self.path("in/half")) or self.position("in/half") == (2, 0):
            process = self.start(f"{PRETRAIN} {SHORT} --checkpoint-every 1 -o in/half".split())
            while not os.path.exists(self.path("in/half")) and process.poll() is None:
                pass
            process.send_signal(signal.SIGKILL)
            process.wait()
        for name in os.listdir(self.path("in")):
            if TEMPORARY.search(name):
                os.remove(self.path("in", name))

    def position(self, name):
        header, _ = support.parse_safetensors(self.read(name))
        progress = json.loads(header["__metadata__"]["progress"])
        return progress["epoch"], progress["batch"]

    def reset(self, job, old):
        """An empty out/, or one where `job` finds earlier outputs."""
        shutil.rmtree(self.path("out"), ignore_errors=True)
        os.mkdir(self.path("out"))
        for output, source in job.old.items() if old else ():
            shutil.copyfile(self.path(source), self.path(output))

    def files(self, below="out"):
        return sorted(
            os.path.relpath(os.path.join(parent, name), self.folder)
            for parent, _, names in os.walk(self.path(below))
            for name in names
        )

    def read(self, name):
        return Path(self.path(name)).read_bytes()

    def inputs(self):
        return {
            name: (os.stat(self.path(name)).st_mtime_ns, os.path.getsize(self.path(name))) for name in self.files("in")
        }
