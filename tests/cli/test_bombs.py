"""Small files that ask for a lot of memory: what a command takes is bounded by what a file may hold, and --memory bounds
the whole process. The peak of each process is measured (ru_maxrss)."""

import json
import os
import struct
import subprocess
import tempfile
import unittest
import zlib

import support

MIB = 1 << 20
MEASURED = not support.SANITIZED  # sanitizers multiply memory
LITTLE = 48 * MIB  # what a command may take beyond what it takes for a good file


def png(w, h, rows, depth=8, color=2):
    """A PNG whose header says w x h and whose data are the chunks of `rows`."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer = zlib.compressobj(9)
    data = b"".join(packer.compress(row) for row in rows) + packer.flush()
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, depth, color, 0, 0, 0))
        + chunk(b"IDAT", data)
        + chunk(b"IEND", b"")
    )


def grey_jpeg(w, h):
    """A grey JPEG of two bits a block: every table has one code, of one bit, for "as before" and "no more"."""

    def segment(marker, data):
        return bytes((0xFF, marker)) + struct.pack(">H", 2 + len(data)) + data

    one_code = bytes([1]) + bytes(15) + bytes(1)
    bits = 2 * ((w + 7) // 8) * ((h + 7) // 8)
    data = bytes(bits // 8) + (bytes([0xFF >> bits % 8]) if bits % 8 else b"")
    return (
        b"\xff\xd8"
        + segment(0xDB, bytes(1) + bytes([16]) * 64)
        + segment(0xC0, struct.pack(">BHHBBBB", 8, h, w, 1, 1, 0x11, 0))
        + segment(0xC4, b"\x00" + one_code + b"\x10" + one_code)
        + segment(0xDA, b"\x01\x01\x00\x00\x3f\x00")
        + data
        + b"\xff\xd9"
    )


class Bombs(support.CommandLine):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.people("people", 2)
        cls.people("new", 1, first=3)
        cls.write("tiny.json", json.dumps(support.TINY_MODEL))
        cls.tsugi("pretrain", "people", "-o", "good", *support.TINY)
        cls.tsugi("bundle", "good", "--photos", "people", "-o", "good.tar")
        cls.photo = next(
            os.path.join("people", name, sorted(os.listdir(cls.path("people", name)))[0])
            for name in os.listdir(cls.path("people"))
        )
        cls.little = cls.peak("predict", "good", cls.photo) + LITTLE

    @classmethod
    def peak(cls, *arguments, status=0, words=()):
        """Bytes of memory that the command took at most; fails unless it ends with `status`, and says `words` in one line."""
        with tempfile.TemporaryFile() as stderr:
            process = subprocess.Popen(
                [support.BINARY, *map(str, arguments), "--quiet"],
                cwd=cls.folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                env=support.environment(),
            )
            _, code, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(code)
            stderr.seek(0)
            said = stderr.read().decode(errors="replace")
        told = f"tsugi {' '.join(map(str, arguments))}: exit status {process.returncode}, {usage.ru_maxrss >> 10} MiB\n{said}"
        if (
            process.returncode != status
            or support.CRASH.search(said)
            or not all(str(word) in said for word in words)
            or said.count("\n") > 1
        ):
            raise AssertionError(f"{told}\nexpected status {status} and {words}")
        return usage.ru_maxrss << 10

    def takes_little(self, *arguments, words=(), more=0):
        taken = self.peak(*arguments, status=1, words=words)
        if MEASURED:
            self.assertLess(taken, self.little + more, f"{arguments}: {taken >> 20} MiB")

    def sparse(self, name, size, head=b"", tail=b""):
        with open(self.path(name), "wb") as file:
            file.write(head)
            file.truncate(size)
            file.seek(size - len(tail))
            file.write(tail)
        return name

    def test_a_png_that_inflates_to_far_more_than_its_header(self):
        self.write("bomb.png", png(8, 8, (bytes(MIB) for _ in range(256))))
        self.takes_little("predict", "good", "bomb.png", words=("bomb.png", "8 x 8"))

    def test_a_phone_s_photo_of_108_million_pixels_is_read_and_a_larger_one_is_not(self):
        turbo = "turbo" in next(row for row in self.result("doctor")["photos"] if row["format"] == "JPEG")["library"]
        self.write("large.jpg", grey_jpeg(12000, 9000))
        taken = self.peak("predict", "good", "large.jpg")
        if MEASURED and turbo:
            self.assertLess(taken, self.little)
        for person in ("a", "b"):
            for i in range(4):
                self.write(f"phone/{person}/{i}.jpg", grey_jpeg(12000, 9000 - 8 * i))
        if turbo:  # eight of 108 million pixels, in all threads
            more = ("--memory", "120M", "--threads", 4)
            taken = self.peak("pretrain", "phone", "-o", "phone.out", *support.TINY[:-2], *more)
            if MEASURED:
                self.assertLess(taken, 120 * MIB)
        self.write("larger.jpg", grey_jpeg(25000, 20000))
        self.takes_little("predict", "good", "larger.jpg", words=("larger.jpg", "25000 x 20000 = 500000000 pixels"))

    def test_photos_share_what_memory_leaves(self):
        row = b"\0" + bytes(3 * 8000)
        large = png(8000, 8000, (row * 8 for _ in range(1000)))
        for person in ("a", "b"):
            for i in range(8):
                self.write(f"large/{person}/{i}.png", large)
        budget = 300 * MIB
        taken = self.peak(
            "pretrain",
            "large",
            "-o",
            "out",
            *support.TINY[:-2],
            "--memory",
            "300M",
            "--threads",
            4,
            status=1,
            words=("16 of 16", "640", "bytes to be decoded"),
        )
        if MEASURED:
            self.assertLess(taken, budget)
        for i in range(4):  # 40 MiB each: two at a time
            row = b"\0" + bytes([x % (251 - i) for x in range(3 * 2000)])
            for person in ("a", "b"):
                self.write(f"middle/{person}/{i}.png", png(2000, 2000, (row for _ in range(2000))))
        budget = 150 * MIB
        taken = self.peak("pretrain", "middle", "-o", "out", *support.TINY[:-2], "--memory", "150M", "--threads", 8)
        if MEASURED:
            self.assertLess(taken, budget)

    @unittest.skipUnless(MEASURED, "sanitizers multiply memory")
    def test_memory_bounds_the_whole_training(self):
        for model, size, memory in (("faces-resnet", 64, 110), ("faces-cnn", 64, 170), ("faces-mobile", 96, 100)):
            with self.subTest(model=model):
                arguments = ("--epochs", 1, "--augment", 8, "--batch", 64, "--threads", 2, "--memory", f"{memory}M")
                taken = self.peak("pretrain", "people", "-o", "out", "--model", model, "--size", size, *arguments)
                self.assertLess(taken, memory * MIB)
                if model == "faces-resnet":
                    self.tsugi("bundle", "out", "--photos", "people", "-o", "out.tar")
                    taken = self.peak("resume", "out.tar", "--personal", "new", "-o", "device", *arguments)
                    self.assertLess(taken, memory * MIB)

    def test_sparse_files(self):
        good, size = self.read("good"), 512 * MIB
        (length,) = struct.unpack("<Q", good[:8])
        header, body = support.parse_safetensors(good)
        for name, head in {
            "longer": good,
            "zeros": b"",
            "a header of 400 MiB": struct.pack("<Q", 400 * MIB) + good[8:],
            "only the header": good[: 8 + length],
        }.items():
            with self.subTest(name):
                self.sparse("bad", size, head)
                for command in (["inspect", "bad"], ["compact", "bad", "-o", "out"], ["predict", "bad", self.photo]):
                    self.takes_little(*command, words=("bad",), more=16 * MIB if name == "zeros" else 0)
        header["big"] = {"dtype": "U8", "shape": [size], "data_offsets": [len(body), len(body) + size]}
        self.sparse(
            "bad", len(good) + size + 1000, support.build_safetensors(header, body)
        )  # a digest that does not fit
        with self.subTest("a tensor of half a gigabyte"):
            os.truncate(self.path("bad"), 8 + struct.unpack("<Q", self.read_some("bad", 8))[0] + len(body) + size)
            self.takes_little("inspect", "bad", words=("bad", "digest"))
        tar = self.read("good.tar")
        for name, head in {"a bundle cut behind its first header": tar[:512]}.items():
            with self.subTest(name):
                self.sparse("bad", size, head)
                self.takes_little("inspect", "bad", words=("bad",))
        for command in (
            ["bench", "--compare", "bad"],
            ["plan", "--device", "bad"],
            ["pretrain", "people", "--model", "bad", "-o", "out"],
            ["predict", "good", "bad.png"],
        ):
            with self.subTest(command):
                self.sparse(command[-1] if command[-1].endswith(".png") else "bad", size, b"{")
                self.takes_little(*command, words=("bad", size))

    def read_some(self, name, size):
        with open(self.path(name), "rb") as file:
            return file.read(size)

    def test_packed_tensors_that_unpack_to_a_thousand_times_their_size(self):
        self.tsugi("compact", "good", "--as", "int8", "-o", "small")
        header, _ = support.parse_safetensors(self.read("small"))
        size = 256 * MIB
        inner = json.dumps({"conv1.weight": {"dtype": "I8", "shape": [size], "data_offsets": [0, size]}}).encode()
        inner += b" " * (-len(inner) % 8)
        packer = zlib.compressobj(9, zlib.DEFLATED, 31)
        packed = packer.compress(struct.pack("<Q", len(inner)) + inner)
        packed += b"".join(packer.compress(bytes(min(MIB, size - at))) for at in range(0, size, MIB)) + packer.flush()
        header["packed"] = {"dtype": "U8", "shape": [len(packed)], "data_offsets": [0, len(packed)]}
        header["__metadata__"]["packed_from"] = str(8 + len(inner) + size)
        self.write("bad", support.build_safetensors(header, packed))
        self.takes_little("inspect", "bad", words=("bad", "packed_from", 8 + len(inner) + size))

    def test_json_that_is_deep_or_full(self):
        deep, full = "[" * 100000 + "]" * 100000, '{"a":[' + "0," * 7000000 + "0]}"
        for command in (
            ["bench", "--compare", "bad"],
            ["plan", "--device", "bad"],
            ["pretrain", "people", "--model", "bad", "-o", "out"],
            ["tune", "--tuning", "bad", "--budget", "1s"],
        ):
            for text in ('{"a":' + deep + "}", full):
                with self.subTest(command, size=len(text)):
                    self.write("bad", text)
                    self.takes_little(*command, words=("bad",), more=256 * MIB)

    def test_cells_of_an_experiment_that_are_deep_or_large(self):
        os.makedirs(self.path("report", "cells"), exist_ok=True)
        self.write(
            "report/experiment.json", json.dumps({"format": "tsugi experiment 1", "identity": {}, "methods": {}})
        )
        numbers = (
            "people seed fraction epochs steps train_photos photos_sent photo_bytes knowledge_bytes feature_bytes accuracy accuracy_general "
            "accuracy_personal accuracy_general_before accuracy_start accuracy_general_start accuracy_personal_start step_flops "
            "step_flops_share wall_s elapsed_s images_per_s bundle_bytes checkpoint_bytes test_bytes peak_memory_bytes"
        ).split()
        texts = "method finished device precision tsugi build commit".split()
        cell = {
            "kind": "handover",
            **dict.fromkeys(numbers, 1),
            **dict.fromkeys(texts, "x"),
            "persons": [],
            "settings": "here",
        }
        for settings in ("[" * 200000 + "]" * 200000, '{"a":"' + " " * (2 * MIB) + '"}'):
            with self.subTest(size=len(settings)):
                self.write("report/cells/x.json", json.dumps(cell).replace('"here"', settings))
                self.takes_little("experiment", "report", "report", words=("x.json",))


support.main()
