"""Damaged and hostile checkpoints and bundles, given to every command that opens them: one clear line of error that names the place,
exit status 1, no file changed. Files whose bytes were changed on purpose get a new digest, so that the checks behind it are reached."""

import copy
import gzip
import hashlib
import io
import json
import os
import random
import re
import struct
import tarfile

import support

SEED = int(os.environ.get("TSUGI_TEST_SEED", random.SystemRandom().randrange(1 << 31)))
DRAWS = 4 if support.SANITIZED else 20  # random places a kind of damage
print(f"TSUGI_TEST_SEED={SEED} repeats the positions of this run", flush=True)


class Checkpoints(support.CommandLine):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.random = random.Random(SEED)
        cls.people("people", 2)
        cls.write("tiny.json", json.dumps(support.TINY_MODEL))
        cls.tsugi("pretrain", "people", "-o", "good", *support.TINY)
        cls.photo = "people/" + sorted(os.listdir(cls.path("people")))[0]
        cls.photo += "/" + sorted(os.listdir(cls.path(cls.photo)))[0]
        cls.data = cls.read("good")
        cls.header, cls.body = support.parse_safetensors(cls.data)

    def readers(self):  # inspect first: it reads, and computes with nothing
        return (
            ["inspect", "bad"],
            ["eval", "bad", "--photos", "people"],
            ["predict", "bad", self.photo],
            ["bundle", "bad", "--photos", "people", "-o", "out"],
            ["compact", "bad", "-o", "out"],
            ["pretrain", "people", "--continue", "bad", "-o", "out"],
        )

    def refuses_file(self, data, *words, commands=1):
        """The first `commands` of those that read checkpoints refuse these bytes."""
        self.write("bad", data)
        for command in self.readers()[:commands]:
            self.refuses(command, "bad", *words)

    def refuses_header(self, change, *words, body=None, commands=1):
        header = copy.deepcopy(self.header)
        body = change(header, header["__metadata__"]) if body is None else body
        with self.subTest(words):
            self.refuses_file(
                support.build_safetensors(header, self.body if body is None else body), *words, commands=commands
            )

    def test_the_crafted_file_is_fine_before_it_is_changed(self):
        self.write("bad", support.build_safetensors(self.header, self.body))
        for command in self.readers():
            self.tsugi(*command)
        os.remove(self.path("out"))

    def test_a_checkpoint_cut_at_any_byte(self):
        (length,) = struct.unpack("<Q", self.data[:8])
        places = {1, 7, 8, 9, 8 + length - 1, 8 + length, 9 + length, len(self.data) - 1}
        places |= {self.random.randrange(len(self.data)) for _ in range(DRAWS)}
        for size in sorted(places):
            with self.subTest(size=size):
                self.refuses_file(self.data[:size])
        for size in (0, len(self.data) // 2):
            with self.subTest(size=size):
                self.refuses_file(self.data[:size], commands=6 if size else 0)
        self.write("bad", b"")
        self.refuses(["eval", "bad", "--photos", "people"], "bad", "0 bytes")
        self.refuses_file(self.data + b"\0", "bad")

    def test_a_checkpoint_with_any_byte_flipped(self):
        (length,) = struct.unpack("<Q", self.data[:8])
        places = [0, 1, 7, 8, 8 + length - 1, 8 + length, len(self.data) - 1]
        places += [self.random.randrange(8, 8 + length) for _ in range(DRAWS)] + [
            self.random.randrange(8 + length, len(self.data)) for _ in range(DRAWS)
        ]
        for place in places:
            with self.subTest(place=place):
                changed = bytearray(self.data)
                changed[place] ^= 1 << self.random.randrange(8)
                self.write("bad", bytes(changed))
                self.refuses(["compact", "bad", "-o", "out"], "bad")
        changed = bytearray(self.data)
        changed[-1] ^= 1
        self.refuses_file(bytes(changed), "digest", commands=6)

    def test_header_lengths_beyond_the_file(self):
        for length in (len(self.data), len(self.data) - 7, 1 << 32, 1 << 63, (1 << 64) - 1, (1 << 64) - 8):
            with self.subTest(length=length):
                self.write("bad", struct.pack("<Q", length) + self.data[8:])
                self.refuses(["eval", "bad", "--photos", "people"], "bad", "header", length, "at most")
        self.write("bad", struct.pack("<Q", 0) + self.data[8:])
        self.refuses(["eval", "bad", "--photos", "people"], "bad", "header")

    def test_offsets_that_overlap_overflow_or_leave_holes(self):
        name, other = "conv1.weight", "conv1.bias"

        def offsets(begin, end, of=name):
            def change(header, metadata):
                header[of]["data_offsets"] = [begin, end]

            return change

        begin, end = self.header[name]["data_offsets"]
        other_begin, other_end = self.header[other]["data_offsets"]
        self.refuses_header(
            offsets(*self.header[name]["data_offsets"][:1], begin + other_end - other_begin, of=other),
            "conv1",
            "overlap",
            commands=6,
        )
        self.refuses_header(offsets(end, begin), name, f"{end} to {begin}")
        self.refuses_header(offsets(begin, len(self.body) + 4), name, len(self.body))
        self.refuses_header(offsets(begin, (1 << 64) - 1), name, len(self.body))
        self.refuses_header(offsets((1 << 64) - 432, (1 << 64) - 1), name, len(self.body))
        self.refuses_header(offsets(0, 1 << 65), "bad")
        self.refuses_header(offsets(-4, 428), name)
        self.refuses_header(offsets(begin, end - 4), name, end - 4 - begin)

    def test_wrong_dtypes_and_shapes(self):
        def tensor(name, **fields):
            return lambda header, metadata: header[name].update(fields)

        self.refuses_header(tensor("conv1.weight", dtype="F64"), "conv1.weight", "F64", "F32")
        self.refuses_header(tensor("conv1.weight", dtype="F16"), "conv1.weight", "432", "108")
        self.refuses_header(tensor("conv1.bias", dtype="I8", shape=[16]), "conv1.bias", "float32", commands=6)
        self.refuses_header(tensor("conv1.weight", shape=[4, 3, 3, 4]), "conv1.weight")
        self.refuses_header(tensor("conv1.weight", shape=[1 << 40, 1 << 40]), "conv1.weight")
        self.refuses_header(tensor("conv1.weight", shape=[-4, 3, 3, -3]), "conv1.weight")
        self.refuses_header(tensor("conv1.weight", shape="4x3x3x3"), "conv1.weight", "array")

    def test_shapes_that_the_model_does_not_have(self):
        """Checkpoints that are whole, but not of their model: whoever computes with them refuses them."""

        def both(header, metadata):
            for name in ("conv1.weight", "momentum/conv1.weight"):
                header[name]["shape"] = [2, 3, 3, 6]

        def renamed(header, metadata):
            for prefix in ("", "momentum/"):
                header[prefix + "conv9.weight"] = header.pop(prefix + "conv1.weight")

        for change, words in ((both, ["conv1.weight", "[2,3,3,6]", "[4,3,3,3]"]), (renamed, ["conv"])):
            header = copy.deepcopy(self.header)
            change(header, header["__metadata__"])
            self.write("bad", support.build_safetensors(header, self.body))
            for command in self.readers()[1:]:
                with self.subTest(command[0]):
                    self.refuses(command, "bad", *words)

    def test_moments_that_do_not_belong_to_the_weights(self):
        def renamed(header, metadata):
            header["momentum/else"] = header.pop("momentum/conv1.bias")

        def reshaped(header, metadata):
            header["momentum/conv1.bias"]["shape"] = [2, 2]

        self.refuses_header(renamed, "momentum")
        self.refuses_header(reshaped, "momentum", "conv1.bias")

    def test_metadata_that_is_not_ours(self):
        def field(name, value):
            def change(header, metadata):
                metadata[name] = value

            return change

        def drop(name):
            return lambda header, metadata: metadata.pop(name) and None

        for name in ("model", "progress", "tensors", "format", "version", "kind"):
            self.refuses_header(drop(name), name, commands=6)
        for name in (
            "model",
            "class_names",
            "progress",
            "preprocessing",
            "settings",
            "provenance",
            "metrics",
            "tensors",
            "format",
            "version",
            "kind",
        ):
            self.refuses_header(field(name, "{]"), name, commands=6)
        self.refuses_header(drop("class_names"), "0 people", commands=5)
        self.refuses_header(drop("sha256"), "digest", commands=6)
        self.refuses_header(field("class_names", '["Ann","Ann"]'), "Ann")
        self.refuses_header(field("class_names", '["../up","Ann"]'), "../up")
        self.refuses_header(field("progress", '{"seed":1,"epoch":-1,"batch":0,"step":0}'), "epoch", "-1")
        self.refuses_header(field("progress", '{"seed":1,"epoch":1e99,"batch":0,"step":0}'), "epoch")
        self.refuses_header(field("tensors", '{"parameters":99999999999,"statistics":0}'), "tensors")
        self.refuses_header(field("version", "99"), "99")

        def text(header, metadata):
            header["__metadata__"] = "text"

        self.refuses_header(text, "bad")

    def test_settings_and_preprocessing_out_of_range(self):
        for name, change, words in (
            ("settings", {"batch": -5}, ["batch", "-5"]),
            ("settings", {"lr": 1e30}, ["lr"]),
            ("settings", {"speed": 1}, ["speed"]),
            ("preprocessing", {"size": 100000}, ["size", "100000"]),
            ("preprocessing", {"crop": -1}, ["crop", "-1"]),
            ("preprocessing", {"crop": "face"}, ["crop", "face"]),
            (
                "preprocessing",
                {"crop": {"around": "noses", "share": 0.5}},
                ["crop", "around", "noses", "face-or-center"],
            ),
            ("preprocessing", {"crop": {"around": "face", "share": 1.5}}, ["crop", "1.5"]),
            ("preprocessing", {"crop": {"around": "face"}}, ["crop", "share"]),
            ("preprocessing", {"crop": {"around": "face", "share": 0.5, "tilt": 1}}, ["crop", "tilt"]),
            ("preprocessing", {"std": [0, 1, 1]}, ["std"]),
        ):
            with self.subTest(change):
                header = copy.deepcopy(self.header)
                value = json.loads(header["__metadata__"][name])
                value.update(change)
                header["__metadata__"][name] = json.dumps(value)
                self.write("bad", support.build_safetensors(header, self.body))
                for command in self.readers()[1:]:
                    self.refuses(command, "bad", *words)

    def test_other_files_in_its_place(self):
        for content in (
            self.read(self.photo),
            b"text\n",
            b"{}",
            gzip.compress(self.data),
            struct.pack("<Q", 2) + b"{}",
        ):
            self.write("bad", content)
            for command in self.readers():
                with self.subTest(command[0], content=content[:8]):
                    self.refuses(command, "bad")
        os.remove(self.path("bad"))
        for command in self.readers():
            self.refuses(command, "bad: cannot be opened: No such file")
        os.mkdir(self.path("bad"))
        for command in self.readers():
            self.refuses(command, "bad", "expected")
        os.rmdir(self.path("bad"))

    def test_packed_checkpoints_are_checked_inside(self):
        self.tsugi("compact", "good", "--as", "int8", "-o", "packed")
        header, body = support.parse_safetensors(self.read("packed"))
        inner = gzip.decompress(body)

        def packed(content, size=None):
            changed = copy.deepcopy(header)
            changed["packed"].update(shape=[len(content)], data_offsets=[0, len(content)])
            if size is not None:
                changed["__metadata__"]["packed_from"] = str(size)
            return support.build_safetensors(changed, content)

        self.write("bad", packed(gzip.compress(inner, mtime=0)))
        self.tsugi("eval", "bad", "--photos", "people")
        bomb = gzip.compress(b"\0" * (32 << 20))
        for content, size in (
            (body[: len(body) // 2], None),
            (b"text", None),
            (bomb, None),
            (bomb, 10**30),
            (bomb, -1),
            (body, len(inner) + 1),
            (gzip.compress(inner[:-1]), len(inner) - 1),
            (gzip.compress(struct.pack("<Q", 1 << 62) + inner[8:]), None),
        ):
            with self.subTest(content=content[:4], size=size):
                self.write("bad", packed(content, size))
                self.refuses(["eval", "bad", "--photos", "people"], "bad", "pack")


class LivingCheckpoints(support.CommandLine):
    """What a device lives on with: statistics of its people, by which people join and leave."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.random = random.Random(SEED)
        cls.people("people", 2)
        cls.people("anna", 1, first=12)
        cls.tony = cls.people("tony", 1, first=9)[0]
        cls.write("tiny.json", json.dumps(support.TINY_MODEL))
        cls.tsugi("pretrain", "people", "-o", "server", *support.TINY)
        cls.tsugi("bundle", "server", "--photos", "people", "--fraction", "0", "-o", "none.tar")
        cls.tsugi("resume", "none.tar", "--personal", "tony", "-o", "good", "--threads", "1")
        cls.data = cls.read("good")

    def readers(self):
        return (
            ["forget", "bad", self.tony, "-o", "out"],
            ["resume", "bad", "--personal", "anna", "-o", "out", "--threads", "1"],
        )

    def test_a_file_that_was_cut_or_changed_is_refused(self):
        self.write("bad", self.data)
        for command in self.readers():
            self.tsugi(*command)
        os.remove(self.path("out"))
        for _ in range(DRAWS):
            place = self.random.randrange(len(self.data))
            changed = bytearray(self.data)
            changed[place] ^= 1 << self.random.randrange(8)
            for content in (self.data[:place], bytes(changed)):
                self.write("bad", content)
                for command in self.readers()[: 2 if place > 8 else 0]:
                    with self.subTest(command[0], place=place, bytes=len(content)):
                        self.refuses(command, "bad")


class Bundles(support.CommandLine):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.random = random.Random(SEED)
        cls.people("people", 2)
        cls.people("new", 1, first=4)
        cls.write("tiny.json", json.dumps(support.TINY_MODEL))
        cls.tsugi("pretrain", "people", "-o", "good", *support.TINY)
        cls.tsugi("bundle", "good", "--photos", "people", "--fraction", "0.5", "-o", "good.tar", "--no-knowledge")
        with tarfile.open(cls.path("good.tar")) as tar:
            cls.members = [(member.name, tar.extractfile(member).read()) for member in tar]

    def resume(self):
        return ["resume", "bad.tar", "--personal", "new", "-o", "device", *support.TINY[2:]]

    def pack(self, members, manifest=True, **form):
        """Writes bad.tar: (name, bytes) or (TarInfo, bytes) each. With `manifest`, its manifest is made to fit the members."""
        if manifest:
            listed = json.loads(members[0][1])
            listed["members"] = [
                {
                    "name": name,
                    "size": len(content),
                    "sha256": hashlib.sha256(content).hexdigest(),
                    "role": {"photos": "train", "test": "test", "tensors": "tensors"}.get(
                        name.split("/")[0], "checkpoint"
                    ),
                }
                for name, content in members[1:]
                if isinstance(name, str)
            ]
            members = [(members[0][0], json.dumps(listed).encode()), *members[1:]]
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=form.get("format", tarfile.GNU_FORMAT)) as tar:
            for name, content in members:
                info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
                info.size = len(content) if info.isreg() else 0
                tar.addfile(info, io.BytesIO(content))
        self.write("bad.tar", out.getvalue())

    def refuses_bundle(self, *words):
        self.refuses(self.resume(), "bad.tar", *words)
        self.refuses(["inspect", "bad.tar"], "bad.tar", *words)

    def link(self, name, kind, target):
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, target
        return info, b""

    def test_the_crafted_bundle_is_fine_before_it_is_changed(self):
        for form in (tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT, tarfile.PAX_FORMAT):
            self.pack(self.members, format=form)
            self.tsugi("inspect", "bad.tar")
        self.tsugi(*self.resume())
        os.remove(self.path("device"))

    def test_names_that_lead_out_of_the_bundle(self):
        photo = self.members[2][1]
        for name in (
            "../evil.jpg",
            "photos/../../evil.jpg",
            "photos/../evil.jpg",
            "/etc/evil.jpg",
            "photos/Ann/../evil.jpg",
            "photos//evil.jpg",
            "photos/./evil.jpg",
            "photos/Ann/a/b.jpg",
            "photos/evil.jpg",
            "photos/Ann/",
            "other/Ann/a.jpg",
            "photos/Ann/a\nb.jpg",
        ):
            with self.subTest(name):
                self.pack([*self.members, (name, photo)])
                self.refuses_bundle()
        self.assertFalse(os.path.exists(os.path.join(os.path.dirname(self.folder), "evil.jpg")))
        self.assertFalse(os.path.exists("/etc/evil.jpg"))

    def test_links_folders_and_devices(self):
        name = self.members[2][0]
        for kind in (
            tarfile.SYMTYPE,
            tarfile.LNKTYPE,
            tarfile.DIRTYPE,
            tarfile.FIFOTYPE,
            tarfile.CHRTYPE,
            tarfile.BLKTYPE,
        ):
            with self.subTest(kind):
                self.pack([*self.members[:2], self.link(name, kind, "/etc/passwd"), *self.members[3:]], manifest=False)
                self.refuses_bundle("plain file")
                self.pack([self.link("checkpoint.safetensors", kind, "/etc/passwd"), *self.members], manifest=False)
                self.refuses_bundle()

    def test_arrays_that_are_none_or_lie_elsewhere(self):
        self.tsugi("bundle", "good", "--photos", "people", "--fraction", "0.5", "-o", "knows.tar")
        with tarfile.open(self.path("knows.tar")) as tar:
            arrays = tar.extractfile("tensors/knowledge.safetensors").read()
        head, photos = self.members[:2], self.members[2:]
        self.pack([*head, ("tensors/knowledge.safetensors", arrays), *photos])
        self.tsugi(*self.resume())
        os.remove(self.path("device"))
        self.pack([*head, ("tensors/knowledge.safetensors", arrays[:-1]), *photos])
        self.refuses_bundle("tensors/knowledge.safetensors")
        self.pack([*head, *photos, ("tensors/knowledge.safetensors", arrays)])
        self.refuses_bundle("tensors/knowledge.safetensors", "before all photos")
        for name in (
            "tensors/../evil.safetensors",
            "tensors/a/b.safetensors",
            "tensors/A.safetensors",
            "tensors/a.txt",
        ):
            with self.subTest(name):
                self.pack([*head, (name, arrays), *photos])
                self.refuses_bundle("tensors/<name>.safetensors")

    def test_members_that_stand_twice(self):
        self.pack([*self.members, self.members[2]])
        self.refuses_bundle(self.members[2][0], "twice")
        self.pack([*self.members, self.members[2]], manifest=False)
        self.refuses_bundle(self.members[2][0], "not in the manifest")
        name, content = self.members[2]
        self.pack([*self.members, (name.replace("photos/", "test/"), content)])
        self.refuses_bundle("for training and for testing")

    def test_members_that_are_missing_or_in_another_order(self):
        self.pack(self.members[1:], manifest=False)
        self.refuses_bundle("manifest.json")
        self.pack(self.members[:-1], manifest=False)
        self.refuses_bundle("missing", self.members[-1][0])
        self.pack([self.members[0], *self.members[2:]])
        self.refuses_bundle("checkpoint.safetensors")
        self.pack([*self.members[:2], self.members[3], self.members[2], *self.members[4:]], manifest=False)
        self.refuses_bundle(self.members[2][0], self.members[3][0])

    def test_digests_and_sizes_that_do_not_fit(self):
        for place in (1, 2):
            name, content = self.members[place]
            changed = content[:-1] + bytes([content[-1] ^ 1])
            with self.subTest(name):
                self.pack([*self.members[:place], (name, changed), *self.members[place + 1 :]], manifest=False)
                self.refuses_bundle(
                    name, "digest", hashlib.sha256(content).hexdigest(), hashlib.sha256(changed).hexdigest()
                )
                self.pack([*self.members[:place], (name, content + b"x"), *self.members[place + 1 :]], manifest=False)
                self.refuses_bundle(name, len(content), len(content) + 1)

    def test_a_manifest_of_another_checkpoint(self):
        for field, value, words in (
            ("class_names", ["Ann", "Bob"], ["classes"]),
            ("model_sha256", "0" * 64, ["0" * 64]),
            ("fraction", 7, ["fraction", "7"]),
            ("strategy", "best", ["best", "stratified"]),
            ("version", 99, ["99"]),
            ("members", [], ["checkpoint.safetensors"]),
            ("seed", -1, ["seed"]),
        ):
            with self.subTest(field):
                manifest = json.loads(self.members[0][1])
                manifest[field] = value
                self.pack([("manifest.json", json.dumps(manifest).encode()), *self.members[1:]], manifest=False)
                self.refuses_bundle("manifest", *words)
        self.pack([("manifest.json", b"{]"), *self.members[1:]], manifest=False)
        self.refuses_bundle("manifest.json")

    def test_a_damaged_checkpoint_inside(self):
        name, content = self.members[1]
        self.pack([self.members[0], (name, content[:-1] + bytes([content[-1] ^ 1])), *self.members[2:]])
        self.refuses_bundle("checkpoint.safetensors", "digest")

    def test_a_bundle_cut_or_changed_anywhere(self):
        data = self.read("good.tar")
        # Only bytes that count: the padding behind members and behind the end, and the times in tar's own headers, carry nothing.
        with tarfile.open(self.path("good.tar")) as tar:
            spans = [(member.offset_data, member.size) for member in tar]
        end = (sum(spans[-1]) + 511) // 512 * 512
        for size in [0, 1, 511, 512, 513, end - 1, end, end + 512, len(data) - 1] + [
            self.random.randrange(end) for _ in range(DRAWS)
        ]:
            with self.subTest(size=size):
                self.write("bad.tar", data[:size])
                self.refuses(["resume", "bad.tar", "--personal", "new", "-o", "device"], "bad.tar")
        for _ in range(DRAWS):
            begin, size = self.random.choice(spans)
            place = begin + self.random.randrange(size)
            with self.subTest(place=place):
                self.write(
                    "bad.tar", data[:place] + bytes([data[place] ^ 1 << self.random.randrange(8)]) + data[place + 1 :]
                )
                self.refuses(["resume", "bad.tar", "--personal", "new", "-o", "device"], "bad.tar")

    def test_other_files_in_its_place(self):
        for content, word in (
            (self.read("good"), "checkpoint"),
            (gzip.compress(self.read("good.tar")), "compressed"),
            (b"text", "tar"),
            (b"\0" * 10240, "tar"),
            (b"", "tar"),
        ):
            with self.subTest(content=content[:8]):
                self.write("bad.tar", content)
                self.refuses(self.resume(), "bad.tar", word)
        os.remove(self.path("bad.tar"))
        self.refuses(self.resume(), "bad.tar: cannot be opened: No such file")


if __name__ == "__main__":
    support.main()
