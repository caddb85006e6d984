#!/usr/bin/env python3
"""The numbers in tests/nn/module.c and the new ones in tests/nn/loss.c, with 50 digits, by mpmath.

Written from PyTorch 2's documentation (LayerNorm, RMSNorm, scaled_dot_product_attention, CrossEntropyLoss with
label_smoothing, HuberLoss, BCEWithLogitsLoss); knows nothing of the library."""

from mpmath import mp, mpf, exp, log, sqrt

mp.dps = 50


def show(name, values):
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
