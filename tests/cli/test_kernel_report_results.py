"""tools/kernel_report beside result files of tsugi bench --kernels all and bench_gpu_ops: what is joined with what, and the page and tables that come out."""

import csv
import io
import unittest
import xml.etree.ElementTree

from kernel_report_support import COPY, MAXWELL, PEAK, ROOT, ROW, ROWS, SHAPE, Files, bench_document, document, line
import page
import report
import results
import terminal


class Joining(Files):
    def test_shapes_of_a_kernel_are_summed_up_beside_its_prediction(self):
        found, notes = self.joined(
            document(
                line(0.2), line(0.6, k=64), line(0.5, k=128), line(0.1, c=12), line(0.9, row="", contender="cudnn nhwc")
            )
        )
        self.assertEqual(
            {key[0] for key in found}, {ROW + " by 4", ROW + " by 1 as 64x64x8 8x4"}
        )  # 12 channels: element by element
        record = found[ROW + " by 4", "sm_75", "NVIDIA GeForce RTX 2080 Ti"]
        self.assertEqual(
            (record["shapes"], record["median"], record["best"], record["best_shape"]),
            (3, 0.5, 0.6, "2x8x8x64, 64 of 1x1"),
        )
        self.assertAlmostEqual(record["best_over_predicted"], 0.6 / record["predicted"])
        self.assertEqual([shape["warm_share"] for shape in record["measurements"]], [0.6, 0.5, 0.2])
        self.assertIn("0.json: NVIDIA GeForce RTX 2080 Ti, sm_75, 4 measurements", notes[0])

    def test_files_of_either_program_say_the_same(self):
        lines = [line(0.2), line(0.6, k=64), line(0.4, contender="dispatch", k=96), line(0.1, c=12)]
        (old, _), (new, notes) = self.joined(document(*lines)), self.joined(bench_document(*lines))
        self.assertEqual(set(old), set(new))
        for key, record in new.items():
            self.assertEqual(record["shapes"], old[key]["shapes"])
            self.assertAlmostEqual(record["median"], old[key]["median"])
            self.assertAlmostEqual(record["best_over_predicted"], old[key]["best_over_predicted"])
        self.assertIn("4 measurements", notes[0])
        dense = line(0.3)
        dense["op"] = "dense_forward"
        (record,) = self.joined(bench_document(dense))[0].values()
        self.assertEqual(record["kernel"], ROW + " by 4")
        partly = bench_document(line(0.2), line(0.6, k=64))
        del partly["benchmarks"][-1]  # the budget ended between a point's two states of the caches
        partly["benchmarks"][0]["error_occurred"] = True
        partly["context"]["points_left_out"] = 1
        self.assertRaises(results.Invalid, results.load, self.file(partly))
        partly = bench_document(line(0.2), line(0.6, k=64))
        del partly["benchmarks"][-1]
        partly["context"]["points_left_out"] = 1
        self.assertIn("1 measurements; 1 left out", self.joined(partly)[1][0])

    def test_the_least_traffic_with_memory_by_hand(self):
        found, _ = self.joined(document(line(0.5)))
        shape = found[ROW + " by 4", "sm_75", "NVIDIA GeForce RTX 2080 Ti"]["measurements"][0]
        self.assertAlmostEqual(shape["dram_bytes_per_flop"], 4 * (128 * 64 + 64 * 32 + 128 * 32) / (2 * 128 * 64 * 32))
        self.assertAlmostEqual(shape["memory_share"], COPY / (PEAK * shape["dram_bytes_per_flop"]))
        weights = results.Point("", "", True, "conv2d_backward_weight", "f16", "", "", SHAPE, 0, 0, 0)
        self.assertEqual(results.compulsory_bytes(weights), 2 * (128 * 64 + 128 * 32) + 4 * 64 * 32)

    def test_nothing_counts_twice(self):
        found, _ = self.joined(
            document(
                line(0.3, contender="dispatch"),
                line(0.5),
                line(0.7, layer="other"),
                line(0.4, contender="dispatch", k=64),
            )
        )
        record = found[ROW + " by 4", "sm_75", "NVIDIA GeForce RTX 2080 Ti"]
        # Two layers of one shape: their median. Dispatch counts only where the row was not measured by itself.
        self.assertEqual([round(shape["warm_share"], 9) for shape in record["measurements"]], [0.6, 0.4])

    def test_each_architecture_with_its_own_and_newer_ones_without_a_ratio(self):
        found, notes = self.joined(
            document(line(0.5)),
            document(line(0.6), device=MAXWELL),
            document(line(0.7), device="NVIDIA H100, sm_90, x"),
            document(line(0.7), device="Old, sm_50, x"),
        )
        name = ROW + " by 4"
        self.assertEqual(
            set(found),
            {
                (name, "sm_75", "NVIDIA GeForce RTX 2080 Ti"),
                (name, "sm_53", "NVIDIA Tegra X1"),
                (name, "sm_75", "NVIDIA H100 (elsewhere)"),
            },
        )
        self.assertIsNone(found[name, "sm_75", "NVIDIA H100 (elsewhere)"]["best_over_predicted"])
        self.assertIn("measured elsewhere", notes[2])
        self.assertIn("left out", notes[3])

    def test_rows_that_this_registry_does_not_have_are_named(self):
        _, notes = self.joined(
            document(
                line(0.5, row="conv2d_forward gemm f32 999x1x1 1x1"),
                line(0.5, row="conv2d_forward mma f16 64x64x32 4x8"),
            )
        )
        self.assertIn("no kernel here for conv2d_forward gemm f32 999x1x1 1x1, conv2d_forward mma", notes[-1])

    def test_a_file_that_names_rows_alone_is_joined_where_a_row_has_one_kernel(self):
        lines = [line(0.5), line(0.4, row="conv2d_forward winograd f32 128x32x8 4x4", r=3, s=3)]
        for one in lines:
            del one["compiled"]
        found, notes = self.joined(document(*lines))
        self.assertEqual({key[0] for key in found}, {"conv2d winograd f32 128x32x8 4x4"})
        self.assertIn("no kernel here for " + ROW, notes[-1])


class Outputs(Files):
    def setUp(self):
        named = document(line(0.5), device='<script>alert(1)</script> & "GPU" \x1b[31m, sm_75, x')
        files = [results.load(self.file(named)), results.load(self.file(document(line(0.6)), "<b>.json"))]
        made, self.notes = report.records(ROOT, ROWS, files)
        self.made = report.choose(made, ["sm_75"], "forward gemm", "best")

    def test_the_page_is_well_formed_and_escaped(self):
        text = page.html_text(self.made, self.notes, "a test")
        self.assertNotIn("<script>alert", text)
        self.assertNotIn("\x1b", text)
        self.assertIn("not measured", text)
        root = xml.etree.ElementTree.fromstring(
            text.split("\n", 1)[1]
        )  # as XML: every tag closed, every & and < escaped
        (table,) = (element for element in root.iter("table") if element.get("id") == "points")
        rows = [[cell for cell in row] for row in table.iter("tr")]
        self.assertEqual(len(rows), 1 + len(self.made))
        self.assertEqual({len(row) for row in rows}, {len(report.COLUMNS)})
        for cell, column in ((cell, column) for row in rows[1:] for cell, column in zip(row, report.COLUMNS)):
            self.assertEqual(column[2] != "text", cell.get("data-v") is not None)
            float(cell.get("data-v") or 0)
        self.assertIn(
            '<script>alert(1)</script> & "GPU" \\x1b[31m',
            {"".join(cell.itertext()) for row in rows[1:3] for cell in row},
        )

    def test_the_csv_has_a_line_a_record(self):
        lines = list(csv.reader(io.StringIO(page.csv_text(self.made, self.notes, ""))))
        self.assertEqual({len(one) for one in lines}, {len(report.COLUMNS)})
        first = dict(zip(lines[0], lines[1]))
        self.assertEqual((first["kernel"], first["best"], first["shapes"]), (ROW + " by 4", "0.6", "1"))
        self.assertEqual(len(lines), 1 + len(self.made))

    def test_a_table_fits_the_terminal_and_sends_it_no_commands(self):
        lines = terminal.table(self.made, True, 120)
        self.assertLessEqual(max(map(len, lines)), 120)
        self.assertTrue(all(one.isprintable() for one in lines + self.notes))
        self.assertIn("columns left out", lines[0])
        self.assertEqual(terminal.table(self.made, True)[0], "sm_75 conv2d_forward: 22 kernels")


if __name__ == "__main__":
    unittest.main()
