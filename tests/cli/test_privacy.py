"""What leaves a process, seen from outside by strace: no command that touches photos or checkpoints makes a network call, writes
anything but the outputs that it was told, or opens a file that its --audit does not list with the right digest."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys

import support

CALLS = "%network,%file,fchdir,memfd_create,open_by_handle_at,io_uring_setup"
NETWORK = {
    "socket",
    "socketpair",
    "bind",
    "connect",
    "listen",
    "accept",
    "accept4",
    "sendto",
    "recvfrom",
    "sendmsg",
    "recvmsg",
    "sendmmsg",
    "recvmmsg",
    "shutdown",
    "getsockname",
    "getpeername",
    "getsockopt",
    "setsockopt",
    "io_uring_setup",
}
CHANGES = {
    "creat",
    "rename",
    "renameat",
    "renameat2",
    "unlink",
    "unlinkat",
    "rmdir",
    "mkdir",
    "mkdirat",
    "link",
    "linkat",
    "symlink",
    "symlinkat",
    "mknod",
    "mknodat",
    "truncate",
    "chmod",
    "fchmodat",
    "chown",
    "lchown",
    "fchownat",
    "utime",
    "utimes",
    "utimensat",
    "futimesat",
    "setxattr",
    "lsetxattr",
    "removexattr",
    "lremovexattr",
    "mount",
    "umount2",
    "chroot",
    "pivot_root",
}
SYSTEM = ("/proc/", "/sys/", "/dev/", "/etc/", "/usr/", "/lib/", "/lib64/")
CALL = re.compile(r"(\w+)\((.*)\)\s+= (-?\d+|\?)")
OPEN = re.compile(r'AT_FDCWD, "((?:[^"\\]|\\.)*)", ([A-Z_|0-9]+)')


def calls_of(trace):
    """(name, arguments) of every system call that succeeded, and of every one on the network, whether it did or not. Calls that
    another thread interrupted are put together again."""
    begun = {}
    for line in trace.splitlines():
        thread, call = line.split(None, 1)
        if call.endswith("<unfinished ...>"):
            begun[thread] = call[: -len("<unfinished ...>")]
            continue
        resumed = re.match(r"<\.\.\. \w+ resumed>(.*)", call)
        if resumed:
            call = begun.pop(thread) + resumed[1]
        found = CALL.match(call)
        if found and (not found[3].startswith("-") or found[1] in NETWORK):
            yield found[1], found[2]
    for call in begun.values():  # never came back
        yield call.split("(", 1)


def strace(command, trace, cwd, **options):
    return subprocess.run(
        ["strace", "-f", "-qq", "-s", "4096", "-e", f"trace={CALLS}", "-e", "signal=none", "-o", trace, *command],
        cwd=cwd,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        timeout=300,
        **options,
    )


class Privacy(support.CommandLine):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        os.mkdir(cls.path("tmp"))
        cls.people("people", 2)
        cls.tony = cls.people("tony", 1, first=9)[0]
        cls.write("tiny.json", json.dumps(support.TINY_MODEL))
        cls.train = ["--epochs", "2", "--augment", "2", "--batch", "8", "--threads", "2", "--metrics", "m.jsonl"]
        cls.tsugi("pretrain", "people", "-o", "server", *support.TINY)
        cls.tsugi("bundle", "server", "--photos", "people", "-o", "handover.tar")
        cls.tsugi("resume", "handover.tar", "--personal", f"tony/{cls.tony}", "-o", "device", *support.TINY[2:])

    def trace(self, *command):
        """The system calls of a command that succeeds: [(name, arguments)]."""
        # LeakSanitizer uses ptrace itself. TMPDIR: whatever goes to a temporary folder is below this one, and is found.
        environment = support.environment(
            TMPDIR=self.path("tmp"), ASAN_OPTIONS=f"exitcode={support.REPORTED}:detect_leaks=0"
        )
        done = strace(command, self.path("tmp", "trace"), self.folder, env=environment)
        self.assertEqual(done.returncode, 0, done.stderr)
        trace = self.read("tmp/trace").decode()
        os.remove(self.path("tmp", "trace"))
        calls = list(calls_of(trace))
        self.assertIn("execve", {name for name, _ in calls})
        return calls

    def absolute(self, path):
        return os.path.normpath(os.path.join(self.folder, path))

    def opened(self, calls):
        """({path: ...} read, {path} written) of regular files that are not the system's, by full path."""
        read, written = set(), set()
        for name, arguments in calls:
            if name in CHANGES:
                written |= {self.absolute(text) for text in re.findall(r'"((?:[^"\\]|\\.)*)"', arguments)}
            elif name in ("open", "openat", "openat2"):
                found = OPEN.match(arguments if name != "open" else "AT_FDCWD, " + arguments)
                self.assertTrue(found, f"{name}({arguments})")
                path, flags = self.absolute(found[1]), found[2].split("|")
                if "O_DIRECTORY" in flags:
                    continue
                if {"O_WRONLY", "O_RDWR", "O_CREAT", "O_TMPFILE"} & set(flags):
                    written.add(path)
                elif not path.startswith(SYSTEM):
                    read.add(path)
        return read, written

    def check(self, outputs, *arguments):
        """Runs the command: no network call, no change but to `outputs` and their temporaries, and an audit of exactly what was opened."""
        calls = self.trace(support.BINARY, *arguments, "--audit", "audit.json")
        self.assertEqual([call for call in calls if call[0] in NETWORK], [])
        self.assertEqual([name for name, _ in calls].count("execve"), 1)
        self.assertFalse(
            {"chdir", "fchdir", "memfd_create", "open_by_handle_at"} & {name for name, _ in calls}
        )  # ways round what is checked below
        read, written = self.opened(calls)
        told = {self.absolute(path) for path in [*outputs, "audit.json"]}
        self.assertEqual({re.sub(r"\.tmp-\d+-\d+$", "", path) for path in written}, told)
        self.assertEqual(os.listdir(self.path("tmp")), [])

        audit = json.loads(self.read("audit.json"))
        self.assertEqual({self.absolute(entry["path"]) for entry in audit["read"]}, read)
        self.assertEqual(
            {self.absolute(entry["path"]) for entry in audit["written"]}, told - {self.absolute("audit.json")}
        )
        self.assertEqual(audit["scratch"], [])
        whole = set()
        replaced = {
            entry["path"] for entry in audit["written"]
        }  # --continue reads the metrics that it then writes anew
        for entry in [entry for entry in audit["read"] if entry["path"] not in replaced] + audit["written"]:
            content = self.read(entry["path"])
            self.assertEqual(entry["sha256"], hashlib.sha256(content[: entry["bytes"]]).hexdigest(), entry)
            if entry["bytes"] == len(content):
                whole.add(entry["path"])
        self.assertEqual(whole, {entry["path"] for entry in audit["read"] + audit["written"]})
        temporaries = {path for path in written if re.search(r"\.tmp-\d+-\d+$", path) and "audit.json" not in path}
        patterns = {re.escape(self.absolute(entry["temporary"])).replace(r"\*", r"\d+") for entry in audit["written"]}
        self.assertTrue(
            all(any(re.fullmatch(pattern, path) for pattern in patterns) for path in temporaries), temporaries
        )
        return audit

    def test_resume(self):
        audit = self.check(
            ["new", "m.jsonl"],
            "resume",
            "handover.tar",
            "--personal",
            f"tony/{self.tony}",
            "-o",
            "new",
            *self.train,
            "--checkpoint-every",
            "1",
        )
        self.assertEqual(
            {entry["path"] for entry in audit["read"] if entry["personal"]},
            {f"tony/{self.tony}/{name}" for name in os.listdir(self.path("tony", self.tony))},
        )

    def test_resume_of_an_interrupted_hand_over(self):
        self.check(
            ["new", "m.jsonl"],
            "resume",
            "handover.tar",
            "--personal",
            f"tony/{self.tony}",
            "--continue",
            "device",
            "-o",
            "new",
            *self.train,
        )

    def test_resume_on_the_emulated_gpu(self):
        if not {device["name"]: device["available"] for device in self.result("doctor")["devices"]}["simt"]:
            self.skipTest("no device simt in this build")
        self.check(
            ["new"],
            "resume",
            "handover.tar",
            "--personal",
            f"tony/{self.tony}",
            "-o",
            "new",
            "--device",
            "simt",
            "--epochs",
            "1",
            "--augment",
            "1",
            "--threads",
            "1",
        )

    def test_eval(self):
        shutil.copytree(self.path("people"), self.path("everyone"))
        shutil.copytree(self.path("tony", self.tony), self.path("everyone", self.tony))
        self.check([], "eval", "device", "--photos", "everyone", "--all", "--confusion")

    def test_predict(self):
        photos = [f"tony/{self.tony}/{name}" for name in os.listdir(self.path("tony", self.tony))]
        self.check([], "predict", "device", *photos)
        os.mkdir(self.path("crops"))
        self.check(["crops/photos.png"], "predict", "device", photos[0], "--box", "9,9,30,30", "--save-crops", "crops")

    def test_crops_that_are_saved(self):
        os.mkdir(self.path("seen"))
        tony = f"tony/{self.tony}"
        everyone = [f"seen/{name}.png" for name in [*os.listdir(self.path("people")), self.tony]]
        resume = [
            "resume",
            "handover.tar",
            "--personal",
            tony,
            "-o",
            "shown",
            "--save-crops",
            "seen",
            *support.TINY[2:],
        ]
        audit = self.check(["shown", *everyone], *resume)
        self.assertTrue(all(entry["personal"] for entry in audit["written"]))

    def test_strangers(self):
        self.people("strangers", 2, first=20)
        self.tsugi("bundle", "server", "--photos", "people", "--fraction", "0", "-o", "none.tar")
        self.tsugi("resume", "none.tar", "--personal", f"tony/{self.tony}", "-o", "alive")
        self.check([], "predict", "alive", "strangers", "--owner")
        self.check([], "eval", "alive", "--photos", "people", "--all", "--strangers", "strangers")

    def test_pretrain(self):
        self.check(["new", "m.jsonl"], "pretrain", "people", "--model", "tiny.json", "-o", "new", *self.train)

    def test_bundle(self):
        self.check(["b.tar"], "bundle", "server", "--photos", "people", "-o", "b.tar")

    def test_features_instead_of_photos(self):
        self.check(
            ["f.tar"],
            "bundle",
            "server",
            "--photos",
            "people",
            "--as",
            "features",
            "--cut",
            "conv1",
            "--variants",
            "2",
            "-o",
            "f.tar",
        )
        self.check(["new", "m.jsonl"], "resume", "f.tar", "--personal", f"tony/{self.tony}", "-o", "new", *self.train)

    def test_forget(self):
        self.tsugi("bundle", "server", "--photos", "people", "--fraction", "0", "-o", "none.tar")
        self.check(["alive"], "resume", "none.tar", "--personal", f"tony/{self.tony}", "-o", "alive")
        self.check(["left"], "forget", "alive", self.tony, "-o", "left")

    def test_compact_and_inspect(self):
        self.check(["small"], "compact", "device", "-o", "small", "--as", "int8")
        for name in ("device", "handover.tar", "tiny.json"):
            self.check([], "inspect", name)

    def test_the_trace_would_show_a_socket_and_a_file(self):
        """What the other tests rely on."""
        program = "import socket, threading; open('told.txt', 'w'); t = threading.Thread(target=lambda: socket.socket()); t.start(); t.join(); open('tiny.json')"
        calls = self.trace(sys.executable, "-c", program)
        self.assertIn("socket", [name for name, _ in calls])
        read, written = self.opened(calls)
        self.assertEqual(written, {self.absolute("told.txt")})
        self.assertIn(self.absolute("tiny.json"), read)


def can_trace():
    try:
        return subprocess.run(["strace", "-f", "-qq", "-o", os.devnull, "true"], capture_output=True).returncode == 0
    except OSError:
        return False


if __name__ == "__main__":
    if not can_trace():
        print("skipped: strace is not installed, or tracing is not permitted here")
        sys.exit(77)
    if os.path.isfile(support.BINARY) and open(support.BINARY, "rb").read(4) != b"\x7fELF":
        print("skipped: the binary runs under an emulator, whose own calls would be seen")
        sys.exit(77)
    support.main()
