"""tsugi experiment on a handful of drawn people: its tables, killed and stopped runs that end as an undisturbed one, and what it refuses."""

import csv
import io
import json
import os
import random
import re
import shutil
import signal
import subprocess
import time
import unittest
import xml.etree.ElementTree

import support

SEED = int(os.environ.get("TSUGI_TEST_SEED", random.SystemRandom().randrange(1 << 31)))
print(f"TSUGI_TEST_SEED={SEED} repeats the moments of this run", flush=True)

GRID = (
    "experiment",
    "handover",
    "--general",
    "people",
    "--personal",
    "new",
    "--people",
    "2,3",
    "--fractions",
    "0,0.5:1:0.5",
    "--seeds",
    "2",
    "--methods",
    "default,paper",
    "--model",
    "tiny.json",
    "--epochs",
    "2",
    "--handover-epochs",
    "1",
    "--augment",
    "2",
    "--threads",
    "1",
)


def grid(output, *more, **changes):
    """The command of GRID with other values of its options."""
    words = list(GRID)
    for name, value in changes.items():
        words[words.index("--" + name.replace("_", "-")) + 1] = value
    return [*words, *more, "-o", output]


CELLS = 2 * (2 * (1 + 2 * 3) + 1)  # seeds x (people x (pretrained, methods x fractions), alone)
RESULTS = [
    "people",
    "seed",
    "method",
    "fraction",
    "epochs",
    "steps",
    "train_photos",
    "photos_sent",
    "photo_bytes",
    "knowledge_bytes",
    "feature_bytes",
    "accuracy",
    "accuracy_general",
    "accuracy_personal",
    "accuracy_general_before",
    "accuracy_start",
    "accuracy_general_start",
    "accuracy_personal_start",
    "step_flops",
    "step_flops_share",
]
ACCURACIES = [name for name in RESULTS if name.startswith("accuracy")]
TIMING = [
    "people",
    "seed",
    "method",
    "fraction",
    "wall_s",
    "elapsed_s",
    "images_per_s",
    "bundle_bytes",
    "checkpoint_bytes",
    "test_bytes",
    "peak_memory_bytes",
    "finished",
    "device",
    "precision",
    "tsugi",
    "build",
    "commit",
]


class Experiment(support.CommandLine):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.random = random.Random(SEED)
        cls.people("people", 4)
        cls.person = cls.people("new", 1, photos=9, first=5)[0]
        cls.write("tiny.json", json.dumps(support.TINY_MODEL))
        cls.summary = cls.result(*GRID, "-o", "whole")
        cls.whole = cls.read("whole/results.csv")

    def rows(self, name):
        return list(csv.DictReader(io.StringIO(self.read(name).decode())))

    def test_the_tables_have_a_row_a_cell_and_seed(self):
        self.assertEqual(
            {key: self.summary[key] for key in ("cells", "done", "run", "failed")},
            {"cells": CELLS, "done": CELLS, "run": CELLS, "failed": 0},
        )
        results, timing = self.rows("whole/results.csv"), self.rows("whole/timing.csv")
        self.assertEqual((list(results[0]), list(timing[0])), (RESULTS, TIMING))
        key = lambda row: [row[name] for name in RESULTS[:4]]
        self.assertEqual(list(map(key, results)), list(map(key, timing)))
        self.assertEqual(len({tuple(key(row)) for row in results}), CELLS)
        for row in results:
            for name in ACCURACIES:
                if row[name]:
                    self.assertTrue(0 <= float(row[name]) <= 1, row)
        handed = [row for row in results if row["method"] in ("default", "paper")]
        self.assertEqual(len(handed), 2 * 2 * 2 * 3)
        for row in handed:
            self.assertTrue(row["accuracy_general_before"] and row["accuracy_personal_start"], row)
            sent = int(row["photos_sent"])
            self.assertEqual(
                sent, round(float(row["fraction"]) * int(row["people"]) * 5)
            )  # 6 photos each, one of them a test photo
            self.assertEqual(int(row["train_photos"]), sent + 7)
            self.assertEqual(int(row["photo_bytes"]) > 0, sent > 0)
        for row in results:
            if row["method"] == "device-alone":
                self.assertEqual(int(row["train_photos"]), int(row["people"]) * 5 + 7)
                self.assertTrue(row["accuracy_personal"])
        for row in timing:
            self.assertGreater(float(row["wall_s"]), 0)
            self.assertEqual(row["method"] in ("default", "paper"), int(row["bundle_bytes"]) > 0)

    def test_seeds_and_methods_differ_and_the_people_do_not(self):
        for people in (2, 3):
            names = {
                tuple(
                    person["name"]
                    for person in json.loads(self.read(f"whole/cells/p{people}_s{seed}_{method}_f1.json"))["persons"]
                )
                for seed in (1, 2)
                for method in ("default", "paper")
            }
            self.assertEqual(len(names), 1)
            self.assertEqual(names.pop()[-1], self.person)

    def test_metrics_of_a_hand_over_begin_before_the_first_step(self):
        for name in ("p3_s1_default_f0.5", "p3_s1_device-alone"):
            rows = [json.loads(line) for line in self.read(f"whole/metrics/{name}.jsonl").splitlines()]
            cell = json.loads(self.read(f"whole/cells/{name}.json"))
            self.assertEqual((rows[0]["epoch"], rows[0]["step"], rows[0]["loss"]), (0, 0, None))
            epochs = list(range(cell["epochs"] + 1))
            if cell["kind"] == "handover":
                epochs.append(cell["epochs"])  # the averaged weights
            self.assertEqual([row["epoch"] for row in rows], epochs)
            self.assertTrue(0 < rows[0]["wall_s"] < rows[1]["wall_s"] <= cell["wall_s"])
            for field in ("accuracy", "accuracy_general", "accuracy_personal"):
                self.assertEqual((rows[0][field], rows[-1][field]), (cell[f"{field}_start"], cell[field]))

    def test_a_device_alone_and_a_hand_over_are_measured_on_the_same_photos(self):
        cells = [
            json.loads(self.read(f"whole/cells/p3_s2_{name}.json"))
            for name in ("device-alone", "default_f1", "paper_f0")
        ]
        tested = [
            [(person["name"], person["personal"], person["photos"]) for person in cell["persons"]] for cell in cells
        ]
        self.assertEqual(tested[0], tested[1])
        self.assertEqual(tested[1], tested[2])

    def test_a_finished_experiment_runs_nothing_again_and_grows(self):
        shutil.copytree(self.path("whole"), self.path("grown"))
        # Killed between a cell and what it no longer needs: nothing goes on from that.
        shutil.copy(
            self.path("whole/pretrained/p3_s1_pretrained.safetensors"),
            self.path("grown/work/p3_s1_device-alone.safetensors"),
        )
        again = self.result(*GRID, "-o", "grown")
        self.assertEqual(os.listdir(self.path("grown/work")), [])
        self.assertEqual((again["run"], again["done"]), (0, CELLS))
        self.assertEqual(self.read("grown/results.csv"), self.whole)
        more = self.result(*grid("grown", people="3", seeds="3", fractions="0,0.2,0.5,1"))
        self.assertEqual((more["run"], more["cells"]), (2 * 2 + (2 + 2 * 4), 3 * (2 + 2 * 4)))
        old, new = ({tuple(row.items()) for row in self.rows(f"{name}/results.csv")} for name in ("whole", "grown"))
        self.assertTrue(old < new)

    def test_the_folder_holds_no_leftovers(self):
        self.assertEqual(
            sorted(os.listdir(self.path("whole/pretrained"))),
            sorted(f"p{p}_s{s}_pretrained.safetensors" for p in (2, 3) for s in (1, 2)),
        )
        self.assertEqual(os.listdir(self.path("whole/work")), [])
        self.assertEqual(len(os.listdir(self.path("whole/cells"))), CELLS)

    def test_keep_keeps_bundles_and_checkpoints(self):
        self.tsugi(*grid("kept", "--keep", "--paper", people="2", seeds="1", fractions="0.5"))
        self.assertEqual(os.listdir(self.path("kept/work")), [])
        self.assertEqual(
            sorted(os.listdir(self.path("kept/kept"))),
            ["p2_s1_device-alone.safetensors", "p2_s1_paper_f0.5.safetensors", "p2_s1_paper_f0.5.tar"],
        )
        device = self.result("eval", "kept/kept/p2_s1_paper_f0.5.safetensors", "--photos", "new")
        self.assertEqual(
            device["accuracy"], json.loads(self.read("kept/cells/p2_s1_paper_f0.5.json"))["accuracy_personal"]
        )
        self.refuses(
            ["bundle", "kept/kept/p2_s1_device-alone.safetensors", "--photos", "people", "-o", "leak.tar"],
            self.person,
            "personal",
        )

    def test_a_job_that_fails_is_told_and_the_others_run(self):
        for number in (1, 2):
            self.write(f"unreadable/Nobody/{number}.jpg", "no photo")
        done = self.tsugi(*grid("failed", "--json", people="2", seeds="1", personal="unreadable/Nobody"), status=1)
        result = json.loads(done.stdout)
        self.assertEqual((result["done"], result["failed"], result["cells"]), (1, 7, 8))
        self.assertEqual(done.stderr.count("cannot be read"), 8)  # each, and the first once more at the end
        self.assertRegex(done.stderr, "7 cells failed, the first: 2 people, seed 1, default, 0 %: .*Nobody")
        self.assertEqual([row["method"] for row in self.rows("failed/results.csv")], ["pretrained"])

    def start(self, out):
        with open(self.path(f"{out}.stderr"), "w") as stderr:
            return subprocess.Popen(
                [support.BINARY, *GRID, "-o", out],
                cwd=self.folder,
                env=support.environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
            )

    def test_killed_at_random_moments_it_ends_with_the_same_results(self):
        kills, longest = 0, 1.0
        for _ in range(60):
            process = self.start("killed")
            time.sleep(0.02 + self.random.random() * longest)
            process.kill()
            if process.wait(timeout=120) == 0:  # it was done: enough kills, or again from nothing and faster
                if kills > 2:
                    break
                shutil.rmtree(self.path("killed"))
                kills, longest = 0, longest / 2
                continue
            kills += 1
            self.assertIsNone(support.CRASH.search(self.read("killed.stderr").decode()))
            if (
                kills >= 8
                and os.path.isdir(self.path("killed/cells"))
                and len(os.listdir(self.path("killed/cells"))) > CELLS // 2
            ):
                break
        self.assertGreater(kills, 2)
        self.tsugi(*GRID, "-o", "killed")
        self.assertEqual(self.read("killed/results.csv"), self.whole)
        self.assertFalse([name for _, _, names in os.walk(self.path("killed")) for name in names if ".tmp-" in name])
        self.assertEqual(os.listdir(self.path("killed/work")), [])

    def test_a_signal_stops_it_with_its_cells_kept_and_the_command_to_go_on(self):
        stops = 0
        for attempt in range(20):
            process = self.start("stopped")
            end = time.monotonic() + 60
            while b"precision" not in self.read("stopped.stderr") and process.poll() is None and time.monotonic() < end:
                time.sleep(0.005)
            time.sleep(self.random.random() * 0.2)
            process.send_signal(signal.SIGINT if attempt % 2 else signal.SIGTERM)
            status = process.wait(timeout=60)
            told = self.read("stopped.stderr").decode()
            self.assertIsNone(support.CRASH.search(told))
            if status == 0:
                break
            self.assertEqual(status, 1, told)
            self.assertRegex(
                told,
                rf"stopped after \d+ of {CELLS} cells, which are kept in stopped\. Go on with: tsugi experiment handover --general people ",
            )
            stops += 1
            if stops == 3:
                break
        self.assertGreater(stops, 0)
        self.tsugi(*GRID, "-o", "stopped")
        self.assertEqual(self.read("stopped/results.csv"), self.whole)

    def test_bad_input_is_refused_before_anything_is_written(self):
        self.refuses(grid("refused", people="2,5"), "people", "4 people", "5 are asked")
        self.refuses(grid("refused", fractions="0,1.1"), "1.1", "0 to 1", status=2)
        self.refuses(grid("refused", fractions="0:1"), "0:1", "start:stop:step", status=2)
        self.refuses(grid("refused", fractions="-0.5"), "-0.5", status=2)
        self.refuses(grid("refused", people="1"), "--people", "1", status=2)
        self.refuses(grid("refused", seeds="0"), "--seeds", "0", status=2)
        self.refuses(grid("refused", methods="magic"), "magic", "default", "paper", status=2)
        self.refuses(grid("refused", general="nowhere"), "nowhere", "no such folder")
        self.refuses(grid("refused", personal="nowhere"), "nowhere", "no such folder")
        someone = sorted(os.listdir(self.path("people")))[1]
        self.refuses(grid("refused", personal=f"people/{someone}"), someone, "personal", "4 general people")
        os.makedirs(self.path("empty"), exist_ok=True)
        self.refuses(grid("refused", general="empty"), "empty", "is empty")
        self.refuses(grid("refused", personal="empty"), "empty", "is empty")
        self.refuses(grid("tiny.json"), "tiny.json")
        self.refuses(grid("tiny.json/out"), "tiny.json/out")
        self.refuses(grid("people"), "people", "holds no experiment")
        self.refuses([*grid("refused"), "--device", "nothing"], "nothing")

    def test_a_folder_of_another_experiment_is_refused_with_both_values(self):
        for name, value, words in (
            ("epochs", "3", ["epochs", "2", "3"]),
            ("augment", "3", ["variants", "2", "3"]),
            ("model", "faces-mobile", ["model", "tiny", "faces-mobile"]),
            ("general", "new people", ["photos of general people"]),
        ):
            if name == "general":
                self.people("new people", 4, photos=5)
            self.refuses(grid("whole", **{name: value}), "whole", "another experiment", *words)
        self.refuses(
            [*GRID, "-o", "whole", "--precision", "fp32", "--personal-photos", "5"], "personal person", "86", "5"
        )
        shutil.copytree(self.path("whole"), self.path("older"))
        about = json.loads(self.read("older/experiment.json"))
        self.write("older/experiment.json", json.dumps({**about, "format": "tsugi experiment 0"}))
        self.refuses([*GRID, "-o", "older"], "tsugi experiment 0", "tsugi experiment 1")
        about["methods"]["paper"]["resume"]["balanced"] = True
        self.write("older/experiment.json", json.dumps(about))
        self.refuses([*GRID, "-o", "older"], "paper", "true", "false")

    def test_a_method_with_other_options_is_refused_until_its_cells_are_gone(self):
        shutil.copytree(self.path("whole"), self.path("options"))
        about = json.loads(self.read("options/experiment.json"))
        about["methods"]["paper"]["bundle"]["strategy"] = "typical"
        self.write("options/experiment.json", json.dumps(about))
        self.refuses([*GRID, "-o", "options"], "paper", "typical", "random", "cells/*_paper_f*.json")
        for name in os.listdir(self.path("options/cells")):
            if "_paper_f" in name:
                os.remove(self.path("options/cells", name))
        self.assertEqual(self.result(*GRID, "-o", "options")["run"], 2 * 2 * 3)
        self.assertEqual(self.read("options/results.csv"), self.whole)

    def page(self, name):
        """The page, parsed as XML: what browsers repair would fail here."""
        root = xml.etree.ElementTree.fromstring(self.read(f"{name}/index.html").decode().split("\n", 1)[1])
        return root, "".join(root.itertext())

    def test_the_page_is_well_formed_and_needs_nothing_else(self):
        root, text = self.page("whole")
        found = re.findall(rb"""(?:src|href|url|@import)[=( ]+["']?([^"')\s>]+)""", self.read("whole/index.html"))
        self.assertEqual([link for link in found if not link.startswith(b"#")], [])
        self.assertFalse(
            [element for element in root.iter() if element.tag in ("script", "link", "img", "iframe", "object")]
        )
        ids = [element.get("id") for element in root.iter() if element.get("id")]
        self.assertEqual(len(ids), len(set(ids)))
        for words in (
            "2 and 3 general people",
            "2 seeds",
            "How much must be sent: 2 people",
            "How much must be sent: 3 people",
            "Who was forgotten",
            f"{self.person.replace('_', ' ')} (personal)",
            "What travelled",
            "How to repeat it",
            "tsugi experiment handover --general people",
            "device alone",
            "95 % interval",
            "The device sent nothing",
            "commit",
        ):
            self.assertIn(words, text)
        for person in json.loads(self.read("whole/cells/p3_s1_default_f0.5.json"))["persons"]:
            self.assertIn(person["name"].replace("_", " "), text)

    def test_numbers_of_the_page_are_those_of_the_table(self):
        rows = [
            row
            for row in self.rows("whole/results.csv")
            if (row["people"], row["method"], row["fraction"]) == ("3", "paper", "0.5")
        ]
        mean = sum(float(row["accuracy_general"]) for row in rows) / len(rows)
        root, _ = self.page("whole")
        table = next(
            table
            for table in root.iter("table")
            if "3 people, the paper's way"
            in "".join(table.find("caption").itertext() if table.find("caption") is not None else "")
        )
        cells = next(["".join(cell.itertext()) for cell in row] for row in table.iter("tr") if row[0].text == "50 %")
        self.assertTrue(cells[2].startswith(f"{100 * mean + 1e-9:.1f} "), (cells, mean))

    @unittest.skipUnless(shutil.which("gnuplot"), "gnuplot is not installed")
    def test_figures_are_drawn_and_stand_in_the_page(self):
        names = [
            f"figure{number}{panel}" for number in (2, 3, 4) for panel in ("", "_overall", "_general", "_personal")
        ]
        files = os.listdir(self.path("whole/figures"))
        self.assertEqual(
            sorted(file for file in files if file.endswith(".svg")), sorted(f"{name}.svg" for name in names)
        )
        for name in names:
            text = "".join(xml.etree.ElementTree.fromstring(self.read(f"whole/figures/{name}.svg")).itertext())
            self.assertIn("(%)", text)
        for number in (2, 3, 4):
            self.assertEqual(self.read(f"whole/figures/figure{number}.png")[:8], b"\x89PNG\r\n\x1a\n")
        root, text = self.page("whole")
        self.assertEqual(len([element for element in root.iter() if element.tag.endswith("svg")]), 9)
        self.assertTrue(self.summary["figures"])

    @unittest.skipUnless(shutil.which("gnuplot"), "gnuplot is not installed")
    def test_a_figure_that_gnuplot_did_not_write_to_its_end_fails_the_report(self):
        shutil.copytree(self.path("whole"), self.path("cut"))
        for file in ("figure2.svg", "figure3.png", "figure4_general.svg"):
            path = f"cut/figures/{file}"  # as a full disk leaves it, of which gnuplot says nothing
            self.write(
                "half/gnuplot",
                f'#!/bin/sh\n{shutil.which("gnuplot")} "$@"\n[ ! -e {path} ] || truncate -s -100 {path}\n',
            )
            os.chmod(self.path("half/gnuplot"), 0o755)
            done = self.tsugi(
                "experiment", "report", "cut", status=1, env={"PATH": self.path("half") + ":" + os.environ["PATH"]}
            )
            self.assertIn(f"{path}: gnuplot did not write it to its end", done.stderr)

    def test_without_gnuplot_table_and_page_come_with_a_warning(self):
        shutil.copytree(self.path("whole"), self.path("plain"))
        shutil.rmtree(self.path("plain/figures"))
        for file in ("index.html", "results.csv", "timing.csv"):
            os.remove(self.path("plain", file))
        os.makedirs(self.path("no programs"), exist_ok=True)
        done = subprocess.run(
            [support.BINARY, "experiment", "report", "plain", "--json"],
            cwd=self.folder,
            text=True,
            capture_output=True,
            env=support.environment(PATH=self.path("no programs")),
            timeout=60,
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stderr, "warning: gnuplot is missing.*gnuplot-nox")
        self.assertIs(json.loads(done.stdout)["figures"], False)
        self.assertEqual(self.read("plain/results.csv"), self.whole)
        root, text = self.page("plain")
        self.assertIn("The figures are left out", text)
        self.assertFalse([element for element in root.iter() if element.tag.endswith("svg")])

    def test_a_report_is_made_again_from_the_cells_that_are_there(self):
        shutil.copytree(self.path("whole"), self.path("part"))
        page = self.read("part/index.html")
        self.assertEqual(self.result("experiment", "report", "part")["cells"], CELLS)
        self.assertEqual(self.read("part/index.html"), page)
        for name in os.listdir(self.path("part/cells")):
            if "_s2_" in name or "default" in name or "alone" in name:
                os.remove(self.path("part/cells", name))
        self.assertEqual(self.result("experiment", "report", "part")["cells"], 2 * (1 + 3))
        self.assertIn(f"Not finished: 8 of {CELLS} cells", self.page("part")[1])
        for name in os.listdir(self.path("part/cells")):
            os.remove(self.path("part/cells", name))
        self.refuses(["experiment", "report", "part"], "part", "no finished cell")
        self.refuses(["experiment", "report", "people"], "people", "holds no experiment")
        self.refuses(["experiment", "report", "nowhere"], "nowhere", "holds no experiment")

    def test_the_ablation_is_a_table_and_no_line(self):
        out = self.result(
            *grid("ablated", "--ablation", "--ablation-fractions", "0.5", people="2,3", seeds="1", fractions="0.5")
        )
        ingredients = {
            row["method"]
            for row in self.rows("ablated/results.csv")
            if row["method"].startswith("no-") or row["method"] == "distilled"
        }
        self.assertEqual(out["cells"], 2 * (1 + 2) + 1 + len(ingredients))
        self.assertTrue({"no-imprint", "no-balance"} <= ingredients)
        self.assertEqual(
            {row["people"] for row in self.rows("ablated/results.csv") if row["method"] in ingredients}, {"3"}
        )
        root, text = self.page("ablated")
        tables = ["".join(table.itertext()) for table in root.iter("table")]
        for name in ingredients:
            self.assertTrue(any(name in table and "Δ general" in table for table in tables))
            self.assertFalse(
                any(name in "".join(element.itertext()) for element in root.iter() if element.tag.endswith("svg"))
            )

    def test_quick_is_what_its_help_says_and_leaves_what_is_given(self):
        self.tsugi(
            "experiment",
            "handover",
            "--general",
            "people",
            "--personal",
            "new",
            "--people",
            "2",
            "--model",
            "tiny.json",
            "--augment",
            "1",
            "--threads",
            "1",
            "--paper",
            "--quick",
            "-o",
            "quick",
        )
        about = json.loads(self.read("quick/experiment.json"))["about"]
        self.assertEqual(
            (about["people"], about["fractions"], about["seeds"], about["cells"]),
            ([2], [0, 0.1, 0.3, 1], 3, 3 * (2 + 4)),
        )
        epochs = {row["method"]: row["epochs"] for row in self.rows("quick/results.csv")}
        self.assertEqual(epochs, {"pretrained": "6", "device-alone": "6", "paper": "3"})

    def test_features_stand_beside_photos(self):
        self.tsugi(
            *grid(
                "features",
                people="2,3",
                seeds="1",
                fractions="0.1,0.3",
                methods="default,features",
                model="faces-mobile",
            ),
            "--size",
            "32",
        )
        rows = {(row["people"], row["method"], row["fraction"]): row for row in self.rows("features/results.csv")}
        self.assertNotIn(("2", "features", "0.1"), rows)
        for fraction in ("0.1", "0.3"):
            photos, features = rows["3", "default", fraction], rows["3", "features", fraction]
            self.assertEqual(photos["photos_sent"], features["photos_sent"])
            self.assertEqual((features["photo_bytes"], photos["feature_bytes"]), ("0", "0"))
            self.assertGreater(int(features["feature_bytes"]), 0)
            self.assertEqual(int(features["feature_bytes"]) % int(features["photos_sent"]), 0)
            self.assertTrue(0 < float(features["step_flops_share"]) < 1 and photos["step_flops"] == "")
        _, text = self.page("features")
        self.assertIn("Features instead of photos", text)
        self.assertRegex(text, r"10 %: million FLOPs a training sample\d+\d+[0-9.]+ times less")

    def test_a_broken_cell_is_named(self):
        shutil.copytree(self.path("whole"), self.path("broken"))
        self.write("broken/cells/p2_s1_paper_f1.json", "{}")
        self.refuses([*GRID, "-o", "broken"], "p2_s1_paper_f1.json", "delete it")
        os.remove(self.path("broken/cells/p2_s1_paper_f1.json"))
        self.assertEqual(self.result(*GRID, "-o", "broken")["run"], 1)
        self.assertEqual(self.read("broken/results.csv"), self.whole)


if __name__ == "__main__":
    support.main()
