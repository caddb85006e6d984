#!/usr/bin/env python3
"""The numbers in tests/nn/optimizer.c: three steps of every optimizer, with 50 digits, by mpmath.

Written from PyTorch 2's documentation of torch.optim; knows nothing of the library. The network is 2-3-1,
tanh, then the identity; the loss is the mean of the squared errors of two examples; every step takes both.

    tests/optimizer_reference.py > table        rows of the table, in the order of the cases in optimizer.c"""

from mpmath import mp, mpf, tanh, sqrt

mp.dps = 50
X = [(mpf("0.5"), mpf("-1.25")), (mpf("-0.75"), mpf("0.375"))]
T = [mpf("0.625"), mpf("-0.5")]
START = [mpf(k * k % 17 - 8) / 16 for k in range(1, 14)]  # w1 3x2, b1 3, w2 1x3, b2 1


def gradient(p):
    w1, b1, w2, b2 = p[0:6], p[6:9], p[9:12], p[12]
    g = [mpf(0)] * 13
    for (x, y), t in zip(X, T):
        h = [tanh(w1[2 * j] * x + w1[2 * j + 1] * y + b1[j]) for j in range(3)]
        e = sum(w2[j] * h[j] for j in range(3)) + b2 - t
        d = 2 * e / len(X)
        for j in range(3):
            z = d * w2[j] * (1 - h[j] ** 2)
            g[2 * j] += z * x
            g[2 * j + 1] += z * y
            g[6 + j] += z
            g[9 + j] += d * h[j]
        g[12] += d
    return g


def sgd(rate, momentum="0", dampening="0", decay="0", nesterov=False, maximize=False):
    rate, momentum, dampening, decay = map(mpf, (rate, momentum, dampening, decay))
    b = None

    def step(t, p, g):
        nonlocal b
        g = [(-a if maximize else a) + decay * q for a, q in zip(g, p)]
        if momentum != 0:
            b = list(g) if b is None else [momentum * c + (1 - dampening) * a for c, a in zip(b, g)]
            g = [a + momentum * c for a, c in zip(g, b)] if nesterov else list(b)
        return [q - rate * a for q, a in zip(p, g)]

    return step


def adam(rate, beta1="0.9", beta2="0.999", eps="1e-8", decay="0", amsgrad=False, maximize=False, apart=False):
    rate, beta1, beta2, eps, decay = map(mpf, (rate, beta1, beta2, eps, decay))
    m, v, top = [mpf(0)] * 13, [mpf(0)] * 13, [mpf(0)] * 13

    def step(t, p, g):
        nonlocal m, v, top
        g = [-a if maximize else a for a in g]
        if apart:
            p = [q - rate * decay * q for q in p]
        else:
            g = [a + decay * q for a, q in zip(g, p)]
        m = [beta1 * c + (1 - beta1) * a for c, a in zip(m, g)]
        v = [beta2 * c + (1 - beta2) * a * a for c, a in zip(v, g)]
        top = [max(c, d) for c, d in zip(top, v)]
        second = top if amsgrad else v
        return [q - rate * (c / (1 - beta1**t)) / (sqrt(d / (1 - beta2**t)) + eps) for q, c, d in zip(p, m, second)]

    return step


def rmsprop(rate, alpha="0.99", eps="1e-8", momentum="0", decay="0", centered=False, maximize=False):
    rate, alpha, eps, momentum, decay = map(mpf, (rate, alpha, eps, momentum, decay))
    v, m, b = [mpf(0)] * 13, [mpf(0)] * 13, [mpf(0)] * 13

    def step(t, p, g):
        nonlocal v, m, b
        g = [(-a if maximize else a) + decay * q for a, q in zip(g, p)]
        v = [alpha * c + (1 - alpha) * a * a for c, a in zip(v, g)]
        w = v
        if centered:
            m = [alpha * c + (1 - alpha) * a for c, a in zip(m, g)]
            w = [c - d * d for c, d in zip(v, m)]
        b = [momentum * c + a / (sqrt(d) + eps) for c, a, d in zip(b, g, w)]
        return [q - rate * a for q, a in zip(p, b)]

    return step


def adagrad(rate, rate_decay="0", eps="1e-10", decay="0", start="0", maximize=False):
    rate, rate_decay, eps, decay, start = map(mpf, (rate, rate_decay, eps, decay, start))
    s = [start] * 13

    def step(t, p, g):
        nonlocal s
        g = [(-a if maximize else a) + decay * q for a, q in zip(g, p)]
        s = [c + a * a for c, a in zip(s, g)]
        now = rate / (1 + (t - 1) * rate_decay)
        return [q - now * a / (sqrt(c) + eps) for q, a, c in zip(p, g, s)]

    return step


CASES = [
    ("sgd", lambda: sgd("0.125")),
    ("sgd, weight decay", lambda: sgd("0.125", decay="0.0625")),
    ("sgd, maximize", lambda: sgd("0.125", decay="0.0625", maximize=True)),
    ("sgd, momentum", lambda: sgd("0.125", "0.875")),
    ("sgd, momentum, dampening", lambda: sgd("0.125", "0.875", "0.25")),
    ("sgd, momentum, dampening, weight decay, maximize", lambda: sgd("0.125", "0.875", "0.25", "0.0625", maximize=True)),
    ("sgd, Nesterov", lambda: sgd("0.125", "0.875", nesterov=True)),
    ("sgd, Nesterov, weight decay", lambda: sgd("0.125", "0.875", decay="0.0625", nesterov=True)),
    ("adam", lambda: adam("0.0625")),
    ("adam, weight decay", lambda: adam("0.0625", "0.75", "0.875", decay="0.0625")),
    ("adam, amsgrad", lambda: adam("0.25", "0.75", "0.5", amsgrad=True)),
    ("adam, maximize, epsilon", lambda: adam("0.0625", "0", "0.5", "0.125", maximize=True)),
    ("adamw", lambda: adam("0.0625", decay="0.01", apart=True)),
    ("adamw, weight decay, amsgrad", lambda: adam("0.25", "0.75", "0.5", decay="0.0625", amsgrad=True, apart=True)),
    ("adamw, maximize", lambda: adam("0.0625", decay="0.0625", maximize=True, apart=True)),
    ("rmsprop", lambda: rmsprop("0.0625")),
    ("rmsprop, momentum, weight decay", lambda: rmsprop("0.0625", "0.75", momentum="0.875", decay="0.0625")),
    ("rmsprop, centered", lambda: rmsprop("0.0625", "0.75", "0.125", centered=True)),
    ("rmsprop, centered, momentum, maximize", lambda: rmsprop("0.0625", "0.75", "0.125", "0.875", centered=True, maximize=True)),
    ("adagrad", lambda: adagrad("0.125")),
    ("adagrad, decays", lambda: adagrad("0.125", "0.25", decay="0.0625")),
    ("adagrad, initial accumulator, maximize", lambda: adagrad("0.125", start="0.5", maximize=True)),
]

for name, make in CASES:
    p, step = list(START), make()
    for t in (1, 2, 3):
        p = step(t, p, gradient(p))
    print('    {"%s",\n     {%s}},' % (name, ",\n      ".join(", ".join(mp.nstr(q, 20, strip_zeros=False) for q in p[i : i + 4]) for i in range(0, 13, 4))))
