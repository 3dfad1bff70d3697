#!/usr/bin/env python3
"""Whole training steps of ResNet-20 and ResNet-50 in PyTorch, as `-- engine` measures them for Lathe; the same JSON fields.

Zero gradients, forward, cross-entropy, backward, SGD with momentum 0.9 and weight decay, and the loss read, on random images that lie
in memory already. Variants take turns. Needs torch and torchvision (Debian: python3-torch, python3-torchvision).
"""

import argparse
import itertools
import json
import os
import statistics
import time

import torch
import torch.nn.functional as F
import torchvision
from torch import nn

MATRIX_SIZES = (256, 512, 1024, 2048)
ENOUGH_SECONDS = 0.05  # processors without instructions for bfloat16 need minutes for its largest product
MATRIX_PRODUCTS = 3


class BasicBlock(nn.Module):
    """Two 3x3 convolutions; where the shape changes the shortcut takes every other pixel and pads channels with zeros (option A)."""

    def __init__(self, in_channels, filters, stride):
        super().__init__()
        self.stride, self.padding = stride, (filters - in_channels) // 2
        self.conv1 = nn.Conv2d(in_channels, filters, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(filters)
        self.conv2 = nn.Conv2d(filters, filters, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(filters)

    def forward(self, x):
        out = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.stride > 1:
            x = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.padding, self.padding))
        return F.relu(out + x)


class ResNet20(nn.Module):
    """16-32-64 filters, three blocks each."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layers = nn.Sequential(
            *(BasicBlock(width // 2 if width > 16 and block == 0 else width, width, 2 if width > 16 and block == 0 else 1)
              for width in (16, 32, 64) for block in range(3)))
        self.fc = nn.Linear(64, 10)

    def forward(self, x):
        x = self.layers(F.relu(self.bn1(self.conv1(x))))
        return self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1))


MODELS = {
    "resnet20": (ResNet20, 128, (3, 32, 32), 10),
    "resnet50": (torchvision.models.resnet50, 16, (3, 224, 224), 1000),
}
VARIANTS = {
    "pytorch": ("float32", False),
    "pytorch-channels-last": ("float32", True),
    "pytorch-bfloat16": ("bfloat16", True),
}


def multiplications(network, shape):
    """Products of convolutions and linear layers for one image."""
    count = 0

    def add(layer, _, output):
        nonlocal count
        count += layer.weight.numel() * (output.shape[2] * output.shape[3] if output.dim() == 4 else 1)

    hooks = [m.register_forward_hook(add) for m in network.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    network.eval()
    with torch.no_grad():
        network(torch.randn(1, *shape))
    for hook in hooks:
        hook.remove()
    return count


def training(model, variant):
    """Makes one step each time it is asked; yields its milliseconds."""
    make, batch, shape, classes = MODELS[model]
    precision, channels_last = VARIANTS[variant]
    order = torch.channels_last if channels_last else torch.contiguous_format
    network = make().to(memory_format=order).train()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    batches = [(torch.randn(batch, *shape), torch.randint(classes, (batch,))) for _ in range(2)]
    for images, labels in itertools.cycle(batches):
        start = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            logits = network(images.contiguous(memory_format=order))
        loss = F.cross_entropy(logits.float(), labels)
        loss.backward()
        optimizer.step()
        loss.item()
        yield (time.perf_counter() - start) * 1000


def matrix_seconds(precision, size):
    left, right = (torch.randn(size, size).to(getattr(torch, precision)) for _ in range(2))
    start = time.perf_counter()
    torch.matmul(left, right)
    return time.perf_counter() - start


def measure_matrices(rates):
    for precision in ("float32", "bfloat16"):
        if precision not in rates:
            size = next((s for s in MATRIX_SIZES[:-1] if matrix_seconds(precision, s) >= ENOUGH_SECONDS), MATRIX_SIZES[-1])
            rates[precision] = {"size": size, "gigaflops": []}
        size = rates[precision]["size"]
        rates[precision]["gigaflops"] += [2 * size**3 / matrix_seconds(precision, size) / 1e9 for _ in range(MATRIX_PRODUCTS)]


def quartiles(values):
    return statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else [values[0]] * 3


def processor():
    with open("/proc/cpuinfo", encoding="utf-8") as lines:
        return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "unknown processor")


def multiplies_bfloat16():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        flags = file.read().split()
    return "avx512_bf16" in flags or "amx_bf16" in flags


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--steps", type=int, default=3, help="steps that a variant makes in each of its turns")
    parser.add_argument("--rounds", type=int, default=5, help="turns that each variant gets")
    parser.add_argument("--warmup", type=int, default=2, help="steps before the first turn, not counted")
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--variants", help=f"of {', '.join(VARIANTS)}; bfloat16 is left out where the processor has no instructions for it")
    parser.add_argument("--json")
    options = parser.parse_args()
    models = options.models.split(",")
    variants = options.variants.split(",") if options.variants else [v for v in VARIANTS if multiplies_bfloat16() or "bfloat16" not in v]
    for name, known in [(m, MODELS) for m in models] + [(v, VARIANTS) for v in variants]:
        if name not in known:
            parser.error(f"'{name}' is unknown; known are {', '.join(known)}")

    torch.set_num_threads(options.threads)
    torch.manual_seed(1)
    rates, measured = {}, []
    for model in models:
        make, batch, shape, _ = MODELS[model]
        network = make()
        size = (sum(p.numel() for p in network.parameters()), multiplications(network, shape))
        print(f"{model}: {size[0]:,} parameters and {size[1]:,} multiplications")
        running = {variant: training(model, variant) for variant in variants}
        for steps in running.values():
            for _ in range(options.warmup):
                next(steps)
        times = {variant: [] for variant in variants}
        for _ in range(options.rounds):
            measure_matrices(rates)
            for variant, steps in running.items():
                times[variant] += [next(steps) for _ in range(options.steps)]
        measured += [(model, variant, batch, size, times[variant]) for variant in variants]
        running.clear()

    results = []
    for model, variant, batch, (parameters, products), times in measured:
        low, middle, high = quartiles(times)
        precision = VARIANTS[variant][0]
        rate = statistics.median(rates[precision]["gigaflops"]) * 1e9
        results.append({
            "model": model, "variant": variant, "precision": precision, "batch": batch,
            "parameters": parameters, "multiplications": products,
            "medianMs": middle, "lowerQuartileMs": low, "upperQuartileMs": high, "imagesPerSecond": batch / middle * 1000,
            "ofPlain": None, "ofLathe": None, "matrixShare": 6 * products * batch / (middle / 1000) / rate, "stepMs": times,
        })
        print(f"{model:10} {variant:22} {middle:10.1f} ms  {low:.1f}-{high:.1f}  {batch / middle * 1000:9.1f} images/s  "
              f"{results[-1]['matrixShare']:.1%} of its matrix rate")
    report = {
        "engine": "pytorch", "version": torch.__version__, "processor": processor(), "cpus": len(os.sched_getaffinity(0)),
        "threads": options.threads, "matrixProducts": rates, "results": results,
    }
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(report, file, indent=2)
            file.write("\n")


if __name__ == "__main__":
    main()
