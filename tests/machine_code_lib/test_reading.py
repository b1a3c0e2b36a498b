"""The readers of machine code on checked-in snippets: no compiler and no network needed."""

import sys
import tempfile
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path[:0] = [str(HERE), str(HERE.parent.parent / "tools/kernel_report_lib")]
import compiled  # noqa: E402
import cubin  # noqa: E402
import occupancy  # noqa: E402
import rows  # noqa: E402
import rules  # noqa: E402
import sass  # noqa: E402
import speeds  # noqa: E402
import table  # noqa: E402

TILE = "_ZN5tsugi4cuda4tileILi4EEEvNS0_1PE"


def snippet(name):
    return (HERE / "snippets" / name).read_text()


def code(*lines):
    """A kernel `k` from "label:" and "OPCODE operands" lines, 16 bytes an instruction."""
    text, address = ['\t.section\t.text.k,"ax",@progbits'], 0
    for line in lines:
        if line.endswith(":"):
            text.append(line)
        else:
            text.append(f"        /*{address:04x}*/                   {line} ;")
            address += 16
    return sass.parse("\n".join(text))["k"]


class Parsing(unittest.TestCase):
    def test_a_pair_in_braces_is_two_instructions_and_one_slot(self):
        instructions, _ = sass.parse(snippet("tile_sm_53.sass"))[TILE]
        at = {i.address: i for i in instructions}
        self.assertEqual((at[0x270].opcode, at[0x270].paired), ("FFMA", False))
        self.assertEqual((at[0x278].opcode, at[0x278].paired), ("LDS.U.128", True))
        self.assertEqual((at[0x288].opcode, at[0x288].paired), ("FFMA", False))
        self.assertEqual((at[0x6A8].opcode, at[0x6A8].predicate), ("FADD", "P0"))
        self.assertEqual((at[0x6B0].opcode, at[0x6B0].targets), ("BRA", [".L_x_4"]))

    def test_control_words_are_not_instructions(self):
        text = snippet("tile_sm_53.sass")
        with_control = "\n".join(
            line + ("\n                                       /* 0x001fbc00fe2007f2 */" if "FFMA" in line else "")
            for line in text.splitlines()
        )
        self.assertEqual(len(sass.parse(text)[TILE][0]), len(sass.parse(with_control)[TILE][0]))

    def test_kinds_and_widths(self):
        expected = {
            "FFMA.FTZ R1, R2, R3, R1": "FFMA",
            "HFMA2 R1, R2, R3, R1": "HFMA2",
            "HFMA2.MMA R7, -RZ, RZ, 0, 2.38e-07": "integer",
            "HMMA.1688.F32 R8, R12, R14, R8": "HMMA",
            "LDS.U.128 R8, [R3]": "LDS.128",
            "LDS.64 R8, [R3]": "LDS.64",
            "LDS.U R8, [R3]": "LDS.32",
            "LDG.E.128.SYS R8, [R2]": "LDG.128",
            "LDG.E.CI.128 R8, [R2]": "LDG.128",
            "LD.E R8, [R2]": "LDG.32",
            "LDG.E.U16 R8, [R2]": "LDG.16",
            "LDL.LU R8, [R1]": "LDL.32",
            "STL [R1], R8": "STL.32",
            "BAR.SYNC 0x0": "BAR",
            "NOP": "wait",
            "DEPBAR.LE SB0, 0x1": "wait",
            "IADD3 R1, R2, 0x1, RZ": "integer",
            "FADD R1, R2, R3": "float",
            "@!P0 EXIT": "branch",
            "LDC.64 R2, c[0x0][0x160]": "LDC",
            "LDSM.16.M88.4 R8, [R3]": "LDSM",
        }
        instructions, _ = code(*expected)
        self.assertEqual([i.kind() for i in instructions], list(expected.values()))


class Loops(unittest.TestCase):
    def test_the_hot_loop_of_maxwell_code(self):
        hot = sass.hot_loop(*sass.parse(snippet("tile_sm_53.sass"))[TILE])
        # By hand: 79 lines from .L_x_2 to its branch, 8 of them the second of a pair.
        self.assertEqual((hot["instructions"], hot["slots"]), (79, 71))
        self.assertEqual((hot["counts"]["FFMA"], hot["counts"]["LDS.128"], hot["counts"]["LDG.128"]), (32, 8, 2))
        self.assertEqual((hot["math"], hot["share"], hot["nested"]), ("FFMA", 45.1, 0))
        self.assertEqual(sum(hot["counts"].values()), 79)

    def test_the_hot_loop_of_turing_code(self):
        hot = sass.hot_loop(*sass.parse(snippet("mma_sm_75.sass"))["_ZN5tsugi4cuda3mmaENS0_1PE"])
        self.assertEqual((hot["math"], hot["slots"], hot["counts"]["HMMA"], hot["counts"]["BAR"]), ("HMMA", 14, 1, 2))

    def test_code_without_arithmetic_in_a_loop_has_no_hot_loop(self):
        self.assertIsNone(
            sass.hot_loop(
                *code(
                    "FFMA R1, R2, R3, R1",
                    ".L_x_0:",
                    "IADD3 R1, R1, 0x1, RZ",
                    "@P0 BRA `(.L_x_0)",
                    "EXIT",
                    ".L_x_1:",
                    "BRA `(.L_x_1)",
                )
            )
        )

    def test_a_part_of_the_loop_behind_its_end_belongs_to_it(self):
        instructions, labels = code(
            ".L_x_0:",
            "FFMA R1, R2, R3, R1",
            "@P1 BRA `(.L_x_2)",
            ".L_x_1:",
            "FFMA R1, R2, R3, R1",
            "@P0 BRA `(.L_x_0)",
            "FFMA R9, R9, R9, R9",
            "EXIT",
            ".L_x_2:",
            "LDG.E R3, [R4]",
            "BRA `(.L_x_1)",
        )
        hot = sass.hot_loop(instructions, labels)
        self.assertEqual(hot["counts"], {"FFMA": 2, "LDG.32": 1, "branch": 3})

    def test_the_inner_of_two_loops_is_taken_unless_the_arithmetic_is_outside_of_it(self):
        inner = ["FFMA R1, R2, R3, R1"] * 3
        outer = ["FFMA R5, R2, R3, R5"] * 2
        hot = sass.hot_loop(
            *code(".L_x_0:", *outer, ".L_x_1:", *inner, "@P0 BRA `(.L_x_1)", "@P1 BRA `(.L_x_0)", "EXIT")
        )
        self.assertEqual((hot["counts"]["FFMA"], hot["nested"]), (3, 0))
        hot = sass.hot_loop(
            *code(".L_x_0:", *outer, ".L_x_1:", "LDG.E R3, [R4]", "@P0 BRA `(.L_x_1)", "@P1 BRA `(.L_x_0)", "EXIT")
        )
        self.assertEqual((hot["counts"]["FFMA"], hot["counts"]["LDG.32"], hot["nested"]), (2, 1, 1))

    def test_reconvergence_is_followed_on_both_architectures(self):
        turing = code(
            ".L_x_0:",
            "BSSY B0, `(.L_x_2)",
            "@P0 BRA `(.L_x_1)",
            "FFMA R1, R2, R3, R1",
            ".L_x_1:",
            "BSYNC B0",
            ".L_x_2:",
            "@P1 BRA `(.L_x_0)",
            "EXIT",
        )
        maxwell = code(
            ".L_x_0:",
            "SSY `(.L_x_2)",
            '@P0 SYNC (*"BRANCH_TARGETS .L_x_2"*)',
            "FFMA R1, R2, R3, R1",
            'SYNC (*"BRANCH_TARGETS .L_x_2"*)',
            ".L_x_2:",
            "@P1 BRA `(.L_x_0)",
            "EXIT",
        )
        for kernel in (turing, maxwell):
            self.assertEqual(sass.hot_loop(*kernel)["counts"], {"FFMA": 1, "branch": 4})


class Resources(unittest.TestCase):
    def test_a_cubin_tells_what_cuobjdump_tells(self):
        elf = (HERE / "snippets/tile_sm_53.cubin").read_bytes()
        self.assertEqual(
            cubin.kernels(elf), {TILE: {"registers": 32, "stack": 0, "shared": 2048, "local": 0, "threads": 64}}
        )
        self.assertRaises(ValueError, cubin.kernels, b"no ELF file".ljust(64))

    def test_occupancy_is_that_of_nvidias_calculator(self):
        def blocks(*arguments):
            result = occupancy.occupancy(*arguments)
            return result["blocks"], result["percent"], result["limit"]

        self.assertEqual(blocks("sm_53", 32, 0, 256), (8, 100, "threads"))
        self.assertEqual(blocks("sm_53", 110, 16384, 256), (2, 25, "registers"))
        self.assertEqual(blocks("sm_75", 128, 16384, 256), (2, 50, "registers"))
        self.assertEqual(blocks("sm_53", 40, 17 * 1024, 128), (3, 19, "shared"))
        self.assertEqual(blocks("sm_75", 20, 0, 32), (16, 50, "blocks"))
        # 256 threads of 160 registers: more than the 32 K registers that a block may have on sm_53, but not on sm_75.
        self.assertEqual(blocks("sm_53", 160, 0, 256), (0, 0, "registers"))
        self.assertEqual(blocks("sm_75", 160, 0, 256), (1, 25, "registers"))


def row(**changes):
    hot = {
        "math": "FFMA",
        "share": 90.0,
        "slots": 560,
        "nested": 0,
        "whole": False,
        "counts": {"FFMA": 512, "LDS.128": 32, "LDG.128": 2},
    }
    hot.update(changes.pop("hot", {}))
    result = {
        "file": "conv2d_forward.cu",
        "registers": 100,
        "shared": 16384,
        "threads": 256,
        "blocks": 2,
        "occupancy": 25,
        "limit": "registers",
        "local": 0,
        "spills": 0,
        "wide": {"LDS": 32, "LDG": 2},
        "hot": hot,
    }
    result.update(changes)
    return result


class Rules(unittest.TestCase):
    def good(self):
        return {
            (f"{convolution} f32 128x128x8 8x8 by 4", arch): row()
            for convolution in rules.CONVOLUTIONS
            for arch in rows.ARCHITECTURES
        }

    def problem(self, text, **changes):
        broken = self.good()
        broken["conv2d_forward gemm f32 128x128x8 8x8 by 4", "sm_53"] = row(**changes)
        messages = rules.broken_rules(broken)
        self.assertEqual(len(messages), 1, messages)
        self.assertIn(text, messages[0])

    def test_rules_hold_whatever_the_baseline_says(self):
        self.assertEqual(rules.broken_rules(self.good()), [])
        self.problem("must have none", spills=1)
        self.problem("must have none", local=8)
        self.problem("do not fit", blocks=0)
        self.problem("no __launch_bounds__", threads=0)
        self.problem("84.9 % FFMA", hot={"share": 84.9})
        self.problem("no float32 kernel with FFMA, LDG.128 and LDS.128", hot={"counts": {"FFMA": 512, "LDG.128": 2}})
        self.problem(
            "no float32 kernel with FFMA, LDG.128 and LDS.128", hot={"counts": {"FFMA": 512, "LDS.128": 2, "LDG.32": 8}}
        )

    def test_a_direct_kernel_needs_no_global_loads_in_its_loop(self):
        kernels = self.good()
        name = "conv2d_forward direct f32 128x128x8 8x8 by 4"
        kernels[name, "sm_53"] = row(hot={"counts": {"FFMA": 512, "LDS.128": 8}})
        self.assertEqual(rules.broken_rules(kernels), [])
        kernels[name, "sm_53"] = row(hot={"counts": {"FFMA": 512, "LDS.32": 8}})
        self.assertIn("conv2d_forward direct on sm_53: no float32", rules.broken_rules(kernels)[0])

    def test_the_best_tile_is_a_float32_one_of_the_same_variant(self):
        kernels = self.good()
        name = "conv2d_forward gemm f32 128x128x8 8x8 by 4"
        kernels[name, "sm_75"] = row(hot={"share": 60.0})
        for other in ("conv2d_forward gemm f16", "conv2d_forward gemm_1x1 f32", "conv2d_forward direct f32"):
            kernels[f"{other} 128x64 8x8", "sm_75"] = row(hot={"share": 99.0})
            self.assertEqual(rules.best_tile(kernels, "conv2d_forward gemm", "sm_75")[0], name)
        self.assertEqual(len(rules.broken_rules(kernels)), 1)

    def worse(self, text, **changes):
        messages = rules.compare({("k", "sm_53"): row()}, {("k", "sm_53"): row(**changes)})
        self.assertEqual(len(messages), 1, messages)
        self.assertIn(text, messages[0])

    def test_what_got_worse_is_found_and_what_did_not_is_not(self):
        for same_or_better in (
            {},
            {"registers": 105},
            {"blocks": 3},
            {"hot": {"share": 89.1}},
            {"hot": {"share": 95.0}},
        ):
            self.assertEqual(rules.compare({("k", "sm_53"): row()}, {("k", "sm_53"): row(**same_or_better)}), [])
        self.worse("2 x 256 -> 1 x 256", blocks=1, registers=130)
        self.worse("0 -> 4 accesses to local memory", spills=4)
        self.worse("90.0 -> 88.9 % FFMA", hot={"share": 88.9})
        self.worse("no 128-bit LDG any more", wide={"LDS": 32})
        self.worse("no 128-bit LDS in the hot loop", hot={"counts": {"FFMA": 512, "LDG.128": 2, "LDS.32": 128}})
        self.worse("no loop of FFMA", hot={"math": "HMMA"})
        messages = rules.compare({("k", "sm_53"): row()}, {("k", "sm_53"): {**row(), "hot": None}})
        self.assertIn("no loop of FFMA", messages[0])

    def test_kernels_that_come_or_go_are_named(self):
        self.assertIn("without an entry", rules.compare({}, {("k", "sm_53"): row()})[0])
        self.assertIn("no kernel has this name", rules.compare({("k", "sm_53"): row()}, {})[0])

    def test_names_are_those_of_the_registry(self):
        for name, expected in (
            (
                "conv2d_forward_gemm_kernel<f32, GemmTile<128, 64, 8, 8, 4>, 4>",
                "conv2d_forward gemm f32 128x64x8 8x4 by 4",
            ),
            ("conv2d_forward_half_kernel<MmaTile<64, 64, 32, 4, 8> >", "conv2d_forward mma f16 64x64x32 4x8"),
            (
                "conv2d_backward_weight_gemm_kernel<f16, GemmTile<128, 64, 8, 8, 8>, 1, GemmTile<64, 64, 8, 8, 4> >",
                "conv2d_backward_weight gemm f16 128x64x8 8x8 by 1 as 64x64x8 8x4",
            ),
            (
                "conv2d_forward_gemm_1x1_kernel<f32, GemmTile<32, 32, 8, 4, 4>, 4, GemmTile<32, 32, 8, 4, 4> >",
                "conv2d_forward gemm_1x1 f32 32x32x8 4x4 by 4",
            ),
            (
                "conv2d_backward_data_depthwise_kernel<f32, DepthwiseTile<128, 32, 1, 8, 4>, DepthwiseFilter<3, 1>, 4>",
                "conv2d_backward_data depthwise f32 128x32x1 8x4 DepthwiseFilter(3, 1) by 4",
            ),
            ("conv2d_winograd_kernel<WinogradTile<128, 32, 8, 4, 4> >", "conv2d winograd f32 128x32x8 4x4"),
            ("max_pool_forward<f16, 8>", "max_pool_forward f16 by 8"),
            ("batch_norm_merge", "batch_norm_merge"),
        ):
            self.assertEqual(rows.registry_name(name), expected)
        self.assertEqual(
            rows.readable(["_ZN5tsugi4cuda3sumI6__halfLi4EEEvNS0_1PE"]),
            {"_ZN5tsugi4cuda3sumI6__halfLi4EEEvNS0_1PE": "sum f16 by 4"},
        )

    def test_a_baseline_survives_writing_and_reading(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "baseline.json"
            table.write_json(path, self.good())
            self.assertEqual(compiled.read_json(path), self.good())
            self.assertEqual(compiled.read_json(Path(folder) / "none.json"), {})
        self.assertIn(
            "| `conv2d_forward gemm f32 128x128x8 8x8 by 4` | 100 | 16 KB | 25 % (2 x 256, registers) | 90.0 % FFMA",
            table.markdown(self.good()),
        )


class Speeds(unittest.TestCase):
    def kept(self):
        return compiled.read_json(HERE / "baseline.json")

    def share(self, arch, name):
        """Of the hot loop's slots, as a fraction: what the table's figure must come from."""
        hot = self.kept()[name, arch]["hot"]
        return hot["counts"][hot["math"]] / hot["slots"]

    def test_the_tables_are_what_the_kept_machine_code_allows(self):
        self.assertEqual(speeds.compare(self.kept()), [])
        gemm = "conv2d_forward gemm f32 128x128x8 8x8 by 4"
        depthwise = "conv2d_forward depthwise f32 128x32x1 8x4 DepthwiseFilter(3, 1) by 4"
        direct = "conv2d_forward direct f16 128x64x1 8x8 DirectFilter(3, 1)"
        half2 = "conv2d_forward half2 f16 128x64x32 8x4"
        # Slots decide on sm_53; half2's 16 products a run are 15 HFMA2 and a multiplication; of float16 half by FFMA.
        # On sm_75 latency decides where slots are left, not where they are too few: an FFMA there takes two.
        for arch, name, expected in (
            ("sm_53", gemm, self.share("sm_53", gemm)),
            ("sm_53", half2, 16 / 15 * self.share("sm_53", half2)),
            ("sm_53", direct, self.share("sm_53", direct) / 2),
            ("sm_75", gemm, 0.9),
            ("sm_75", depthwise, 2 * self.share("sm_75", depthwise)),
        ):
            self.assertAlmostEqual(speeds.share(name, arch, self.kept()[name, arch]), expected, msg=f"{arch} {name}")
        table = list(speeds.lines(self.kept(), "sm_53"))
        self.assertEqual(len(table), len(set(table)))
        self.assertEqual(sum(", winograd, " in line for line in table), 2)
        figure = f'"by 4", {self.share("sm_53", gemm):.3f})'
        self.assertIn("TSUGI_SPEED(conv2d_forward, gemm, f32, 128, 128, 8, 8, 8, " + figure, table)

    def test_a_speed_that_differs_is_said_and_written_and_what_was_measured_stays(self):
        kept = self.kept()
        name = "conv2d_forward gemm f32 64x64x8 8x4 by 4"
        hot = kept[name, "sm_53"]["hot"]
        kept[name, "sm_53"] = {**kept[name, "sm_53"], "hot": {**hot, "slots": 2 * hot["slots"]}}
        messages = speeds.compare(kept)
        self.assertEqual(len(messages), 2, messages)
        self.assertIn("sm_53.inc: has TSUGI_SPEED(conv2d_forward, gemm, f32, 64, 64, 8, 8, 4, ", messages[0])
        half = f"{self.share('sm_53', name) / 2:.3f})"
        self.assertIn(half, messages[1])
        with tempfile.TemporaryDirectory() as folder:
            before, speeds.FOLDER = speeds.FOLDER, Path(folder)
            self.addCleanup(setattr, speeds, "FOLDER", before)
            for file in before.glob("*.inc"):
                (speeds.FOLDER / file.name).write_text("// Measured.\nTSUGI_TUNED(a)\n" + file.read_text())
            speeds.update(kept)
            self.assertEqual(speeds.compare(kept), [])
            text = (speeds.FOLDER / "sm_53.inc").read_text()
        self.assertIn("// Measured.\nTSUGI_TUNED(a)\n", text)
        self.assertIn(half, text)


if __name__ == "__main__":
    unittest.main()
