"""What the files of spec/golden/ are made with: operations on small inputs with what PyTorch makes
of them.

Each case is an expression in Lua and one in Python over the same named inputs, with the expected
result and, for floating-point inputs, the gradients of sum(result * weights). All in float64.
spec/tensor/golden_spec.lua replays the cases; it weights element k (from 0) as weight() does."""
import math
import os
import textwrap

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
INF, NAN = math.inf, math.nan
HERE = os.path.dirname(os.path.abspath(__file__))


def tensor(values, dtype=None):
    return torch.tensor(values, dtype=dtype or torch.float64)


def draws(*sizes, low=-2.0, high=2.0, seed=1):
    """Short decimals, no two alike and none where functions have kinks."""
    count = math.prod(sizes)
    state, values = seed, []
    while len(values) < count:
        state = state * 16807 % 2147483647
        value = round(low + (high - low) * state / 2147483647, 3)
        if value not in values and abs(value - round(value * 2) / 2) > 0.01:
            values.append(value)
    return tensor(values).reshape(sizes)


def weight(like):
    k = torch.arange(like.numel(), dtype=torch.float64)
    return (0.5 + (k * 7 % 5) * 0.25).reshape(like.shape)


def number(x):
    if math.isfinite(x) and abs(x) < 1e15 and x == int(x):
        return str(int(x))
    if math.isnan(x):
        return "0/0"
    if math.isinf(x):
        return "1/0" if x > 0 else "-1/0"
    return repr(x)


def lua_tensor(t):
    text = "{type = '%s', size = {%s}, %s}" % (
        {torch.float64: "Double", torch.int64: "Long", torch.bool: "Byte", torch.uint8: "Byte",
         torch.int32: "Int", torch.float32: "Float"}[t.dtype],
        ", ".join(map(str, t.shape)), ", ".join(map(number, t.flatten().tolist())))
    return text


class File:
    def __init__(self, name, what):
        self.name, self.what, self.cases = name, what, []

    def case(self, lua, python, grad=True, **inputs):
        """`python` may be "=" where both expressions read the same."""
        leaves = {}
        for name, value in inputs.items():
            value = value.clone()
            if value.dtype == torch.float64 and grad:
                value.requires_grad_(True)
            leaves[name] = value
        scope = dict(leaves, torch=torch, F=F, INF=INF, NAN=NAN)
        result = eval(lua if python == "=" else python, scope)
        results = list(result) if isinstance(result, (tuple, list)) else [result]
        parts = ["'%s'" % lua.replace(" ", "\0")]  # no line may break there
        parts += ["inputs = {%s}" % ", ".join(
            "%s = %s" % (n, lua_tensor(v.detach())) for n, v in inputs.items())]
        parts += ["results = {%s}" % ", ".join(lua_tensor(r.detach()) for r in results)]
        total = sum((r * weight(r)).sum() for r in results if r.requires_grad)
        if torch.is_tensor(total):
            total.backward()
            parts += ["grads = {%s}" % ", ".join(
                "%s = %s" % (n, lua_tensor(v.grad if v.grad is not None else torch.zeros_like(v)))
                for n, v in leaves.items() if v.requires_grad)]
        self.cases.append("{" + ", ".join(parts) + "}")

    def write(self):
        with open(os.path.join(HERE, self.name + ".lua"), "w") as out:
            out.write("-- %s, by PyTorch %s. Written by make.py.\nreturn {\n"
                      % (self.what, torch.__version__.split("+")[0]))
            for case in self.cases:
                out.write("\n".join(textwrap.wrap(case, 98, initial_indent="  ",
                                                  subsequent_indent="    ",
                                                  break_on_hyphens=False,
                                                  break_long_words=False)).replace("\0", " ")
                          + ",\n")
            out.write("}\n")


A, B, ROW, COLUMN = draws(2, 3), draws(2, 3, seed=2), draws(3, seed=3), draws(2, 1, seed=4)
POSITIVE, POSITIVE2 = draws(2, 3, low=0.3, high=3), draws(2, 3, low=0.3, high=3, seed=5)
SMALL = draws(2, 3, low=-0.9, high=0.9)
CUBE = draws(2, 3, 4, seed=6)
SPECIAL = tensor([NAN, INF, -INF, 0.0, 1.0, -1.0])
