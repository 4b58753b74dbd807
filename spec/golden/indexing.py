"""Indices, joins and shapes: see cases.py."""
from cases import A, CUBE, ROW, File, draws, tensor, torch

LONG = torch.int64
M = draws(3, 4)
C = CUBE  # 2 x 3 x 4


def keys(f):
    i, j = tensor([3, 1, 3], LONG), tensor([2, 4, 2], LONG)
    f.case("x[{i, j}]", "x[i - 1, j - 1]", x=M, i=i, j=j)
    f.case("x[{{}, j}]", "x[:, j - 1]", x=M, j=j)
    f.case("x[{2, j}]", "x[1, j - 1]", x=M, j=j)
    f.case("x[{{2, 3}, j}]", "x[1:3, j - 1]", x=M, j=j)
    f.case("x[k]", "x[k - 1]", x=M, k=tensor([[1, 3], [2, 2]], LONG))
    two = tensor([2, 1], LONG)
    f.case("x[{k, {}, l}]", "x[k - 1, :, l - 1]", x=C, k=two, l=tensor([4, 1], LONG))
    f.case("x[{{}, k, l}]", "x[:, k - 1, l - 1]", x=C, k=two, l=tensor([4, 1], LONG))
    f.case("x[{k, l}]", "x[k - 1, l - 1]", x=C, k=tensor([[1], [2]], LONG),
           l=tensor([3, 1, 1], LONG))
    f.case("x[{k, {1, 2}, 3}]", "x[k - 1, 0:2, 2]", x=C, k=two)
    mask = tensor([[1, 0, 1], [0, 1, 0]], torch.uint8)
    f.case("x[c]", "x[c.bool()]", x=C, c=mask)
    f.case("x[{c, 2}]", "x[..., 1][c.bool()]", x=C, c=mask)
    f.case("x[{{}, c}]", "x[:, c.bool()]", x=C, c=tensor([1, 0, 1], torch.uint8))
    f.case("x[{k, c}]", "x[k - 1, c.bool()]", x=C, k=two, c=tensor([1, 0, 1], torch.uint8))
    negative = tensor([-1, 1, -3], LONG)
    f.case("x[i]", "x[[2, 0, 0]]", x=M, i=negative)
    f.case("torch.take(x, i)", "x.take(i - 1)", x=M, i=tensor([[1, 12], [5, 5]], LONG))
    f.case("torch.put(x, i, s)", "x.put(i - 1, s)", x=M, i=tensor([1, 12, 5], LONG),
           s=draws(3, seed=30))
    f.case("torch.put(x, i, s, true)", "x.put(i - 1, s, accumulate=True)", x=M,
           i=tensor([1, 5, 5], LONG), s=draws(3, seed=30))
    for lua, flag in (("", "False"), (", true", "True")):
        f.case("torch.index_put(x, {i, j}, s%s)" % lua,
               "x.index_put((i - 1, j - 1), s, accumulate=%s)" % flag, x=M,
               i=tensor([1, 2, 3], LONG) if flag == "False" else i, j=j, s=draws(3, seed=31))
        f.case("torch.index_put(x, {{}, j}, s%s)" % lua,
               "x.index_put((torch.arange(3)[:, None], j - 1), s, accumulate=%s)" % flag, x=M,
               j=j if flag == "True" else tensor([1, 3], LONG),
               s=draws(3, 3 if flag == "True" else 2, seed=32))
        f.case("torch.index_put(x, {k}, 2%s)" % lua,
               "x.index_put((k - 1,), torch.tensor(2.0), accumulate=%s)" % flag, x=C,
               k=tensor([2, 2], LONG))
    f.case("torch.take_along_dim(x, i, 2)", "x.take_along_dim(i - 1, 1)", x=M,
           i=tensor([[4], [1], [2]], LONG))
    f.case("torch.take_along_dim(x, i)", "x.take_along_dim(i - 1)", x=M,
           i=tensor([12, 1], LONG))
    f.case("torch.nonzero(c)", "c.nonzero() + 1", c=mask)
    f.case("torch.where(c)[2]", "torch.where(c)[1] + 1", c=mask)
    f.case("torch.one_hot(i)", "F.one_hot(i - 1)", i=tensor([[1, 3], [2, 1]], LONG))
    f.case("torch.one_hot(i, 4)", "F.one_hot(i - 1, 4)", i=tensor([1, 3], LONG))
    f.case("torch.isin(x, y)", "=", grad=False, x=tensor([1, 2, 3, 4], LONG),
           y=tensor([2, 4, 7], LONG))
    f.case("torch.isin(x, y, true)", "torch.isin(x, y, invert=True)", grad=False,
           x=tensor([1, 2, float("nan")]), y=tensor([2, float("nan")]))


def scatters(f):
    spots = tensor([[1, 3, 2, 1], [2, 2, 1, 3]], LONG)
    s = draws(2, 4, seed=33)
    zeros = tensor([[0.0, 1.5, 0.0, -2.0], [3.0, 0.0, 0.5, 1.0]])
    tied = tensor([[1.0, 2.0, 2.0, 1.0], [2.0, 2.0, 2.0, 2.0], [1.0, 1.0, 3.0, 0.0]])
    for reduce in ("sum", "prod", "mean", "amax", "amin"):
        for own in ("true", "false"):
            python = "x.scatter_reduce(0, i - 1, s, '%s', include_self=%s)" % (
                reduce, own.capitalize())
            lua = "torch.scatter_reduce(x, 1, i, s, \"%s\", %s)" % (reduce, own)
            f.case(lua, python, x=M, i=spots, s=s)
            if reduce == "prod":
                f.case(lua, python, x=M, i=spots, s=zeros)
        if reduce in ("amax", "amin"):
            f.case("torch.scatter_reduce(x, 1, i, s, \"%s\")" % reduce,
                   "x.scatter_reduce(0, i - 1, s, '%s')" % reduce, x=tied, i=spots,
                   s=tensor([[2.0, 1.0, 2.0, 0.0], [2.0, 2.0, 2.0, 1.0]]))
        whole = tensor([[7, -7, 3], [2, 5, -9]], LONG)
        f.case("torch.scatter_reduce(x, 2, i, s, \"%s\")" % reduce,
               "x.scatter_reduce(1, i - 1, s, '%s')" % reduce, x=whole,
               i=tensor([[1, 1, 2], [3, 3, 3]], LONG), s=tensor([[2, -4, 5], [1, 1, 3]], LONG))
    for reduce in ("prod", "mean", "amax", "amin"):
        f.case("torch.index_reduce(x, 1, i, s, \"%s\")" % reduce,
               "x.index_reduce(0, i - 1, s, '%s')" % reduce, grad=False, x=M,
               i=tensor([3, 1, 3], LONG), s=draws(3, 4, seed=34))
    f.case("torch.scatter(x, 1, i, s, \"add\")", "x.scatter_add(0, i - 1, s)", x=M, i=spots, s=s)
    f.case("torch.scatter(x, 1, i, s, \"multiply\")",
           "x.scatter(0, i - 1, s, reduce='multiply')", grad=False, x=M, i=spots, s=s)
    f.case("torch.select_scatter(x, s, 2, 3)", "x.select_scatter(s, 1, 2)", x=M,
           s=draws(3, seed=35))
    f.case("torch.slice_scatter(x, s, 2, 2, 3)", "x.slice_scatter(s, 1, 1, 3)", x=M,
           s=draws(3, 2, seed=36))
    f.case("torch.slice_scatter(x, s, 2, 1, -1, 2)", "x.slice_scatter(s, 1, 0, 4, 2)", x=M,
           s=draws(3, 2, seed=36))
    f.case("torch.diagonal_scatter(x, s, 1)", "x.diagonal_scatter(s, 1)", x=M,
           s=draws(3, seed=37))


def joins(f):
    b = draws(2, 3, seed=38)
    for d in (0, 1, 2):
        f.case("torch.stack({a, b}, %d)" % (d + 1), "torch.stack((a, b), %d)" % d, a=A, b=b)
    f.case("torch.stack({a, b, a}, -1)", "torch.stack((a, b, a), -1)", a=ROW, b=ROW)
    for name in ("hstack", "vstack", "dstack", "column_stack"):
        f.case("torch.%s({a, b})" % name, "torch.%s((a, b))" % name, a=A, b=b)
        f.case("torch.%s({a, b})" % name, "torch.%s((a, b))" % name, a=ROW,
               b=draws(3, seed=39))
    f.case("torch.block_diag(a, b)", "=", a=A, b=ROW)
    f.case("torch.cartesian_prod(a, b)", "=", a=ROW, b=draws(2, seed=40))
    f.case("torch.combinations(a, 2)", "=", a=ROW)
    f.case("torch.combinations(a, 2, true)", "torch.combinations(a, 2, True)", a=ROW)
    for k in (1, 2):
        f.case("torch.meshgrid({a, b})[%d]" % k,
               "torch.meshgrid(a, b, indexing='ij')[%d]" % (k - 1), a=ROW, b=draws(2, seed=40))
        f.case("torch.meshgrid({a, b}, \"xy\")[%d]" % k,
               "torch.meshgrid(a, b, indexing='xy')[%d]" % (k - 1), a=ROW, b=draws(2, seed=40))
    f.case("torch.tril_indices(3, 4, 1)", "torch.tril_indices(3, 4, 1) + 1")
    f.case("torch.triu_indices(4, 3, -1)", "torch.triu_indices(4, 3, -1) + 1")
    f.case("torch.tensor_split(x, 3)[2]", "torch.tensor_split(x, 3)[1]", x=draws(7))
    f.case("torch.tensor_split(x, {2, 5}, 1)[3]", "torch.tensor_split(x, (2, 5))[2]", x=draws(7))
    f.case("x:split({1, 3}, 2)[2]", "x.split((1, 3), 1)[1]", x=M)
    f.case("x:chunk(3, 2)[2]", "x.chunk(3, 1)[1]", x=M)
    f.case("torch.hsplit(x, 2)[2]", "torch.hsplit(x, 2)[1]", x=M)
    f.case("torch.unbind(x, 2)[3]", "torch.unbind(x, 1)[2]", x=M)


def orders(f):
    f.case("torch.flip(x, 1, 3)", "x.flip(0, 2)", x=C)
    f.case("torch.fliplr(x)", "=", x=M)
    f.case("torch.flipud(x)", "=", x=M)
    for k in (-1, 0, 1, 2, 3):
        f.case("torch.rot90(x, %d)" % k, "=", x=M)
    f.case("torch.rot90(x, 1, {2, 3})", "torch.rot90(x, 1, (1, 2))", x=C)
    f.case("torch.roll(x, 1)", "=", x=M)
    f.case("torch.roll(x, -3, 2)", "torch.roll(x, -3, 1)", x=M)
    f.case("torch.roll(x, {1, 2}, {1, 3})", "torch.roll(x, (1, 2), (0, 2))", x=C)
    f.case("x:movedim(1, 3)", "x.movedim(0, 2)", x=C)
    f.case("x:movedim({1, 2}, {-1, 1})", "x.movedim((0, 1), (-1, 0))", x=C)
    f.case("x:swapaxes(1, 3)", "x.swapaxes(0, 2)", x=C)
    f.case("x:adjoint()", "x.adjoint()", x=C)
    f.case("x.mT", "x.mT", x=C)
    f.case("x.T", "x.T", x=M)
    f.case("torch.flatten(x, 2)", "torch.flatten(x, 1)", x=C)
    f.case("torch.flatten(x, 1, 2)", "torch.flatten(x, 0, 1)", x=C)
    f.case("x:permute(3, 1, 2):flatten(1, 2)", "x.permute(2, 0, 1).flatten(0, 1)", x=C)
    f.case("torch.unflatten(x, 3, {2, -1})", "torch.unflatten(x, 2, (2, -1))", x=C)
    f.case("torch.tile(x, 2)", "torch.tile(x, (2,))", x=M)
    f.case("torch.tile(x, {2, 1, 2})", "torch.tile(x, (2, 1, 2))", x=A)
    f.case("torch.repeat_interleave(x, 2)", "=", x=A)
    f.case("torch.repeat_interleave(x, r, 2)", "torch.repeat_interleave(x, r, 1)", x=A,
           r=tensor([1, 0, 2], LONG))
    for k in (-1, 0, 1):
        f.case("torch.diagonal(x, %d)" % k, "=", x=M)
        f.case("torch.diag_embed(x, %d)" % k, "=", x=A)
        f.case("torch.diagflat(x, %d)" % k, "=", x=A)
    f.case("torch.diagonal(x, 0, 1, 3)", "torch.diagonal(x, 0, 0, 2)", x=C)
    f.case("torch.diag_embed(x, 0, 1, 3)", "torch.diag_embed(x, 0, 0, 2)", x=A)
    f.case("x:clone():fill_diagonal(5)", "x.clone().fill_diagonal_(5)", x=M)
    tall = draws(8, 2, seed=41)
    f.case("x:clone():fill_diagonal(5, true)", "x.clone().fill_diagonal_(5, True)", x=tall)
    f.case("x:as_strided({2, 3}, {1, 2}, 2)", "x.as_strided((2, 3), (1, 2), 1)", x=M)
    f.case("x:as_strided({3, 2}, {1, 1})", "x.as_strided((3, 2), (1, 1))", x=M)
    f.case("torch.arange(1, 2, 0.3, \"torch.DoubleTensor\")", "torch.arange(1, 2, 0.3)")
    f.case("torch.arange(5)", "=")
    f.case("torch.logspace(-1, 2, 4, 2):double()", "torch.logspace(-1, 2, 4, 2)")


def make():
    f = File("indexing", "Index tensors, scattered reductions")
    keys(f)
    scatters(f)
    f.write()
    f = File("joining", "Joins, splits and orders")
    joins(f)
    orders(f)
    f.write()
