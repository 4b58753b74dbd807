"""PyTorch's side of calls.lua: a call on 10 elements, and products of matrices.

usage: calls.py seconds
Prints `case best median`, nanoseconds per call.
"""
import sys
import time

import torch


def add():
    a, b = torch.randn(10), torch.randn(10)

    def loop(n):
        for _ in range(n):
            a + b
    return loop


def add_grad():
    a, b = torch.randn(10, requires_grad=True), torch.randn(10)

    def loop(n):
        for _ in range(n):
            a + b
    return loop


def mm(rows, columns, inner):
    a, b = torch.randn(rows, inner), torch.randn(inner, columns)
    out = torch.empty(rows, columns)

    def loop(n):
        for _ in range(n):
            torch.mm(a, b, out=out)
    return loop


def measure(loop, seconds):
    """Runs of at least 5 ms each, best and median of as many as fit."""
    n, took = 1, 0.0
    while took < 0.005:
        n *= 2
        start = time.perf_counter()
        loop(n)
        took = time.perf_counter() - start
    times = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 5:
        start = time.perf_counter()
        loop(n)
        times.append((time.perf_counter() - start) / n * 1e9)
    times.sort()
    return times[0], times[len(times) // 2]


def main():
    seconds = float(sys.argv[1])
    cases = {
        "add": add(),
        "add_grad": add_grad(),
        "mm_32x128x784": mm(32, 128, 784),
        "mm_256": mm(256, 256, 256),
        "mm_1024": mm(1024, 1024, 1024),
    }
    for name, loop in cases.items():
        best, median = measure(loop, seconds)
        print(name, f"{best:.1f} {median:.1f}")


main()
