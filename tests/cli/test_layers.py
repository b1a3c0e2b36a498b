#!/usr/bin/env python3
"""Models of one's own with every activation: they train, on the CPU and on the emulated GPU alike, inspect shows their
layers, and a layer that nobody knows is named with those that are known."""

import json
import unittest

import support

ACTIVATIONS = ("relu", "leaky_relu", "silu", "hard_swish", "gelu")
TRAIN = ("pretrain", "people", "--augment", "2", "--batch", "8", "--threads", "1", "--precision", "fp32")


def model(activation):
    """The activation behind a convolution, a batch norm, an add and a dense layer, and by itself behind a pool."""
    return {
        "name": activation,
        "training": {"lr": 0.01},
        "input": [16, 16, 3],
        "layers": [
            {"type": "conv2d", "filters": 4, "kernel": 3, "stride": 2, "pad": 1},
            {"type": activation, "name": "behind_conv2d"},
            {"type": "conv2d", "filters": 4, "kernel": 3, "pad": 1},
            {"type": "batch_norm"},
            {"type": activation, "name": "behind_batch_norm"},
            {"type": "add", "inputs": ["behind_conv2d", "behind_batch_norm"]},
            {"type": activation, "name": "behind_add"},
            {"type": "max_pool", "kernel": 2},
            {"type": activation, "name": "behind_pool"},
            {"type": "flatten"},
            {"type": "dense", "units": 8},
            {"type": activation, "name": "behind_dense"},
            {"type": "dense", "units": "classes"},
        ],
    }


class Layers(support.CommandLine):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.people("people", 3)
        for name in ACTIVATIONS:
            cls.write(f"{name}.json", json.dumps(model(name)))

    def losses(self, name, device, epochs):
        out = f"{name}-{device}"
        self.tsugi(
            *TRAIN,
            "--model",
            f"{name}.json",
            "--device",
            device,
            "--epochs",
            epochs,
            "-o",
            out,
            "--metrics",
            f"{out}.l",
        )
        return [json.loads(line)["loss"] for line in self.read(f"{out}.l").splitlines()]

    def test_a_model_with_each_activation_trains_and_is_shown(self):
        ends = {}
        for name in ACTIVATIONS:
            losses = self.losses(name, "cpu", 12)
            self.assertLess(losses[-1], losses[0], name)
            ends[name] = losses[-1]
            layers = self.result("inspect", f"{name}-cpu")["layers"]
            self.assertEqual([layer["type"] for layer in layers].count(name), 5)
            self.assertIn(name, self.tsugi("inspect", f"{name}-cpu").stdout)
        self.assertEqual(len(set(ends.values())), len(ACTIVATIONS), "each is a function of its own")

    def test_the_emulated_gpu_computes_the_same(self):
        here = {device["name"]: device["available"] for device in self.result("doctor")["devices"]}
        if not here["simt"]:
            raise unittest.SkipTest("this build has no emulator")
        for name in ACTIVATIONS:
            (on_cpu,), (on_simt,) = self.losses(name, "cpu", 1), self.losses(name, "simt", 1)
            self.assertAlmostEqual(on_simt, on_cpu, delta=1e-4 * on_cpu, msg=name)

    def test_an_unknown_activation_is_named_with_the_known_ones(self):
        wrong = model("gelu")
        wrong["layers"][4]["type"] = "mish"
        self.write("wrong.json", json.dumps(wrong))
        self.refuses(
            ("pretrain", "people", "--model", "wrong.json", "-o", "wrong"),
            "layer 5",
            '"mish"',
            "leaky_relu, silu, hard_swish, gelu",
        )


if __name__ == "__main__":
    support.main()
