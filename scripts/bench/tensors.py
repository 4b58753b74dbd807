"""PyTorch's side of the table of tensor operations in tensors.rows; ours is tensors.lua.

usage: tensors.py seconds [pattern]
Prints `name: best median`, nanoseconds per call, of the rows whose names hold the pattern.
"""
import os
import sys
import time

import torch
import torch.nn.functional as F

HERE = os.path.dirname(os.path.abspath(__file__))


def read_rows(path):
    rows = []
    with open(path, encoding="ascii") as file:
        for line in file.read().split("\n"):
            if line.startswith("  "):
                rows[-1].append(line[2:])
            elif line and not line.startswith("#"):
                rows.append([line.removeprefix("* ")])
    return rows


def definite(n):
    a = torch.randn(n, n)
    return a @ a.T + n * torch.eye(n)


KNOWN = {
    "torch": torch, "F": F, "randn": torch.randn, "rand": torch.rand, "zeros": torch.zeros,
    "ints": lambda high, *sizes: torch.randint(0, high, sizes),
    "mask": lambda *sizes: torch.randint(0, 2, sizes).bool(),
    "f32": lambda x: x.float(), "f64": lambda x: x.double(), "f16": lambda x: x.half(),
    "bf16": lambda x: x.bfloat16(), "i32": lambda x: x.int(), "u8": lambda x: x.byte(),
    "turned": lambda x: x.T, "permuted": lambda x: x.permute(0, 2, 3, 1),
    "ascending": lambda n: torch.rand(n).sort().values, "definite": definite,
    "every_second": lambda x: x[:, ::2], "grad": lambda x: x.requires_grad_(),
}


def loop_of(setup, call):
    """A function that does the call n times."""
    names = dict(KNOWN)
    code = f"def make():\n {setup}\n def loop(times):\n  for _ in range(times): {call}\n return loop"
    exec(code, names)  # the rows are our own
    return names["make"]()


def measure(loop, seconds):
    """Runs of at least 1 ms each, best and median of as many as fit."""
    n, took = 1, 0.0
    loop(1)
    while took < 0.001:
        start = time.perf_counter()
        loop(n)
        took = time.perf_counter() - start
        n = n if took >= 0.001 else 2 * n
    times = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 3:
        start = time.perf_counter()
        loop(n)
        times.append((time.perf_counter() - start) / n * 1e9)
    times.sort()
    return times[0], times[len(times) // 2]


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 0.03
    pattern = sys.argv[2] if len(sys.argv) > 2 else ""
    torch.manual_seed(1)
    for name, setup, *calls in read_rows(os.path.join(HERE, "tensors.rows")):
        if pattern in name:
            best, median = measure(loop_of(setup, calls[-1]), seconds)
            print(f"{name}: {best:.1f} {median:.1f}", flush=True)


main()
