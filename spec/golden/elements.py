"""Cases of functions of elements that were added later."""
from cases import *  # noqa: F401,F403


def make():
    f = File("elements", "More functions of elements")
    anywhere = {
        "exp2": "torch.exp2(x)", "erfc": "torch.erfc(x)", "sinc": "torch.sinc(x)",
        "asinh": "torch.asinh(x)", "deg2rad": "torch.deg2rad(x)", "rad2deg": "torch.rad2deg(x)",
        "mish": "F.mish(x)", "gelu_tanh": "F.gelu(x, approximate='tanh')", "selu": "F.selu(x)",
        "celu": "F.celu(x)", "hardtanh": "F.hardtanh(x)", "relu6": "F.relu6(x)",
        "hardsigmoid": "F.hardsigmoid(x)", "hardswish": "F.hardswish(x)",
        "hardshrink": "F.hardshrink(x)", "softshrink": "F.softshrink(x)",
        "softsign": "F.softsign(x)", "tanhshrink": "F.tanhshrink(x)", "lgamma": "torch.lgamma(x)",
        "digamma": "torch.digamma(x)"}
    for name, python in anywhere.items():
        f.case("torch.%s(x)" % name, python, x=A)
        if name not in ("mish", "gelu_tanh", "hardswish", "softsign", "tanhshrink"):
            f.case("torch.%s(x)" % name, python, grad=False, x=SPECIAL)
    f.case("torch.relu6(x)", "F.relu6(x)", x=draws(4, low=-8, high=9))
    f.case("torch.hardswish(x)", "F.hardswish(x)", x=draws(6, low=-5, high=5))
    f.case("torch.hardsigmoid(x)", "F.hardsigmoid(x)", x=draws(6, low=-5, high=5))
    f.case("torch.celu(x, 0.5)", "F.celu(x, 0.5)", x=A)
    f.case("torch.hardtanh(x, -0.5, 1.2)", "F.hardtanh(x, -0.5, 1.2)", x=A)
    f.case("torch.hardshrink(x, 1)", "F.hardshrink(x, 1)", x=A)
    f.case("torch.softshrink(x, 1)", "F.softshrink(x, 1)", x=A)
    for name in ("erfinv", "atanh"):
        f.case("torch.%s(x)" % name, "=", x=SMALL)
        f.case("torch.%s(x)" % name, "=", grad=False, x=SPECIAL)
    f.case("torch.erfinv(x)", "=", x=tensor([1e-9, 0.999999, -0.99999999, 0.5, 0.50001]))
    f.case("torch.acosh(x)", "=", x=1 + POSITIVE)
    f.case("torch.logit(x)", "=", x=(1 + SMALL) / 2)
    f.case("torch.logit(x, 0.2)", "=", x=(1 + SMALL) / 2)
    f.case("torch.logit(x)", "=", grad=False, x=SPECIAL)
    negative = tensor([-0.3, -1.7, -12.25, 1e-3, 25.5])
    for name in ("lgamma", "digamma"):
        f.case("torch.%s(x)" % name, "=", x=negative)
    for n in (0, 1):
        f.case("torch.polygamma(%d, x)" % n, "=", x=negative)
    for n in (2, 3):
        f.case("torch.polygamma(%d, x)" % n, "=", x=POSITIVE)
    for name in ("isfinite", "isposinf", "isneginf", "signbit"):
        f.case("torch.%s(x)" % name, "=", x=SPECIAL[1:] if name == "signbit" else SPECIAL)
        f.case("torch.%s(x)" % name, "=", x=tensor([0, -3, 5], torch.int64))

    pairs = ["fmax", "fmin", "hypot", "logaddexp", "logaddexp2", "copysign", "heaviside",
             "floor_divide"]
    for name in pairs:
        grad = name not in ("heaviside", "floor_divide")
        f.case("torch.%s(a, b)" % name, "=", grad=grad, a=A, b=B)
        f.case("torch.%s(a, b)" % name, "=", grad=grad, a=COLUMN, b=ROW)
        if name != "floor_divide":
            # the sign of what is no number is none to rely on
            edges = SPECIAL[1:] if name == "copysign" else SPECIAL
            f.case("torch.%s(a, b)" % name, "=", grad=False, a=edges, b=edges.flip(0))
            f.case("torch.%s(a, b)" % name, "=", grad=False, a=edges, b=edges)
    f.case("torch.floor_divide(a, b)", "=", grad=False, a=tensor([1.0, -1, 5, -5, 0, 7, INF]),
           b=tensor([0.1, 0.1, -2, 2, 3, INF, 2]))
    f.case("torch.floor_divide(a, b)", "=", a=tensor([7, -7, 7, -7, 0], torch.int64),
           b=tensor([2, 2, -2, -2, 3], torch.int64))
    f.case("torch.true_divide(a, b):double()", "torch.true_divide(a, b)",
           a=tensor([8, -7, 7], torch.int64), b=tensor([2, 2, -4], torch.int64))
    f.case("torch.xlogy(a, b)", "=", a=A, b=POSITIVE2)
    f.case("torch.xlogy(a, b)", "=", grad=False, a=tensor([0.0, 0, 0, 1, 2]),
           b=tensor([0.0, NAN, INF, 0, -1]))
    f.case("torch.float_power(a, b)", "=", a=POSITIVE, b=B)
    f.case("torch.ldexp(a, b)", "=", a=A, b=tensor([1, -2, 3], torch.int64))
    whole, other = tensor([12, -18, 0, 7, -4], torch.int64), tensor([18, 12, 5, 0, 6], torch.int64)
    for name in ("gcd", "lcm"):
        f.case("torch.%s(a, b)" % name, "=", a=whole, b=other)
    f.case("torch.bitwise_not(a)", "=", a=whole)

    low, high = draws(2, 3, low=-1, high=0, seed=30), draws(3, low=0, high=1, seed=31)
    f.case("torch.clamp(x, a, b)", "=", x=A, a=low, b=high)
    f.case("torch.clamp(x, a)", "=", x=A, a=low)
    f.case("torch.clamp(x, nil, b)", "torch.clamp(x, None, b)", x=A, b=high)
    f.case("torch.clamp(x, {max = 0.5})", "torch.clamp(x, max=0.5)", x=A)
    f.case("torch.clamp(x, {min = a})", "torch.clamp(x, min=a)", x=A, a=low)
    f.case("torch.clamp(x, 0.5)", "=", x=A)
    f.case("torch.clamp(x, a, b)", "=", grad=False, x=SPECIAL, a=tensor([0.5]), b=tensor([NAN]))
    f.case("torch.clamp_min(x, 0.5)", "=", x=A)
    f.case("torch.clamp_max(x, a)", "=", x=A, a=low)
    f.case("torch.nan_to_num(x)", "=", x=SPECIAL)
    f.case("torch.nan_to_num(x, 2, 7, -7)", "=", x=SPECIAL)
    f.case("torch.prelu(x, w)", "=", x=A, w=tensor([0.25]))
    f.case("torch.prelu(x, w)", "=", x=CUBE, w=tensor([0.25, 0.5, -0.3]))
    f.case("torch.glu(x)", "F.glu(x)", x=CUBE)
    f.case("torch.glu(x, 1)", "F.glu(x, 0)", x=CUBE)
    f.case("torch.softmin(x, 1)", "F.softmin(x, 0)", x=A)
    f.case("torch.gelu(x, \"tanh\")", "F.gelu(x, approximate='tanh')", x=A)
    near = SPECIAL + tensor([0.0, 0, 0, 1e-9, 1e-6, 1e-4])
    f.case("torch.isclose(a, b)", "=", a=SPECIAL, b=near)
    f.case("torch.isclose(a, b, 1e-3, 0, true)", "torch.isclose(a, b, 1e-3, 0, equal_nan=True)",
           a=SPECIAL, b=near)
    f.case("torch.isclose(a, b)", "=", a=SPECIAL, b=SPECIAL.flip(0))
    big = tensor([1e6, -12345.678, 1e15, 3e22])
    for name in ("sin", "cos"):
        f.case("torch.%s(x)" % name, "=", x=big)
    f.write()
