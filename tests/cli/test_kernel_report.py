"""tools/kernel_report: bytes a FLOP and predicted shares by hand and against the tiles, and the command. Reads the rows that tests/machine_code
keeps: no compiler and no network needed."""

import json
import os
import subprocess
import sys
import tempfile
import unittest

from kernel_report_support import PROGRAM, ROOT, ROWS
import chips
import estimate
import registry

DEVICES = {arch: chips.device(ROOT, arch) for arch in chips.CHIPS}
GEMM = "conv2d_forward gemm f32 128x128x8 8x8 by 4"
WINOGRAD = "conv2d winograd f32 128x32x8 4x4"


def figures(name, arch, counts=None, slots=None):
    """The estimate of a kept row, or of one with these instructions in its hot loop."""
    row = ROWS[name, arch]
    if counts:
        row = {**row, "hot": {**row["hot"], "counts": counts, "slots": slots}}
    return estimate.estimate(registry.kernel_of(name), arch, row, DEVICES[arch])


class Registry(unittest.TestCase):
    def test_a_name_says_which_rows_a_kernel_is_of_and_what_results_call_it(self):
        kernel = registry.kernel_of("conv2d_forward gemm f32 128x64x8 8x8 by 1 as 64x64x8 8x4")
        self.assertEqual(kernel.rows, ["conv2d_forward gemm f32 128x64x8 8x8"])
        self.assertEqual(kernel.names, ["conv2d_forward gemm f32 128x64x8 8x8 by 1"])
        self.assertEqual((kernel.tile.m, kernel.row_tile.m), (64, 128))
        kernel = registry.kernel_of("conv2d winograd f32 128x32x8 4x4")
        self.assertEqual(kernel.names, [f"{op} winograd f32 128x32x8 4x4" for op in kernel.ops])
        self.assertEqual(kernel.ops, ("conv2d_forward", "conv2d_backward_data"))
        self.assertIsNone(registry.kernel_of("max_pool_forward f16 by 8"))

    def test_every_convolution_is_of_a_row_and_called_by_one_name(self):
        names = [(name, arch) for name, arch in ROWS if name.startswith("conv2d")]
        alone = {name for name, _ in names if not registry.kernel_of(name)}
        self.assertEqual(alone, {"conv2d_winograd_filter"})
        called = [
            (called, arch) for name, arch in names if name not in alone for called in registry.kernel_of(name).names
        ]
        self.assertEqual(len(called), len(set(called)))
        self.assertIn(("conv2d_backward_weight direct f32 32x9x1 8x9 by 3", "sm_75"), called)


class BytesAFlop(unittest.TestCase):
    def test_a_gemm_by_hand(self):
        # Two stages of 8 terms: 64 FFMA a term, by 2 + 2 words of 128 bits; 2 + 2 words of the next two stages.
        found = figures(GEMM, "sm_53", {"FFMA": 1024, "LDS.128": 64, "LDG.128": 4}, 1105)
        self.assertEqual((found["shared_bytes_per_flop"], found["global_bytes_per_flop"]), (0.5, 0.03125))
        # A warp is 4 x 8 threads: a term needs 2 x 4 different words of A and 2 x 8 of B for 32 x 64 multiply-adds.
        self.assertAlmostEqual(found["shared_distinct_bytes_per_flop"], (8 + 16) * 16 / (32 * 64 * 2))

    def test_global_loads_are_those_of_the_tile(self):
        checked = 0
        for name, arch in ROWS:
            kernel = registry.kernel_of(name)
            if not kernel or not kernel.tile:
                continue
            found, tile = figures(name, arch), kernel.tile
            if kernel.algorithm == "mma":
                self.assertEqual(found["global_from"], "tile")
                continue
            width = 8 if kernel.algorithm == "half2" else int(name.split(" by ")[1].split()[0])
            rows_at_once = ROWS[name, arch]["threads"] * width // tile.k
            if (
                tile.m % rows_at_once or tile.n % rows_at_once
            ):  # some threads have nothing to load, but the instruction is there
                self.assertGreater(found["global_bytes_per_flop"], found["tile_bytes_per_flop"], name)
            else:
                self.assertAlmostEqual(
                    found["global_bytes_per_flop"], found["tile_bytes_per_flop"], msg=f"{name} {arch}"
                )
                checked += 1
        self.assertGreater(checked, 80)
        tile = registry.kernel_of(GEMM)
        self.assertEqual(estimate.tile_bytes_per_flop(tile), (128 + 128) / (2 * 128 * 128) * 4)

    def test_what_is_not_known_is_not_said(self):
        found = figures("conv2d_forward direct f32 128x64x1 8x8 DirectFilter(3, 1)", "sm_53")
        self.assertIsNone(found["shared_distinct_bytes_per_flop"])
        self.assertIsNone(found["global_bytes_per_flop"])
        self.assertIsNone(found["uncached"])


class Predicted(unittest.TestCase):
    def test_on_sm_53_slots_decide_and_on_sm_75_half_of_them_suffice(self):
        for name, arch in ROWS:
            kernel, hot = registry.kernel_of(name), ROWS[name, arch]["hot"]
            if not kernel or kernel.dtype != "f32" or kernel.algorithm == "winograd":
                continue
            share = hot["counts"]["FFMA"] / hot["slots"]
            self.assertAlmostEqual(
                figures(name, arch)["predicted"],
                share if arch == "sm_53" else min(1.0, 2 * share),
                msg=f"{name} {arch}",
            )
        self.assertEqual(figures(GEMM, "sm_53")["limited_by"], "issue slots")
        self.assertEqual(figures(GEMM, "sm_75")["limited_by"], "arithmetic")

    def test_float16_by_each_kind_of_instruction(self):
        for name, arch, share in (
            ("conv2d_forward mma f16 128x128x32 8x8", "sm_75", 1.0),
            ("conv2d_forward half2 f16 128x64x32 8x4", "sm_75", 0.5),
            ("conv2d_forward gemm f16 64x64x8 8x4 by 4", "sm_75", 0.25),
        ):
            self.assertAlmostEqual(figures(name, arch)["predicted"], share, msg=name)
        # Its FFMA counts half of HFMA2's peak; of half2's 16 products a run, 15 are HFMA2.
        for name, factor in (
            ("conv2d_forward gemm f16 64x64x8 8x4 by 4", 0.5),
            ("conv2d_forward half2 f16 128x64x32 8x4", 16 / 15),
        ):
            hot = ROWS[name, "sm_53"]["hot"]
            self.assertAlmostEqual(
                figures(name, "sm_53")["predicted"], factor * hot["counts"][hot["math"]] / hot["slots"], msg=name
            )

    def test_winograd_is_counted_in_the_flops_that_it_saves(self):
        hot = ROWS[WINOGRAD, "sm_53"]["hot"]
        self.assertAlmostEqual(figures(WINOGRAD, "sm_53")["predicted"], 2.25 * 512 / hot["slots"])

    def test_shared_memory_limits_where_no_bytes_are_shared(self):
        found = figures(GEMM, "sm_53", {"FFMA": 1024, "LDS.128": 256}, 1100)
        requested = 256 * 16 / 2048
        distinct = (
            requested - (64 - 12) * 16 / 2048
        )  # of a term's 64 bytes a lane, 12 would do: 24 words for 32 lanes; 16 terms
        self.assertEqual(found["limited_by"], "shared memory")
        self.assertAlmostEqual(found["predicted"], 128 / (256 * distinct))
        self.assertAlmostEqual(found["without_broadcasts"], 128 / (256 * requested))

    def test_the_shipped_descriptions_have_the_peaks_of_the_instructions(self):
        for arch, device in DEVICES.items():
            self.assertAlmostEqual(
                device["peak"]["f16"] / device["peak"]["f32"],
                chips.peak_flops(arch, "f16") / chips.peak_flops(arch, "f32"),
                2,
            )


class Command(unittest.TestCase):
    def run_report(self, *arguments, status=0, **environment):
        done = subprocess.run(
            [sys.executable, PROGRAM, *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            env={**os.environ, **environment},
        )
        self.assertEqual(done.returncode, status, done.stdout[-500:] + done.stderr)
        self.assertNotIn("Traceback", done.stderr)
        return done

    def test_a_table_and_json(self):
        text = self.run_report(
            "--baseline", "--arch", "sm_53", "--filter", "forward GEMM f32", "--sort", "predicted"
        ).stdout
        self.assertIn("not measured", text.splitlines()[0])
        kernels = [line for line in text.splitlines() if line.startswith("conv2d_forward gemm")]
        best = "conv2d_forward gemm_1x1 f32 128x128x8 8x8 by 4"
        self.assertTrue(kernels[0].startswith(best), kernels[0])
        self.assertIn(f" {100 * figures(best, 'sm_53')['predicted']:.1f}  issue slots", kernels[0])
        everything = json.loads(self.run_report("--baseline", "--json", "--all").stdout)
        self.assertEqual(len(everything["kernels"]), len(ROWS))
        self.assertIn("not measured", everything["about"])

    def test_wrong_usage_is_said(self):
        for arguments, text in (
            (["--arch", "sm_99"], "sm_53"),
            (["--sort", "colour"], "predicted"),
            (["--filter", "no such"], "no kernel of"),
        ):
            self.assertIn(text, self.run_report("--baseline", *arguments, status=2).stderr)

    def test_without_compilers_it_is_skipped_and_says_what_helps(self):
        with tempfile.TemporaryDirectory() as cache:
            done = self.run_report(status=77, XDG_CACHE_HOME=cache, PIP_NO_INDEX="1")
        self.assertIn("--baseline", done.stderr)


if __name__ == "__main__":
    unittest.main()
