"""tsugi plan: predictions with the fields of measurements, budgets, and devices and files that are none."""

import json
import os
import re
import unittest

import support

NANO = ("plan", "--device", "jetson-nano", "--model", "faces-resnet")
PHOTOS = ("--photos", "979", "--personal", "86", "--epochs", "10")
THIS = ("plan", "--device", "this", "--smoke", "--threads", "1")
TINY = ("--model", "tiny.json", "--batch", "16", "--precision", "fp32", "--quiet")


class Predicting(support.CommandLine):
    @classmethod
    def measured_device(cls):
        """This machine's description of itself, here.json, and the plan that it was measured for: once for all tests."""
        if not hasattr(cls, "here"):
            cls.write("tiny.json", json.dumps(support.TINY_MODEL))
            cls.here = cls.result(*THIS, *TINY, "--save-device", "here.json")
        return cls.here

    def needs_emulator(self):
        """GPUs that are not here are planned for by the scratch memory of the emulator's kernels."""
        if not {device["name"]: device["available"] for device in self.result("doctor")["devices"]}["simt"]:
            self.refuses(NANO, "simt", "Boost.Context")
            self.skipTest("no device simt in this build")

    def test_a_board_that_nobody_has_is_derived_and_says_from_what(self):
        self.needs_emulator()
        for device in ("jetson-nano", "rtx-2080ti"):
            page = self.tsugi("plan", "--device", device, "--model", "faces-cnn", *PHOTOS, "--link", "10Mbit/s").stdout
            self.assertIn("derived, not measured", page)
            for word in (
                "kernels/tuning/sm_",
                "assumed",
                "conv1",
                "step of faces-cnn, batch 64, fp32",
                "epoch:",
                "to send it:",
                "arena",
            ):
                self.assertIn(word, page)
        result = self.result(*NANO, *PHOTOS, "--link", "10Mbit/s", "--quiet")
        self.assertEqual(result["basis"], "derived, not measured")
        self.assertIn("efficiencies", result["sources"])
        self.assertEqual(result["photos_sent"], 235)
        self.assertEqual(result["photos_trained"], 235 + 86)
        self.assertEqual(result["steps_per_epoch"], (235 + 86) * 9 // 64)
        self.assertAlmostEqual(result["epoch_s"], result["steps_per_epoch"] * result["step_s"], places=9)
        self.assertAlmostEqual(result["training_s"], 10 * result["epoch_s"], places=6)
        self.assertAlmostEqual(result["transfer_s"], result["bundle_bytes"] / 1.25e6, places=3)
        resumed = self.result(*NANO, "--photos", "979", "--personal", "86", "--resume", "--quiet")
        self.assertEqual((resumed["epochs"], resumed["freeze_until"], result["freeze_until"]), (4, "", ""))
        head = self.result(*NANO, "--photos", "979", "--personal", "86", "--fraction", "0", "--resume", "--quiet")
        self.assertNotEqual(head["freeze_until"], "")
        self.assertLess(head["step_s"], resumed["step_s"] / 2)
        self.assertEqual((head["epochs"], head["training_s"]), (0, 0))  # statistics make the head
        for more, epochs in ((("--no-knowledge",), 4), (("--epochs", "3"), 3)):
            trained = self.result(*NANO, "--photos", "979", "--personal", "86", "--fraction", "0", "--resume", *more)
            self.assertEqual(trained["epochs"], epochs)
            self.assertGreater(trained["training_s"], 0)
        fast = self.result("plan", "--device", "rtx-2080ti", "--model", "faces-resnet", "--quiet")
        self.assertLess(20 * fast["step_s"], result["step_s"])
        self.assertLess(self.result(*NANO, "--precision", "fp16", "--quiet")["step_s"], result["step_s"])

    def test_a_plan_has_the_fields_of_a_measured_step_and_the_same_memory_plan(self):
        self.write("tiny.json", json.dumps(support.TINY_MODEL))
        common = ("--model", "tiny.json", "--batch", "4", "--precision", "fp32", "--quiet")
        plan = self.result(*THIS, *common)
        step = self.result("bench", "--step", "--smoke", "--size", "16", "--device", "cpu", "--threads", "1", *common)
        self.assertEqual(
            [(one["layer"], one["op"], one["forward_flops"]) for one in plan["layers"]],
            [(one["layer"], one["op"], one["forward_flops"]) for one in step["layers"]],
        )
        for key in ("model", "precision", "batch", "micro_batch", "arena_bytes", "device_bytes"):
            self.assertEqual(plan[key], step[key], key)
        self.assertGreater(plan["step_s"], 0)
        parts = sum(one["forward_s"] + one["backward_s"] for one in plan["layers"]) + sum(plan["phases"].values())
        self.assertAlmostEqual(plan["step_s"], parts, delta=1e-9)
        self.assertNotIn("epoch_s", plan)

    @unittest.skipIf(support.SANITIZED, "sanitizers multiply memory")
    def test_planned_memory_is_that_of_the_process(self):
        """Of a model with an op of every kind, as the plan assumes: the pages of oneDNN's code that an op touches are part of it. A model
        that has no depthwise convolution touches 1.6 MB less with oneDNN 2.6 and 4.4 MB less with 3.7, which is 17 % of a tiny process."""
        common = ("--model", "faces-mobile", "--batch", "16", "--precision", "fp32", "--quiet")
        plan = self.result(*THIS, *common)
        step = self.result("bench", "--step", "--smoke", "--size", "64", "--device", "cpu", "--threads", "1", *common)
        self.assertLess(abs(plan["peak_memory_bytes"] / step["peak_memory_bytes"] - 1), 0.1)

    @unittest.skipIf(support.SANITIZED, "sanitizers multiply memory")
    def test_planned_memory_is_that_of_whole_runs(self):
        """Within 8 % of the peak of pretraining and of a hand-over, checkpoint included; 5 % is what was measured."""
        people, personal = self.people("folk", 4, 20), self.people("me", 1, 20, first=9)
        for model in ("faces-cnn", "faces-resnet", "faces-mobile"):
            common = ("--batch", "16", "--epochs", "1", "--augment", "1", "--threads", "1", "--quiet")
            server = self.result("pretrain", "folk", "--model", model, *common, "-o", "server.safetensors")
            self.tsugi("bundle", "server.safetensors", "--photos", "folk", "--fraction", "0.5", "-o", "half.tar")
            device = self.result(
                "resume", "half.tar", "--personal", f"me/{personal[0]}", *common, "-o", "device.safetensors"
            )
            plan = (*THIS[:-2], "--model", model, *common, "--photos", "folk", "--people")
            alone = self.result(*plan, len(people), "--fraction", "1")
            resumed = self.result(*plan, len(people) + 1, "--fraction", "0.5", "--personal", "16", "--resume")
            for planned, run in ((alone, server), (resumed, device)):
                ratio = planned["peak_memory_bytes"] / run["peak_memory_bytes"]
                self.assertLess(abs(ratio - 1), 0.08, (model, planned["peak_memory_bytes"], run["peak_memory_bytes"]))

    def test_strangers_are_planned_for(self):
        """The trainer's memory is what pretraining says before its first step; and no bundle has anything of strangers."""
        self.people("few", 4, 10)
        self.people("strangers", 200, 1, first=9)
        common = ("--model", "faces-mobile", "--batch", "16", "--epochs", "1", "--augment", "1")
        plan = (*THIS, *common, "--quiet", "--photos", "few", "--fraction", "1")
        told = self.tsugi(
            "pretrain", "few", *common, "--threads", "1", "--strangers", "strangers", "-o", "server"
        ).stderr
        without, planned, counted = (
            self.result(*plan, *more) for more in ((), ("--strangers", "strangers"), ("--strangers", "200"))
        )
        self.assertEqual([one["photos_trained"] for one in (without, planned, counted)], [32, 232, 232])
        self.assertEqual(planned["bundle_bytes"], without["bundle_bytes"])
        self.assertEqual(planned["device_bytes"], counted["device_bytes"])
        rows = 2 * 200 * 257 * 4  # of the head, and their momentum
        self.assertGreater(planned["device_bytes"], without["device_bytes"] + rows)
        mebibytes = int(re.search(r"batch 16, memory (\d+) MiB", told)[1])
        self.assertAlmostEqual(planned["device_bytes"] / (1 << 20), mebibytes, delta=1)
        self.refuses([*plan, "--strangers", "missing"], "missing: no such folder")
        self.refuses([*plan, "--strangers", "200", "--resume"], "--strangers", "--resume", status=2)

    def test_a_machine_that_measured_itself_is_a_device_elsewhere(self):
        here = self.measured_device()
        there = self.result("plan", "--device", "here.json", "--threads", "1", *TINY)
        for one, other in zip(there["layers"], here["layers"]):  # but for the rounding of units
            for key in ("forward_s", "backward_s"):
                self.assertAlmostEqual(one[key] / other[key], 1, places=9)
        self.assertTrue(there["measured"])
        self.assertIn(
            "measured by the device itself",
            self.tsugi("plan", "--device", "here.json", "--model", "faces-mobile").stdout,
        )

    def test_a_bundle_is_as_large_as_planned(self):
        self.needs_emulator()
        people = self.people("people", 4, 10)
        self.write("tiny.json", json.dumps(support.TINY_MODEL))
        self.tsugi("pretrain", "people", "-o", "server.safetensors", *support.TINY)
        for compact in ("none", "fp16", "int8"):
            made = self.result(
                "bundle",
                "server.safetensors",
                "--photos",
                "people",
                "--fraction",
                "0.5",
                "--compact",
                compact,
                "-o",
                f"{compact}.tar",
            )
            plan = self.result(
                "plan",
                "--device",
                "jetson-nano",
                "--model",
                "tiny.json",
                "--photos",
                "people",
                "--fraction",
                "0.5",
                "--compact",
                compact,
            )
            self.assertEqual(plan["photos_sent"], made["photos"])
            self.assertEqual(made["bytes"], os.path.getsize(self.path(f"{compact}.tar")))
            self.assertLess(abs(plan["bundle_bytes"] / made["bytes"] - 1), 0.1, (compact, plan, made))
        self.assertEqual(len(people), 4)

    def test_the_largest_fraction_fits_and_says_what_binds(self):
        self.needs_emulator()
        whole = self.result(*NANO, *PHOTOS, "--fraction", 1, "--link", "1MB/s", "--quiet")
        for option, value, binding, field in (
            ("--max-time", f"{whole['training_s'] / 2}s", "time", "training_s"),
            ("--max-memory", str(whole["peak_memory_bytes"] - 5000000), "memory", "peak_memory_bytes"),
            ("--max-transfer", str(whole["bundle_bytes"] - 2000000), "transfer", "bundle_bytes"),
            ("--max-transfer", f"{whole['transfer_s'] - 2}s", "transfer", "transfer_s"),
        ):
            with self.subTest(option):
                found = self.result(*NANO, *PHOTOS, option, value, "--link", "1MB/s", "--quiet")
                self.assertEqual(found["binding"], binding)
                self.assertTrue(0 < found["fraction"] < 1)
                self.assertLessEqual(found[field], float(value.rstrip("s")) * (1 + 1e-9))
                more = self.result(
                    *NANO,
                    *PHOTOS,
                    "--fraction",
                    (found["photos_sent"] + (20 if binding == "time" else 1)) / 783,
                    "--link",
                    "1MB/s",
                    "--quiet",
                )
                self.assertGreater(more[field], float(value.rstrip("s")))
        page = self.tsugi(*NANO, *PHOTOS, "--max-time", "10h").stdout
        self.assertIn("largest fraction: 1 (783 of 783 photos); everything fits, no budget binds", page)

    def test_what_disturbed_a_device_while_it_measured_itself_is_said(self):
        self.measured_device()
        device = json.loads(self.read("here.json"))
        self.assertNotIn("noise", device["sources"])
        self.assertNotIn("disturbed", self.tsugi("plan", "--device", "here.json").stdout)
        device["sources"]["noise"] = "somebody else worked"
        self.write("noisy.json", json.dumps(device))
        done = self.tsugi("plan", "--device", "noisy.json", "--json")
        self.assertIn("\nmind: disturbed: somebody else worked\n", done.stdout)
        self.assertEqual(json.loads(done.stdout.splitlines()[-1])["sources"]["noise"], "somebody else worked")

    def test_a_result_file_of_the_board_is_used(self):
        self.needs_emulator()
        self.measured_device()
        made = {
            "context": {
                "tsugi_schema": 1,
                "tsugi_version": "0.1.0",
                "tsugi_commit": "0123456789ab",
                "device": "cpu",
                "board": "A board",
                "date": "2026-01-01",
            },
            "benchmarks": [],
        }
        model = ("--model", "faces-cnn", "--batch", "16")
        plan = self.result("plan", "--device", "here.json", *model, "--quiet")
        step = {key: plan[key] for key in ("model", "precision", "batch", "layers", "peak_memory_bytes")}
        self.write("board.json", json.dumps({**made, **step, "step_s": 1.5}))
        with_result = ("plan", "--device", "here.json", *model, "--result", "board.json")
        page = self.tsugi(*with_result).stdout
        self.assertIn("measured by the device itself, and by these runs", page)
        self.assertIn("mind: this is tsugi", page)
        self.assertIn("A board", page)
        self.assertEqual(self.result(*with_result, "--quiet")["step_s"], 1.5)
        self.refuses([*NANO, "--result", "board.json"], "board.json", "cpu", "jetson-nano", "cuda")
        self.write("board.json", json.dumps({**made, **step, "step_s": 1.5})[:-40])
        self.refuses([*with_result], "board.json", "JSON")
        self.refuses([*with_result[:-1], "missing.json"], "missing.json")

    def test_bad_input(self):
        self.needs_emulator()
        self.write("bad.json", "{")
        self.write("empty.json", "{}")
        self.write(
            "window.json",
            json.dumps(
                {
                    "name": "window",
                    "input": [8, 8, 3],
                    "layers": [
                        {"type": "conv2d", "filters": 4, "kernel": 11},
                        {"type": "flatten"},
                        {"type": "dense", "units": "classes"},
                    ],
                }
            ),
        )
        for arguments, words in {
            ("--device", "toaster"): ["toaster", "jetson-nano", "this"],
            ("--device", "bad.json"): ["bad.json", "JSON"],
            ("--device", "empty.json"): ["empty.json", "tsugi_device"],
            ("--device", "jetson-nano", "--model", "resnet-19"): ["resnet-19", "faces-cnn"],
            ("--device", "jetson-nano", "--model", "window.json"): ["conv2d", "11x11", "8x8"],
            ("--device", "jetson-nano", "--size", "1"): ["1"],
            ("--device", "jetson-nano", "--precision", "bf16"): ["bf16"],
            ("--device", "jetson-nano", "--batch", "4096"): ["batch 4096", "jetson-nano", "free"],
            ("--device", "jetson-nano", "--batch", "65536"): ["65536"],
            ("--device", "jetson-nano", "--memory", "1K"): ["--memory"],
            ("--device", "jetson-nano", "--freeze-until", "nowhere"): ["nowhere"],
            ("--device", "jetson-nano", "--photos", "0"): ["--photos", "0"],
            ("--device", "jetson-nano", "--photos", "missing"): ["missing"],
            ("--device", "jetson-nano", "--photos", "100", "--fraction", "0"): ["0 of 80", "at least 1"],
            ("--device", "jetson-nano", "--photos", "100", "--link", "fast"): ["--link", "fast"],
            ("--device", "jetson-nano", "--photos", "100", "--link", "0Mbit/s"): ["--link", "0Mbit/s"],
            ("--device", "jetson-nano", "--photos", "100", "--max-time", "0"): ["--max-time", "0"],
            ("--device", "jetson-nano", "--photos", "100", "--max-time", "0.001s"): [
                "--max-time",
                "0.001 s",
                "1 photos need",
            ],
            ("--device", "jetson-nano", "--photos", "100", "--max-memory", "1M"): ["--max-memory", "MB"],
            ("--device", "jetson-nano", "--photos", "100", "--max-memory", "0"): ["memory"],
            ("--device", "jetson-nano", "--photos", "100", "--max-transfer", "1K"): ["--max-transfer", "MB"],
            ("--device", "jetson-nano", "--photos", "100", "--max-transfer", "5s"): ["--max-transfer", "--link"],
            ("--device", "jetson-nano", "--save-device", "missing/x.json"): ["missing/x.json"],
        }.items():
            with self.subTest(arguments):
                self.refuses(["plan", *arguments], *words)
        for arguments, words in {
            (): ["--device"],
            ("--device", "jetson-nano", "--batch", "0"): ["batch is 0", "1 to 65536"],
            ("--device", "jetson-nano", "--smoke"): ["--smoke", "--device this"],
            ("--device", "jetson-nano", "--resume"): ["--resume", "without --photos"],
            ("--device", "jetson-nano", "--photos", "9", "--resume", "--freeze-until", "stem"): [
                "--resume",
                "--freeze-until",
            ],
            ("--device", "bad.json", "--save-device", "./bad.json"): ["same file", "bad.json"],
            ("--device", "this", "--result", "bad.json", "--save-device", "bad.json"): ["same file", "bad.json"],
            ("--device", "jetson-nano", "--save-device", ""): ["--save-device", "empty"],
            ("--device", "jetson-nano", "--fraction", "0.5"): ["--fraction", "without --photos"],
            ("--device", "jetson-nano", "--max-time", "1h"): ["--max-time", "without --photos"],
            ("--device", "jetson-nano", "--photos", "100", "--fraction", "1.5"): ["--fraction"],
            ("--device", "jetson-nano", "--photos", "100", "--fraction", "0.5", "--max-time", "1h"): [
                "--fraction",
                "--max-time",
            ],
            ("--device", "jetson-nano", "--photos", "100", "--epochs", "0"): ["--epochs"],
        }.items():
            with self.subTest(arguments):
                self.refuses(["plan", *arguments], *words, status=2)


if __name__ == "__main__":
    support.main()
