"""Cases of containers and table modules, replayed by spec/nn/tables_golden_spec.lua."""
from cases import *  # noqa: F401,F403

X, Y = draws(2, 3), draws(2, 3, seed=2)


def tables(f):
    f.case("nn.CAddTable()({x, y, z})", "x + y + z", x=X, y=Y, z=draws(2, 3, seed=3))
    f.case("nn.CSubTable()({x, y})", "x - y", x=X, y=Y)
    f.case("nn.CMulTable()({x, y, z})", "x * y * z", x=X, y=Y, z=draws(2, 3, seed=3))
    f.case("nn.CDivTable()({x, y})", "x / y", x=X, y=Y)
    f.case("nn.CMaxTable()({x, y, z})", "torch.maximum(torch.maximum(x, y), z)", x=X, y=Y,
           z=draws(2, 3, seed=3))
    f.case("nn.CMinTable()({x, y})", "torch.minimum(x, y)", x=X, y=Y)
    f.case("nn.JoinTable(1, 1)({x, y})", "torch.cat([x, y], 1)", x=X, y=draws(2, 2, seed=2))
    f.case("unpack(nn.SplitTable(2)(x))", "(x[:, 0], x[:, 1], x[:, 2])", x=X)
    f.case("nn.MixtureTable()({g, {x, y}})", "g[:, :1] * x + g[:, 1:] * y", g=draws(2, 2, seed=3),
           x=X, y=Y)


def distances(f):
    for p in (1, 2, 3):
        f.case("nn.PairwiseDistance(%d)({x, y})" % p, "F.pairwise_distance(x, y, %d, 0)" % p,
               x=X, y=Y)
    f.case("nn.CosineDistance()({x, y})", "F.cosine_similarity(x, y)", x=X, y=Y)
    f.case("nn.CosineDistance()({x, y})", "F.cosine_similarity(x, y, 0)[None]", x=X[0], y=Y[0])
    f.case("nn.DotProduct()({x, y})", "(x * y).sum(1)", x=X, y=Y)
    f.case("nn.MM(true, false)({x, y})", "x.T @ y", x=X, y=Y)
    f.case("nn.MM(false, true)({x, y})", "x @ y.mT", x=draws(2, 2, 3), y=draws(2, 4, 3, seed=2))
    f.case("nn.MV(true)({x, y})", "(x.mT @ y[:, :, None])[:, :, 0]", x=draws(2, 2, 3),
           y=draws(2, 2, seed=2))


def containers(f):
    w, b = draws(2, 3, seed=3), draws(2, seed=4)
    f.case("nn.Concat(2):add(linear(w, b)):add(nn.Tanh())(x)",
           "torch.cat([F.linear(x, w, b), torch.tanh(x)], 1)", x=X, w=w, b=b)
    f.case("nn.DepthConcat(2):add(nn.Tanh()):add(nn.Narrow(3, 1, 2))(x)",
           "torch.cat([torch.tanh(x), F.pad(x[:, :, :2], (0, 0, 1, 1))], 1)", x=draws(1, 1, 4, 2))
    f.case("nn.Parallel(2, 1):add(nn.Tanh()):add(nn.Sigmoid())(x)",
           "torch.cat([torch.tanh(x[:, 0]), torch.sigmoid(x[:, 1])], 0)", x=draws(2, 2, 2))
    f.case("nn.Bottle(linear(w, b))(x)", "F.linear(x, w, b)", x=draws(2, 2, 3), w=w, b=b)
    f.case("unpack(nn.MapTable(linear(w, b))({x, y}))", "(F.linear(x, w, b), F.linear(y, w, b))",
           x=X, y=Y, w=w, b=b)
    f.case("normed(v, g)(x)", "F.linear(x, torch._weight_norm(v, g, 0))", x=X, v=w,
           g=draws(2, 1, seed=5))
    f.case("normed(v, g, 2)(x)", "F.linear(x, torch._weight_norm(v, g, 1))", x=X, v=w,
           g=draws(1, 3, seed=5))
    f.case("nn.Convert(\"bhwc\", \"bchw\"):type(x:type())(x)",
           "x.permute(0, 3, 1, 2)", x=draws(1, 2, 2, 3))
    f.case("nn.Convert(\"chwb\", \"bf\"):type(x:type())(x)",
           "x.permute(3, 0, 1, 2).reshape(3, 8)",
           x=draws(2, 2, 2, 3))


def make():
    f = File("nn_tables", "Containers and table modules")
    for part in (tables, distances, containers):
        part(f)
    f.write()
