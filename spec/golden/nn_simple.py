"""Cases of the simple layers, the transfer functions and batch normalization, replayed by
spec/nn/simple_golden_spec.lua: with(module, {weight = w}) is the module with these parameters."""
from cases import *  # noqa: F401,F403

X = draws(2, 4)
IMAGES = draws(2, 3, 2, 1, seed=2)
INDICES = tensor([[2, 4, 2], [1, 2, 3]], torch.int64)


def stats(bias, x, w=None, b=None, steps=1, **options):
    """The last output of some steps in training, and the running averages."""
    mean, var = torch.zeros(x.shape[1]), torch.ones(x.shape[1])
    for step in range(steps):
        y = F.batch_norm(x + bias * step, mean, var, w, b, True, **options)
    return y, mean, var


def embed(x, w, padding=None, max_norm=None, norm=2.0, by_frequency=False):
    """As F.embedding, but with a gradient in spite of the renormalization, which changes w."""
    row = w.detach().clone()
    F.embedding(x - 1, row, None, max_norm, norm)
    changed = w + (row - w.detach())
    return F.embedding(x - 1, changed, padding, None, norm, by_frequency)


def sparse(x, n):
    """Rows {feature, value} of examples as a matrix of them."""
    rows = [torch.zeros(n).index_add(0, e[:, 0].long() - 1, e[:, 1]) for e in x]
    return torch.stack(rows)


F.stats, F.embed, F.sparse = stats, embed, sparse


def linear(f):
    w, b = draws(3, 4, seed=3), draws(3, seed=4)
    p = "{weight = w, bias = b}"
    f.case("with(nn.Linear(4, 3), %s)(x)" % p, "F.linear(x, w, b)", x=X, w=w, b=b)
    f.case("with(nn.Linear(4, 3, false), {weight = w})(x)", "F.linear(x, w)", x=X[0], w=w)
    f.case("with(nn.LinearWeightNorm(4, 3), {v = w, g = g, bias = b})(x)",
           "F.linear(x, torch._weight_norm(w, g, 0), b)", x=X, w=w, b=b, g=draws(3, 1, seed=5))
    f.case("with(nn.PartialLinear(4, 3), %s):setPartition({3, 1})(x)" % p,
           "F.linear(x, w[[2, 0]], b[[2, 0]])", x=X, w=w, b=b)
    f.case("with(nn.Bilinear(4, 2, 3), %s)({x, z})" % p, "F.bilinear(x, z, w, b)", x=X,
           z=draws(2, 2, seed=5), w=draws(3, 4, 2, seed=6), b=b)
    entries = tensor([[[2, 0.5], [4, -1.2]], [[4, 1.5], [4, 0.3]]])
    f.case("with(nn.SparseLinear(4, 3), %s)(x:detach())" % p,
           "F.linear(F.sparse(x.detach(), 4), w, b)", x=entries, w=w, b=b)
    f.case("with(nn.IndexLinear(4, 3, true), {weight = w, bias = b})("
           "{k, v, torch.LongTensor{1, 2}})",
           "F.linear(torch.zeros(2, 4).index_put((torch.tensor([0, 1, 1]), k - 1), v, True), w.T,"
           " b)", k=tensor([2, 4, 1], torch.int64), v=draws(3, seed=7), w=draws(4, 3, seed=3), b=b)
    f.case("part(nn.Maxout(4, 2, 2), 1, %s)(x)" % p,
           "F.linear(x, w, b).view(2, 2, 2).max(1)[0]", x=X, w=draws(4, 4, seed=3),
           b=draws(4, seed=4))
    f.case("with(nn.Cosine(4, 3), {weight = w})(x)",
           "F.normalize(x) @ F.normalize(w).T", x=X, w=w)
    f.case("with(nn.Euclidean(4, 3), {weight = w})(x)", "torch.cdist(x, w.T)", x=X,
           w=draws(4, 3, seed=3))
    f.case("with(nn.WeightedEuclidean(4, 3), {weight = w, diagCov = c})(x)",
           "((x[:, :, None] - w) * c).norm(dim=1)", x=X, w=draws(4, 3, seed=3),
           c=draws(4, 3, seed=5))


def tables(f):
    w = draws(4, 3, seed=3)
    f.case("with(nn.LookupTable(4, 3), {weight = w})(x)", "F.embed(x, w)", x=INDICES, w=w)
    f.case("with(nn.LookupTable(4, 3, 2), {weight = w})(x)", "F.embed(x, w, 1)", x=INDICES, w=w)
    f.case("with(nn.LookupTable(4, 3, 0, 1.5), {weight = w})(x)",
           "F.embed(x, w, None, 1.5)", x=INDICES, w=w)
    f.case("with(nn.LookupTable(4, 3, 0, 1.5, 1), {weight = w}):scaleGradByFreq()(x)",
           "F.embed(x, w, None, 1.5, 1.0, True)", x=INDICES, w=w)
    f.case("with(nn.Embedding(4, 3, {padding_idx = 2, max_norm = 1}), {weight = w})(x)",
           "F.embed(x, w, 1, 1.0)", x=INDICES, w=w)
    f.case("with(nn.Embedding(4, 3, {scale_grad_by_freq = true}), {weight = w})(x)",
           "F.embed(x, w, None, None, 2.0, True)", x=INDICES, w=w)
    f.case("nn.OneHot(4):double()(x)", "F.one_hot(x - 1, 4).double()", x=INDICES)


def elements(f):
    f.case("with(nn.CAdd(1, 3, 1), {bias = b})(x)", "x + b", x=draws(2, 3, 2),
           b=draws(1, 3, 1, seed=2))
    f.case("with(nn.CMul(3, 2), {weight = b})(x)", "x * b", x=draws(2, 3, 2),
           b=draws(3, 2, seed=2))
    f.case("with(nn.PReLU(3), {weight = w})(x)", "F.prelu(x, w)", x=IMAGES, w=draws(3, seed=3))
    f.case("with(nn.PReLU(3), {weight = w})(x)", "F.prelu(x[None], w)[0]", x=IMAGES[0],
           w=draws(3, seed=3))
    for p, python in (("2", "2"), ("1", "1"), ("2.5", "2.5"), ("math.huge", "INF")):
        f.case("nn.Normalize(%s)(x)" % p, "F.normalize(x, %s)" % python, x=X)
    for lua, python in (
            ("Power(3)", "x ** 3"), ("Square()", "x ** 2"), ("Abs()", "x.abs()"),
            ("Exp()", "x.exp()"), ("Clamp(-0.3, 1.2)", "x.clamp(-0.3, 1.2)"),
            ("Sum(2)", "x.sum(1)"), ("Mean(1)", "x.mean(0)"), ("Max(2)", "x.max(1)[0]"),
            ("Min(1)", "x.min(0)[0]")):
        f.case("nn.%s(x)" % lua, python, x=X)
    f.case("nn.PixelShuffle(2)(x)", "F.pixel_shuffle(x, 2)", x=draws(1, 4, 1, 2))
    f.case("nn.Sqrt(0.5)(x)", "(x + 0.5).sqrt()", x=POSITIVE)
    f.case("nn.Log()(x)", "x.log()", x=POSITIVE)


def normalization(f):
    x, w, b = draws(4, 3), draws(3, seed=3), draws(3, seed=4)
    p = "{weight = w, bias = b}"
    f.case("stats(with(nn.BatchNormalization(3), %s), x, 1)" % p, "F.stats(0, x, w, b)", x=x, w=w,
           b=b)
    f.case("stats(with(nn.BatchNormalization(3, 1e-3, 0.4), %s), x, 3)" % p,
           "F.stats(0.7, x, w, b, 3, momentum=0.4, eps=1e-3)", x=x, w=w, b=b)
    f.case("stats(with(nn.SpatialBatchNormalization(3), %s), x, 2)" % p,
           "F.stats(0.7, x, w, b, 2)", x=IMAGES, w=w, b=b)
    f.case("stats(with(nn.VolumetricBatchNormalization(3, nil, nil, false), {}, x), x, 1)",
           "F.stats(0, x)", x=draws(2, 3, 1, 2, 2))
    f.case("used(with(nn.SpatialBatchNormalization(3),"
           "{weight=w,bias=b,running_mean=m,running_var=v}))(x)",
           "F.batch_norm(x, m.detach(), v.detach(), w, b)",
           x=IMAGES, w=w, b=b, m=tensor([0.3, -1, 2]), v=tensor([0.5, 1.5, 1.1]))
    f.case("with(nn.LayerNormalization(4, 0, 4e-5), {gain = w, bias = b})(x)",
           "F.layer_norm(x, (4,), w, b)", x=X, w=draws(4, seed=3), b=draws(4, seed=4))


def transfer(f):
    for lua, python in (
            ("Sigmoid()", "x.sigmoid()"), ("Tanh()", "x.tanh()"),
            ("TanhShrink()", "F.tanhshrink(x)"), ("ReLU()", "F.relu(x)"),
            ("ReLU6()", "F.relu6(x)"), ("CReLU(1)", "torch.cat((x, -x), 1).relu()"),
            ("LeakyReLU()", "F.leaky_relu(x)"), ("LeakyReLU(0.3)", "F.leaky_relu(x, 0.3)"),
            ("ELU()", "F.elu(x)"), ("ELU(0.6)", "F.elu(x, 0.6)"), ("HardTanh()", "F.hardtanh(x)"),
            ("HardTanh(-0.2, 1.1)", "F.hardtanh(x, -0.2, 1.1)"),
            ("HardShrink()", "F.hardshrink(x)"), ("HardShrink(1.1)", "F.hardshrink(x, 1.1)"),
            ("SoftShrink()", "F.softshrink(x)"), ("SoftShrink(1.1)", "F.softshrink(x, 1.1)"),
            ("SoftPlus()", "F.softplus(x)"), ("SoftPlus(3, 2)", "F.softplus(x, 3, 2)"),
            ("SoftSign()", "F.softsign(x)"), ("SoftMax()", "F.softmax(x, 1)"),
            ("SoftMin()", "F.softmin(x, 1)"), ("LogSoftMax()", "F.log_softmax(x, 1)"),
            ("LogSigmoid()", "F.logsigmoid(x)"),
            ("Threshold(0.4, 0.1)", "F.threshold(x, 0.4, 0.1)"), ("GatedLinearUnit()", "F.glu(x)"),
            ("GELU()", "F.gelu(x)"), ("GELU(\"tanh\")", "F.gelu(x, approximate='tanh')"),
            ("SiLU()", "F.silu(x)"), ("Swish()", "F.silu(x)"), ("Mish()", "F.mish(x)"),
            ("Hardswish()", "F.hardswish(x)"), ("Hardsigmoid()", "F.hardsigmoid(x)"),
            ("SELU()", "F.selu(x)"), ("CELU(0.5)", "F.celu(x, 0.5)"), ("GLU(1)", "F.glu(x, 0)"),
            ("SwiGLU()", "x[:, :2] * F.silu(x[:, 2:])"),
            ("GEGLU()", "x[:, :2] * F.gelu(x[:, 2:])")):
        f.case("nn.%s(x)" % lua, python, x=X)
    for lua, python in (("SoftMax", "softmax"), ("SpatialLogSoftMax", "log_softmax")):
        f.case("nn.%s()(x)" % lua, "F.%s(x, 1)" % python, x=IMAGES)
        f.case("nn.%s()(x)" % lua, "F.%s(x, 0)" % python, x=IMAGES[0])
    f.case("used(nn.RReLU())(x)", "F.rrelu(x)", x=X)


def make():
    f = File("nn_simple", "Simple layers, transfer functions and batch normalization")
    for part in (linear, tables, elements, normalization, transfer):
        part(f)
    f.write()
