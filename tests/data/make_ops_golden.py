#!/usr/bin/env python3
"""Writes ops_golden.h: ops and optimizers as PyTorch computes them in double precision, for tests/ops/test_golden.cpp.

Usage: python3 make_ops_golden.py > ops_golden.h   (needs torch; the file in the repository came from torch 1.13.0)
Tensors are written in our layouts: NHWC and K,R,S,C.
"""

import torch
import torch.nn.functional as F

torch.manual_seed(20190618)
torch.set_default_dtype(torch.float64)


def draw(*shape):
    """Random numbers that float32 holds exactly, so that no test input is rounded."""
    return torch.randn(*shape).float().double().requires_grad_()


def nhwc(tensor):
    return tensor.permute(0, 2, 3, 1)


def write(name, tensor):
    numbers = [repr(float(v)) for v in tensor.detach().contiguous().flatten()]
    lines = ["    " + ", ".join(numbers[i : i + 6]) + "," for i in range(0, len(numbers), 6)]
    constant = "k" + "".join(part.capitalize() for part in name.split("_"))
    print(f"const std::vector<double> {constant} = {{")
    print("\n".join(lines))
    print("};")


def conv2d(prefix, n, h, w, c, k, r, s, **settings):
    x, weight, bias = draw(n, c, h, w), draw(k, c // settings["groups"], r, s), draw(k)
    y = F.conv2d(x, weight, bias, **settings)
    d_y = draw(*y.shape)
    y.backward(d_y)
    for name, tensor in (("x", x), ("w", weight), ("y", y), ("d_y", d_y), ("d_x", x.grad), ("d_w", weight.grad)):
        write(prefix + name, nhwc(tensor))
    write(prefix + "bias", bias)
    write(prefix + "d_bias", bias.grad)


def batch_norm():
    x, residual, gamma, beta = draw(2, 3, 2, 3), draw(2, 3, 2, 3), draw(3), draw(3)
    mean, variance = draw(3).detach(), draw(3).detach() ** 2
    write("batch_norm_old_mean", mean)
    write("batch_norm_old_var", variance)
    y = F.relu(F.batch_norm(x, mean, variance, gamma, beta, training=True, momentum=0.1, eps=1e-5) + residual)
    d_y = draw(*y.shape)
    y.backward(d_y)
    for name, tensor in (
        ("x", x),
        ("residual", residual),
        ("y", y),
        ("d_y", d_y),
        ("d_x", x.grad),
        ("d_residual", residual.grad),
    ):
        write("batch_norm_" + name, nhwc(tensor))
    for name, tensor in (
        ("gamma", gamma),
        ("beta", beta),
        ("d_gamma", gamma.grad),
        ("d_beta", beta.grad),
        ("new_mean", mean),
        ("new_var", variance),
    ):
        write("batch_norm_" + name, tensor)


def pool(prefix, function, **settings):
    x = draw(1, 2, 5, 4)
    y = function(x, kernel_size=3, stride=(2, 1), padding=1, **settings)
    d_y = draw(*y.shape)
    y.backward(d_y)
    for name, tensor in (("x", x), ("y", y), ("d_y", d_y), ("d_x", x.grad)):
        write(prefix + name, nhwc(tensor))


def cross_entropy():
    logits, labels = draw(4, 5), torch.tensor([0, 4, 2, 2])
    losses = F.cross_entropy(logits, labels, label_smoothing=0.1, reduction="none")
    losses.mean().backward()
    write("loss_logits", logits)
    write("loss_labels", labels)
    write("loss_sample_loss", losses)
    write("loss_d_logits", logits.grad)


def optimizer(name, make):
    """Five steps; learning rates 0.1, 0.09, ...; weight decay on the first three of six weights, 0.05."""
    decayed, plain = draw(3), draw(3)
    write(name + "_w", torch.cat([decayed, plain]))
    steps = make([{"params": [decayed], "weight_decay": 0.05}, {"params": [plain], "weight_decay": 0.0}])
    gradients, weights = [], []
    for step in range(5):
        decayed.grad, plain.grad = draw(3).detach(), draw(3).detach()
        for group in steps.param_groups:
            group["lr"] = 0.1 - 0.01 * step
        steps.step()
        gradients += [decayed.grad, plain.grad]
        weights += [decayed.detach().clone(), plain.detach().clone()]
    write(name + "_g", torch.cat(gradients))
    write(name + "_new_w", torch.cat(weights))


print("// Ops and optimizers as PyTorch " + torch.__version__.split("+")[0] + " computes them in double precision.")
print("// Written by make_ops_golden.py beside it: not edited by hand. Layouts: NHWC and K,R,S,C.")
print("#pragma once\n\n#include <vector>\n")
print("namespace tsugi {\nnamespace golden {\n\n// clang-format off")
conv2d("conv2d_", 2, 4, 5, 4, 6, 3, 2, stride=(2, 1), padding=(1, 1), groups=2)
conv2d("depthwise_", 1, 5, 4, 3, 3, 3, 3, stride=2, padding=1, groups=3)
batch_norm()
pool("max_pool_", F.max_pool2d)
pool("average_pool_", F.avg_pool2d, count_include_pad=False)
cross_entropy()
optimizer("sgd", lambda groups: torch.optim.SGD(groups, lr=0.1, momentum=0.9))
optimizer("nesterov", lambda groups: torch.optim.SGD(groups, lr=0.1, momentum=0.9, nesterov=True))
optimizer("adam", lambda groups: torch.optim.Adam(groups, lr=0.1, betas=(0.9, 0.999), eps=1e-8))
optimizer("adamw", lambda groups: torch.optim.AdamW(groups, lr=0.1, betas=(0.9, 0.999), eps=1e-8))
print("// clang-format on\n\n}  // namespace golden\n}  // namespace tsugi")
