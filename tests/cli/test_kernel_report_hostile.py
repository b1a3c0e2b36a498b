"""tools/kernel_report and result files that are damaged, of another kind or made up: each is refused, by name, place and what was expected."""

import csv
import json
import os
import random
import subprocess
import sys
import unittest

from kernel_report_support import PROGRAM, ROOT, Files, bench_document, document, line
import report
import results


class Hostile(Files):
    def refused(self, content, text):
        path = self.file(content)
        with self.assertRaises(results.Invalid) as caught:
            results.load(path)
        self.assertIn(path, str(caught.exception))
        self.assertIn(text, str(caught.exception))

    def changed(self, text, **path_and_value):
        """A good file with one value at results[0] or the top replaced ("limits__copy_bytes_per_s"); REMOVE removes it."""
        one = document(line(0.5))
        ((path, value),) = path_and_value.items()
        *way, last = path.split("__")
        at = one
        for step in way:
            at = at["results"][0] if step == "first" else at[step]
        if value is self.REMOVE:
            del at[last]
        else:
            at[last] = value
        self.refused(one, text)

    REMOVE = object()

    def test_each_wrong_field_is_named_with_what_was_expected(self):
        results.load(self.file(document(line(0.5))))
        self.changed("--smoke", smoke=True)
        self.changed("emulator", device="emulated sm_75, sm_75, tsugi simt")
        self.changed('device: "GPU", expected', device="GPU")
        self.changed("smoke: nothing, expected true or false", smoke=self.REMOVE)
        self.changed("results: 7, expected a list", results=7)
        self.changed("results[0]: [], expected an object", results=[[]])
        self.changed("limits.f32_flops_per_s: 0, expected a number above 0", limits__f32_flops_per_s=0)
        self.changed("results[0].shape.c: true, expected a whole number", first__shape__c=True)
        self.changed("results[0].shape.n: -1", first__shape__n=-1)
        self.changed("results[0].shape.groups: 5, expected a divisor of 64", first__shape__groups=5)
        self.changed("expected a filter within", first__shape__r=64)
        self.changed("results[0].warm: nothing, expected an object", first__warm=self.REMOVE)
        self.changed("results[0].warm.seconds: nothing", first__warm__seconds=self.REMOVE)
        self.changed("results[0].warm.peak_share: 0.9, expected 0.5, which", first__warm__peak_share=0.9)
        self.changed("results[0].cold.gflops: 1", first__cold__gflops=1)
        self.changed('results[0].dtype: "f64", expected f32 or f16', first__dtype="f64")
        self.changed('results[0].op: "pool"', first__op="pool")
        self.changed("results[0].row: nothing, expected text", first__row=None)

    def test_each_wrong_field_of_a_bench_file_is_named_with_what_was_expected(self):
        results.load(self.file(bench_document(line(0.5))))
        for place, key, value, text in (
            ("context", "smoke", True, "--smoke"),
            ("context", "device_description", "emulated sm_75, sm_75", "emulator"),
            ("context", "device_description", "AMD EPYC", "context.device_description"),
            ("context", "points_left_out", -1, "context.points_left_out: -1"),
            ("context", "peak_f32_gflops", 0, "dtype"),
            ("context", "peak_f32_gflops", "fast", "context.peak_f32_gflops"),
            (0, "shape", {}, "benchmarks[0].shape.n: nothing"),
            (0, "kernel", 5, "benchmarks[0].kernel: 5, expected text"),
            (0, "compiled", 5, "benchmarks[0].compiled: 5, expected text"),
            (0, "pinned", 1, "benchmarks[0].pinned: 1, expected true or false"),
            (0, "op", "pool_forward", "benchmarks[0].op"),
            (0, "dtype", "f64", "expected f32 or f16"),
            (0, "flops", 5.0, "benchmarks[0].flops: 5.0"),
            (0, "time_unit", "s", "expected ns"),
            (1, "real_time", 0, "benchmarks[1].real_time: 0"),
            (1, "cache", "tepid", "warm or cold"),
        ):
            with self.subTest((place, key, value)):
                one = bench_document(line(0.5))
                (one["context"] if place == "context" else one["benchmarks"][place])[key] = value
                self.refused(one, text)

    def test_what_is_no_result_file_is_refused(self):
        self.refused(b"", "not JSON, or cut off")
        self.refused(b"[1, 2]", "the file: [1, 2], expected an object")
        self.refused({"context": {}, "benchmarks": []}, "context.tsugi_schema: nothing, expected 1")
        self.refused(bench_document(), "no convolution with warm and cold caches")
        self.refused(b"\xff\xfe", "not JSON")
        self.refused(b"[" * 200000, "not JSON")
        self.refused(json.dumps(document(line(0.5))).replace("0.5", "NaN").encode(), "NaN")
        self.refused(json.dumps(document(line(0.5))).replace("1000000000000.0", "1e999").encode(), "f32_flops_per_s")
        self.refused(json.dumps(document()).replace("50000000000.0", "9" * 5000).encode(), "not JSON")
        for path, text in (
            (self.folder, "not a file"),
            (self.folder + "/none", "No such file"),
            ("/dev/zero", "not a file"),
        ):
            with self.assertRaisesRegex(results.Invalid, text):
                results.load(path)
        large = self.file(b"")
        os.truncate(large, results.MAX_BYTES + 1)
        with self.assertRaisesRegex(results.Invalid, "over 64 MB"):
            results.load(large)

    def test_random_damage_is_refused_or_harmless(self):
        seed = int(os.environ.get("TSUGI_TEST_SEED") or random.randrange(1 << 32))
        draw, good = random.Random(seed), json.dumps(document(line(0.5), line(0.6, k=64))).encode()
        for _ in range(300):
            bad = bytearray(good[: draw.randrange(len(good))] if draw.random() < 0.3 else good)
            for _ in range(draw.randrange(4) if bad else 0):
                bad[draw.randrange(len(bad))] = draw.choice(b'0-9.eE"{}[],:nt\\\x00\xff ')
            try:
                report.records(ROOT, {}, [results.load(self.file(bytes(bad)))])
            except results.Invalid:
                pass
            except Exception as error:
                raise AssertionError(f"TSUGI_TEST_SEED={seed}: {bytes(bad)!r}") from error

    def test_names_and_arguments_reach_no_terminal_and_no_spreadsheet_as_commands(self):
        evil = "=x\x1b[31m\u009b1m\u202e\n@"
        path = self.file(document(line(0.5, layer=evil), device=f"{evil}, sm_75, x"), "a\u202e\x1b.json")
        table = os.path.join(self.folder, "t\u009b.csv")
        for arguments in (
            ["--result", path, "--filter", "forward gemm f32"],
            ["--result", path, "--csv", table],
            ["--" + evil],
            ["--filter", evil],
            ["--result", evil],
            ["--result", self.file({**document(), evil: evil, "device": evil}, "b.json")],
        ):
            done = subprocess.run([sys.executable, PROGRAM, "--baseline", *arguments], capture_output=True, timeout=60)
            for text in (done.stdout.decode(), done.stderr.decode()):
                self.assertTrue(all(one.isprintable() for one in text.splitlines()), text)
        with open(table, encoding="utf-8") as file:
            fields = [field for row in csv.reader(file) for field in row]
        self.assertIn("'=x\\x1b[31m\\x9b1m\\u202e\\n@", fields)
        self.assertFalse(
            [field for field in fields if field[:1] in tuple("=+@") or (field[:1] == "-" and not field[1:2].isdigit())]
        )

    def test_the_command_says_which_file_and_ends_with_1(self):
        done = subprocess.run(
            [sys.executable, PROGRAM, "--baseline", "--result", self.file(b"{", "bad.json")],
            capture_output=True,
            text=True,
            timeout=60,
        )
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("bad.json: not JSON, or cut off", done.stderr)


if __name__ == "__main__":
    unittest.main()
