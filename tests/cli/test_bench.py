"""tsugi bench: measuring, result files, comparisons as table, CSV and page; and --profile on training commands."""

import csv
import html.parser
import io
import json
import os
import re
import shutil
import xml.etree.ElementTree

import support

SMOKE = ("bench", "--smoke", "--threads", "1", "--device", "cpu")


def example(seconds, peak, copy, **context):
    """A result file with points of made/b16, {layer: (seconds, flops, bytes)}."""
    entries = [
        {
            "name": f"made/b16/{layer}/conv2d_forward/f32/cold_median",
            "run_name": f"made/b16/{layer}/conv2d_forward/f32/cold",
            "run_type": "aggregate",
            "aggregate_name": "median",
            "model": "made",
            "batch": 16,
            "layer": layer,
            "op": "conv2d_forward",
            "dtype": "f32",
            "cache": "cold",
            "real_time": 1e9 * time,
            "cpu_time": 0,
            "time_unit": "ns",
            "flops": flops,
            "bytes": size,
        }
        for layer, (time, flops, size) in seconds.items()
    ]
    return json.dumps(
        {
            "context": {
                "date": "2026-01-01T00:00:00+00:00",
                "tsugi_schema": 1,
                "tsugi_version": "0.1.0",
                "tsugi_commit": "0123456789ab",
                "device": "cuda",
                "device_description": "made <up>",
                "peak_f32_gflops": peak,
                "copy_gb_per_s": copy,
                **context,
            },
            "benchmarks": entries,
        }
    )


SERVER = {"conv1": (0.002, 1e10, 1e6), "conv2": (0.001, 1e8, 2.5e8), "conv<3> & 'x'": (0.001, 1e9, 1e7)}
BOARD = {"conv1": (0.1, 1e10, 1e6), "conv2": (0.06, 1e8, 2.5e8), "conv<3> & 'x'": (0.1, 1e9, 1e7)}


class Measuring(support.CommandLine):
    def test_ops_become_a_table_a_result_file_and_an_object(self):
        done = self.tsugi(*SMOKE, "-o", "ops.json")
        self.assertRegex(
            done.stdout.splitlines()[0], r"^model +batch +layer +x +op +cache +time .*% roofline +kernel +peer$"
        )
        self.assertRegex(done.stdout, r"smoke +1 +3x3 +1 +conv2d_backward_weight +cold +[\d.]+ [mu]?s ")
        file = json.loads(self.read("ops.json"))
        context = file["context"]
        self.assertEqual((context["tsugi_schema"], context["device"], context["smoke"]), (1, "cpu", True))
        for key in (
            "tsugi_version",
            "tsugi_commit",
            "tsugi_build",
            "device_description",
            "cpu",
            "system",
            "peak_f32_gflops",
            "copy_gb_per_s",
        ):
            self.assertTrue(context[key], key)
        result = self.result(*SMOKE, "--quiet")
        names = [entry["run_name"] for entry in file["benchmarks"]]
        self.assertEqual([entry["run_name"] for entry in result["benchmarks"]], names)
        self.assertIn("smoke/b2/norm/batch_norm_backward/f32/warm", names)
        self.assertEqual(len(set(names)), len(names))
        for entry in file["benchmarks"]:
            self.assertGreater(entry["real_time"], 0, entry["name"])
            self.assertNotIn("error_occurred", entry)
        # oneDNN is the peer of our own kernels, which builds for AVX-512 have.
        own = [entry for entry in file["benchmarks"] if entry.get("peer", entry.get("kernel")) != entry.get("kernel")]
        self.assertEqual(
            {entry["kernel"] for entry in own},
            {entry["kernel"] for entry in file["benchmarks"] if entry.get("kernel") == "direct"},
        )
        for entry in own:
            self.assertEqual(entry["peer"], "onednn")
            self.assertAlmostEqual(entry["peer_ratio"], entry["peer_time"] / entry["real_time"])
        self.assertEqual("times as fast as onednn in the geometric mean" in done.stdout, bool(own))
        self.assertFalse(
            [entry for entry in self.result(*SMOKE, "--no-peer", "--quiet")["benchmarks"] if "peer" in entry]
        )

    def test_every_kernel_of_each_product_and_a_budget(self):
        result = self.result(*SMOKE, "--kernels", "all", "--quiet")
        self.assertEqual({entry["op"].split("_")[0] for entry in result["benchmarks"]}, {"conv2d", "dense"})
        for entry in result["benchmarks"]:
            self.assertEqual(entry["run_name"].endswith("/" + entry["kernel"]), entry.get("pinned", False))
            self.assertEqual(entry["shape"]["n"], entry["batch"])
        kernels = {(entry["layer"], entry["kernel"]) for entry in result["benchmarks"]}
        self.assertGreaterEqual(len(kernels), len({layer for layer, _ in kernels}))
        self.assertEqual(result["context"]["points_left_out"], 0)
        common = ("bench", "--model", "faces-mobile", "--batch", 1, "--threads", 1, "--device", "cpu", "--no-peer")
        done = self.tsugi(*common, "--min-time", 0.01, "--budget", "0.5s", "-o", "some.json")
        file = json.loads(self.read("some.json"))
        left_out = file["context"]["points_left_out"]
        self.assertGreater(left_out, 0)
        self.assertGreater(len(file["benchmarks"]), 0)
        self.assertIn(f"{left_out} points were left out", done.stderr)

    def test_ops_of_a_model_by_filter_at_a_size(self):
        self.write("tiny.json", json.dumps(support.TINY_MODEL))
        result = self.result(
            "bench",
            "--model",
            "tiny.json",
            "--size",
            8,
            "--batch",
            "2,3",
            "--filter",
            "/conv1/",
            "--cache",
            "warm",
            "--min-time",
            0.001,
            "--rounds",
            2,
            "--threads",
            1,
            "--device",
            "cpu",
            "--quiet",
        )
        self.assertEqual(
            [entry["run_name"] for entry in result["benchmarks"]],
            [f"tiny/b{batch}/conv1/conv2d_{op}/f32/warm" for batch in (2, 3) for op in ("forward", "backward_weight")],
        )
        self.assertGreaterEqual(result["benchmarks"][0]["repetitions"], 2)

    def test_a_step_has_the_fields_that_plans_have(self):
        self.write("tiny.json", json.dumps(support.TINY_MODEL))
        done = self.tsugi(
            "bench",
            "--step",
            "--smoke",
            "--model",
            "tiny.json",
            "--device",
            "cpu",
            "--threads",
            1,
            "--json",
            "-o",
            "step.json",
        )
        self.assertRegex(done.stdout, r"(?m)^conv1 +conv2d ")
        result = json.loads(done.stdout.splitlines()[-1])
        self.assertEqual(result, json.loads(self.read("step.json")))
        self.assertGreater(result["step_s"], 0)
        self.assertGreater(result["peak_memory_bytes"], 1 << 20)
        self.assertEqual([layer["layer"] for layer in result["layers"]][0:2], ["conv1", "bn1"])
        for layer in result["layers"]:
            self.assertGreaterEqual(min(layer["forward_s"], layer["backward_s"]), 0)
        # One watched step: the medians are its own parts, and the parts are the whole of it.
        parts = sum(layer["forward_s"] + layer["backward_s"] for layer in result["layers"]) + sum(
            result["phases"].values()
        )
        self.assertAlmostEqual(parts, result["parts_s"], delta=1e-9)
        self.assertAlmostEqual(parts, result["watched_step_s"], delta=1e-9)

    def test_a_step_is_what_pretrain_runs_by_default(self):
        self.write("own.json", json.dumps({**support.TINY_MODEL, "training": {"lr": 0.05, "batch": 4}}))
        self.people("people", 2)
        common = ("--model", "own.json", "--threads", 1, "--quiet")
        trained = self.result("pretrain", "people", "-o", "own", "--epochs", 1, "--augment", 2, *common)
        measured = self.result("bench", "--step", "--min-time", 0.001, *common)
        planned = self.result("plan", "--device", "this", "--smoke", *common)
        self.assertEqual(measured["context"]["device"], trained["device"])
        self.assertEqual((measured["precision"], planned["precision"]), (trained["precision"],) * 2)
        self.assertEqual((measured["batch"], planned["batch"]), (4, 4))

    def test_a_disturbed_measurement_says_so(self):
        one = min(os.sched_getaffinity(0))
        if not os.path.exists("/proc/self/schedstat"):
            self.skipTest("this kernel does not say who waits for a processor")
        done = self.tsugi(
            "bench",
            "--step",
            "--model",
            "faces-mobile",
            "--batch",
            8,
            "--min-time",
            0.001,
            "--threads",
            2,
            "--device",
            "cpu",
            "-o",
            "noisy.json",
            preexec_fn=lambda: os.sched_setaffinity(0, {one}),
        )  # two threads, one processor
        if "2 threads" not in done.stderr:
            self.skipTest("this build computes on one thread")
        self.assertRegex(done.stdout, r"(?m)^mind: disturbed: threads waited for a processor \d+ % of the time")
        context = json.loads(self.read("noisy.json"))["context"]
        self.assertGreater(context["processor_wait"], 0.05)
        self.assertRegex(context["noise"][0], "^threads waited")
        compared = self.tsugi("bench", "--compare", "noisy.json", "noisy.json")
        self.assertRegex(compared.stdout, r"(?m)^mind: noisy: disturbed: threads waited")

    def test_wrong_options_and_unknown_names(self):
        self.write("ops.json", "{}")
        for arguments, words in {
            ("--model", "resnet-19"): ["resnet-19", "resnet-18", "faces-cnn"],
            ("--device", "toaster"): ["toaster", "cpu"],
            ("--filter", "nothing", "--model", "faces-cnn", "--batch", "1", "--device", "cpu"): ["0 points", "nothing"],
            ("--smoke", "--device", "cpu", "--precision", "fp16"): ["fp16", "cpu"],
            ("--smoke", "-o", "missing/ops.json"): ["missing/ops.json"],
            ("--compare", "ops.json"): ["ops.json", "context"],
            ("--budget", "soon"): ["--budget", "soon", "30min"],
        }.items():
            with self.subTest(arguments):
                self.refuses(["bench", *arguments], *words)
        for arguments, words in {
            ("--batch", "0"): ["--batch"],
            ("--min-time", "0"): ["--min-time"],
            ("--min-time", "nan"): ["--min-time"],
            ("--rounds", "-1"): ["--rounds"],
            ("--csv", "a.csv"): ["--csv", "without --compare"],
            ("--step", "--no-peer"): ["--no-peer", "with --step"],
            ("--step", "--kernels", "all"): ["--kernels", "with --step"],
            ("--step", "--budget", "1s"): ["--budget", "with --step"],
            ("--memory", "1G"): ["--memory", "without --step"],
            ("--step", "--cache", "cold"): ["--cache", "with --step"],
            ("--step", "--model", "faces-cnn,faces-mobile"): ["one model", "2"],
            ("--compare", "a.json", "b.json", "--step"): ["--step", "with --compare"],
            ("--compare", "a.json", "b.json", "--html", "a.json"): ["a.json", "same file"],
            ("--compare", "a.json", "b.json", "--csv", "c", "--html", "c"): ["same file"],
            ("--compare", "a.json", "b.svg", "--plot", "b"): ["b.svg", "--plot would overwrite"],
        }.items():
            with self.subTest(arguments):
                self.refuses(["bench", *arguments], *words, status=2)


class Page(html.parser.HTMLParser):
    """The rows of the table of points, and whether every tag is closed in order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.rows, self.points, self.where = [], [], False, None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.open.append(tag)
        self.points = self.points or ("id", "points") in attributes
        if self.points and tag == "tr":
            self.rows.append([])
        if self.points and tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag
        self.points = self.points and tag != "table"

    def handle_startendtag(self, tag, attributes):
        pass

    def handle_data(self, data):
        if self.points and self.open[-1] in ("td", "button"):
            self.rows[-1][-1] += data


class Comparing(support.CommandLine):
    def setUp(self):
        self.write("server.json", example(SERVER, 10000, 500))
        self.write("board.json", example(BOARD, 200, 25))
        self.both = ["bench", "--compare", "server.json", "board.json"]

    def test_the_table_and_the_object_say_how_much_and_why(self):
        done = self.tsugi(*self.both)
        self.assertRegex(done.stdout, r"made/b16/conv1/conv2d_forward/f32/cold +2 ms .* 100 ms +50 .*50 times by peak")
        self.assertIn("board against server: 50 times slower by peak (f32), 20 times slower by bandwidth", done.stdout)
        result = self.result(*self.both, "--quiet")
        side = result["sides"][1]
        self.assertAlmostEqual(side["slower_by_peak_f32"], 50)
        self.assertAlmostEqual(side["slower_by_bandwidth"], 20)
        self.assertAlmostEqual(side["slower_by_time"], (50 * 60 * 100) ** (1 / 3), places=6)
        self.assertIsNone(side["slower_by_peak_bf16"])
        point = result["points"][1]["sides"][1]
        self.assertEqual(point["bound"], "bandwidth")
        self.assertAlmostEqual(point["ratio"], 60)
        self.assertAlmostEqual(point["roofline_ratio"], 20)
        self.assertEqual(len(self.result(*self.both, "--quiet", "--filter", "conv1")["points"]), 1)

    def test_csv(self):
        self.tsugi(*self.both, "--csv", "out.csv")
        rows = list(csv.DictReader(io.StringIO(self.read("out.csv").decode())))
        self.assertEqual([row["layer"] for row in rows], list(SERVER))
        self.assertAlmostEqual(float(rows[0]["board ratio"]), 50)
        self.assertAlmostEqual(float(rows[1]["board roofline_share"]), 1 / 6, places=5)

    def test_the_page_is_well_formed_and_takes_nothing_for_markup(self):
        self.tsugi(*self.both, "--html", "page.html", "--quiet")
        text = self.read("page.html").decode()
        self.assertEqual(
            re.findall(r"""(?:src|href)=["'](?!#)[^>]*|@import|url\(|https?://(?!www\.w3\.org)""", text), []
        )  # needs nothing else
        xml.etree.ElementTree.fromstring(text.split("\n", 1)[1])
        page = Page(text)
        self.assertEqual(page.open, [])
        self.assertEqual(len(page.rows), 1 + len(SERVER))
        self.assertEqual(len({len(row) for row in page.rows}), 1)
        self.assertEqual([row[1] for row in page.rows[1:]], list(SERVER))
        self.assertIn("50", page.rows[1])
        self.assertIn("made &lt;up&gt;", text)

    def test_figures(self):
        arguments = [*self.both, "--plot", "roofline", "--html", "page.html", "--quiet"]
        if shutil.which("gnuplot") is None:
            self.refuses([*self.both, "--plot", "roofline"], "gnuplot")
            self.tsugi(*self.both, "--html", "page.html", "--quiet")
            self.assertIn("No roofline plot: no figure: gnuplot", self.read("page.html").decode())
            self.skipTest("gnuplot is not installed")
        self.tsugi(*arguments)
        self.assertEqual(self.read("roofline.png")[:8], b"\x89PNG\r\n\x1a\n")
        svg = xml.etree.ElementTree.fromstring(self.read("roofline.svg"))
        self.assertTrue(svg.tag.endswith("svg"))
        words = "".join(svg.itertext())
        for word in ("FLOP a byte", "GFLOP/s", "server: 10000 GFLOP/s (f32)", "board: conv2d_forward"):
            self.assertIn(word, words)
        self.assertIn("<svg", self.read("page.html").decode())

    def test_axes_have_two_labels_at_least(self):
        if shutil.which("gnuplot") is None:
            self.skipTest("gnuplot is not installed")
        for flops, size, peak, copy in (
            (3e9, 1e9, 300, 100),
            (4e9, 1e9, 400, 100),
            (9e9, 1e9, 900, 100),
            (1e10, 1e6, 1e4, 1),
        ):
            self.write("one.json", example({"conv1": (flops / 1e9 / peak, flops, size)}, peak, copy))
            self.write("two.json", example({"conv1": (flops / 1e9 / peak, flops, size)}, peak, copy))
            self.tsugi("bench", "--compare", "one.json", "two.json", "--plot", "narrow", "--quiet")
            svg = self.read("narrow.svg").decode()
            labels = re.findall(
                r'translate\(([0-9.]+),([0-9.]+)\)"[^>]*>\s*<text>(?:<tspan[^>]*>)?\s*([0-9.]+(?:e[+-]?[0-9]+)?)\s*<',
                svg,
            )
            by_row, by_column = ([label[at] for label in labels] for at in (1, 0))
            self.assertGreaterEqual(max(map(by_row.count, by_row)), 2, (flops, labels))
            self.assertGreaterEqual(max(map(by_column.count, by_column)), 2, (flops, labels))

    def test_a_name_is_no_command_of_gnuplot(self):
        name = "x'; system('touch owned'); '`touch owned`"
        self.write(f"{name}.json", example(SERVER, 10000, 500))
        if shutil.which("gnuplot") is None:
            self.skipTest("gnuplot is not installed")
        self.tsugi("bench", "--compare", "board.json", f"{name}.json", "--plot", "p", "--quiet")
        self.assertNotIn("owned", " ".join(self.snapshot()).replace(self.path(f"{name}.json"), ""))

    def test_other_versions_are_marked_other_schemas_refused(self):
        self.write("board.json", example(BOARD, 200, 25, tsugi_version="0.2.0", tsugi_commit="ba9876543210"))
        done = self.tsugi(*self.both, "--html", "page.html")
        self.assertIn("mind: board: measured with tsugi 0.2.0, the first with 0.1.0", done.stdout)
        self.assertIn("mind: board: measured at commit ba9876543210, the first at 0123456789ab", done.stdout)
        self.assertIn("measured with tsugi 0.2.0", self.read("page.html").decode())
        self.write("board.json", example(BOARD, 200, 25, tsugi_schema=2))
        self.refuses(self.both, "board.json", "tsugi_schema", "2", "1")

    def test_bad_files(self):
        text = example(BOARD, 200, 25)
        for content, words in {
            "": ["board.json", "JSON"],
            text[: len(text) // 2]: ["board.json", "JSON"],
            "[1, 2]": ["board.json", "object"],
            "{}": ["board.json", "context"],
            text.replace('"device": "cuda", ', ""): ["board.json", "device"],
            text.replace('"real_time": 100000000.0', '"real_time": -1'): [
                "board.json",
                "benchmarks[0]",
                "real_time",
                "-1",
            ],
            example({"elsewhere": (1, 1, 1)}, 1, 1): ["server.json", "0 of its 3 points"],
        }.items():
            with self.subTest(words):
                self.write("board.json", content)
                self.refuses([*self.both, "--csv", "out.csv"], *words)
        self.refuses(["bench", "--compare", "server.json", "missing.json"], "missing.json")
        self.refuses(["bench", "--compare", "server.json"], "1 result files")


class Profiles(support.CommandLine):
    def test_a_trace_of_a_training_run_and_where_its_time_went(self):
        self.people("people", 2)
        self.write("tiny.json", json.dumps(support.TINY_MODEL))
        plain = self.tsugi("pretrain", "people", "-o", "plain.safetensors", *support.TINY)
        done = self.tsugi("pretrain", "people", "-o", "profiled.safetensors", *support.TINY, "--profile", "trace.json")
        same = [support.tensors(self.read(f"{name}.safetensors")) for name in ("plain", "profiled")]
        self.assertEqual(*same)
        self.assertNotIn("backward", plain.stdout)
        self.assertRegex(done.stdout, r"(?m)^backward +conv1 +[\d.]+ +[\d.]+ % +\d+ +[\d.]+$")
        events = [event for event in json.loads(self.read("trace.json"))["traceEvents"] if event["ph"] == "X"]
        found = {(event["cat"], event["name"]) for event in events}
        for part in (
            ("step", "step 1"),
            ("data", "data"),
            ("augment", "augment"),
            ("forward", "conv1"),
            ("backward", "head"),
            ("loss", "loss"),
            ("update", "update"),
            ("results", "results"),
            ("evaluation", "evaluation"),
            ("checkpoint", "checkpoint"),
        ):
            self.assertIn(part, found)
        self.assertEqual(
            [event["ts"] for event in events if event["cat"] == "step"],
            sorted(event["ts"] for event in events if event["cat"] == "step"),
        )
        self.refuses(
            ["pretrain", "people", "-o", "x.safetensors", *support.TINY, "--profile", "missing/trace.json"],
            "missing/trace.json",
        )
        self.refuses(["pretrain", "people", "-o", "x", *support.TINY, "--profile", "x"], "same file", status=2)


if __name__ == "__main__":
    support.main()
