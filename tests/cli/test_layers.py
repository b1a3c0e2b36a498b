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


def documented(kind, fields):
    """A model with a layer of this kind that names every field that there is, by its default or, where it must be
    named, by 2."""
    layer = {"type": kind, "name": "it"}
    for name, field in fields["fields"].items():
        usual = field["default"]
        if field["required"]:
            layer[name] = 2
        else:
            layer[name] = layer[usual[len("as ") :]] if isinstance(usual, str) else usual
    if fields["inputs"] == 2:
        layer["inputs"] = ["input", "input"]
    head = [{"type": "flatten", "name": "flat"}, {"type": "dense", "units": "classes", "name": "out"}]
    before = [{"type": "flatten", "name": "first"}] if kind == "dense" else []
    return {"name": "documented", "input": [8, 8, 3], "layers": [*before, layer, *head]}


class Fields(support.CommandLine):
    """inspect --layers against the parser: what it lists is understood, with its default, and nothing else is."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.listed = cls.result("inspect", "--layers")

    def test_every_kind_of_layer_takes_the_fields_that_are_listed(self):
        self.assertGreater(len(self.listed["layers"]), 10)
        for kind, fields in self.listed["layers"].items():
            with self.subTest(kind):
                full = documented(kind, fields)
                self.write("full.json", json.dumps(full))
                self.assertEqual(self.result("inspect", "full.json"), full)
                layer = next(layer for layer in full["layers"] if layer["name"] == "it")
                for name, field in fields["fields"].items():
                    part = {key: value for key, value in layer.items() if key != name}
                    self.write(
                        "part.json",
                        json.dumps({**full, "layers": [part if one is layer else one for one in full["layers"]]}),
                    )
                    if field["required"]:
                        self.refuses(("inspect", "part.json"), name)
                    else:
                        same = [self.tsugi("inspect", file).stdout for file in ("full.json", "part.json")]
                        self.assertEqual(same[0], same[1], name)
                self.write("full.json", json.dumps(full).replace('"it"', '"it", "units_": 3'))
                self.refuses(("inspect", "full.json"), f"a {kind} layer has no field", '"units_"')

    def test_every_training_setting_that_is_listed_is_understood(self):
        usual = {name: setting["default"] for name, setting in self.listed["training"].items()}
        self.assertEqual((usual["batch"], usual["optimizer"], usual["balanced"]), (64, "sgd", False))
        self.write("m.json", json.dumps({**support.TINY_MODEL, "training": usual}))
        self.assertEqual(self.result("inspect", "m.json")["training"], usual)
        for name, setting in self.listed["training"].items():
            if setting["values"]:
                high = float(setting["values"].split(" to ")[1])
                self.write("m.json", json.dumps({**support.TINY_MODEL, "training": {name: 2 * high}}))
                self.refuses(("inspect", "m.json"), name)

    def test_people_read_all_of_it_in_80_columns(self):
        text = self.tsugi("inspect", "--layers").stdout
        self.assertEqual([line for line in text.splitlines() if len(line) > 80], [])
        for kind, fields in self.listed["layers"].items():
            self.assertRegex(text, rf"(?m)^{kind}( \(2 inputs\))?:?$")
            for name, field in fields["fields"].items():
                self.assertRegex(text, rf"(?m)^  {name} {field['type']}\b")
        for name, setting in self.listed["training"].items():
            self.assertRegex(text, rf"(?m)^  {name} {setting['type']}\b")
        for part in ("model", "every_layer"):
            for name in self.listed[part]:
                self.assertRegex(text, rf"(?m)^  {name} ")

    def test_inspect_of_a_model_is_a_model_file(self):
        done = self.tsugi("inspect", "faces-mobile", "--json")
        self.write("mine.json", done.stdout)
        self.people("people", 2)
        self.tsugi("pretrain", "people", "--model", "mine.json", "-o", "out", "--epochs", "0")
        self.assertEqual(self.result("inspect", "out")["description"], json.loads(done.stdout))
        self.assertEqual(self.tsugi("inspect", "mine.json", "--json").stdout, done.stdout)

    def test_a_file_or_layers_and_not_both(self):
        self.refuses(("inspect",), "FILE", "--layers", status=2)
        self.refuses(("inspect", "faces-cnn", "--layers"), "--layers", status=2)


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
