"""--audit: what the file says about a command, and that it is there however the command ends. That it misses nothing is in
test_privacy.py."""

import hashlib
import json
import os
import resource
import shutil
import signal
import subprocess
import tarfile

import support

AUDITED = (
    "pretrain",
    "bundle",
    "resume",
    "forget",
    "eval",
    "predict",
    "compact",
    "inspect",
    "experiment handover",
    "experiment report",
    "plan",
)


class Audit(support.CommandLine):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.people("people", 2)
        cls.tony = cls.people("tony", 1, first=9)[0]
        cls.write("tiny.json", json.dumps(support.TINY_MODEL))
        cls.tsugi("pretrain", "people", "-o", "server", *support.TINY)
        cls.tsugi("bundle", "server", "--photos", "people", "-o", "handover.tar")
        cls.tsugi("resume", "handover.tar", "--personal", f"tony/{cls.tony}", "-o", "device", *support.TINY[2:])
        shutil.copytree(cls.path("people"), cls.path("everyone"))
        shutil.copytree(cls.path("tony", cls.tony), cls.path("everyone", cls.tony))

    def audit(self, *arguments, status=0, **options):
        if os.path.exists(self.path("audit.json")):
            os.remove(self.path("audit.json"))
        self.tsugi(*arguments, "--audit", "audit.json", status=status, **options)
        return json.loads(self.read("audit.json"))

    def one(self, entries, path):
        found = [entry for entry in entries if entry["path"] == path]
        self.assertEqual(len(found), 1, f"{path} in {entries}")
        return found[0]

    def check(self, entry, role, personal, times=None):
        content = self.read(entry["path"])
        expected = {
            "role": role,
            "personal": personal,
            "complete": True,
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        self.assertEqual({key: entry[key] for key in expected}, expected)
        if times is not None:
            self.assertEqual(entry["times"], times)

    def check_photos(self, entries, folders):
        """Exactly the photos of these {folder: personal}, each with its digest."""
        photos = [entry for entry in entries if entry["role"] == "photo"]
        expected = {os.path.join(folder, name) for folder in folders for name in os.listdir(self.path(folder))}
        self.assertEqual({entry["path"] for entry in photos}, expected)
        for entry in photos:
            self.check(entry, "photo", folders[os.path.dirname(entry["path"])])

    def test_every_command_that_touches_photos_or_checkpoints_has_it(self):
        for command in AUDITED:
            self.assertIn("--audit", self.tsugi(*command.split(), "--help").stdout, command)

    def test_it_says_what_ran_and_how_it_ended(self):
        audit = self.audit("inspect", "server")
        self.assertEqual(audit["command_line"], [support.BINARY, "inspect", "server", "--audit", "audit.json"])
        self.assertEqual(os.path.realpath(audit["folder"]), os.path.realpath(self.folder))
        self.assertEqual([audit["exit_status"], audit["stopped"], audit["error"]], [0, False, None])
        self.assertIn(audit["tsugi"], self.tsugi("--version").stdout)
        self.assertRegex(audit["started"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        self.assertLessEqual(audit["started"], audit["ended"])
        self.assertIn("standard input", audit["scope"])

    def test_resume_reads_a_bundle_and_personal_photos_and_writes_a_personal_checkpoint(self):
        audit = self.audit(
            "resume", "handover.tar", "--personal", "tony", "-o", "new", "--metrics", "m.jsonl", *support.TINY[2:]
        )
        looked, whole = [entry for entry in audit["read"] if entry["path"] == "handover.tar"]
        self.assertEqual(looked["role"], "first bytes")
        self.check(whole, "bundle", False, 1)
        self.check_photos(audit["read"], {f"tony/{self.tony}": True})
        self.check(self.one(audit["written"], "new"), "checkpoint", True)
        self.check(self.one(audit["written"], "m.jsonl"), "metrics", True)
        self.assertEqual({entry["path"] for entry in audit["written"]}, {"new", "m.jsonl"})
        self.assertEqual(audit["scratch"], [])
        photo_bytes = sum(entry["bytes"] for entry in audit["read"] if entry["role"] == "photo")
        self.assertEqual(
            audit["totals"]["read"],
            {
                "files": 8,
                "bytes": photo_bytes + looked["bytes"] + len(self.read("handover.tar")),
                "personal_files": 6,
                "personal_bytes": photo_bytes,
            },
        )

    def test_pretrain_reads_photos_and_a_model(self):
        folders = {f"people/{name}": False for name in os.listdir(self.path("people"))}
        audit = self.audit("pretrain", "people", "-o", "new", "--metrics", "m.jsonl", *support.TINY)
        self.check_photos(audit["read"], folders)
        self.check(self.one(audit["read"], "tiny.json"), "model", False)
        self.check(self.one(audit["written"], "new"), "checkpoint", False)
        self.check(self.one(audit["written"], "m.jsonl"), "metrics", False)
        self.check(
            self.one(
                self.audit("pretrain", "people", "-o", "newer", "--continue", "new", "--epochs", "2")["read"], "new"
            ),
            "checkpoint",
            False,
        )

    def test_bundle_reads_all_photos_to_know_which_it_may_send_and_packs_no_other(self):
        audit = self.audit("bundle", "server", "--photos", "people", "--fraction", "1", "-o", "b.tar")
        self.check(self.one(audit["read"], "server"), "checkpoint", False)
        self.check_photos(audit["read"], {f"people/{name}": False for name in os.listdir(self.path("people"))})
        self.check(self.one(audit["written"], "b.tar"), "bundle", False)
        none = self.audit("bundle", "server", "--photos", "people", "--fraction", "0", "--no-test", "-o", "b.tar")
        self.check_photos(none["read"], {f"people/{name}": False for name in os.listdir(self.path("people"))})
        with tarfile.open(self.path("b.tar")) as tar:
            self.assertEqual(
                tar.getnames(), ["manifest.json", "checkpoint.safetensors", "tensors/knowledge.safetensors"]
            )

    def test_eval_and_predict_tell_personal_photos_from_others(self):
        audit = self.audit("eval", "device", "--photos", "everyone", "--all")
        self.check_photos(
            audit["read"], {f"everyone/{name}": name == self.tony for name in os.listdir(self.path("everyone"))}
        )
        self.check(self.one(audit["read"], "device"), "checkpoint", True)
        self.assertEqual(audit["written"], [])
        photo = f"tony/{self.tony}/" + min(os.listdir(self.path("tony", self.tony)))
        audit = self.audit("predict", "server", photo)
        self.check(self.one(audit["read"], photo), "photo", True)
        self.check(self.one(audit["read"], "server"), "checkpoint", False)

    def test_compact_and_inspect(self):
        audit = self.audit("compact", "device", "-o", "small")
        self.check(self.one(audit["read"], "device"), "checkpoint", True)
        self.check(self.one(audit["written"], "small"), "checkpoint", True)

    def test_forget(self):
        self.tsugi("bundle", "server", "--photos", "people", "--fraction", "0", "-o", "none.tar")
        self.tsugi("resume", "none.tar", "--personal", f"tony/{self.tony}", "-o", "alive")
        audit = self.audit("bundle", "server", "--photos", "people", "--previous", "server", "-o", "next.tar")
        self.check(self.one(audit["read"], "server"), "checkpoint", False)  # as the release, and as the one before
        audit = self.audit("resume", "next.tar", "--from", "alive", "-o", "next")
        self.check(self.one(audit["read"], "alive"), "checkpoint", True)
        self.check(self.one(audit["written"], "next"), "checkpoint", True)
        audit = self.audit("forget", "alive", self.tony, "-o", "left")
        self.check(self.one(audit["read"], "alive"), "checkpoint", True)
        self.check(self.one(audit["written"], "left"), "checkpoint", False)  # nobody personal is left in it

    def test_inspect(self):
        for name, role, personal in (
            ("device", "checkpoint", True),
            ("handover.tar", "bundle", False),
            ("tiny.json", "model", False),
        ):
            audit = self.audit("inspect", name)
            first, whole = audit["read"]
            self.assertEqual(
                [first["path"], first["role"], first["bytes"]], [name, "first bytes", min(512, len(self.read(name)))]
            )
            self.assertEqual(first["sha256"], hashlib.sha256(self.read(name)[:512]).hexdigest())
            self.check(whole, role, personal)
        self.assertEqual(self.audit("inspect", "faces-cnn")["read"], [])

    def test_an_experiment_is_personal_from_beginning_to_end(self):
        grid = [
            "experiment",
            "handover",
            "--general",
            "people",
            "--personal",
            f"tony/{self.tony}",
            "--people",
            "2",
            "--fractions",
            "0.5",
            "--seeds",
            "1",
            "--methods",
            "default",
            "--model",
            "tiny.json",
            "--epochs",
            "1",
            "--handover-epochs",
            "1",
            "--augment",
            "2",
            "--threads",
            "1",
            "-o",
            "grid",
        ]
        audit = self.audit(*grid, preexec_fn=lambda: os.umask(0))
        folders = {f"people/{name}": False for name in os.listdir(self.path("people"))}
        self.check_photos(audit["read"], {**folders, f"tony/{self.tony}": True})
        self.check(self.one(audit["read"], "tiny.json"), "model", False)
        written = {entry["path"]: entry for entry in audit["written"]}
        self.assertTrue(all(entry["personal"] for entry in written.values()))
        there = {
            os.path.join(folder, name)[len(self.folder) + 1 :]
            for folder, _, names in os.walk(self.path("grid"))
            for name in names
        }
        self.assertEqual(
            there - set(written), {"grid/.lock"} | {path for path in there if path.endswith((".svg", ".png"))}
        )  # gnuplot's own
        self.check(written["grid/cells/p2_s1_default_f0.5.json"], "cell", True, 1)
        self.check(written["grid/index.html"], "report", True, 1)
        report = self.audit("experiment", "report", "grid")
        self.check(self.one(report["read"], "grid/experiment.json"), "experiment", True)
        self.check(self.one(report["written"], "grid/index.html"), "report", True)
        for folder, folders, names in os.walk(self.path("grid")):
            for name in names + folders:
                self.assertFalse(os.stat(os.path.join(folder, name)).st_mode & 0o077, os.path.join(folder, name))
        self.assertFalse(os.stat(self.path("grid")).st_mode & 0o077)

    def test_plan_counts_photos_and_opens_none(self):
        audit = self.audit(
            "plan",
            "--device",
            "jetson-nano",
            "--model",
            "tiny.json",
            "--photos",
            "people",
            "--save-device",
            "nano.json",
        )
        self.assertEqual({entry["path"] for entry in audit["read"]}, {"tiny.json"})
        self.check(self.one(audit["written"], "nano.json"), "device description", False)
        self.check(
            self.one(self.audit("plan", "--device", "nano.json", "--photos", "9")["read"], "nano.json"),
            "device description",
            False,
        )

    def test_a_failed_command_leaves_what_it_had_opened_and_why_it_failed(self):
        audit = self.audit("eval", "server", "--photos", "missing", status=1)
        self.assertEqual(audit["exit_status"], 1)
        self.assertIn("missing: no such folder", audit["error"])
        self.check(self.one(audit["read"], "server"), "checkpoint", False)
        self.write("cut", self.read("server")[:-1])
        audit = self.audit("inspect", "cut", status=1)
        self.assertIn("cut: ", audit["error"])
        cut = self.one(
            [entry for entry in audit["read"] if entry["role"] == "checkpoint"], "cut"
        )  # refused by its header
        self.assertEqual((cut["complete"], cut["bytes"], cut["personal"]), (False, None, False))
        shutil.copytree(self.path("people"), self.path("broken"))
        broken = [
            os.path.join("broken", name, file)
            for name in os.listdir(self.path("broken"))
            for file in os.listdir(self.path("broken", name))
        ]
        for path in broken:
            self.write(path, "text " + path)
        audit = self.audit("pretrain", "broken", "-o", "never", *support.TINY, status=1)
        photos = {entry["path"]: entry for entry in audit["read"] if entry["role"] == "photo"}
        self.assertEqual(set(photos), set(broken))
        for photo in photos.values():  # their first bytes are of no photo: the rest is not read
            self.assertEqual((photo["complete"], photo["sha256"], photo["personal"]), (False, None, False))
        never = self.one(audit["written"], "never")  # tried out before the training
        self.assertEqual([never["complete"], never["bytes"], never["sha256"]], [False, None, None])

    def test_a_file_that_is_refused_unread_is_listed_without_a_digest(self):
        os.mkfifo(self.path("pipe"))
        self.addCleanup(os.remove, self.path("pipe"))
        audit = self.audit("predict", "server", "pipe", status=1)
        self.assertIn("pipe: is a folder, a pipe or a device", audit["error"])
        pipe = self.one(audit["read"], "pipe")
        self.assertEqual([pipe["complete"], pipe["sha256"]], [False, None])

    def stopped(self, arguments, after):
        """The audit of a command that gets SIGINT when `after` is in a line of its stderr."""
        with subprocess.Popen(
            [support.BINARY, *arguments, "--audit", "stopped.json"],
            cwd=self.folder,
            env=support.environment(),
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        ) as process:
            said = ""
            for line in process.stderr:
                said += line
                if after in line:
                    process.send_signal(signal.SIGINT)
            process.wait(timeout=60)
        self.assertEqual(process.returncode, 1, said)
        self.assertIn("tsugi: error: stopped", said)
        audit = json.loads(self.read("stopped.json"))
        self.assertEqual([audit["stopped"], audit["exit_status"]], [True, 1])
        return audit

    def test_a_stopped_command_leaves_it_too(self):
        audit = self.stopped(
            ["pretrain", "people", "-o", "new", "--model", "tiny.json", "--epochs", "100000", "--threads", "1"],
            "epoch 1 ",
        )
        self.check(self.one(audit["written"], "new"), "checkpoint", False)
        self.tsugi("pretrain", "people", "-o", "large", "--model", "faces-cnn", "--epochs", "0")
        audit = self.stopped(
            ["eval", "large", "--photos", "people", "--all", "--device", "reference"], "device reference"
        )
        self.check(self.one(audit["read"], "large"), "checkpoint", False)
        self.assertIn("no result", audit["error"])

    def test_an_audit_file_that_cannot_be(self):
        for path, word in {
            "missing/audit.json": "No such file",
            "people": "is a folder",
            "/dev/full": "device",
        }.items():
            self.refuses(["inspect", "server", "--audit", path], path, word)
        # The same file as another of the command's, also by another name.
        self.refuses(["inspect", "server", "--audit", "./server"], "server and ./server are the same file", status=2)
        self.refuses(["compact", "server", "-o", "x", "--audit", "x"], "x and x are the same file", status=2)
        # A photo by another name is noticed when it was read.
        photo = os.path.join("people", min(os.listdir(self.path("people"))))
        photo = os.path.join(photo, min(os.listdir(self.path(photo))))
        os.link(self.path(photo), self.path("link"))
        self.refuses(
            ["eval", "server", "--photos", "people", "--all", "--audit", "link"], f"link: is the same file as {photo}"
        )

    def test_a_disk_that_is_full_when_it_is_written(self):
        limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
        self.refuses(
            ["inspect", "server", "--audit", "audit-full.json"], "audit-full.json", "File too large", preexec_fn=limit
        )


if __name__ == "__main__":
    support.main()
