#!/usr/bin/env python3
"""Training steps of a built-in model in PyTorch, on a GPU or a CPU: images/s of every way to run it; the best one is the peer.

    bench/gpu/torch_step.py MODEL.json [--batch 64] [--seconds 1] [--rounds 3] [--precision fp32] [--modes ...] [--device cuda] [--threads 0]

The same layers as tsugi's (MODEL.json: `tsugi inspect MODEL --json`), batch, SGD with Nesterov momentum and weight decay, and
label smoothing; without augmentation and without copies from the host, both of which tsugi's steps include. fp32 is without
TF32. Variants take turns; each figure is the median over the rounds. Prints one JSON object.
"""

import argparse
import json
import os
import resource
import statistics
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

MODES = ["eager", "eager_contiguous", "graph", "compiled", "compiled_graph"]
CLASSES = 32


def make_step(torch, mode, description, batch, precision, device):
    """A function that takes one step. graph: forward, loss, backward and update as one CUDA graph."""
    import torch.nn.functional as F

    from torch_model import Net

    torch.manual_seed(0)
    net = Net(description, CLASSES).to(device)
    height, width, channels = description["input"]
    x = torch.randn(batch, channels, height, width, device=device)
    y = torch.randint(0, CLASSES, (batch,), device=device)
    if mode != "eager_contiguous":
        net, x = net.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(net.parameters(), 0.001, momentum=0.9, nesterov=True, weight_decay=5e-4)
    amp = precision == "fp16"
    scaler = torch.cuda.amp.GradScaler() if amp else None

    def loss_of(inputs, labels):
        with torch.autocast(device, torch.float16 if amp else torch.bfloat16, enabled=precision != "fp32"):
            logits = net(inputs)
        return F.cross_entropy(logits.float(), labels, label_smoothing=0.1)

    forward = torch.compile(loss_of) if mode.startswith("compiled") else loss_of

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = forward(x, y)
        if amp:
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
        else:
            loss.backward()
            optimizer.step()

    if not mode.endswith("graph"):
        return step
    if amp:
        raise RuntimeError("GradScaler looks at the gradient on the host: no graph")
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(4):
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    optimizer.zero_grad(set_to_none=True)
    with torch.cuda.graph(graph):
        step()
    return graph.replay


def turn(step, synchronize, seconds):
    """Seconds a step, of steps that follow each other without waiting, as PyTorch's users run them."""
    synchronize()
    steps, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        for _ in range(10):
            step()
        steps += 10
        synchronize()
    return (time.perf_counter() - start) / steps


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=1.0, help="of one turn")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--precision", choices=["fp32", "bf16", "fp16"], default="fp32")
    parser.add_argument("--modes", nargs="+", choices=MODES, default=MODES)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--threads", type=int, default=0, help="of the CPU, 0 = all cores")
    arguments = parser.parse_args()
    import torch

    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = True
    synchronize = torch.cuda.synchronize if arguments.device == "cuda" else lambda: None
    with open(arguments.model) as file:
        description = json.load(file)
    steps, failures = {}, {}
    for mode in arguments.modes:
        try:
            step = make_step(torch, mode, description, arguments.batch, arguments.precision, arguments.device)
            for _ in range(3):
                step()
            synchronize()
            steps[mode] = step
        except Exception as error:  # a mode that this version of PyTorch cannot run is no peer
            failures[mode] = "%s: %s" % (
                type(error).__name__,
                str(error).strip().splitlines()[0][:200] if str(error) else "",
            )
    turns = {mode: [] for mode in steps}
    for _ in range(arguments.rounds):
        for mode, step in steps.items():
            turns[mode].append(turn(step, synchronize, arguments.seconds))
    images = {mode: arguments.batch / statistics.median(times) for mode, times in turns.items()}
    best = max(images, key=images.get) if images else None
    print(
        json.dumps(
            {
                "model": description.get("name", os.path.basename(arguments.model)),
                "batch": arguments.batch,
                "precision": arguments.precision,
                "torch": torch.__version__,
                "device": torch.cuda.get_device_name() if arguments.device == "cuda" else arguments.device,
                "images_per_s": images,
                "seconds_a_step": turns,
                "failures": failures,
                "best": best,
                "best_images_per_s": images.get(best),
                "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            }
        )
    )


if __name__ == "__main__":
    main()
