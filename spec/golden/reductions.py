"""Cases of reductions, scans, sorting and statistics that were added later."""
from cases import *  # noqa: F401,F403


def extremes(f):
    for name in ("amax", "amin"):
        f.case("torch.%s(x)" % name, "=", x=CUBE)
        f.case("torch.%s(x, 2)" % name, "torch.%s(x, 1, keepdim=True)" % name, x=CUBE)
        f.case("torch.%s(x, {1, 3}, false)" % name, "torch.%s(x, (0, 2))" % name, x=CUBE)
        f.case("torch.%s(x, 2, false)" % name, "torch.%s(x, 1)" % name,
               x=tensor([[1.0, 3, 3], [2, 2, 2]]))
    f.case("torch.aminmax(x, 1, false)", "torch.aminmax(x, dim=0)", x=A)
    f.case("torch.max(a, b)", "=", a=A, b=B)
    f.case("torch.min(a, b)", "=", a=A, b=B)
    for d in range(3):
        for name in ("cummax", "cummin"):
            f.case("torch.%s(x, %d)" % (name, d + 1),
                   "(x.%s(%d)[0], x.%s(%d)[1] + 1)" % (name, d, name, d), x=CUBE)
        f.case("torch.cumprod(x, %d)" % (d + 1), "x.cumprod(%d)" % d, x=CUBE)
        f.case("torch.logcumsumexp(x, %d)" % (d + 1), "x.logcumsumexp(%d)" % d, x=CUBE)
    zeros = tensor([[2.0, 0.0, 3.0, 0.0, 1.5], [1.0, 2.0, 0.0, -1.0, 2.0], [0, 1, 2, 3, 4]])
    f.case("torch.cumprod(x, 2)", "x.cumprod(1)", x=zeros)
    f.case("torch.cumprod(x, 2)", "x.cumprod(1)", x=tensor([[3, -1, 2], [5, 0, -7]], torch.int64))
    for values in ([1.0, NAN, 2.0, 1.0], [INF, 1.0, -INF, 5.0], [-INF, -INF, 1.0, 2.0]):
        for name in ("cummax", "cummin"):
            f.case("torch.%s(x)" % name, "(x.%s(0)[0], x.%s(0)[1] + 1)" % (name, name),
                   grad=False, x=tensor(values))
        f.case("torch.logcumsumexp(x)", "x.logcumsumexp(0)", grad=False, x=tensor(values))
    f.case("torch.cummax(x)", "(x.cummax(0)[0], x.cummax(0)[1] + 1)", x=tensor([2.0, 3, 3, 1, 3]))


def several_dims(f):
    dims = {"{1, 3}": "(0, 2)", "{2, 3}": "(1, 2)", "{1, 2}": "(0, 1)", "{-1, 1}": "(-1, 0)",
            "{2}": "(1,)", "{1, 2, 3}": "(0, 1, 2)"}
    for lua, python in dims.items():
        for name in ("sum", "mean", "logsumexp", "var", "std"):
            f.case("torch.%s(x, %s)" % (name, lua),
                   "torch.%s(x, %s, keepdim=True)" % (name, python), x=CUBE)
        f.case("torch.norm(x, 3, %s)" % lua,
               "torch.linalg.vector_norm(x, 3, %s, keepdim=True)" % python, x=CUBE)
    for name in ("sum", "mean"):
        f.case("torch.%s(x, {1, 3}, false)" % name, "torch.%s(x, (0, 2))" % name, x=CUBE)
        f.case("torch.%s(x:transpose(1, 2), {1, 3}, false)" % name,
               "torch.%s(x.transpose(0, 1), (0, 2))" % name, x=CUBE)
    f.case("torch.var(x, {dim = {1, 2}, correction = 0, keepdim = false})",
           "torch.var(x, (0, 1), correction=0)", x=CUBE)
    f.case("torch.var(x, {dim = 2, correction = 2})",
           "torch.var(x, 1, correction=2, keepdim=True)", x=CUBE)
    f.case("torch.var_mean(x, 2, false, false)", "torch.var_mean(x, 1)", x=CUBE)
    f.case("torch.std_mean(x, {1, 2}, true, false)", "torch.std_mean(x, (0, 1), correction=0)",
           x=CUBE)
    f.case("torch.norm(x, 1/0, {1, 2})", "torch.linalg.vector_norm(x, INF, (0, 1), keepdim=True)",
           x=CUBE)
    for p, lua in ((0, "0"), (-INF, "-1/0"), (0.5, "0.5"), (-1, "-1"), (2, "2"), (INF, "1/0")):
        f.case("torch.norm(x, %s)" % lua, "torch.linalg.vector_norm(x, %r)" % p
               if abs(p) != INF else "torch.linalg.vector_norm(x, %sINF)" % ("-" if p < 0 else ""),
               grad=p != 0, x=CUBE)
    f.case("torch.dist(a, b)", "=", a=A, b=B)
    f.case("torch.dist(a, b, 1)", "=", a=A, b=B)
    f.case("torch.dist(a, b, 3)", "=", a=A, b=B)
    f.case("torch.dist(a, a)", "=", a=A)


def lines(f):
    ties = tensor([[1.0, 3, 2, 3, 1], [2, 2, 0, 5, 5]])
    for x in (CUBE[:, :, :3], ties):
        for d in range(x.dim()):
            pick = "(x.%s(%d, keepdim=True)[0], x.%s(%d, keepdim=True)[1] + 1)"
            if x is not ties:
                f.case("torch.median(x, %d)" % (d + 1), pick % ("median", d, "median", d), x=x)
                f.case("torch.kthvalue(x, 2, %d)" % (d + 1),
                       "(x.kthvalue(2, %d, True)[0], x.kthvalue(2, %d, True)[1] + 1)" % (d, d), x=x)
            else:
                f.case("(torch.median(x, %d))" % (d + 1), "x.median(%d, keepdim=True)[0]" % d,
                       grad=False, x=x)
                f.case("(torch.kthvalue(x, 2, %d))" % (d + 1), "x.kthvalue(2, %d, True)[0]" % d,
                       grad=False, x=x)
            f.case("(torch.mode(x, %d))" % (d + 1), "x.mode(%d, keepdim=True)[0]" % d, grad=False,
                   x=x)
    f.case("torch.median(x, 1, false)", "(x.median(0)[0], x.median(0)[1] + 1)",
           x=draws(6, seed=40))
    holes = tensor([[1.0, NAN, 3.0, 2.0], [NAN, NAN, NAN, 4.0], [5.0, 1.0, INF, -INF]])
    f.case("torch.median(x, 2)", "(x.median(1, True)[0], x.median(1, True)[1] + 1)", grad=False,
           x=holes)
    f.case("torch.nanmedian(x, 2)", "(x.nanmedian(1, True)[0], x.nanmedian(1, True)[1] + 1)",
           x=holes)
    f.case("torch.nanmedian(x)", "=", x=holes)
    f.case("torch.nansum(x)", "=", x=tensor([1.0, NAN, 2.0]))
    f.case("torch.nansum(x, 2)", "torch.nansum(x, 1, keepdim=True)", x=tensor([[1.0, NAN], [2, 3]]))
    f.case("torch.nanmean(x, {1, 2})", "torch.nanmean(x, (0, 1), keepdim=True)",
           x=tensor([[1.0, NAN], [2, 3]]))
    f.case("torch.count_nonzero(x)", "=", x=ties)
    f.case("torch.count_nonzero(x, {1, 2})", "torch.count_nonzero(x, (0, 1)).reshape(1, 1)", x=ties)
    f.case("torch.argsort(x, 1)", "torch.argsort(x, 0) + 1", x=A)
    f.case("torch.argsort(x, 2, true)", "torch.argsort(x, 1, True) + 1", x=A)
    f.case("torch.msort(x)", "=", x=A)
    f.case("torch.diff(x)", "=", x=CUBE)
    f.case("torch.diff(x, 2, 2)", "torch.diff(x, 2, 1)", x=CUBE)
    f.case("torch.diff(x, {prepend = y})", "torch.diff(x, prepend=y)", x=A, y=COLUMN)
    for how in ("linear", "lower", "higher", "midpoint", "nearest"):
        f.case("torch.quantile(x, 0.3, 2, false, \"%s\")" % how,
               "torch.quantile(x, 0.3, 1, interpolation='%s')" % how, x=CUBE)
        f.case("torch.nanquantile(x, 0.6, 2, true, \"%s\")" % how,
               "torch.nanquantile(x, 0.6, 1, keepdim=True, interpolation='%s')" % how, grad=False,
               x=holes)
    f.case("torch.quantile(x, torch.DoubleTensor{0, 0.3, 0.5, 1}, 1)",
           "torch.quantile(x, torch.tensor([0, 0.3, 0.5, 1]), 0, keepdim=True)", x=CUBE)
    f.case("torch.quantile(x, torch.DoubleTensor{0.2, 0.9})",
           "torch.quantile(x, torch.tensor([0.2, 0.9]))", x=A)
    f.case("torch.quantile(x, 0.5, 2)", "torch.quantile(x, 0.5, 1, keepdim=True)", grad=False,
           x=holes)


def counts(f):
    f.case("torch.histc(x, 4, -2, 2)", "=", grad=False, x=CUBE)
    f.case("torch.histc(x, 5)", "=", grad=False, x=CUBE)
    f.case("torch.histc(x, 3)", "=", grad=False, x=tensor([2.0, 2.0]))
    f.case("torch.histogram(x, 4)", "torch.histogram(x, 4)", grad=False, x=CUBE)
    f.case("torch.histogram(x, 4, -1, 1, w, true)",
           "torch.histogram(x, 4, range=(-1.0, 1.0), weight=w, density=True)", grad=False, x=CUBE,
           w=CUBE.abs())
    f.case("torch.histogram(x, e)", "=", grad=False, x=CUBE, e=tensor([-1.0, 0, 0.25, 2]))
    labels = tensor([1, 3, 3, 5, 1, 1], torch.int64)
    f.case("torch.bincount(x)", "torch.bincount(x - 1)", x=labels)
    f.case("torch.bincount(x, w, 8)", "torch.bincount(x - 1, w, 8)", grad=False, x=labels,
           w=draws(6, seed=41))
    edges = tensor([-1.0, 0.0, 0.0, 0.5, 2.0])
    values = tensor([[-3.0, 0.0, 0.5], [NAN, 2.0, INF]])
    for right in ("False", "True"):
        f.case("torch.searchsorted(s, v, %s)" % right.lower(),
               "torch.searchsorted(s, v, right=%s) + 1" % right, grad=False, s=edges, v=values)
        f.case("torch.bucketize(v, s, %s)" % right.lower(),
               "torch.bucketize(v, s, right=%s) + 1" % right, grad=False, s=edges, v=values)
    f.case("torch.searchsorted(s, v)", "torch.searchsorted(s, v) + 1", grad=False,
           s=torch.stack([edges, edges + 1]), v=values)
    whole = tensor([[3, 1, 3], [2, 2, 1]], torch.int64)
    f.case("torch.unique(x)", "(lambda r: (r[0], r[1] + 1, r[2]))(torch.unique(x, True, True, True))",
           x=whole)
    f.case("torch.unique_consecutive(x)",
           "(lambda r: (r[0], r[1] + 1, r[2]))(torch.unique_consecutive(x, True, True))", x=whole)
    rows = tensor([[1, 2], [0, 5], [1, 2], [0, 5], [0, 4]], torch.int64)
    f.case("torch.unique(x, 1)",
           "(lambda r: (r[0], r[1] + 1, r[2]))(torch.unique(x, True, True, True, dim=0))", x=rows)
    f.case("torch.cov(x)", "=", x=A)
    f.case("torch.cov(x, 0)", "torch.cov(x, correction=0)", x=A)
    f.case("torch.cov(x)", "=", x=ROW)
    f.case("torch.corrcoef(x)", "=", x=draws(3, 5, seed=42))
    f.case("torch.trace(x)", "=", x=A)
    f.case("torch.trace(x)", "=", x=whole)
    f.case("torch.cross(a, b)", "torch.cross(a, b, dim=1)", a=A, b=B)
    f.case("torch.cross(a, b, 1)", "torch.cross(a, b, dim=0)", a=draws(3, 2, seed=43),
           b=draws(3, 1, seed=44))
    f.case("torch.renorm(x, 2, 1, 1.5)", "torch.renorm(x, 2, 0, 1.5)", x=CUBE)
    f.case("torch.renorm(x, 1, 3, 2)", "torch.renorm(x, 1, 2, 2)", x=CUBE)


def make():
    f = File("reductions", "Extremes, scans and reductions over several dimensions")
    extremes(f)
    several_dims(f)
    f.write()
    f = File("reductions_lines", "Medians, quantiles, counts and correlations")
    lines(f)
    counts(f)
    f.write()
