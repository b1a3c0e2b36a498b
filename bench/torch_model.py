"""A built-in model as a PyTorch module, from tsugi's own description of it (`tsugi inspect MODEL --json`)."""

import torch.nn as nn


class Net(nn.Module):
    """description: the JSON object of the model; classes: outputs of its head."""

    def __init__(self, description, classes):
        super().__init__()
        self.steps, shapes, names = [], [], {}
        source = lambda name: -1 if name == "input" else names[name]
        for i, layer in enumerate(description["layers"]):
            kind = layer["type"]
            inputs = [source(n) for n in layer.get("inputs", [layer["input"]] if "input" in layer else [])] or [i - 1]
            h, w, c = shapes[inputs[0]] if inputs[0] >= 0 else description["input"]
            module = None
            if kind == "conv2d":
                k, s, p = layer["kernel"], layer.get("stride", 1), layer.get("pad", 0)
                groups = c if layer.get("groups") == "depthwise" else layer.get("groups", 1)
                module = nn.Conv2d(c, layer["filters"], k, s, p, groups=groups, bias=layer.get("bias", True))
                h, w, c = (h + 2 * p - k) // s + 1, (w + 2 * p - k) // s + 1, layer["filters"]
            elif kind == "dense":
                units = classes if layer["units"] == "classes" else layer["units"]
                module, c = nn.Linear(c, units), units
            elif kind == "batch_norm":
                module = nn.BatchNorm2d(c)
            elif kind in ("max_pool", "average_pool"):
                k, s = layer["kernel"], layer.get("stride", layer["kernel"])
                module = (nn.MaxPool2d if kind == "max_pool" else nn.AvgPool2d)(k, s)
                h, w = (h - k) // s + 1, (w - k) // s + 1
            elif kind == "global_average_pool":
                module, h, w = nn.AdaptiveAvgPool2d(1), 1, 1
            elif kind == "flatten":
                module, h, w, c = nn.Flatten(), 1, 1, h * w * c
            elif kind == "relu":
                module = nn.ReLU(inplace=True)
            elif kind == "dropout":
                module = nn.Dropout(layer.get("rate", 0.5))
            elif kind != "add":
                raise SystemExit("this script does not know layer type " + kind)
            names[layer.get("name", kind + str(i + 1))] = i
            shapes.append((h, w, c))
            if module is not None:
                self.add_module("m%d" % i, module)
            self.steps.append((module, inputs))

    def forward(self, x):
        out = []
        for module, inputs in self.steps:
            args = [out[i] if i >= 0 else x for i in inputs]
            out.append(args[0] + args[1] if module is None else module(args[0]))
        return out[-1]
