"""PyTorch's side of mnist_step.lua: the 784-128-10 network, Adam 1e-3, cross entropy.

usage: mnist_step.py seconds variant batch...
Prints `batch best median`, microseconds per step over epochs of 9000 examples.
"""
import sys
import time

import torch
from torch import nn

EXAMPLES = 9000
VARIANTS = {  # how Adam runs; "default" is what torch.optim.Adam does when it is told nothing
    "default": {},
    "fused": {"fused": True},
    "foreach": {"foreach": True},
}


def trainer(batch, options):
    torch.manual_seed(1)
    x = torch.rand(EXAMPLES, 784)
    y = torch.randint(10, (EXAMPLES,))
    model = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, **options)

    def epoch():
        steps = EXAMPLES // batch
        for i in range(steps):
            xb = x[i * batch:(i + 1) * batch]
            yb = y[i * batch:(i + 1) * batch]
            loss = criterion(model(xb), yb)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return steps

    return epoch


def measure(epoch, seconds):
    epoch()
    times = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 3:
        start = time.perf_counter()
        steps = epoch()
        times.append((time.perf_counter() - start) / steps * 1e6)
    times.sort()
    return times[0], times[len(times) // 2]


def main():
    seconds, variant = float(sys.argv[1]), sys.argv[2]
    for batch in map(int, sys.argv[3:]):
        best, median = measure(trainer(batch, VARIANTS[variant]), seconds)
        print(batch, f"{best:.2f} {median:.2f}")


main()
