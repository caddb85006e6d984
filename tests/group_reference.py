"""The numbers in tests/nn/optimizer.c about groups of parameters: PyTorch (1.13, float64) takes four steps with clipping,
a schedule, groups of their own rates and weight decays, and one array without gradient.

    group_reference.py        a line for each optimizer, its parameters in the end, for C"""

import torch

START = {"a.weight": [0.5, -1.0, 2.0], "a.bias": [0.25, -0.75], "norm.scale": [1.0, 1.5], "b.weight": [3.0, -2.0]}
RATE, DECAY = 0.1, 0.05
MAKERS = {
    "sgd": lambda groups: torch.optim.SGD(groups, lr=RATE, momentum=0.9, nesterov=True, weight_decay=DECAY),
    "adam": lambda groups: torch.optim.Adam(groups, lr=RATE, weight_decay=DECAY, amsgrad=True),
    "adamw": lambda groups: torch.optim.AdamW(groups, lr=RATE, weight_decay=DECAY),
    "rmsprop": lambda groups: torch.optim.RMSprop(groups, lr=RATE, momentum=0.9, centered=True, weight_decay=DECAY),
    "adagrad": lambda groups: torch.optim.Adagrad(groups, lr=RATE, lr_decay=0.1, weight_decay=DECAY),
}


def loss_of(arrays):
    """sum over all numbers of (i + 1)/4 * (p - cos i)^2, i counting them all"""
    p = torch.cat([array for array in arrays.values()])
    i = torch.arange(len(p), dtype=torch.float64)
    return ((i + 1)/4*(p - torch.cos(i))**2).sum()


for name, make in MAKERS.items():
    arrays = {key: torch.tensor(value, dtype=torch.float64, requires_grad=key != "b.weight") for key, value in START.items()}
    optimizer = make([
        {"params": [arrays["a.weight"]]},
        {"params": [arrays["a.bias"]], "weight_decay": 0},
        {"params": [arrays["norm.scale"]], "lr": 0.25*RATE, "weight_decay": 0.2},
    ])
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 2, 0.5)
    for _ in range(4):
        optimizer.zero_grad()
        loss_of(arrays).backward()
        torch.nn.utils.clip_grad_norm_([array for array in arrays.values() if array.requires_grad], 2.5)
        optimizer.step()
        schedule.step()
    numbers = [number for array in arrays.values() for number in array.tolist()]
    print(name, ", ".join(repr(number) for number in numbers))
