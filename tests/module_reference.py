#!/usr/bin/env python3
"""The numbers in tests/nn/module.c and the new ones in tests/nn/loss.c, with 50 digits, by mpmath; and
tests/nn/NAME_by_torch.h by PyTorch itself in doubles (Debian's python3-torch):

    module_reference.py convolution | clang-format      or recurrent

Written from PyTorch 2's documentation (LayerNorm, RMSNorm, scaled_dot_product_attention, CrossEntropyLoss with
label_smoothing, HuberLoss, BCEWithLogitsLoss); knows nothing of the library."""

import sys

from mpmath import mp, mpf, exp, log, sqrt

mp.dps = 50


TORCH = "".join(sys.argv[1:])


def show(name, values):
    if not TORCH:
        print(name, "{" + ", ".join(mp.nstr(v, 20) for v in values) + "}")


x = [mpf(v) for v in ("0.5", "-1.25", "2", "0.75", "-0.125")]
scale = [mpf(v) for v in ("1", "0.5", "-2", "1.5", "0.25")]
shift = [mpf(v) for v in ("0", "1", "-1", "0.5", "2")]
eps = mpf("0.00390625")
rms = sqrt(sum(v * v for v in x) / 5 + eps)
show("rms_norm", [v / rms * s for v, s in zip(x, scale)])
mean = sum(x) / 5
dev = sqrt(sum((v - mean) ** 2 for v in x) / 5 + eps)
show("layer_norm", [(v - mean) / dev * s + b for v, s, b in zip(x, scale, shift)])


def softmax(z):
    total = sum(exp(v) for v in z)
    return [exp(v) / total for v in z]


show("softmax", softmax(x))

# 3 positions, width 4; number k of query, key, value: k*k % 13, k*k % 11, k*k % 7 (k from 1), scaled and shifted
P, W = 3, 4
q = [mpf(k * k % 13 - 6) / 8 for k in range(1, P * W + 1)]
k_ = [mpf(k * k % 11 - 5) / 8 for k in range(1, P * W + 1)]
v_ = [mpf(k * k % 7 - 3) / 4 for k in range(1, P * W + 1)]


def attend(heads, causal):
    size, y = W // heads, [mpf(0)] * (P * W)
    for h in range(heads):
        for t in range(P):
            seen = t + 1 if causal else P
            z = [sum(q[t * W + h * size + i] * k_[s * W + h * size + i] for i in range(size)) / sqrt(mpf(size)) for s in range(seen)]
            a = softmax(z)
            for i in range(size):
                y[t * W + h * size + i] = sum(a[s] * v_[s * W + h * size + i] for s in range(seen))
    return y


show("attend 1 head", attend(1, False))
show("attend 2 heads, causal", attend(2, True))

p = [mpf(v) for v in ("0.5", "-3", "1.25", "0.75")]
t = [mpf(v) for v in ("0.25", "-1", "1.5", "-2")]
show("mse mae huber(0.5)", [
    sum((a - b) ** 2 for a, b in zip(p, t)) / 4,
    sum(abs(a - b) for a, b in zip(p, t)) / 4,
    sum(e * e / 2 if (e := abs(a - b)) <= mpf("0.5") else mpf("0.5") * (e - mpf("0.25")) for a, b in zip(p, t)) / 4,
])
u = [mpf(v) for v in ("0", "1", "0.75", "0")]
sig = lambda z: 1 / (1 + exp(-z))
show("bce", [-sum(b * log(sig(a)) + (1 - b) * log(1 - sig(a)) for a, b in zip(p, u)) / 4])
y = [-1, 1, 1, -1]
show("hinge", [sum(max(mpf(0), 1 - b * a) for a, b in zip(p, y)) / 4])
soft = softmax(x)
e = mpf("0.125")
show("cross-entropy of class 3, smoothing 0, 0.125, 1", [
    -sum(((1 - s) * (i == 3) + s / 5) * log(soft[i]) for i in range(5)) for s in (mpf(0), e, mpf(1))])


if not TORCH:
    sys.exit()

# ---- what comes out, and the gradient of the sum of out[k]*(k % 5 - 1.5) in all that goes in -----------------------

import torch


def numbers(count, modulus, divisor, *shape):
    """Number k, from 1: k*k % modulus, less half of that, divided."""
    values = [(k * k % modulus - modulus // 2) / divisor for k in range(1, count + 1)]
    return torch.tensor(values, dtype=torch.float64).reshape(shape).requires_grad_()


def show_array(name, values):
    print(f"static const double {name}[] = {{" + ", ".join(f"{v:.17g}" for v in values.flatten().tolist()) + "};")


def show_torch(name, out, leaves):
    out = out.flatten()
    weights = torch.tensor([k % 5 - 1.5 for k in range(len(out))], dtype=torch.float64)
    grads = torch.autograd.grad((out * weights).sum(), list(leaves.values()))
    show_array(name, out)
    for leaf, grad in zip(leaves, grads):
        show_array(f"{name}_d_{leaf}", grad)


print(f"""/* {TORCH}_by_torch.h - what PyTorch {torch.__version__} computes in doubles for
 * tests/nn/{TORCH}.c, with what goes in; made by tests/module_reference.py.
 *
 * NAME is what comes out, NAME_d_LEAF the gradient of the sum of NAME[k]*(k % 5 - 1.5). */
#ifndef TAPIR_TESTS_{TORCH.upper()}_BY_TORCH_H
#define TAPIR_TESTS_{TORCH.upper()}_BY_TORCH_H
""")


def convolution():
    leaves = {"kernel": numbers(36, 17, 8, 3, 2, 3, 2), "bias": numbers(3, 7, 4, 3)}
    leaves["picture"] = torch.tensor([(k * 7 % 41 - 20) / 8 for k in range(1, 41)], dtype=torch.float64).reshape(1, 2, 5, 4)
    picture = leaves["picture"].requires_grad_()
    for leaf, values in leaves.items():
        show_array(leaf, values)
    nn = torch.nn.functional
    show_torch("conv", nn.conv2d(picture, leaves["kernel"], leaves["bias"], stride=(2, 1), padding=(1, 2)), leaves)
    show_torch("plain_conv", nn.conv2d(picture, leaves["kernel"]), {k: leaves[k] for k in ("kernel", "picture")})
    for pooling in (nn.max_pool2d, nn.avg_pool2d):
        name = pooling.__name__.replace("_pool2d", "")
        show_torch(name, pooling(picture, (3, 2), (2, 1), (1, 1)), {"picture": picture})
        show_torch(name + "_of_four", pooling(picture, 2), {"picture": picture})


def recurrent():
    INPUTS, HIDDEN, LENGTH = 2, 3, 3
    for kind, gates in (("GRU", 3), ("LSTM", 4)):
        net, rows, name = getattr(torch.nn, kind)(INPUTS, HIDDEN).double(), gates * HIDDEN, kind.lower()
        values = {"weight_ih": numbers(rows * INPUTS, 13, 8, rows, INPUTS), "weight_hh": numbers(rows * HIDDEN, 19, 16, rows, HIDDEN),
                  "bias_ih": numbers(rows, 11, 8, rows), "bias_hh": numbers(rows, 7, 8, rows)}
        for part, value in values.items():
            getattr(net, part + "_l0").data = value.data
        x, h, c = numbers(LENGTH * INPUTS, 23, 8, LENGTH, INPUTS), numbers(HIDDEN, 5, 4, 1, HIDDEN), numbers(HIDDEN, 3, 2, 1, HIDDEN)
        leaves = {part: getattr(net, part + "_l0") for part in values}
        for leaf, start in {**leaves, "x": x, "h": h, "c": c}.items():
            if kind == "LSTM" or leaf != "c":
                show_array(f"{name}_{leaf}", start)
        if kind == "GRU":
            show_torch(name, net(x, h)[0], {**leaves, "x": x, "h": h})
        else: # h of each step, then c of the last
            y, (_, last) = net(x, (h, c))
            show_torch(name, torch.cat([y.flatten(), last.flatten()]), {**leaves, "x": x, "h": h, "c": c})
        show_torch(name + "_from_zeros", net(x)[0], leaves)


{"convolution": convolution, "recurrent": recurrent}[TORCH]()
print("""
#endif""")
