"""The Google Benchmark programs of bench/: each runs, writes a result file's context, and what it writes is compared by tsugi bench --compare."""

import json
import os
import subprocess
import sys

import support

FOLDER = os.path.join(os.environ.get("TSUGI_BUILD_DIR", ""), "bench")
# A program, what makes it short, and the points that it then has.
PROGRAMS = {
    "bench_data_path": (
        ["--threads=1", "--benchmark_filter=250x250|b1/64x64/augment/f32"],
        [
            "photo/b1/250x250/decode/u8/warm",
            "photo/b1/250x250/resize/u8/warm",
            "photo/b32/250x250/store/u8/warm",
            "photo/b1/64x64/augment/f32/warm",
        ],
    ),
    "bench_checkpoint": (
        ["--models=faces-mobile", "--folder=."],
        [
            f"faces-mobile/checkpoint/{kind}/{op}"
            for kind in ("full", "fp16", "int8")
            for op in ("encode", "write", "read")
        ],
    ),
    "bench_inference": (
        ["--models=faces-mobile", "--batches=1,16", "--threads=1"],
        ["faces-mobile/b1/-/inference/f32/step", "faces-mobile/b16/-/inference/f32/step"],
    ),
}


class Benchmarks(support.CommandLine):
    def run_program(self, name, *arguments, status=0):
        done = subprocess.run(
            [os.path.join(FOLDER, name), *arguments],
            cwd=self.folder,
            text=True,
            timeout=300,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=support.environment(),
        )
        self.assertEqual(done.returncode, status, f"{name} {arguments}\n{done.stdout}\n{done.stderr}")
        self.assertIsNone(support.CRASH.search(done.stderr), done.stderr)
        return done

    def test_every_program_is_here(self):
        built = {
            name
            for name in os.listdir(FOLDER)
            if name.startswith("bench_") and os.access(os.path.join(FOLDER, name), os.X_OK)
        }
        self.assertEqual(built, set(PROGRAMS))

    def test_each_runs_and_what_it_writes_is_a_result_file(self):
        for name, (arguments, points) in PROGRAMS.items():
            with self.subTest(name):
                for out in ("a.json", "b.json"):
                    self.run_program(name, *arguments, "--benchmark_min_time=0.001", f"--benchmark_out={out}")
                file = json.loads(self.read("a.json"))
                context = file["context"]
                self.assertEqual((context["tsugi_schema"], context["device"]), ("1", "cpu"))
                for key in ("tsugi_version", "tsugi_commit", "tsugi_build", "device_description", "cpu", "system"):
                    self.assertTrue(context[key], key)
                if name in ("bench_data_path", "bench_inference"):
                    self.assertGreater(float(context["copy_gb_per_s"]), 0)
                found = [entry["run_name"].replace("/real_time", "") for entry in file["benchmarks"]]
                self.assertEqual(set(points) - set(found), set())
                for entry in file["benchmarks"]:
                    self.assertNotIn("error_occurred", entry)
                    self.assertGreater(entry["real_time"], 0)
                compared = self.result("bench", "--compare", "a.json", "b.json", "--quiet")
                self.assertEqual([point["name"] for point in compared["points"]], found)
        self.assertFalse(
            [name for name in os.listdir(self.folder) if name.startswith("tsugi-bench-")]
        )  # bench_checkpoint cleans up

    def test_a_photo_of_ones_own(self):
        self.people("people", 1, photos=2)
        (person,) = os.listdir(self.path("people"))
        photo = sorted(os.listdir(self.path("people", person)))[0]
        self.run_program(
            "bench_data_path",
            f"--photo=people/{person}/{photo}",
            "--benchmark_filter=decode",
            "--benchmark_min_time=0.001",
            "--benchmark_out=photo.json",
        )
        self.assertEqual(
            [entry["run_name"] for entry in json.loads(self.read("photo.json"))["benchmarks"]],
            ["photo/b1/file/decode/u8/warm/real_time"],
        )

    def test_wrong_arguments(self):
        self.write("text.jpg", "no photo")
        for name, arguments, word in (
            ("bench_inference", ["--batches=1,x"], "--batches=x"),
            ("bench_inference", ["--device=toaster"], "toaster"),
            ("bench_checkpoint", ["--folder=/missing"], "/missing"),
            ("bench_checkpoint", ["--models=faces-none"], "faces-none"),
            ("bench_data_path", ["--photo=none.jpg"], "none.jpg"),
            ("bench_data_path", ["--photo=text.jpg", "--benchmark_filter=decode"], "text.jpg"),
        ):
            with self.subTest((name, arguments)):
                done = self.run_program(name, *arguments, status=1)
                self.assertTrue(done.stderr.splitlines()[-1].startswith(f"{name}: "), done.stderr)
                self.assertIn(word, done.stderr)


if __name__ == "__main__":
    if not os.access(os.path.join(FOLDER, "bench_inference"), os.X_OK):
        print(f"skipped: {FOLDER} holds no benchmarks (Google Benchmark was not found, or they are not built)")
        sys.exit(77)
    support.main()
