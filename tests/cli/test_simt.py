#!/usr/bin/env python3
"""The emulated GPU on the command line: --device simt trains, evaluates and predicts, and its checkpoints are everybody's."""

import glob
import json
import unittest

import support

TRAIN = ("pretrain", "people", "--model", "tiny.json", "--augment", "2", "--batch", "8", "--threads", "1")


def metrics(data):
    return [{key: row[key] for key in ("step", "epoch", "loss")} for row in map(json.loads, data.splitlines())]


class Simt(support.CommandLine):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        here = {device["name"]: device["available"] for device in cls.result("doctor")["devices"]}
        if not here["simt"]:
            raise unittest.SkipTest("this build has no emulator")
        cls.people("people", 3)
        cls.write("tiny.json", json.dumps(support.TINY_MODEL))

    def train(self, name, *options, epochs=1):
        result = self.result(
            *TRAIN, "--epochs", epochs, "-o", f"{name}.safetensors", "--metrics", f"{name}.jsonl", *options
        )
        return result, metrics(self.read(f"{name}.jsonl")), support.tensors(self.read(f"{name}.safetensors"))

    def test_it_trains_as_the_cpu_does_and_goes_on_from_its_checkpoint(self):
        result, on_simt, _ = self.train("simt", "--device", "simt")
        self.assertEqual((result["device"], result["precision"]), ("simt", "fp32"))
        _, on_cpu, _ = self.train("cpu", "--device", "cpu", "--precision", "fp32")
        self.assertAlmostEqual(on_simt[0]["loss"], on_cpu[0]["loss"], delta=1e-4 * on_cpu[0]["loss"])
        for first, second in (("simt", "cpu"), ("cpu", "simt")):
            _, rows, _ = self.train(
                f"{first}-{second}",
                "--continue",
                f"{first}.safetensors",
                "--device",
                second,
                "--precision",
                "fp32",
                epochs=2,
            )
            self.assertEqual(rows[0], on_simt[0] if first == "simt" else on_cpu[0])
            self.assertEqual(rows[1]["epoch"], 2)
        accuracy = {
            device: self.result("eval", "simt.safetensors", "--photos", "people", "--all", "--device", device)
            for device in ("simt", "cpu")
        }
        self.assertAlmostEqual(accuracy["simt"]["loss"], accuracy["cpu"]["loss"], delta=1e-4)
        photo = sorted(glob.glob(self.path("people", "*", "*.jpg")))[0]
        top = {
            device: self.result("predict", "simt.safetensors", photo, "--device", device)["predictions"][0]["top"]
            for device in ("simt", "cpu")
        }
        self.assertEqual([entry["name"] for entry in top["simt"]], [entry["name"] for entry in top["cpu"]])

    def test_a_recorded_step_gives_the_plain_step_s_weights(self):
        for device, precision in (("simt", "fp32"), ("simt:53", "fp16")):
            with self.subTest(device=device, precision=precision):
                options = ("--device", device, "--precision", precision)
                recorded, plain = self.train("recorded", *options), self.train("plain", *options, "--no-graph")
                self.assertEqual(recorded[1:], plain[1:])
                if precision == "fp16":
                    self.assertGreaterEqual(recorded[0]["loss_scale"], 1.0)
                    self.assertIn("skipped_steps", recorded[0])

    def test_photos_come_a_batch_at_a_time_where_memory_is_short(self):
        whole = self.train("whole", "--device", "simt")
        # 18 photos of 20x20 pixels are 22 kB, everything else of this model some 50. Micro-batches have batch norms of their own.
        done = self.tsugi(
            *TRAIN,
            "--epochs",
            1,
            "-o",
            "x.safetensors",
            "--device",
            "simt",
            "--memory",
            "40K",
            "--metrics",
            "short.jsonl",
        )
        self.assertRegex(done.stderr, "micro-batches of .*a batch at a time")
        loss = whole[1][0]["loss"]
        self.assertAlmostEqual(metrics(self.read("short.jsonl"))[0]["loss"], loss, delta=0.2 * loss)


if __name__ == "__main__":
    support.main()
