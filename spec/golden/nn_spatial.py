"""Cases of nn's convolutions, poolings, paddings and resizing; nn/spatial_golden_spec.lua replays
them, in float64 and in float32. with(module, {weight = w, ...}) puts tensors into a module."""
from cases import *  # noqa: F401,F403

X, X1 = draws(2, 2, 4, 5), draws(1, 2, 4, 5, seed=11)
V = draws(1, 2, 3, 3, 2, seed=12)
S = draws(2, 5, 3, seed=13)


def local(x, w, b):
    """Convolution with a kernel (row, column, out, in, height, width) for each position."""
    columns = F.unfold(x, w.shape[4:]).reshape(x.shape[0], -1, *w.shape[:2])
    return torch.einsum("bkhw,hwok->bohw", columns, w.flatten(3)) + b


def dense(w, rows, sizes):
    """Kernels of connections {from, to}, 1-based, as a whole weight (to, from, ...)."""
    whole = torch.zeros(*sizes, *w.shape[1:])
    for k, (source, target) in enumerate(rows):
        whole = whole.index_put((torch.tensor(target - 1), torch.tensor(source - 1)), w[k],
                                accumulate=True)
    return whole


def smooth(x, k):
    """The mean of all channels around each pixel, and the kernel's part that is inside."""
    k = (k / k.sum())[None, None]
    pad = (k.shape[2] // 2, k.shape[3] // 2)
    return (F.conv2d(x.mean(1, True), k, padding=pad),
            F.conv2d(torch.ones_like(x[:1, :1]), k, padding=pad))


def subtractive(x, k):
    mean, inside = smooth(x, k)
    return x - mean / inside


def divisive(x, k, threshold, value):
    mean, inside = smooth(x * x, k)
    root = mean.sqrt() / inside
    return x / torch.where(root > threshold, root, value)


def fractional(x, samples, out, size, pool):
    return pool(x, size, output_size=out, _random_samples=samples)


HERE_IS = "__import__(\"nn_spatial\")."


def convolutions(f):
    def case(module, python, x=X1, **parameters):
        names = ", ".join("%s = %s" % (n, n) for n in parameters)
        f.case("with(nn.%s, {%s})(x)" % (module, names), python, x=x, **parameters)

    w, b = draws(3, 2, 2, 3, seed=2), draws(3, seed=3)
    case("SpatialConvolution(2, 3, 3, 2, 2, 1, 1)", "F.conv2d(x, weight, bias, (1, 2), (1, 1))",
         x=X, weight=w, bias=b)
    case("SpatialConvolution(2, 3, 3, 2, 1, 1, 0, 1)", "F.conv2d(x, weight, bias, 1, (1, 0))",
         x=X[0], weight=w, bias=b)
    case("SpatialConvolutionMM(2, 3, 3, 2)", "F.conv2d(x, weight.view(3, 2, 2, 3), bias)",
         weight=w.view(3, -1), bias=b)
    case("SpatialDilatedConvolution(2, 3, 3, 2, 1, 1, 1, 0, 2, 1)",
         "F.conv2d(x, weight, bias, 1, (0, 1), (1, 2))", weight=w, bias=b)
    case("SpatialDepthWiseConvolution(2, 2, 3, 2)", "F.conv2d(x, weight.transpose(0, 1).reshape("
         "4, 1, 2, 3), bias.t().reshape(4), groups=2)", weight=draws(2, 2, 2, 3, seed=2),
         bias=draws(2, 2, seed=3))
    case("SpatialConvolutionLocal(2, 1, 5, 4, 3, 3)", HERE_IS + "local(x, weight, bias)", x=X1,
         weight=draws(2, 3, 1, 2, 3, 3, seed=2), bias=draws(1, 2, 3, seed=3))
    rows, connected = "[(1, 1), (2, 1), (2, 3), (1, 2)]", "{{1, 1}, {2, 1}, {2, 3}, {1, 2}}"
    case("SpatialConvolutionMap(torch.Tensor%s, 3, 2, 1, 2)" % connected, "F.conv2d(x, " + HERE_IS
         + "dense(weight, %s, (3, 2)), bias, (2, 1))" % rows, weight=draws(4, 2, 3, seed=2), bias=b)
    case("SpatialFullConvolutionMap(torch.Tensor%s, 3, 2, 1, 2)" % connected,
         "F.conv_transpose2d(x, " + HERE_IS
         + "dense(weight, %s, (3, 2)).transpose(0, 1), bias, (2, 1))" % rows,
         x=draws(1, 2, 2, 3), weight=draws(4, 2, 3, seed=2), bias=b)
    case("SpatialFullConvolution(2, 3, 3, 2, 2, 3, 1, 0, 1, 2)",
         "F.conv_transpose2d(x, weight, bias, (3, 2), (0, 1), (2, 1))", x=draws(1, 2, 2, 3),
         weight=draws(2, 3, 2, 3, seed=2), bias=b)
    case("TemporalConvolution(3, 2, 3, 2)", "F.conv1d(x.transpose(1, 2), weight.view(2, 3, 3)"
         ".transpose(1, 2), bias, 2).transpose(1, 2)", x=S, weight=draws(2, 9, seed=2),
         bias=draws(2, seed=3))
    case("TemporalRowConvolution(3, 2, 2)", "F.conv1d(x.transpose(1, 2), weight, bias, 2, "
         "groups=3).transpose(1, 2)", x=S, weight=draws(3, 1, 2, seed=2), bias=b)
    case("TemporalSubSampling(3, 2, 1)", "F.avg_pool1d(x.transpose(1, 2), 2, 1).transpose(1, 2) * "
         "2 * weight + bias", x=S, weight=draws(3, seed=2), bias=b)
    case("SpatialSubSampling(2, 3, 2, 1, 2)", "F.avg_pool2d(x, (2, 3), (2, 1)) * 6 * "
         "weight[:, None, None] + bias[:, None, None]", weight=draws(2, seed=2),
         bias=draws(2, seed=3))
    w3 = draws(2, 2, 2, 1, 2, seed=2)
    case("VolumetricConvolution(2, 2, 2, 2, 1, 1, 1, 2, 1, 0, 1)",
         "F.conv3d(x, weight, bias, (1, 2, 1), (1, 1, 0))", x=V, weight=w3, bias=draws(2, seed=3))
    case("VolumetricDilatedConvolution(2, 2, 2, 2, 1, 1, 1, 2, 0, 1, 0, 2, 1, 1)",
         "F.conv3d(x, weight, bias, (1, 2, 1), (0, 0, 1), (2, 1, 1))", x=V, weight=w3,
         bias=draws(2, seed=3))
    case("VolumetricFullConvolution(2, 2, 2, 2, 1, 2, 1, 2, 0, 1, 0, 1)",
         "F.conv_transpose3d(x, weight, bias, (2, 2, 1), (0, 0, 1), (1, 0, 0))",
         x=draws(1, 2, 2, 2, 2), weight=w3, bias=draws(2, seed=3))
    case("Conv1d(4, 2, 3, {padding = \"same\", groups = 2, padding_mode = \"replicate\"})",
         "F.conv1d(F.pad(x, (1, 1), \"replicate\"), weight, bias, groups=2)", x=draws(1, 4, 5),
         weight=draws(2, 2, 3, seed=2), bias=draws(2, seed=3))
    for mode in ("zeros", "reflect", "circular"):
        pad = "constant" if mode == "zeros" else mode
        case("Conv2d(2, 4, {2, 3}, 2, {0, 1}, 1, 2, true, \"%s\")" % mode,
             "F.conv2d(F.pad(x, (1, 1, 0, 0), \"%s\"), weight, bias, 2, groups=2)" % pad, x=X1,
             weight=draws(4, 1, 2, 3, seed=2), bias=draws(4, seed=3))
    case("Conv3d(2, 2, {2, 1, 2}, {padding = 1, dilation = {2, 1, 1}, bias = false})",
         "F.conv3d(x, weight, None, 1, 1, (2, 1, 1))", x=V, weight=w3)
    case("ConvTranspose1d(2, 2, 3, 2, 1, 1)", "F.conv_transpose1d(x, weight, bias, 2, 1, 1)",
         x=draws(2, 2, 3), weight=draws(2, 2, 3, seed=2), bias=draws(2, seed=3))
    case("ConvTranspose2d(2, 4, {2, 3}, {stride = 2, groups = 2, dilation = 2, padding = {1, 0}})",
         "F.conv_transpose2d(x, weight, bias, 2, (1, 0), 0, 2, 2)", x=draws(1, 2, 2, 3),
         weight=draws(2, 2, 2, 3, seed=2), bias=draws(4, seed=3))
    case("ConvTranspose3d(2, 2, {2, 1, 2})", "F.conv_transpose3d(x, weight, bias)",
         x=draws(1, 2, 2, 2, 2), weight=w3, bias=draws(2, seed=3))


def poolings(f):
    def case(module, python, x=X1):
        f.case("with(nn.%s)(x)" % module, python, x=x)

    case("SpatialMaxPooling(3, 2, 2, 1, 1, 1)", "F.max_pool2d(x, (2, 3), (1, 2), 1)")
    case("SpatialMaxPooling(2, 3):ceil()", "F.max_pool2d(x, (3, 2), ceil_mode=True)")
    case("SpatialMaxPooling(2, 5, 2, 3):ceil()", "F.max_pool2d(x, (5, 2), (3, 2), ceil_mode=True)")
    case("SpatialDilatedMaxPooling(2, 2, 1, 1, 0, 0, 2, 1)",
         "F.max_pool2d(x, 2, 1, dilation=(1, 2))", x=X[0])
    case("SpatialAveragePooling(3, 2, 2, 1, 1, 1)", "F.avg_pool2d(x, (2, 3), (1, 2), 1)")
    case("SpatialAveragePooling(3, 2, 2, 2, 1, 1):ceil():setCountExcludePad()",
         "F.avg_pool2d(x, (2, 3), 2, 1, True, False)")
    case("SpatialAdaptiveMaxPooling(3, 2)", "F.adaptive_max_pool2d(x, (2, 3))")
    case("SpatialAdaptiveAveragePooling(3, 3)", "F.adaptive_avg_pool2d(x, 3)")
    for fields, kind, x, out, size in (
            ("2, 2, 0.6, 3", 2, X1, (3, 3), 2),
            ("2, 1, 2, 0.5, 2, 0.5", 3, draws(1, 2, 4, 4, 3, seed=12), (2, 2, 2), (2, 2, 1))):
        name = "SpatialFractionalMaxPooling" if kind == 2 else "VolumetricFractionalMaxPooling"
        samples = [round(0.1 + 0.13 * k, 2) for k in range(2 * kind)]
        f.case("with(nn.%s(%s):fixPoolingRegions(), {randomSamples = torch.DoubleTensor{%s}})(x)"
               % (name, fields, ", ".join(map(str, samples))),
               HERE_IS + "fractional(x, torch.tensor(%s).view(1, 2, %d), %s, %s, "
               "F.fractional_max_pool%dd)" % (samples, kind, out, size, kind), x=x)
    case("SpatialLPPooling(2, 2, 2, 2, 1, 2)",
         "(F.avg_pool2d(x ** 2, 2, (2, 1)) * 4).sqrt()")
    case("FeatureLPPooling(2, 1, 4, true)", "F.lp_pool1d(x.transpose(1, 2), 4, 2, 1)"
         ".transpose(1, 2)", x=S)
    f.case("unpooled(nn.SpatialMaxPooling(2, 2), nn.SpatialMaxUnpooling, x)",
           "F.max_unpool2d(*F.max_pool2d(x, 2, return_indices=True), 2, output_size=x.shape[-2:])",
           x=X1)
    f.case("unpooled(nn.VolumetricMaxPooling(2, 1, 2), nn.VolumetricMaxUnpooling, x)",
           "F.max_unpool3d(*F.max_pool3d(x, (2, 2, 1), return_indices=True), (2, 2, 1), "
           "output_size=x.shape[-3:])", x=V)
    case("TemporalMaxPooling(3, 1)", "F.max_pool1d(x.transpose(1, 2), 3, 1).transpose(1, 2)", x=S)
    case("TemporalDynamicKMaxPooling(2, 0.5)", "x.gather(1, x.topk(3, 1)[1].sort(1)[0])", x=S)
    case("VolumetricMaxPooling(2, 2, 1, 1, 1, 1, 1)", "F.max_pool3d(x, (2, 1, 2), 1, (1, 0, 0))",
         x=V)
    case("VolumetricDilatedMaxPooling(2, 2, 1, 1, 1, 1, 0, 0, 0, 2, 1, 1)",
         "F.max_pool3d(x, (2, 1, 2), 1, 0, (2, 1, 1))", x=V)
    case("VolumetricAveragePooling(2, 2, 1)", "F.avg_pool3d(x, (2, 1, 2))", x=V)
    case("MaxPool1d(2)", "F.max_pool1d(x, 2)", x=S)
    case("MaxPool2d({3, 2}, {stride = 1, padding = 1, ceil_mode = true})",
         "F.max_pool2d(x, (3, 2), 1, 1, ceil_mode=True)")
    case("MaxPool3d(2, 1)", "F.max_pool3d(x, 2, 1)", x=V)
    case("AvgPool1d(3, 1, 1)", "F.avg_pool1d(x, 3, 1, 1)", x=S)
    case("AvgPool2d(3, {stride = 2, padding = 1, count_include_pad = false})",
         "F.avg_pool2d(x, 3, 2, 1, False, False)")
    case("AvgPool3d(2, {stride = 1, divisor_override = 3})",
         "F.avg_pool3d(x, 2, 1, divisor_override=3)", x=V)
    case("AdaptiveAvgPool1d(2)", "F.adaptive_avg_pool1d(x, 2)", x=S)
    case("AdaptiveAvgPool2d({3, 0})", "F.adaptive_avg_pool2d(x, (3, None))")
    case("AdaptiveAvgPool3d(2)", "F.adaptive_avg_pool3d(x, 2)", x=V)
    case("AdaptiveMaxPool1d(2)", "F.adaptive_max_pool1d(x, 2)", x=S)
    case("AdaptiveMaxPool2d({3, 2})", "F.adaptive_max_pool2d(x, (3, 2))")
    case("AdaptiveMaxPool3d(2)", "F.adaptive_max_pool3d(x, 2)", x=V)


def resizing(f):
    def case(module, python, x=X1):
        f.case("with(nn.%s)(x)" % module, python, x=x)

    small, cube = draws(1, 2, 2, 3), draws(1, 1, 2, 2, 3)
    case("SpatialZeroPadding(1, -1, 2, 0)", "F.pad(x, (1, -1, 2, 0))")
    case("SpatialReflectionPadding(2, 1, 3, 0)", "F.pad(x, (2, 1, 3, 0), \"reflect\")")
    case("SpatialReplicationPadding(2, -1, 1, 0)", "F.pad(x, (2, -1, 1, 0), \"replicate\")")
    case("VolumetricReplicationPadding(1, 0, 0, 1, 1, 2)",
         "F.pad(x, (1, 0, 0, 1, 1, 2), \"replicate\")", x=cube)
    case("ZeroPad2d({1, -1, 0, 2})", "F.pad(x, (1, -1, 0, 2))")
    case("ReflectionPad2d(1)", "F.pad(x, (1, 1, 1, 1), \"reflect\")", x=small)
    case("ReplicationPad2d({0, 1, 2, 3})", "F.pad(x, (0, 1, 2, 3), \"replicate\")", x=small)
    case("SpatialUpSamplingNearest(2)", "F.interpolate(x, scale_factor=2)", x=small)
    case("SpatialUpSamplingBilinear(2)",
         "F.interpolate(x, scale_factor=2, mode=\"bilinear\", align_corners=True)", x=small)
    case("UpSampling(2, \"linear\")",
         "F.interpolate(x, scale_factor=2, mode=\"trilinear\", align_corners=True)", x=cube)
    case("UpSampling({oheight = 3, owidth = 5})", "F.interpolate(x, (3, 5))", x=small)
    for mode, more in (("nearest-exact", ""), ("bilinear", ", align_corners=False"),
                       ("bicubic", ", align_corners=True"), ("area", "")):
        case("Upsample({3, 5}, {mode = \"%s\"%s})" % (mode, more.replace("=", " = ").lower()),
             "F.interpolate(x, (3, 5), mode=\"%s\"%s)" % (mode, more), x=small)
    case("Upsample({scale_factor = 2, mode = \"linear\"})",
         "F.interpolate(x, scale_factor=2, mode=\"linear\")", x=draws(1, 2, 3))
    case("PixelUnshuffle(2)", "F.pixel_unshuffle(x, 2)", x=draws(1, 1, 4, 2))
    case("Unfold({2, 3}, {padding = 1, stride = 2})", "F.unfold(x, (2, 3), 1, 1, 2)")
    case("Fold({3, 4}, 2, {dilation = {1, 2}})", "F.fold(x, (3, 4), 2, (1, 2))",
         x=draws(1, 4, 4))
    case("SpatialSubtractiveNormalization(2, torch.DoubleTensor{{1, 2, 1}, {2, 4, 2}, {0, 1, 3}})",
         HERE_IS + "subtractive(x, torch.tensor([[1.0, 2, 1], [2, 4, 2], [0, 1, 3]]))")
    case("SpatialDivisiveNormalization(2, torch.Tensor{1, 2, 1}, 1.2, 0.7)",
         HERE_IS + "divisive(x, torch.outer(torch.tensor([1.0, 2, 1]), torch.tensor([1.0, 2, 1])), 1.2, 0.7)")
    case("SpatialContrastiveNormalization(2, torch.ones(3, 5):double())",
         HERE_IS + "divisive(" + HERE_IS + "subtractive(x, torch.ones(3, 5)), torch.ones(3, 5), "
         "1e-4, 1e-4)")
    case("SpatialCrossMapLRN(3, 0.5, 0.7, 2)", "F.local_response_norm(x, 3, 0.5, 0.7, 2)",
         x=draws(1, 4, 2, 2))
    case("LocalResponseNorm(4, 0.5, {k = 2})", "F.local_response_norm(x, 4, 0.5, k=2)",
         x=draws(1, 5, 3))


def make():
    for name, what, fill in (("nn_convolutions", "Convolution layers", convolutions),
                             ("nn_poolings", "Pooling layers", poolings),
                             ("nn_resizing", "Padding, resizing and normalizing layers", resizing)):
        f = File(name, what)
        fill(f)
        f.write()
