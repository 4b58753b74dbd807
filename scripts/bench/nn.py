"""PyTorch's side of nn.lua: the same networks, optimizers and sizes, in eager mode.

usage: nn.py seconds case...    prints `case_train: best median` and `case_use: best median`, ms
       nn.py memory case        a few steps, for whoever measures the memory
"""
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

MEMORY_STEPS = 5


def lenet():
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10))


def convolution(n_in, n_out, kernel=3, stride=1):
    return [nn.Conv2d(n_in, n_out, kernel, stride, kernel // 2, bias=False),
            nn.BatchNorm2d(n_out)]


class Block(nn.Module):
    def __init__(self, n_in, n_out, stride):
        super().__init__()
        self.main = nn.Sequential(*convolution(n_in, n_out, 3, stride), nn.ReLU(True),
                                  *convolution(n_out, n_out))
        self.shortcut = nn.Identity()
        if stride != 1 or n_in != n_out:
            self.shortcut = nn.Sequential(*convolution(n_in, n_out, 1, stride))
        self.relu = nn.ReLU(True)

    def forward(self, x):
        return self.relu(self.main(x) + self.shortcut(x))


def resnet18(small):
    layers = convolution(3, 64) if small else convolution(3, 64, 7, 2)
    layers.append(nn.ReLU(True))
    if not small:
        layers.append(nn.MaxPool2d(3, 2, 1))
    width = 64
    for stage in range(4):
        for k in range(2):
            layers.append(Block(width, 64 << stage, 2 if k == 0 and stage > 0 else 1))
            width = 64 << stage
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10))


class CharLSTM(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(65, 128)
        self.layers = nn.LSTM(128, 128, 2, batch_first=True)
        self.output = nn.Linear(128, 65)

    def forward(self, tokens):
        return self.output(self.layers(self.embedding(tokens))[0])


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.in_proj, self.out_proj = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x):
        batch, time, width = x.shape
        q, k, v = (t.view(batch, time, self.heads, -1).transpose(1, 2)
                   for t in self.in_proj(x).chunk(3, 2))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.out_proj(y.transpose(1, 2).reshape(batch, time, width))


class TransformerBlock(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(),
                                 nn.Linear(4 * width, width))

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class GPT(nn.Module):
    def __init__(self, width=128):
        super().__init__()
        self.tokens, self.places = nn.Embedding(65, width), nn.Embedding(128, width)
        self.blocks = nn.Sequential(*(TransformerBlock(width, 4) for _ in range(4)))
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens):
        x = self.tokens(tokens) + self.places(torch.arange(tokens.shape[1]))
        return F.linear(self.norm(self.blocks(x)), self.tokens.weight)


def images(make, batch, channels, size):
    model = make()
    x, y = torch.randn(batch, channels, size, size), torch.randint(10, (batch,))
    return (model, torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9),
            lambda: F.cross_entropy(model(x), y), lambda: model(x[:1]))


def text(make, batch, steps):
    model = make()
    x, y = torch.randint(65, (batch, steps)), torch.randint(65, (batch, steps))
    return (model, torch.optim.Adam(model.parameters(), lr=1e-3),
            lambda: F.cross_entropy(model(x).flatten(0, 1), y.flatten()), lambda: model(x[:1]))


CASES = {
    "lenet": lambda: images(lenet, 64, 1, 28),
    "resnet18_32": lambda: images(lambda: resnet18(True), 16, 3, 32),
    "resnet18_224": lambda: images(lambda: resnet18(False), 4, 3, 224),
    "lstm": lambda: text(CharLSTM, 50, 50),
    "gpt": lambda: text(GPT, 16, 128),
}


def measure(what, seconds, f):
    f()
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 3:
        start = time.perf_counter()
        f()
        times.append((time.perf_counter() - start) * 1e3)
    times.sort()
    print(f"{what}: {times[0]:.4f} {times[len(times) // 2]:.4f}", flush=True)


def run(name, seconds):
    torch.manual_seed(1)
    model, optimizer, loss, use = CASES[name]()

    def step():
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()

    if seconds is None:
        for _ in range(MEMORY_STEPS):
            step()
        return
    measure(name + "_train", seconds, step)
    model.eval()
    with torch.inference_mode():
        measure(name + "_use", seconds, use)


def main():
    seconds = None if sys.argv[1] == "memory" else float(sys.argv[1])
    for name in sys.argv[2:]:
        run(name, seconds)


main()
