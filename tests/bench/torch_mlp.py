#!/usr/bin/python3
"""PyTorch on the network of mlp.h, in doubles on one thread, in the same run as bench-mlp.

    torch_mlp.py build/bench/tests/bench/bench-mlp

PyTorch is timed before and after bench-mlp, whose lines are shown between. The two must agree about the mean
loss. Exits with 77 (skipped) where PyTorch is not installed."""

import os
import re
import subprocess
import sys
import time

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"
try:
    import torch
except ImportError:
    print("PyTorch is not installed: nothing to compare")
    sys.exit(77)

SIZES, CLASSES = (64, 64, 32, 10), 10
torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)


def numbers(rows):
    """Weights and examples as mlp_weights and mlp_rows make them."""
    params = sum((n + 1)*m for n, m in zip(SIZES, SIZES[1:]))
    flat = 0.2*torch.sin(1.7*torch.arange(params, dtype=torch.float64))
    layers, at = [], 0
    for n, m in zip(SIZES, SIZES[1:]):
        weight, bias = flat[at:at + m*n].reshape(m, n).clone(), flat[at + m*n:at + m*n + m].clone()
        layers.append((weight.requires_grad_(), bias.requires_grad_()))
        at += m*n + m
    x = (0.5 + 0.5*torch.sin(0.37*torch.arange(64*rows, dtype=torch.float64))).reshape(rows, 64)
    return layers, x, 7*torch.arange(rows) % CLASSES


def step(layers, x, label):
    for weight, bias in layers:
        weight.grad = bias.grad = None
    for k, (weight, bias) in enumerate(layers):
        x = torch.nn.functional.linear(x, weight, bias)
        x = torch.tanh(x) if k < len(layers) - 1 else x
    loss = torch.nn.functional.cross_entropy(x, label)
    loss.backward()
    return loss.item()


def run(rows, runs):
    layers, x, label = numbers(rows)
    step(layers, x, label)
    seconds = []
    for _ in range(runs):
        t0 = time.perf_counter()
        loss = step(layers, x, label)
        seconds.append((time.perf_counter() - t0)/rows)
    return seconds, loss


def main():
    batches = {64: 200, 1000: 40}
    first = {rows: run(rows, runs) for rows, runs in batches.items()}
    mlp = subprocess.run([sys.argv[1]], capture_output=True, text=True, check=True).stdout
    print(mlp, end="")
    losses = [float(text) for text in re.findall(r"mean loss ([0-9.]+)", mlp)]
    print(f"PyTorch {torch.__version__}, the same work, per example")
    for (rows, runs), loss in zip(batches.items(), losses):
        if abs(first[rows][1] - loss) > 1e-10:
            print(f"the sides disagree about the loss: PyTorch {first[rows][1]:.12f}, tapir {loss:.12f}")
            return 1
        times = sorted(t*1e6 for t in first[rows][0] + run(rows, runs)[0])
        print(f"  {f'batch of {rows}':<24} {times[0]:9.3f} {times[len(times)//2]:9.3f} {times[-1]:9.3f}  us")
    return 0


sys.exit(main())
