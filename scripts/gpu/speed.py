"""PyTorch's side of speed.lua, in eager mode: rows of the same names, `name: seconds` per line.

usage: speed.py [tiny]      tiny: every row small, on the CPU where there is no GPU
"""
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

TINY = "tiny" in sys.argv[1:]
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def pick(full, tiny):
    return tiny if TINY else full


def synchronize():
    if DEVICE == "cuda":
        torch.cuda.synchronize()


def measure(f, least=3):
    for _ in range(3):
        f()
    synchronize()
    started = time.perf_counter()
    f()
    synchronize()
    once = time.perf_counter() - started
    times = max(least, min(pick(5000, 2), int(0.2 / once)))
    best = float("inf")
    for _ in range(pick(5, 1)):
        started = time.perf_counter()
        for _ in range(times):
            f()
        synchronize()
        best = min(best, (time.perf_counter() - started) / times)
    return best


def product(n):
    size = pick(n, 64)
    a, b = (torch.randn(size, size, device=DEVICE, dtype=torch.bfloat16) for _ in range(2))
    out = torch.empty_like(a)
    return measure(lambda: torch.mm(a, b, out=out))


def moving(f):
    count = pick(2**28, 2**12)
    x, y = torch.rand(count, device=DEVICE), torch.rand(count, device=DEVICE)
    out = torch.empty_like(x)
    return measure(lambda: f(out, x, y))


ROWS, COLUMNS = pick(32768, 8), pick(4096, 64)


def rows(f):
    x = torch.randn(ROWS, COLUMNS, device=DEVICE)
    with torch.no_grad():
        return measure(lambda: f(x))


def layer_norm():
    w, b = torch.ones(COLUMNS, device=DEVICE), torch.zeros(COLUMNS, device=DEVICE)
    return rows(lambda x: F.layer_norm(x, (COLUMNS,), w, b))


def cross_entropy():
    y = torch.randint(COLUMNS, (ROWS,), device=DEVICE)
    return rows(lambda x: F.cross_entropy(x, y))


def small():
    x = torch.rand(10, device=DEVICE)
    return measure(lambda: torch.add(x, x), 1000)


def training(loss, optimizer, mixed, least=1):
    def step():
        optimizer.zero_grad()
        with torch.autocast(DEVICE, torch.bfloat16, enabled=mixed):
            value = loss()
        value.backward()
        optimizer.step()

    return measure(step, least)


class Bottleneck(nn.Module):
    def __init__(self, n_in, width, stride):
        super().__init__()

        def convolution(a, b, kernel, step=1):
            return nn.Conv2d(a, b, kernel, step, kernel // 2, bias=False), nn.BatchNorm2d(b)

        self.main = nn.Sequential(*convolution(n_in, width, 1), nn.ReLU(True),
                                  *convolution(width, width, 3, stride), nn.ReLU(True),
                                  *convolution(width, 4 * width, 1))
        self.shortcut = nn.Identity()
        if stride != 1 or n_in != 4 * width:
            self.shortcut = nn.Sequential(*convolution(n_in, 4 * width, 1, stride))
        self.relu = nn.ReLU(True)

    def forward(self, x):
        return self.relu(self.main(x) + self.shortcut(x))


def resnet50():
    batch, size, first = pick(256, 2), pick(224, 32), pick(64, 4)
    layers = [nn.Conv2d(3, first, 7, 2, 3, bias=False), nn.BatchNorm2d(first), nn.ReLU(True),
              nn.MaxPool2d(3, 2, 1)]
    width = first
    for stage, count in enumerate(pick((3, 4, 6, 3), (1, 1, 1, 1))):
        for k in range(count):
            layers.append(Bottleneck(width, first << stage, 2 if k == 0 and stage > 0 else 1))
            width = 4 * (first << stage)
    model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 1000))
    model = model.to(DEVICE, memory_format=torch.channels_last)
    x = torch.randn(batch, 3, size, size, device=DEVICE).to(memory_format=torch.channels_last)
    y = torch.randint(1000, (batch,), device=DEVICE)
    torch.backends.cudnn.benchmark = True
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    return training(lambda: F.cross_entropy(model(x), y), optimizer, True)


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(),
                                 nn.Linear(4 * width, width))

    def forward(self, x):
        batch, steps, width = x.shape
        q, k, v = (t.view(batch, steps, self.heads, -1).transpose(1, 2)
                   for t in self.qkv(self.norm1(x)).chunk(3, 2))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(y.transpose(1, 2).reshape(batch, steps, width))
        return x + self.mlp(self.norm2(x))


class GPT(nn.Module):
    def __init__(self, vocabulary, context, layers, heads, width):
        super().__init__()
        self.tokens, self.places = nn.Embedding(vocabulary, width), nn.Embedding(context, width)
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(layers)))
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens):
        places = torch.arange(tokens.shape[1], device=tokens.device)
        x = self.blocks(self.tokens(tokens) + self.places(places))
        return F.linear(self.norm(x), self.tokens.weight)


def gpt2():
    batch, steps, vocabulary = pick(16, 1), pick(1024, 8), pick(50257, 11)
    size = (50257, 1024, 12, 12, 768) if not TINY else (11, 8, 1, 2, 8)
    model = GPT(*size).to(DEVICE)
    x, y = (torch.randint(vocabulary, (batch, steps), device=DEVICE) for _ in range(2))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    return training(lambda: F.cross_entropy(model(x).flatten(0, 1), y.flatten()), optimizer, True)


class CharLSTM(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.embedding = nn.Embedding(65, width)
        self.layers = nn.LSTM(width, width, 2, batch_first=True)
        self.output = nn.Linear(width, 65)

    def forward(self, tokens):
        return self.output(self.layers(self.embedding(tokens))[0])


def lstm():
    model = CharLSTM(pick(128, 8)).to(DEVICE)
    x, y = (torch.randint(65, (pick(50, 2), pick(50, 3)), device=DEVICE) for _ in range(2))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    return training(lambda: F.cross_entropy(model(x).flatten(0, 1), y.flatten()), optimizer, False)


def mlp():
    model = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10)).to(DEVICE)
    x, y = torch.randn(32, 784, device=DEVICE), torch.randint(10, (32,), device=DEVICE)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    return training(lambda: F.cross_entropy(model(x), y), optimizer, False, 3)


LIST = {
    "mm bf16 8192": lambda: product(8192),
    "mm bf16 4096": lambda: product(4096),
    "copy 1 GiB": lambda: moving(lambda out, x, y: out.copy_(x)),
    "add 256 Mi floats": lambda: moving(lambda out, x, y: torch.add(x, y, out=out)),
    "exp 256 Mi floats": lambda: moving(lambda out, x, y: torch.exp(x, out=out)),
    "softmax 32768x4096": lambda: rows(lambda x: torch.softmax(x, 1)),
    "layer norm 32768x4096": layer_norm,
    "cross entropy 32768x4096": cross_entropy,
    "add of 10 floats": small,
    "ResNet-50 step, bf16, 256 images": resnet50,
    "GPT-2 124M step, bf16, 16x1024": gpt2,
    "char-LSTM step, 50x50": lstm,
    "MLP step of 32 digits": mlp,
}

for name, row in LIST.items():
    try:
        print("%s: %g" % (name, row()), flush=True)
    except Exception as problem:  # the other rows go on
        print(name, "failed:", problem, file=sys.stderr, flush=True)
    if DEVICE == "cuda":
        torch.cuda.empty_cache()
