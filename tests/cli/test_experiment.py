"""tsugi experiment on a handful of drawn people: its tables, killed and stopped runs that end as an undisturbed one, and what it refuses."""
import csv
import io
import json
import os
import random
import shutil
import signal
import subprocess
import time

import support

SEED = int(os.environ.get("TSUGI_TEST_SEED", random.SystemRandom().randrange(1 << 31)))
print(f"TSUGI_TEST_SEED={SEED} repeats the moments of this run", flush=True)

GRID = ("experiment", "handover", "--general", "people", "--personal", "new", "--people", "2,3", "--fractions", "0,0.5:1:0.5", "--seeds", "2",
        "--model", "tiny.json", "--epochs", "2", "--handover-epochs", "1", "--augment", "2", "--threads", "1")


def grid(output, *more, **changes):
    """The command of GRID with other values of its options."""
    words = list(GRID)
    for name, value in changes.items():
        words[words.index("--" + name.replace("_", "-")) + 1] = value
    return [*words, *more, "-o", output]


CELLS = 2 * 2 * (2 + 2 * 3)  # people x seeds x (pretrained, alone, methods x fractions)
RESULTS = ["people", "seed", "method", "fraction", "epochs", "steps", "train_photos", "photos_sent", "photo_bytes", "accuracy",
           "accuracy_general", "accuracy_personal", "accuracy_general_before", "accuracy_start", "accuracy_general_start",
           "accuracy_personal_start"]
TIMING = ["people", "seed", "method", "fraction", "wall_s", "elapsed_s", "images_per_s", "bundle_bytes", "checkpoint_bytes", "test_bytes",
          "peak_memory_bytes", "finished", "device", "precision", "tsugi", "build"]


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
        self.assertEqual({key: self.summary[key] for key in ("cells", "done", "run", "failed")}, {"cells": CELLS, "done": CELLS, "run": CELLS, "failed": 0})
        results, timing = self.rows("whole/results.csv"), self.rows("whole/timing.csv")
        self.assertEqual((list(results[0]), list(timing[0])), (RESULTS, TIMING))
        key = lambda row: [row[name] for name in RESULTS[:4]]
        self.assertEqual(list(map(key, results)), list(map(key, timing)))
        self.assertEqual(len({tuple(key(row)) for row in results}), CELLS)
        for row in results:
            for name in RESULTS[9:]:
                if row[name]:
                    self.assertTrue(0 <= float(row[name]) <= 1, row)
        handed = [row for row in results if row["method"] in ("default", "paper")]
        self.assertEqual(len(handed), 2 * 2 * 2 * 3)
        for row in handed:
            self.assertTrue(row["accuracy_general_before"] and row["accuracy_personal_start"], row)
            sent = int(row["photos_sent"])
            self.assertEqual(sent, round(float(row["fraction"]) * int(row["people"]) * 5))  # 6 photos each, one of them a test photo
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
            names = {tuple(person["name"] for person in json.loads(self.read(f"whole/cells/p{people}_s{seed}_{method}_f1.json"))["persons"])
                     for seed in (1, 2) for method in ("default", "paper")}
            self.assertEqual(len(names), 1)
            self.assertEqual(names.pop()[-1], self.person)

    def test_metrics_of_a_hand_over_begin_before_the_first_step(self):
        for name in ("p3_s1_default_f0.5", "p3_s1_device-alone"):
            rows = [json.loads(line) for line in self.read(f"whole/metrics/{name}.jsonl").splitlines()]
            cell = json.loads(self.read(f"whole/cells/{name}.json"))
            self.assertEqual((rows[0]["epoch"], rows[0]["step"], rows[0]["loss"]), (0, 0, None))
            self.assertEqual([row["epoch"] for row in rows], list(range(cell["epochs"] + 1)))
            self.assertTrue(0 < rows[0]["wall_s"] < rows[1]["wall_s"] <= cell["wall_s"])
            for field in ("accuracy", "accuracy_general", "accuracy_personal"):
                self.assertEqual((rows[0][field], rows[-1][field]), (cell[f"{field}_start"], cell[field]))

    def test_a_device_alone_and_a_hand_over_are_measured_on_the_same_photos(self):
        cells = [json.loads(self.read(f"whole/cells/p3_s2_{name}.json")) for name in ("device-alone", "default_f1", "paper_f0")]
        tested = [[(person["name"], person["personal"], person["photos"]) for person in cell["persons"]] for cell in cells]
        self.assertEqual(tested[0], tested[1])
        self.assertEqual(tested[1], tested[2])

    def test_a_finished_experiment_runs_nothing_again_and_grows(self):
        shutil.copytree(self.path("whole"), self.path("grown"))
        again = self.result(*GRID, "-o", "grown")
        self.assertEqual((again["run"], again["done"]), (0, CELLS))
        self.assertEqual(self.read("grown/results.csv"), self.whole)
        more = self.result(*grid("grown", people="3", seeds="3", fractions="0,0.2,0.5,1"))
        self.assertEqual((more["run"], more["cells"]), (2 * 2 + (2 + 2 * 4), 3 * (2 + 2 * 4)))
        old, new = ({tuple(row.items()) for row in self.rows(f"{name}/results.csv")} for name in ("whole", "grown"))
        self.assertTrue(old < new)

    def test_the_folder_holds_no_leftovers(self):
        self.assertEqual(sorted(os.listdir(self.path("whole/pretrained"))), sorted(f"p{p}_s{s}_pretrained.safetensors" for p in (2, 3) for s in (1, 2)))
        self.assertEqual(os.listdir(self.path("whole/work")), [])
        self.assertEqual(len(os.listdir(self.path("whole/cells"))), CELLS)

    def test_keep_keeps_bundles_and_checkpoints(self):
        self.tsugi(*grid("kept", "--keep", "--paper", people="2", seeds="1", fractions="0.5"))
        self.assertEqual(os.listdir(self.path("kept/work")), [])
        self.assertEqual(sorted(os.listdir(self.path("kept/kept"))),
                         ["p2_s1_device-alone.safetensors", "p2_s1_paper_f0.5.safetensors", "p2_s1_paper_f0.5.tar"])
        device = self.result("eval", "kept/kept/p2_s1_paper_f0.5.safetensors", "--photos", "new")
        self.assertEqual(device["accuracy"], json.loads(self.read("kept/cells/p2_s1_paper_f0.5.json"))["accuracy_personal"])
        self.refuses(["bundle", "kept/kept/p2_s1_device-alone.safetensors", "--photos", "people", "-o", "leak.tar"], self.person, "personal")

    def start(self, out):
        with open(self.path(f"{out}.stderr"), "w") as stderr:
            return subprocess.Popen([support.BINARY, *GRID, "-o", out], cwd=self.folder, env=support.environment(), stdin=subprocess.DEVNULL,
                                    stdout=subprocess.DEVNULL, stderr=stderr)

    def test_killed_at_random_moments_it_ends_with_the_same_results(self):
        kills = 0
        for _ in range(60):
            process = self.start("killed")
            time.sleep(0.02 + self.random.random() * self.random.choice((0.1, 0.4, 1.0)))
            process.kill()
            if process.wait(timeout=120) == 0:
                break
            kills += 1
            self.assertIsNone(support.CRASH.search(self.read("killed.stderr").decode()))
            if kills >= 8 and os.path.isdir(self.path("killed/cells")) and len(os.listdir(self.path("killed/cells"))) > CELLS // 2:
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
            self.assertRegex(told, rf"stopped after \d+ of {CELLS} cells, which are kept in stopped\. Go on with: tsugi experiment handover --general people ")
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
        self.refuses([*grid("refused"), "--methods", "magic"], "magic", "default", "paper", status=2)
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
        for name, value, words in (("epochs", "3", ["epochs", "2", "3"]), ("augment", "3", ["variants", "2", "3"]),
                                   ("model", "faces-mobile", ["model", "tiny", "faces-mobile"]),
                                   ("general", "new people", ["photos of general people"])):
            if name == "general":
                self.people("new people", 4, photos=5)
            self.refuses(grid("whole", **{name: value}), "whole", "another experiment", *words)
        self.refuses([*GRID, "-o", "whole", "--precision", "fp32", "--personal-photos", "5"], "personal person", "86", "5")
        shutil.copytree(self.path("whole"), self.path("older"))
        about = json.loads(self.read("older/experiment.json"))
        self.write("older/experiment.json", json.dumps({**about, "format": "tsugi experiment 0"}))
        self.refuses([*GRID, "-o", "older"], "tsugi experiment 0", "tsugi experiment 1")
        about["methods"]["paper"]["resume"]["balanced"] = True
        self.write("older/experiment.json", json.dumps(about))
        self.refuses([*GRID, "-o", "older"], "paper", "true", "false")

    def test_a_broken_cell_is_named(self):
        shutil.copytree(self.path("whole"), self.path("broken"))
        self.write("broken/cells/p2_s1_paper_f1.json", "{}")
        self.refuses([*GRID, "-o", "broken"], "p2_s1_paper_f1.json", "delete it")
        os.remove(self.path("broken/cells/p2_s1_paper_f1.json"))
        self.assertEqual(self.result(*GRID, "-o", "broken")["run"], 1)
        self.assertEqual(self.read("broken/results.csv"), self.whole)


if __name__ == "__main__":
    support.main()
