#!/usr/bin/env python3
"""tests/gpu without a GPU: how it reads other programs' output, keeps time, ends, and runs through on the emulator."""

import ast
import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(HERE))

from gpu_lib import checks, machine, main, peers, programs, runner  # noqa: E402
from gpu_lib.runner import CAPTURED, FAILED, NOT_RUN, OK, SKIPPED, Clock, Job  # noqa: E402

SCRIPT = os.path.join(os.path.dirname(HERE), "gpu")
BUILD = os.environ.get("TSUGI_BUILD_DIR", "")
RULE = "=" * 79


def quietly(call):
    with contextlib.redirect_stdout(io.StringIO()):
        return call()


def contents(path):
    with open(path) as file:
        return file.read()


def ended(group, name, status, note=""):
    job = Job(group, name, ["true"], 1)
    job.status, job.note = status, note
    return job


class Runner(unittest.TestCase):
    def run_jobs(self, jobs, seconds=30, workers=4):
        with tempfile.TemporaryDirectory() as logs:
            quietly(lambda: runner.run_jobs(jobs, workers, Clock(seconds), logs))
            return {name: contents(os.path.join(logs, name)) for name in os.listdir(logs)}

    def test_a_command_past_its_limit_is_killed_with_its_children_and_fails(self):
        job = Job("g", "slow", ["bash", "-c", "echo begun; sleep 60 & wait"], 1)
        start = time.monotonic()
        logs = self.run_jobs([job])
        self.assertLess(time.monotonic() - start, 10)
        self.assertEqual(job.status, FAILED)
        self.assertIn("stopped after 1 s", job.note)
        self.assertIn("begun", logs["g-slow.log"])

    def test_a_failure_does_not_stop_the_others(self):
        jobs = [
            Job("g", "bad", ["false"], 5),
            Job("g", "missing", ["/no/such/program"], 5),
            Job("g", "good", ["true"], 5),
        ]
        self.run_jobs(jobs, workers=1)
        self.assertEqual([job.status for job in jobs], [FAILED, FAILED, OK])
        self.assertIn("FileNotFoundError", jobs[1].note)

    def test_what_gets_no_turn_has_not_passed(self):
        jobs = [Job("g", "one", ["true"], 5)]
        self.run_jobs(jobs, seconds=0)
        self.assertEqual(jobs[0].status, NOT_RUN)
        self.assertEqual(runner.exit_status(jobs), 1)

    def test_a_judge_that_throws_fails_its_job(self):
        def judge(code, output):
            raise ValueError("what is this")

        job = Job("g", "odd", ["true"], 5, judge)
        self.run_jobs([job])
        self.assertEqual((job.status, job.note), (FAILED, "ValueError: what is this"))

    def test_skips_alone_do_not_fail(self):
        self.assertEqual(runner.exit_status([ended("a", "x", OK), ended("b", "y", SKIPPED, "not installed")]), 0)
        self.assertEqual(runner.exit_status([ended("a", "x", OK), ended("b", "y", FAILED)]), 1)

    def test_the_table_shows_each_group_and_its_first_failure(self):
        text = runner.table(
            [
                ended("rows", "one", OK),
                ended("rows", "two", FAILED, "y is off"),
                ended("ops", "three", OK),
                ended("pytorch", "import", SKIPPED, "no module torch"),
            ]
        )
        rows, ops, torch = text.splitlines()[1:]
        self.assertRegex(rows, r"^rows +failed +1 +1 +0 .*two: y is off")
        self.assertRegex(ops, r"^ops +ok +1 +0 +0 ")
        self.assertRegex(torch, r"^pytorch +skipped +0 +0 +1 .*no module torch")


class Reading(unittest.TestCase):
    def test_names_of_test_cases(self):
        text = (
            "[doctest] listing all test case names\n%s\nrows of conv2d_forward 1\ncast rounds\n%s\n[doctest] unskipped: 2\n%s\n"
            % (RULE, RULE, RULE)
        )
        self.assertEqual(checks.parse_test_cases(text), ["rows of conv2d_forward 1", "cast rounds"])

    def test_a_test_case_passes_only_when_it_ran(self):
        one = "x.cpp:3: MESSAGE: 5 rows, 90 cases\n[doctest] test cases:  1 |  1 passed | 0 failed | 45 skipped\n"
        self.assertEqual(checks.judge_test_case(0, one), (OK, "5 rows, 90 cases"))
        self.assertEqual(
            checks.judge_test_case(0, "[doctest] test cases: 0 | 0 passed | 0 failed | 46 skipped")[0], FAILED
        )
        self.assertEqual(checks.judge_test_case(0, "")[0], FAILED)
        self.assertEqual(checks.judge_test_case(-11, one)[0], FAILED)
        bad = "t.cpp:9: ERROR: CHECK( off == 0 ) is NOT correct!\n[doctest] test cases: 1 | 0 passed | 1 failed | 45 skipped\n"
        self.assertEqual(checks.judge_test_case(1, bad), (FAILED, "CHECK( off == 0 ) is NOT correct!"))

    def test_compute_sanitizer_summaries(self):
        passed = "[doctest] test cases: 1 | 1 passed | 0 failed | 45 skipped\n"
        clean = "========= COMPUTE-SANITIZER\n" + passed + "========= ERROR SUMMARY: 0 errors\n"
        self.assertEqual(checks.judge_sanitizer(0, clean)[0], OK)
        found = "========= COMPUTE-SANITIZER\n========= Invalid __global__ write of size 4 bytes\n========= ERROR SUMMARY: 2 errors\n"
        status, note = checks.judge_sanitizer(checks.SANITIZER_ERROR, found)
        self.assertEqual(status, FAILED)
        self.assertIn("2 findings: Invalid __global__ write", note)
        race = (
            "========= COMPUTE-SANITIZER\n========= RACECHECK SUMMARY: %d hazards displayed (%d errors, 0 warnings)\n"
        )
        self.assertEqual(checks.judge_sanitizer(0, race % (0, 0))[0], OK)
        self.assertEqual(checks.judge_sanitizer(0, race % (1, 1))[0], FAILED)
        self.assertEqual(checks.judge_sanitizer(0, "Device not supported")[0], FAILED)
        self.assertEqual(checks.judge_sanitizer(1, clean)[0], FAILED)  # the program itself failed

    def test_nvidia_smi(self):
        line = "NVIDIA GeForce RTX 2080 Ti, 7.5, 580.1, 11264, 10900, 300, 405, 2100, 7000, 250.00, 41"
        gpu = machine.parse_smi(line + "\n" + line)
        self.assertEqual(machine.architecture(gpu), "75")
        self.assertEqual(machine.slug(gpu["name"]), "geforce-rtx-2080-ti")
        self.assertIsNone(machine.parse_smi("NVIDIA-SMI has failed"))
        self.assertIsNone(machine.parse_smi(""))
        self.assertEqual(machine.architecture({"compute_cap": "12.0"}), "120")

    def test_workers_fit_the_memory_of_the_gpu(self):
        self.assertEqual([machine.workers(16, free) for free in (140000, 10900, 3000, 200)], [16, 10, 2, 1])

    def test_libraries_to_pack(self):
        text = (
            "linux-vdso.so.1 (0x7)\nlibarchive.so.13 => /usr/lib/libarchive.so.13 (0x7)\nlibc.so.6 => /lib/libc.so.6 (0x7)\n"
            "libcudnn.so.9 => /usr/local/cuda/lib/libcudnn.so.9 (0x7)\nlibgone.so => not found\n"
        )
        self.assertEqual(programs.parse_ldd(text), {"libarchive.so.13": "/usr/lib/libarchive.so.13"})

    def test_pytorch_results(self):
        line = json.dumps({"best": "graph", "best_images_per_s": 100.0})
        self.assertEqual(peers.judge(0, "warning\n" + line + "\n"), (OK, "graph 100 images/s"))
        self.assertEqual(peers.judge(0, json.dumps({"best": None, "failures": {"eager": "E"}}))[0], FAILED)
        self.assertEqual(peers.judge(1, "Traceback")[0], FAILED)

    def test_the_ratio_to_pytorch_is_of_our_mean_to_its_best(self):
        with tempfile.TemporaryDirectory() as folder:
            for when, images in (("before", 100.0), ("after", 200.0)):
                with open(os.path.join(folder, "ours-faces-cnn-%s.json" % when), "w") as file:
                    json.dump({"results": [{"images_per_s": images}]}, file)
            job = ended("pytorch", "faces-cnn", OK)
            job.output = json.dumps({"best": "graph", "best_images_per_s": 75.0})
            peers.collect(folder, [job])
            with open(os.path.join(folder, "pytorch.json")) as file:
                self.assertEqual(json.load(file)["results"][0]["ratio"], 2.0)
            self.assertEqual(os.listdir(folder), ["pytorch.json"])


class Python36(unittest.TestCase):
    def test_what_runs_on_a_jetson_nano_keeps_to_its_python(self):
        """Syntax, and the arguments of subprocess that 3.7 brought."""
        for name in [SCRIPT] + [os.path.join(HERE, name) for name in os.listdir(HERE) if name.endswith(".py")]:
            options = {"feature_version": (3, 6)} if sys.version_info >= (3, 8) else {}
            for node in ast.walk(ast.parse(contents(name), name, **options)):
                newer = {"capture_output", "text"} & {word.arg for word in getattr(node, "keywords", [])}
                self.assertFalse(newer, "%s:%d" % (name, getattr(node, "lineno", 0)))


class WholeScript(unittest.TestCase):
    def test_without_a_gpu_it_says_so_and_is_skipped(self):
        with tempfile.TemporaryDirectory() as empty:
            done = subprocess.run([sys.executable, SCRIPT], **CAPTURED, env={"PATH": empty})
        self.assertEqual(done.returncode, 77)
        self.assertIn("no NVIDIA GPU", done.stdout)

    def test_programs_that_are_missing_fail_the_run(self):
        with tempfile.TemporaryDirectory() as folder:
            status = quietly(lambda: main.main("", ["--emulate", "--no-build", "--build", folder, "--output", folder]))
            with open(os.path.join(folder, "checks.json")) as file:
                report = json.load(file)
        self.assertEqual(status, 1)
        self.assertIn("not built", report["jobs"][0]["note"])

    @unittest.skipUnless(
        os.path.exists(os.path.join(BUILD, programs.PLACES["test_gpu_device"])), "no emulator in this build"
    )
    def test_on_the_emulator_it_checks_measures_and_reports(self):
        with tempfile.TemporaryDirectory() as folder:
            command = [
                sys.executable,
                SCRIPT,
                "--emulate",
                "--no-build",
                "--build",
                BUILD,
                "--output",
                folder,
                "--cases",
                "cast rounds",
                "--limit",
                "800",
            ]
            if not os.path.exists(os.path.join(BUILD, programs.PLACES["bench_gpu_step"])):
                self.skipTest("no GPU benchmarks in this build")
            done = subprocess.run(command, **CAPTURED)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            report = {
                name: json.loads(contents(os.path.join(folder, name)))
                for name in os.listdir(folder)
                if name.endswith(".json")
            }
            self.assertIn("Rows tuned for a shape", contents(os.path.join(folder, "tuned.inc")))
        self.assertEqual(sorted(report), ["checks.json", "ops-fp16.json", "ops-fp32.json", "steps.json", "tuning.json"])
        self.assertIn("emulated sm_75", report.pop("tuning.json")["device"])
        self.assertEqual(
            {job["group"]: job["status"] for job in report["checks.json"]["jobs"]}, {"ops": OK, "bench": OK}
        )
        for content in report.values():
            self.assertTrue(content["machine"]["date"])
        self.assertTrue(report["checks.json"]["machine"]["tsugi"])
        for precision, dtype in (("fp32", "f32"), ("fp16", "f16")):
            ops = report[f"ops-{precision}.json"]
            passes = ("forward", "backward_data", "backward_weight")
            self.assertEqual(
                {line["op"] for line in ops["benchmarks"]},
                {f"{op}_{one}" for op in ("conv2d", "dense") for one in passes},
            )
            self.assertTrue([line for line in ops["benchmarks"] if line.get("pinned")])
            for line in ops["benchmarks"]:
                self.assertEqual((line["dtype"], line["kernel"].split()[2]), (dtype, dtype))
                self.assertGreater(line["GFLOP/s"], 0.0)
                self.assertGreater(line["peak_%"], 0.0)
            self.assertGreater(ops["context"]["copy_gb_per_s"], 0.0)
        self.assertEqual([line["device"] for line in report["steps.json"]["results"]], ["simt", "cpu"])
        for line in report["steps.json"]["results"]:
            self.assertGreater(line["images_per_s"], 0.0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
