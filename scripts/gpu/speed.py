"""PyTorch's side of speed.lua: the same calls, `name: seconds` per line."""
import time

import torch


def measure(f, times):
    best = float("inf")
    for _ in range(3):
        f()
    for _ in range(5):
        torch.cuda.synchronize()
        started = time.perf_counter()
        for _ in range(times):
            f()
        torch.cuda.synchronize()
        best = min(best, (time.perf_counter() - started) / times)
    return best


size = 2**26
x, y = torch.rand(size, device="cuda"), torch.rand(size, device="cuda")
out = torch.empty_like(x)
small = torch.rand(10, device="cuda")
print("copy 256 MiB: %g" % measure(lambda: out.copy_(x), 20))
print("add 64 Mi floats: %g" % measure(lambda: torch.add(x, y, out=out), 20))
print("exp 64 Mi floats: %g" % measure(lambda: torch.exp(x, out=out), 20))
print("add of 10 floats: %g" % measure(lambda: torch.add(small, small), 2000))
