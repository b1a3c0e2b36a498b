#!/usr/bin/env python3
"""Golden values of one training step of each built-in model, computed by PyTorch in float64.

    python3 tests/data/golden_step.py

needs PyTorch and numpy. The networks are built from the descriptions that engine/model/builtin holds, so a changed
description needs only a new run. Written: golden_<model>.safetensors beside this script, read by
tests/engine/golden_test.cpp, which repeats weights and inputs from the same formula. Dropout is left out: its layers
do nothing, in the C++ test by a rate of 0.

One step: 3 classes, 2 inputs of 32x32, label smoothing 0.1, mean loss, SGD with Nesterov momentum 0.9, weight decay 5e-4 on weights of
convolutions and dense layers only, lr 0.1, a momentum buffer that starts at 0.
"""

import json
import pathlib
import struct

import numpy as np
import torch
import torch.nn.functional as F

HERE = pathlib.Path(__file__).resolve().parent
SIZE, CLASSES, BATCH, SAMPLES = 32, 3, 2, 8
LABELS = [2, 0]
LR, MOMENTUM, DECAY, SMOOTHING = 0.1, 0.9, 5e-4, 0.1


def draw(stream, count):
    """count numbers in [-1, 1), multiples of 2^-23: exact in float32. The hash is the finaliser of MurmurHash3 (Appleby)."""
    h = (np.arange(count, dtype=np.uint64) * 0x9E3779B9 + stream * 0x85EBCA6B + 0x1234567) & 0xFFFFFFFF
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        h = ((h ^ (h >> np.uint64(shift))) * factor) & 0xFFFFFFFF
    h ^= h >> np.uint64(16)
    return ((h >> np.uint64(8)).astype(np.float64) - 8388608.0) / 8388608.0


def start_value(name, shape, stream):
    """Weights as float32: uniform with He's deviation; gamma around 1, beta and biases small."""
    count = int(np.prod(shape))
    values = draw(stream, count).astype(np.float32)
    kind = name.rsplit(".", 1)[1]
    if kind == "weight":
        # A power of two near sqrt(6 / fan_in): the product is exact in float32.
        return (values * np.float32(2.0 ** round(np.log2(np.sqrt(6.0 / (count / shape[0])))))).reshape(shape)
    if kind == "gamma":
        return (np.float32(1) + values * np.float32(0.25)).reshape(shape)
    return (values * np.float32(0.125)).reshape(shape)


def pair(value):
    return tuple(value) if isinstance(value, list) else (value, value)


class Network:
    """Runs a description in NCHW; parameters keep tsugi's names and layouts (weights K,R,S,C)."""

    def __init__(self, description):
        self.layers = description["layers"]
        self.parameters, self.statistics = {}, {}

    def parameter(self, name, shape):
        if name not in self.parameters:
            value = start_value(name, shape, len(self.parameters) + 1)
            self.parameters[name] = torch.tensor(value, dtype=torch.float64, requires_grad=True)
        return self.parameters[name]

    def layer(self, layer, name, x):
        kind = layer["type"]
        if kind == "conv2d":
            c, k = x.shape[1], layer["filters"]
            groups = layer.get("groups", 1)
            groups = c if groups == "depthwise" else groups
            kernel = pair(layer["kernel"])
            w = self.parameter(name + ".weight", [k, *kernel, c // groups])
            bias = self.parameter(name + ".bias", [k]) if layer.get("bias", True) else None
            return F.conv2d(
                x, w.permute(0, 3, 1, 2), bias, pair(layer.get("stride", 1)), pair(layer.get("pad", 0)), 1, groups
            )
        if kind == "dense":
            out = CLASSES if layer["units"] == "classes" else layer["units"]
            w = self.parameter(name + ".weight", [out, x.shape[1]])
            return F.linear(x, w, self.parameter(name + ".bias", [out]) if layer.get("bias", True) else None)
        if kind == "batch_norm":
            c = x.shape[1]
            gamma, beta = self.parameter(name + ".gamma", [c]), self.parameter(name + ".beta", [c])
            mean, var = torch.zeros(c, dtype=torch.float64), torch.ones(c, dtype=torch.float64)
            self.statistics[name + ".running_mean"], self.statistics[name + ".running_var"] = mean, var
            return F.batch_norm(x, mean, var, gamma, beta, True, layer.get("momentum", 0.1), layer.get("eps", 1e-5))
        if kind == "relu":
            return F.relu(x)
        if kind == "leaky_relu":
            return F.leaky_relu(x, layer.get("slope", 0.01))
        if kind in ("max_pool", "average_pool"):
            kernel, pad = pair(layer["kernel"]), pair(layer.get("pad", 0))
            stride = pair(layer.get("stride", layer["kernel"]))
            if kind == "max_pool":
                return F.max_pool2d(x, kernel, stride, pad)
            return F.avg_pool2d(x, kernel, stride, pad, count_include_pad=False)
        if kind == "global_average_pool":
            return x.mean(dim=(2, 3), keepdim=True)
        if kind == "dropout":
            return x
        if kind == "flatten":  # rows, columns, channels: the order of NHWC
            return x.permute(0, 2, 3, 1).reshape(x.shape[0], -1) if x.dim() == 4 else x
        raise SystemExit(f"unknown layer type {kind}")

    def forward(self, x):
        outputs, last = {"input": x}, "input"
        for index, layer in enumerate(self.layers):
            name = layer.get("name", layer["type"] + str(index + 1))
            if layer["type"] == "add":
                a, b = (outputs[i] for i in layer["inputs"])
                outputs[name] = a + b
            else:
                source = layer["inputs"][0] if "inputs" in layer else layer.get("input", last)
                outputs[name] = self.layer(layer, name, outputs[source])
            last = name
        return outputs[last]


def sampled(count, stream):
    """Positions of the elements that the file keeps: spread by the same hash."""
    return ((draw(1000 + stream, SAMPLES) + 1.0) * 0.5 * count).astype(np.int64)


def golden(description):
    network = Network(description)
    x = torch.tensor(draw(0, BATCH * SIZE * SIZE * 3)).reshape(BATCH, SIZE, SIZE, 3).permute(0, 3, 1, 2)
    logits = network.forward(x)
    loss = F.cross_entropy(logits, torch.tensor(LABELS), label_smoothing=SMOOTHING)
    loss.backward()
    decayed = [p for n, p in network.parameters.items() if n.endswith(".weight")]
    others = [p for n, p in network.parameters.items() if not n.endswith(".weight")]
    tensors = {"loss": loss.detach().numpy().reshape(1), "logits": logits.detach().numpy()}
    for stream, (name, p) in enumerate(network.parameters.items(), 1):
        gradient = p.grad.numpy().ravel()
        tensors[name + "/gradient_norm"] = np.array([np.sqrt((gradient**2).sum())])
        tensors[name + "/gradient"] = gradient[sampled(gradient.size, stream)]
    torch.optim.SGD(
        [{"params": decayed, "weight_decay": DECAY}, {"params": others, "weight_decay": 0.0}],
        lr=LR,
        momentum=MOMENTUM,
        nesterov=True,
    ).step()
    for stream, (name, p) in enumerate(network.parameters.items(), 1):
        updated = p.detach().numpy().ravel()
        tensors[name + "/updated"] = updated[sampled(updated.size, stream)]
    for stream, (name, s) in enumerate(network.statistics.items(), 1):
        tensors[name] = s.numpy()[sampled(s.numel(), stream)]
    return tensors


def write_safetensors(path, tensors, metadata):
    header, data = {"__metadata__": metadata}, b""
    for name, values in tensors.items():
        values = np.ascontiguousarray(values, dtype="<f4")
        header[name] = {
            "dtype": "F32",
            "shape": list(values.shape),
            "data_offsets": [len(data), len(data) + values.nbytes],
        }
        data += values.tobytes()
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def main():
    for model in sorted((HERE.parent.parent / "engine/model/builtin").glob("*.json")):
        path = HERE / f"golden_{model.stem}.safetensors"
        write_safetensors(
            path,
            golden(json.loads(model.read_text())),
            {"model": model.stem, "made_by": "tests/data/golden_step.py, PyTorch " + torch.__version__},
        )
        print(path.name, path.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
