"""Cases of nn/models/, replayed by spec/nn/models_golden_spec.lua: the models' structure written
anew with PyTorch's modules, with parameters in the same order.

result(model, x) fills the parameters by a formula, and gives the output and one number for each
parameter: what its gradient comes to, weighted by that formula."""
from cases import *  # noqa: F401,F403
from torch import nn
from torch.nn import Conv2d, BatchNorm2d, ReLU, Sequential, Linear


def values(k, *sizes):
    """From -1 to 1, without any order to speak of; spec/nn/models_golden_spec.lua has the same."""
    i = torch.arange(math.prod(sizes), dtype=torch.float64)
    return ((i * i * 3 + i * 5 + k * 11).fmod(101) / 50.5 - 1).reshape(sizes)


def result(model, x):
    parameters = list(model.parameters())
    with torch.no_grad():
        for k, p in enumerate(parameters):
            v = values(k + 1, *p.shape)
            p.copy_(v / math.sqrt(p.numel() / p.shape[0]) if p.dim() > 1 else v * 0.1)
    y = model(x)
    (y * weight(y)).sum().backward()
    return y.detach(), torch.stack([(p.grad * values(0, *p.shape)).sum() for p in parameters])


class Branches(nn.Module):
    def __init__(self, main, shortcut=None):
        super().__init__()
        self.main, self.shortcut = main, shortcut

    def forward(self, x):
        return self.main(x) + (x if self.shortcut is None else self.shortcut(x))


def conv(n, m, kernel=3, stride=1, groups=1, act=ReLU):
    parts = [Conv2d(n, m, kernel, stride, kernel // 2, groups=groups, bias=False), BatchNorm2d(m)]
    return parts + ([act()] if act else [])


def pooled(*parts):
    return Sequential(*parts[:-1], nn.AdaptiveAvgPool2d(1), nn.Flatten(), parts[-1])


def resnet(stages, width, bottleneck):
    n, parts = width, conv(1, width)
    for i, count in enumerate(stages):
        for k in range(count):
            w, stride = width * 2 ** i, 2 if i > 0 and k == 0 else 1
            m = 4 * w if bottleneck else w
            main = conv(n, w, 1) + conv(w, w, 3, stride) + conv(w, m, 1, act=None) if bottleneck \
                else conv(n, w, 3, stride) + conv(w, w, act=None)
            cut = Sequential(*conv(n, m, 1, stride, act=None)) if stride > 1 or n != m else None
            parts += [Branches(Sequential(*main), cut), ReLU()]
            n = m
    return pooled(*parts, Linear(n, 3))


def mobilenet(stages, widths, last):
    n, parts = widths[0], conv(1, widths[0], act=nn.ReLU6)
    for (factor, count, stride), m in zip(stages, widths[1:]):
        for k in range(count):
            w, step = n * factor, stride if k == 0 else 1
            main = (conv(n, w, 1, act=nn.ReLU6) if factor > 1 else []) \
                + conv(w, w, 3, step, w, nn.ReLU6) + conv(w, m, 1, act=None)
            parts += [Branches(Sequential(*main))] if step == 1 and n == m else main
            n = m
    return pooled(*parts, *conv(n, last, 1, act=nn.ReLU6), Linear(last, 3))


def vgg(stacks, width, norm):
    n, parts = 1, []
    for i, count in enumerate(stacks):
        m = width * min(2 ** i, 8)
        for _ in range(count):
            parts += [Conv2d(n, m, 3, 1, 1)] + ([BatchNorm2d(m)] if norm else []) + [ReLU()]
            n = m
        parts.append(nn.MaxPool2d(2))
    return Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), Linear(n, 4), ReLU(),
                      Linear(4, 4), ReLU(), Linear(4, 3))


class UNet(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.a = Sequential(*conv(1, width), *conv(width, width))
        self.b = Sequential(nn.MaxPool2d(2), *conv(width, 2 * width), *conv(2 * width, 2 * width))
        self.up = nn.ConvTranspose2d(2 * width, width, 2, 2)
        self.c = Sequential(*conv(2 * width, width), *conv(width, width))
        self.last = Conv2d(width, 2, 1)

    def forward(self, x):
        a = self.a(x)
        up = self.up(self.b(a))
        up = F.pad(up, (0, a.shape[3] - up.shape[3], 0, a.shape[2] - up.shape[2]))
        return self.last(self.c(torch.cat((a, up), 1)))


class Block(nn.Module):
    def __init__(self, width, heads, causal):
        super().__init__()
        self.n1, self.causal = nn.LayerNorm(width), causal
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.n2 = nn.LayerNorm(width)
        self.mlp = Sequential(Linear(width, 4 * width), nn.GELU(), Linear(4 * width, width))

    def forward(self, x):
        y, n = self.n1(x), x.shape[1]
        mask = torch.ones(n, n, dtype=torch.bool).triu(1) if self.causal else None
        x = x + self.attention(y, y, y, attn_mask=mask, need_weights=False)[0]
        return x + self.mlp(self.n2(x))


class GPT(nn.Module):
    def __init__(self):
        super().__init__()
        self.tokens, self.places = nn.Embedding(5, 4), nn.Embedding(6, 4)
        self.blocks = Sequential(Block(4, 2, True), Block(4, 2, True))
        self.norm = nn.LayerNorm(4)

    def forward(self, x):
        x = self.tokens(x) + self.places(torch.arange(x.shape[1]))
        return self.norm(self.blocks(x)) @ self.tokens.weight.T


class ViT(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Parameter(torch.zeros(1, 1, 4))
        self.places = nn.Parameter(torch.zeros(1, 5, 4))
        self.patches = Conv2d(1, 4, 2, 2)
        self.blocks, self.norm, self.last = Block(4, 2, False), nn.LayerNorm(4), Linear(4, 3)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat((self.first.expand(x.shape[0], 1, 4), x), 1) + self.places
        return self.last(self.norm(self.blocks(x))[:, 0])


class CharLSTM(nn.Module):
    def __init__(self):
        super().__init__()
        self.tokens, self.last = nn.Embedding(5, 3), None
        self.lstm = nn.LSTM(3, 3, 2, batch_first=True)
        self.last = Linear(3, 5)

    def forward(self, x):
        return self.last(self.lstm(self.tokens(x))[0])


def lenet():
    return Sequential(Conv2d(1, 6, 5, 1, 2), nn.Tanh(), nn.AvgPool2d(2), Conv2d(6, 16, 5),
                      nn.Tanh(), nn.AvgPool2d(2), nn.Flatten(), Linear(16, 120), nn.Tanh(),
                      Linear(120, 84), nn.Tanh(), Linear(84, 3))


def generator():
    up = nn.ConvTranspose2d
    return Sequential(nn.Unflatten(1, (3, 1, 1)), up(3, 2, 4, 1, 0, bias=False), BatchNorm2d(2),
                      ReLU(), up(2, 1, 4, 2, 1, bias=False), nn.Tanh())


def discriminator():
    return Sequential(Conv2d(1, 2, 4, 2, 1, bias=False), nn.LeakyReLU(0.2),
                      Conv2d(2, 4, 4, 2, 1, bias=False), BatchNorm2d(4), nn.LeakyReLU(0.2),
                      Conv2d(4, 1, 4, bias=False), nn.Flatten(0))


STAGES = [(1, 1, 1), (6, 2, 1), (6, 3, 2), (6, 4, 2), (6, 3, 1), (6, 3, 2), (6, 1, 1)]
F.values, F.result, F.resnet, F.mobilenet, F.vgg, F.STAGES = \
    values, result, resnet, mobilenet, vgg, STAGES
F.UNet, F.GPT, F.ViT, F.CharLSTM, F.lenet, F.generator, F.discriminator = \
    UNet, GPT, ViT, CharLSTM, lenet, generator, discriminator


def make():
    f = File("nn_models", "Models")
    tokens = tensor([[1, 3, 5, 2], [4, 4, 1, 2]], torch.int64)
    for lua, python, sizes in (
            ("LeNet{size = 12, classes = 3, activation = 'Tanh', pooling = 'average'}", "lenet()",
             "2, 1, 12, 12"),
            ("VGG{depth = 11, channels = 1, width = 1, hidden = 4, pooled = 1, classes = 3, "
             "dropout = 0}", "vgg((1, 1, 2, 2, 2), 1, False)", "2, 1, 32, 32"),
            ("VGG{depth = 13, channels = 1, width = 1, hidden = 4, pooled = 1, classes = 3, "
             "dropout = 0, batch_norm = true}", "vgg((2, 2, 2, 2, 2), 1, True)", "2, 1, 64, 64"),
            ("ResNet{depth = 18, channels = 1, width = 2, classes = 3, small_images = true}",
             "resnet((2, 2, 2, 2), 2, False)", "2, 1, 16, 16"),
            ("ResNet{depth = 50, channels = 1, width = 1, classes = 3, small_images = true}",
             "resnet((3, 4, 6, 3), 1, True)", "2, 1, 16, 16"),
            ("MobileNetV2{channels = 1, width = 0.05, classes = 3, small_images = true, "
             "dropout = 0}", "mobilenet(F.STAGES, (8, 8, 8, 8, 8, 8, 8, 16), 1280)",
             "2, 1, 16, 16"),
            ("UNet{channels = 1, classes = 2, width = 2, depth = 1}", "UNet(2)", "2, 1, 5, 4"),
            ("ViT{size = 4, patch = 2, channels = 1, classes = 3, layers = 1, width = 4, "
             "heads = 2}", "ViT()", "2, 1, 4, 4"),
            ("DCGANGenerator{latent = 3, size = 8, width = 2, channels = 1}", "generator()",
             "3, 3"),
            ("DCGANDiscriminator{size = 16, width = 2, channels = 1}", "discriminator()",
             "3, 1, 16, 16")):
        f.case("result(nn.%s, values(0, %s))" % (lua.replace("'", '"'), sizes),
               "F.result(F.%s, F.values(0, %s))" % (python, sizes))
    f.case("result(nn.GPT{vocabulary = 5, context = 6, layers = 2, heads = 2, width = 4}, x)",
           "F.result(F.GPT(), x - 1)", x=tokens)
    f.case("result(nn.CharLSTM{vocabulary = 5, width = 3, layers = 2}, x)",
           "F.result(F.CharLSTM(), x - 1)", x=tokens)
    f.write()
