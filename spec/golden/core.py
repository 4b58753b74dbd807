"""Cases of the operations that were there first."""
from cases import *  # noqa: F401,F403


def pointwise():
    f = File("pointwise", "Functions of elements")
    anywhere = {
        "neg": "torch.neg(x)", "abs": "torch.abs(x)", "sign": "torch.sign(x)",
        "square": "torch.square(x)", "relu": "torch.relu(x)", "exp": "torch.exp(x)",
        "expm1": "torch.expm1(x)", "sin": "torch.sin(x)", "cos": "torch.cos(x)",
        "tan": "torch.tan(x)", "atan": "torch.atan(x)", "sinh": "torch.sinh(x)",
        "cosh": "torch.cosh(x)", "tanh": "torch.tanh(x)", "sigmoid": "torch.sigmoid(x)",
        "logsigmoid": "F.logsigmoid(x)", "softplus": "F.softplus(x)", "erf": "torch.erf(x)",
        "gelu": "F.gelu(x)", "silu": "F.silu(x)", "floor": "torch.floor(x)",
        "ceil": "torch.ceil(x)", "round": "torch.round(x)", "trunc": "torch.trunc(x)",
        "frac": "torch.frac(x)", "cinv": "1 / x"}
    positive = {
        "log": "torch.log(x)", "log1p": "torch.log1p(x)", "log2": "torch.log2(x)",
        "log10": "torch.log10(x)", "sqrt": "torch.sqrt(x)", "rsqrt": "torch.rsqrt(x)"}
    for name, python in anywhere.items():
        f.case("torch.%s(x)" % name, python, x=A)
    for name, python in positive.items():
        f.case("torch.%s(x)" % name, python, x=POSITIVE)
    for name in ("asin", "acos"):
        f.case("torch.%s(x)" % name, "=", x=SMALL)
    f.case("torch.elu(x)", "F.elu(x)", x=A)
    f.case("torch.elu(x, 0.7)", "F.elu(x, 0.7)", x=A)
    f.case("torch.leaky_relu(x)", "F.leaky_relu(x)", x=A)
    f.case("torch.leaky_relu(x, 0.2)", "F.leaky_relu(x, 0.2)", x=A)
    f.case("torch.clamp(x, -0.5, 0.8)", "=", x=A)
    f.case("torch.threshold(x, 0.6, -3)", "F.threshold(x, 0.6, -3)", x=A)
    for name in ("isnan", "isinf", "logical_not"):
        f.case("torch.%s(x)" % name, "=", x=SPECIAL)
    # sign is left out: of what is no number it is 0 here
    for name in sorted(set(anywhere) - {"logsigmoid", "sign", "gelu", "silu", "frac"}) \
            + list(positive):
        f.case("torch.%s(x)" % name, anywhere.get(name) or positive[name], grad=False, x=SPECIAL)

    pairs = {"add": "a + b", "csub": "a - b", "cmul": "a * b", "cmax": "torch.maximum(a, b)",
             "cmin": "torch.minimum(a, b)"}
    positive_pairs = {"cdiv": "a / b", "cpow": "a ** b", "atan2": "torch.atan2(a, b)",
                      "fmod": "torch.fmod(a, b)", "remainder": "torch.remainder(a, b)"}
    for name, python in pairs.items():
        f.case("torch.%s(a, b)" % name, python, a=A, b=B)
        f.case("torch.%s(a, b)" % name, python, a=A, b=ROW)
        f.case("torch.%s(a, b)" % name, python, a=COLUMN, b=ROW)
        f.case("torch.%s(a, b)" % name, python, grad=False, a=SPECIAL, b=SPECIAL.flip(0))
        f.case("torch.%s(a, 0.75)" % name, python.replace("b", "torch.tensor(0.75)", 1)
               if "(" not in python else python.replace("b)", "torch.tensor(0.75))"), a=A)
    for name, python in positive_pairs.items():
        f.case("torch.%s(a, b)" % name, python, a=POSITIVE, b=POSITIVE2)
        f.case("torch.%s(a, b)" % name, python, a=A, b=POSITIVE2) if name != "cpow" else None
        f.case("torch.%s(a, b)" % name, python, a=POSITIVE, b=POSITIVE2[0])
        f.case("torch.%s(a, b)" % name, python, a=POSITIVE[:, :1], b=POSITIVE2)
        f.case("torch.%s(a, b)" % name, python, grad=False, a=SPECIAL, b=tensor(
            [1.0, 2.0, 2.0, -1.0, 0.0, 0.5]))
    f.case("torch.fmod(a, b)", "=", a=A, b=B)
    f.case("torch.remainder(a, b)", "=", a=A, b=B)
    f.case("a / b", "=", a=A, b=B)
    f.case("a ^ 3", "a ** 3", a=A)
    f.case("a ^ 0", "a ** 0", a=A)
    f.case("torch.pow(2, a)", "=", a=A)
    f.case("2 / a", "=", a=A)
    f.case("1 - a", "=", a=A)
    f.case("a % 0.7", "=", a=A)
    f.case("torch.add(a, 2, b)", "a + 2 * b", a=A, b=ROW)
    f.case("torch.csub(a, 2, b)", "a - 2 * b", a=A, b=COLUMN)
    f.case("torch.lerp(a, b, 0.3)", "=", a=A, b=B)
    f.case("torch.addcmul(x, 0.5, a, b)", "torch.addcmul(x, a, b, value=0.5)", x=A, a=B, b=ROW)
    f.case("torch.addcdiv(x, 0.5, a, b)", "torch.addcdiv(x, a, b, value=0.5)", x=A, a=B, b=POSITIVE)
    for name in ("lt", "le", "gt", "ge", "eq", "ne"):
        f.case("torch.%s(a, b)" % name, "=", a=SPECIAL, b=tensor([0.0, INF, 1.0, 0.0, 2.0, NAN]))
        f.case("torch.%s(a, 0)" % name, "=", a=A)
    for name in ("logical_and", "logical_or", "logical_xor"):
        f.case("torch.%s(a, b)" % name, "=", a=SPECIAL, b=tensor([0.0, 1.0, 0.0, 0.0, 2.0, NAN]))
    one, two = tensor([12, 10, 7, 1, 0, 255], torch.int64), tensor([10, 6, 3, 2, 5, 1], torch.int64)
    for name, python in {"bitand": "a & b", "bitor": "a | b", "bitxor": "a ^ b", "lshift": "a << b",
                         "rshift": "a >> b"}.items():
        f.case("torch.%s(a, b)" % name, python, a=one, b=two)
    f.case("torch.rshift(a, b)", "a >> b", a=-one, b=two)
    mask = tensor([[1, 0, 1], [0, 0, 1]], torch.uint8)
    f.case("torch.where(c, a, b)", "torch.where(c.bool(), a, b)", c=mask, a=A, b=B)
    f.case("torch.where(c, a, b)", "torch.where(c.bool(), a, b)", c=mask, a=ROW, b=COLUMN)
    f.case("torch.maskedFill(x, c, 0.5)", "x.masked_fill(c.bool(), 0.5)", x=A, c=mask)
    for name, python in {"div": "torch.div(a, b, rounding_mode='trunc')",
                         "fmod": "torch.fmod(a, b)",
                         "remainder": "torch.remainder(a, b)"}.items():
        f.case("torch.%s(a, b)" % name, python, a=tensor([7, -7, 7, -7, 0], torch.int64),
               b=tensor([2, 2, -2, -2, 3], torch.int64))
    f.case("torch.pow(a, b)", "=", a=tensor([2, -3, 0, 5], torch.int64),
           b=tensor([10, 3, 0, 1], torch.int64))
    f.write()


def reduce():
    f = File("reduce", "Sums, extremes and norms")
    inputs = [A, CUBE, ROW]
    for x in inputs:
        for name in ("sum", "mean", "prod", "var", "std", "max", "min"):
            f.case("torch.%s(x)" % name, "=", x=x)
        f.case("torch.norm(x)", "=", x=x)
        f.case("torch.norm(x, 1)", "x.norm(1)", x=x)
        f.case("torch.norm(x, 3)", "x.norm(3)", x=x)
        f.case("torch.norm(x, 0)", "x.norm(0)", grad=False, x=x)
        f.case("torch.norm(x, 1/0)", "x.norm(INF)", x=x)
        f.case("torch.logsumexp(x)", "x.flatten().logsumexp(0)", x=x)
        for d in range(x.dim()):
            for name in ("sum", "mean", "prod", "var", "std", "logsumexp"):
                f.case("torch.%s(x, %d)" % (name, d + 1),
                       "torch.%s(x, %d, keepdim=True)" % (name, d), x=x)
            for name in ("var", "std"):
                f.case("torch.%s(x, %d, true)" % (name, d + 1),
                       "torch.%s(x, %d, correction=0, keepdim=True)" % (name, d), x=x)
            f.case("torch.norm(x, 2, %d)" % (d + 1), "x.norm(2, %d, keepdim=True)" % d, x=x)
            for name in ("max", "min"):
                f.case("torch.%s(x, %d)" % (name, d + 1),
                       "(x.%s(%d, keepdim=True)[0], x.%s(%d, keepdim=True)[1] + 1)"
                       % (name, d, name, d), x=x)
                f.case("torch.arg%s(x, %d)" % (name, d + 1), "x.arg%s(%d, keepdim=True) + 1"
                       % (name, d), x=x)
            f.case("torch.cumsum(x, %d)" % (d + 1), "x.cumsum(%d)" % d, x=x)
            f.case("torch.softmax(x, %d)" % (d + 1), "x.softmax(%d)" % d, x=x)
            f.case("torch.log_softmax(x, %d)" % (d + 1), "x.log_softmax(%d)" % d, x=x)
            f.case("torch.sort(x, %d)" % (d + 1),
                   "(x.sort(%d)[0], x.sort(%d)[1] + 1)" % (d, d), x=x)
            f.case("torch.sort(x, %d, true)" % (d + 1),
                   "(x.sort(%d, True)[0], x.sort(%d, True)[1] + 1)" % (d, d), x=x)
            f.case("torch.topk(x, 2, %d, true)" % (d + 1),
                   "(x.topk(2, %d)[0], x.topk(2, %d)[1] + 1)" % (d, d), x=x)
            f.case("torch.topk(x, 1, %d)" % (d + 1),
                   "(x.topk(1, %d, False)[0], x.topk(1, %d, False)[1] + 1)" % (d, d), x=x)
    f.case("torch.sum(x, 2, false)", "x.sum(1)", x=CUBE)
    f.case("torch.mean(x, -1, false)", "x.mean(-1)", x=CUBE)
    f.case("torch.max(x, 2, false)", "(x.max(1)[0], x.max(1)[1] + 1)", x=CUBE)
    f.case("torch.cumsum(x, 1, true)", "x.flip(0).cumsum(0).flip(0)", x=ROW)
    zeros = tensor([[2.0, 0.0, 3.0], [0.0, 0.0, 1.5]])
    f.case("torch.prod(x, 2)", "x.prod(1, keepdim=True)", x=zeros)
    f.case("torch.prod(x)", "=", x=zeros)
    f.case("torch.max(x)", "=", x=tensor([1.0, 3.0, 3.0, 2.0]))
    f.case("torch.norm(x)", "=", x=tensor([0.0, 0.0]))
    for values in ([NAN, 1.0, 2.0], [INF, 1.0, -INF], [INF, INF, 1.0], [-INF, -INF, -INF]):
        x = tensor(values)
        for name in ("sum", "mean", "prod", "max", "min", "norm", "std"):
            f.case("torch.%s(x)" % name, "=", grad=False, x=x)
        f.case("torch.logsumexp(x)", "x.logsumexp(0)", grad=False, x=x)
        f.case("torch.cumsum(x, 1)", "x.cumsum(0)", grad=False, x=x)
    f.case("torch.softmax(x, 1)", "x.softmax(0)", x=tensor([1000.0, 1001.0, -1000.0]))
    f.case("torch.log_softmax(x, 1)", "x.log_softmax(0)", x=tensor([1000.0, 1001.0, -INF]))
    whole = tensor([[3, -1, 2], [5, 0, -7]], torch.int64)
    for name in ("sum", "prod", "max", "min"):
        f.case("torch.%s(x)" % name, "=", x=whole)
    f.case("torch.sum(x, 1)", "x.sum(0, keepdim=True)", x=whole)
    f.case("torch.cumsum(x, 2)", "x.cumsum(1)", x=whole)
    f.write()


def products():
    f = File("products", "Products of vectors and matrices, layers and losses")
    m, n, batch, other = draws(3, 4), draws(4, 2, seed=7), draws(2, 3, 4, seed=8), draws(
        2, 4, 2, seed=9)
    four, three, two = draws(4, seed=10), draws(3, seed=11), draws(2, seed=12)
    f.case("torch.dot(a, b)", "=", a=four, b=draws(4, seed=13))
    f.case("torch.mv(a, b)", "=", a=m, b=four)
    f.case("torch.mm(a, b)", "=", a=m, b=n)
    f.case("torch.mm(a:t(), b)", "torch.mm(a.t(), b)", a=m, b=draws(3, 2, seed=14))
    f.case("torch.mm(a, b:t())", "torch.mm(a, b.t())", a=m, b=draws(2, 4, seed=14))
    f.case("torch.bmm(a, b)", "=", a=batch, b=other)
    f.case("torch.ger(a, b)", "torch.outer(a, b)", a=three, b=two)
    for a, b in ((four, draws(4, seed=13)), (m, four), (four, n), (m, n), (batch, n),
                 (batch, other), (m, other), (batch, four), (draws(2, 1, 3, 4, seed=15), other)):
        f.case("a * b", "a @ b", a=a, b=b)
    f.case("torch.addmv(m, a, b)", "=", m=three, a=m, b=four)
    f.case("torch.addmv(0.5, m, 2, a, b)", "torch.addmv(m, a, b, beta=0.5, alpha=2)",
           m=three, a=m, b=four)
    f.case("torch.addmm(m, a, b)", "=", m=draws(3, 2, seed=16), a=m, b=n)
    f.case("torch.addmm(0.5, m, 2, a, b)", "torch.addmm(m, a, b, beta=0.5, alpha=2)",
           m=draws(3, 2, seed=16), a=m, b=n)
    f.case("torch.addr(0.5, m, 2, a, b)", "torch.addr(m, a, b, beta=0.5, alpha=2)",
           m=draws(3, 2, seed=16), a=three, b=two)
    f.case("torch.baddbmm(0.5, m, 2, a, b)", "torch.baddbmm(m, a, b, beta=0.5, alpha=2)",
           m=draws(2, 3, 2, seed=17), a=batch, b=other)
    f.case("torch.linear(x, w, b)", "F.linear(x, w, b)", x=m, w=draws(2, 4, seed=18), b=two)
    f.case("torch.linear(x, w)", "F.linear(x, w)", x=m, w=draws(2, 4, seed=18))
    f.case("torch.linear(x, w, b)", "F.linear(x, w, b)", x=four, w=draws(2, 4, seed=18), b=two)
    f.case("torch.linear(x, w, b)", "F.linear(x, w, b)", x=batch, w=draws(2, 4, seed=18), b=two)
    labels = tensor([2, 4, 1], torch.int64)
    for name in ("nll_loss", "cross_entropy"):
        f.case("torch.%s(x, t)" % name, "F.%s(x, t - 1)" % name, x=m, t=labels)
        f.case("torch.%s(x, t, nil, false)" % name, "F.%s(x, t - 1, reduction='sum')" % name,
               x=m, t=labels)
        f.case("torch.%s(x, t, torch.DoubleTensor{0.5, 1, 2, 3})" % name,
               "F.%s(x, t - 1, torch.tensor([0.5, 1.0, 2.0, 3.0]))" % name, x=m, t=labels)
        f.case("torch.%s(x, t, torch.DoubleTensor{0.5, 1, 2, 3}, false)" % name,
               "F.%s(x, t - 1, torch.tensor([0.5, 1.0, 2.0, 3.0]), reduction='sum')" % name,
               x=m, t=labels)
        f.case("torch.%s(x, 3)" % name, "F.%s(x, torch.tensor(2))" % name, x=four)
    f.case("torch.mse_loss(x, y)", "F.mse_loss(x, y)", x=A, y=B)
    f.case("torch.mse_loss(x, y, false)", "F.mse_loss(x, y, reduction='sum')", x=A, y=B)
    big = tensor([[800.0, -800.0, 0.0], [1.0, 2.0, 3.0]])
    f.case("torch.cross_entropy(x, t)", "F.cross_entropy(x, t - 1)", x=big,
           t=tensor([2, 1], torch.int64))
    f.write()


def shapes():
    f = File("shapes", "Views, copies, indices and masks")
    m = draws(3, 4)
    f.case("x:view(4, 3)", "x.view(4, 3)", x=m)
    f.case("x:view(-1)", "x.view(-1)", x=m)
    f.case("x:t():reshape(2, 6)", "x.t().reshape(2, 6)", x=m)
    f.case("x:expand(2, 2, 3)", "x.expand(2, 2, 3)", x=COLUMN.reshape(2, 1))
    f.case("x:narrow(2, 2, 2)", "x.narrow(1, 1, 2)", x=m)
    f.case("x:select(1, 2)", "x.select(0, 1)", x=m)
    f.case("x:transpose(1, 3)", "x.transpose(0, 2)", x=CUBE)
    f.case("x:permute(2, 3, 1)", "x.permute(1, 2, 0)", x=CUBE)
    f.case("x:unsqueeze(2)", "x.unsqueeze(1)", x=A)
    f.case("x:squeeze()", "x.squeeze()", x=COLUMN)
    f.case("x:unfold(1, 3, 1)", "x.unfold(0, 3, 1)", x=draws(5))
    f.case("x:unfold(2, 2, 2)", "x.unfold(1, 2, 2)", x=m)
    f.case("x:unfold(1, 2, 1)", "x.unfold(0, 2, 1)", x=m)
    f.case("x:repeatTensor(2, 2)", "x.repeat(2, 2)", x=A)
    f.case("x:repeatTensor(2, 1, 2)", "x.repeat(2, 1, 2)", x=A)
    f.case("x[2]", "x[1]", x=m)
    f.case("x[{{}, 2}]", "x[:, 1]", x=m)
    f.case("x[{{2, 3}, {-2, -1}}]", "x[1:3, -2:]", x=m)
    f.case("x[{2, {}, {1, 2}}]", "x[1, :, 0:2]", x=CUBE)
    f.case("x[{-1, -1}]", "x[-1, -1]", x=m)
    index = tensor([3, 1, 3], torch.int64)
    f.case("x:index(1, i)", "x.index_select(0, i - 1)", x=m, i=index)
    f.case("x:index(2, i)", "x.index_select(1, i - 1)", x=m, i=index)
    f.case("x[i]", "x[i - 1]", x=m, i=index)
    f.case("torch.indexAdd(x, 1, i, s)", "x.index_add(0, i - 1, s)", x=m, i=index,
           s=draws(3, 4, seed=20))
    apart = tensor([4, 1], torch.int64)
    f.case("torch.indexCopy(x, 2, i, s)", "x.index_copy(1, i - 1, s)", x=m, i=apart,
           s=draws(3, 2, seed=21))
    f.case("torch.indexFill(x, 2, i, 0.5)", "x.index_fill(1, i - 1, 0.5)", x=m, i=apart)
    spots = tensor([[1, 3, 2, 1], [2, 2, 1, 3]], torch.int64)
    f.case("x:gather(1, i)", "x.gather(0, i - 1)", x=m, i=spots)
    f.case("x:gather(2, i)", "x.gather(1, i - 1)", x=m[:2], i=spots)
    distinct = tensor([[1, 3, 2, 1], [2, 1, 3, 3]], torch.int64)
    f.case("torch.scatter(x, 1, i, s)", "x.scatter(0, i - 1, s)", x=m, i=distinct,
           s=draws(2, 4, seed=22))
    f.case("torch.scatter(x, 1, i, 0.5)", "x.scatter(0, i - 1, 0.5)", x=m, i=distinct)
    f.case("torch.scatter_add(x, 2, i, s)", "x.scatter_add(1, i - 1, s)", x=m[:2], i=spots,
           s=draws(2, 4, seed=23))
    mask = tensor([[1, 0, 0, 1], [0, 0, 1, 0], [1, 1, 0, 0]], torch.uint8)
    f.case("x:maskedSelect(c)", "x.masked_select(c.bool())", x=m, c=mask)
    f.case("x[c]", "x[c.bool()]", x=m, c=mask)
    f.case("torch.maskedCopy(x, c, s)", "x.masked_scatter(c.bool(), s)", x=m, c=mask,
           s=draws(6, seed=24))
    f.case("x:nonzero()", "x.nonzero() + 1", x=mask)
    f.case("torch.cat(a, b, 1)", "torch.cat((a, b), 0)", a=A, b=ROW.reshape(1, 3))
    f.case("torch.cat({a, b, a}, 2)", "torch.cat((a, b, a), 1)", a=A, b=COLUMN)
    for k in (-1, 0, 1):
        for name in ("tril", "triu", "diag"):
            f.case("torch.%s(x, %d)" % (name, k), "=", x=m)
        f.case("torch.diag(x, %d)" % k, "=", x=ROW)
    f.case("x:long()", "x.long()", x=tensor([1.5, -1.5, 0.99, -0.99, 100.0]))
    f.case("x:float()", "x.float()", grad=False, x=tensor([0.1, 1e300, -1e-300, 16777217.0]))
    f.case("torch.cmul(x:float(), y)", "x.float() * y", x=tensor([0.5, 2.0]), y=tensor([4.0, 8.0]))
    f.write()


def make():
    pointwise()
    reduce()
    products()
    shapes()
