"""tsugi experiment report on somebody else's folder: nothing in it runs, no file outside of it is read or written, and
its texts stay texts."""

import copy
import csv
import io
import json
import os
import shutil
import subprocess
import unittest
import xml.etree.ElementTree

import support

EVIL = "`touch pwned`\"; system('touch pwned') <script>touch()</script> \u202e\u009b\x1b[31m\x1b]0;x\x07"
CELL = {
    "kind": "handover",
    "people": 2,
    "seed": 1,
    "method": "default",
    "fraction": 1.0,
    "epochs": 1,
    "steps": 1,
    "train_photos": 4,
    "photos_sent": 4,
    "photo_bytes": 4,
    "knowledge_bytes": 0,
    "feature_bytes": 0,
    "accuracy": 0.5,
    "accuracy_general": 0.5,
    "accuracy_personal": 0.5,
    "accuracy_general_before": 0.5,
    "accuracy_start": 0.5,
    "accuracy_general_start": 0.5,
    "accuracy_personal_start": 0.5,
    "step_flops": None,
    "step_flops_share": None,
    "wall_s": 1.0,
    "elapsed_s": 1.0,
    "images_per_s": 4.0,
    "bundle_bytes": 9,
    "checkpoint_bytes": 5,
    "test_bytes": 0,
    "peak_memory_bytes": 1,
    "finished": "2026-01-01T00:00:00Z",
    "device": "cpu",
    "precision": "fp32",
    "tsugi": "0.1.0",
    "build": "b",
    "commit": "c",
    "persons": [{"name": "Ann", "personal": False, "photos": 2, "correct": 1, "correct_before": 1}],
    "settings": {"seed": 1, "optimizer": "sgd"},
}
ABOUT = {"format": "tsugi experiment 1", "identity": {}, "methods": {"default": {"what": "w", "ingredient": False}}}
METRICS = (
    '{"wall_s": 0.5, "accuracy": 0.4, "accuracy_general": 0.4, "accuracy_personal": 0.4}\n'
    '{"wall_s": 1, "accuracy": 0.5}\n'
)


class Report(support.CommandLine):
    def setUp(self):
        shutil.rmtree(self.path("other"), ignore_errors=True)

    def make(self, cells=None, about=ABOUT, metrics=METRICS):
        """Somebody's experiment; cells: {name of the file: cell}."""
        for name, cell in (cells or {"p2_s1_default_f1": CELL}).items():
            self.write(f"other/cells/{name}.json", json.dumps(cell))
            if "/" not in name:
                self.write(f"other/metrics/{name}.jsonl", metrics)
        self.write("other/experiment.json", json.dumps(about))

    def report(self, *arguments, **options):
        """Runs it in a folder of its own, and fails where a command of the folder ran."""
        os.makedirs(self.path("here"), exist_ok=True)
        done = self.tsugi("experiment", "report", "../other", *arguments, cwd=self.path("here"), **options)
        for parent, _, files in os.walk(self.path()):
            self.assertNotIn("pwned", files, parent)
        return done

    def test_a_method_that_is_a_command_is_refused_and_not_run(self):
        for method in (
            "`touch pwned`",
            "`touch $PWD/../pwned`",
            'a"; system("touch pwned"); "',
            "a\nsystem 'touch pwned'",
        ):
            with self.subTest(method):
                name = "p2_s1_" + method.replace("/", "_") + "_f1"
                self.make({name: {**CELL, "method": method}})
                done = self.report(status=1)
                self.assertIn("a-z, 0-9, _ and -", done.stderr)
                shutil.rmtree(self.path("other"))

    def test_a_method_is_no_path(self):
        self.write("secret.jsonl", METRICS)
        self.make({"up": {**CELL, "method": "../../../secret"}})
        self.assertIn("a-z, 0-9", self.report(status=1).stderr)

    def test_a_cell_in_the_file_of_another_is_refused(self):
        self.make({"p2_s2_default_f1": CELL})
        self.assertIn("p2_s1_default_f1.json", self.report(status=1).stderr)

    def test_texts_stay_texts_on_the_page_in_the_tables_and_in_the_figures(self):
        cell = copy.deepcopy(CELL)
        cell.update(
            device='=HYPERLINK("http://x")',
            build=EVIL,
            tsugi="@" + EVIL,
            commit="+1,2\n3",
            finished=EVIL,
            precision=EVIL,
        )
        cell["persons"][0]["name"] = "<b>Ann\u202e\u009b`touch pwned`"
        cell["settings"] = {"seed": 1, EVIL: EVIL, "lr": 0.1}
        about = copy.deepcopy(ABOUT)
        about["identity"] = {EVIL: EVIL}
        about["methods"]["default"]["what"] = EVIL
        about["about"] = {"command": EVIL, "machine": EVIL, "people in order": [EVIL], "cells": 2}
        self.make(
            {
                "p2_s1_default_f1": cell,
                "p2_s1_pretrained": {**cell, "kind": "pretrained", "method": "", "fraction": 0.0},
            },
            about,
        )
        self.report()
        page = self.read("other/index.html").decode()
        tree = xml.etree.ElementTree.fromstring(page.split("\n", 1)[1])
        self.assertFalse([one.tag for one in tree.iter() if one.tag.split("}")[-1] in ("script", "b")])
        self.assertIn(
            "`touch pwned`\"; system('touch pwned') <script>touch()</script> \\u{202e}\\u{9b}\\x1b[31m",
            "".join(tree.itertext()),
        )
        for name in ("index.html", "results.csv", "timing.csv"):
            for letter in "\x1b\x07\u009b\u202e":
                self.assertNotIn(letter, self.read("other/" + name).decode(), name)
        rows = list(csv.reader(io.StringIO(self.read("other/timing.csv").decode())))
        self.assertEqual({len(row) for row in rows}, {len(rows[0])})
        self.assertFalse([field for row in rows for field in row if field[:1] in tuple("=+-@")])
        self.assertIn('\'=HYPERLINK("http://x")', rows[1])

    def test_numbers_and_shapes_out_of_range_are_refused_by_name(self):
        for changed, word in (
            ({"accuracy": 1e300}, "accuracy"),
            ({"wall_s": -1}, "wall_s"),
            ({"people": 1e30}, "people"),
            ({"persons": {}}, "persons"),
            ({"settings": {"a": {"b": 1}}}, '"a"'),
            ({"fraction": "1"}, "fraction"),
        ):
            with self.subTest(word):
                self.make({"p2_s1_default_f1": {**CELL, **changed}})
                self.assertIn(word, self.report(status=1).stderr)
        self.make()
        self.write("other/cells/p2_s1_default_f1.json", "[" * 100000)
        self.assertIn("p2_s1_default_f1.json", self.report(status=1).stderr)
        self.make(metrics='{"wall_s": 1e300, "accuracy": 0.5}\n')
        self.assertIn("wall_s", self.report(status=1).stderr)
        for about in (
            {"methods": []},
            {"methods": {"default": 1}},
            {"methods": {"default": {"what": 7}}},
            {"about": {"cells": "many"}},
            {"about": {"people in order": [1]}},
        ):
            with self.subTest(about):
                self.make(about={**ABOUT, **about})
                self.assertIn("experiment.json", self.report(status=1).stderr)

    @unittest.skipUnless(shutil.which("gnuplot"), "gnuplot is not installed")
    def test_drawings_replace_links_and_do_not_follow_them(self):
        self.make()
        self.write("mine", "mine")
        os.makedirs(self.path("other/figures"))
        for name in ("figure3_overall.svg", "figure3.svg", "figure3.png"):
            os.symlink("../../mine", self.path("other/figures", name))
        self.report()
        self.assertEqual(self.read("mine"), b"mine")
        self.assertIn(b"<svg", self.read("other/figures/figure3.svg"))
        shutil.rmtree(self.path("other/figures"))
        os.makedirs(self.path("elsewhere"), exist_ok=True)
        os.symlink("../elsewhere", self.path("other/figures"))
        self.assertIn("is a link", self.report(status=1).stderr)
        self.assertEqual(os.listdir(self.path("elsewhere")), [])

    def test_no_table_page_or_script_is_written_through_a_link(self):
        self.write("mine", "mine")
        names = ["results.csv", "timing.csv", "index.html"] + (
            ["figures/figure3.gp"] if shutil.which("gnuplot") else []
        )
        for name in names:
            with self.subTest(name):
                self.setUp()
                self.make()
                os.makedirs(self.path("other/figures"), exist_ok=True)
                os.symlink(self.path("mine"), self.path("other", name))
                self.assertIn(name + ": is a link", self.report(status=1).stderr)
                self.assertEqual(self.read("mine"), b"mine")

    @unittest.skipUnless(shutil.which("gnuplot"), "gnuplot is not installed")
    def test_the_script_that_is_kept_draws_the_same_and_runs_nothing(self):
        self.make()
        self.report()
        script = self.read("other/figures/figure3.gp").decode()
        self.assertNotIn('"', script)
        self.assertNotIn("`", script)
        subprocess.run(["gnuplot", "figure3.gp"], cwd=self.path("other/figures"), check=True, timeout=60)


if __name__ == "__main__":
    support.main()
