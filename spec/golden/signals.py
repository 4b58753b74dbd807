"""Cases of convolution, pooling, padding, resizing and Fourier transforms."""
from cases import *  # noqa: F401,F403


def convolution():
    f = File("signal_conv", "Convolutions")
    x1, w1, b = draws(2, 2, 6), draws(4, 1, 3, seed=2), draws(4, seed=3)
    f.case("torch.conv1d(x, w)", "F.conv1d(x, w)", x=x1, w=draws(3, 2, 2, seed=4))
    f.case("torch.conv1d(x, w, b, 2, 1, 2, 2)", "F.conv1d(x, w, b, 2, 1, 2, 2)", x=x1, w=w1, b=b)
    f.case("torch.conv1d(x, w, b, 1, \"same\", 1, 2)", "F.conv1d(x, w, b, 1, 'same', 1, 2)",
           x=x1, w=draws(4, 1, 4, seed=2), b=b)
    f.case("torch.conv1d(x, w, {padding=\"valid\", stride=2})",
           "F.conv1d(x, w, padding='valid', stride=2)", x=x1, w=draws(3, 2, 2, seed=4))
    x2, w2 = draws(2, 2, 4, 5), draws(2, 2, 2, 3, seed=2)
    f.case("torch.conv2d(x, w, b)", "F.conv2d(x, w, b)", x=x2, w=w2, b=draws(2, seed=3))
    f.case("torch.conv2d(x, w, nil, {2, 1}, {1, 2}, {2, 1}, 2)",
           "F.conv2d(x, w, None, (2, 1), (1, 2), (2, 1), 2)", x=x2, w=draws(4, 1, 2, 2, seed=2))
    f.case("torch.conv2d(x, w, nil, 1, \"same\", {1, 2})",
           "F.conv2d(x, w, None, 1, 'same', (1, 2))", x=x2[0], w=w2)
    f.case("torch.conv2d(x, w)", "F.conv2d(x, w)", x=x2, w=draws(3, 2, 1, 1, seed=2))
    x3, w3 = draws(1, 2, 3, 3, 2), draws(2, 2, 2, 2, 2, seed=2)
    f.case("torch.conv3d(x, w, b)", "F.conv3d(x, w, b)", x=x3, w=w3, b=draws(2, seed=3))
    f.case("torch.conv3d(x, w, nil, {1, 2, 1}, 1, {2, 1, 1}, 2)",
           "F.conv3d(x, w, None, (1, 2, 1), 1, (2, 1, 1), 2)", x=x3,
           w=draws(2, 1, 2, 2, 2, seed=2))
    f.case("torch.conv_transpose1d(x, w, b, 3, 1, 2, 1, 2)",
           "F.conv_transpose1d(x, w, b, 3, 1, 2, 1, 2)", x=draws(2, 2, 3), w=draws(2, 3, 2, seed=2),
           b=draws(3, seed=3))
    f.case("torch.conv_transpose2d(x, w, b, {2, 1}, 1, {1, 0}, 2)",
           "F.conv_transpose2d(x, w, b, (2, 1), 1, (1, 0), 2)", x=draws(1, 2, 3, 2),
           w=draws(2, 1, 3, 2, seed=2), b=draws(2, seed=3))
    f.case("torch.conv_transpose2d(x, w)", "F.conv_transpose2d(x, w)", x=draws(2, 2, 2),
           w=draws(2, 2, 2, 2, seed=2))
    f.case("torch.conv_transpose3d(x, w, nil, 2)", "F.conv_transpose3d(x, w, None, 2)",
           x=draws(1, 1, 2, 2, 2), w=draws(1, 2, 2, 1, 2, seed=2))
    f.write()


def classic():
    f = File("signal_classic", "Torch7's convolutions of single images")
    for n, one, kernel in ((2, (4, 5), (3, 2)), (3, (3, 4, 2), (2, 3, 1))):
        flip = "k.flip(%s)" % ", ".join(str(-d) for d in range(1, n + 1))
        full = "padding=%s" % str(tuple(k - 1 for k in kernel))
        cases = (("%s(x[None, None], %s[None, None]%s)[0, 0]", draws(*one), draws(*kernel, seed=2)),
                 ("%s(x[None], %s[:, None], groups=2%s)[0]", draws(2, *one),
                  draws(2, *kernel, seed=2)),
                 ("%s(x[None], %s%s)[0]", draws(2, *one), draws(3, 2, *kernel, seed=2)))
        for python, x, k in cases:
            for name, weight in (("conv", flip), ("xcorr", "k")):
                for shape, rest in (("", ""), (", \"F\"", ", " + full)):
                    f.case("torch.%s%d(x, k%s)" % (name, n, shape),
                           python % ("F.conv%dd" % n, weight, rest), x=x, k=k)
    f.write()


def windows():
    f = File("signal_windows", "Pooling, unfold and fold")
    x1, x2, x3 = draws(2, 2, 7), draws(2, 2, 5, 6), draws(1, 2, 4, 3, 3)
    for call, grad in (("2", True), ("3, 2, 1", True), ("2, 3, 0", True)):
        f.case("torch.max_pool1d(x, %s)" % call, "(lambda r: (r[0], r[1] + 1))("
               "F.max_pool1d(x, %s, return_indices=True))" % call, x=x1)
        f.case("torch.avg_pool1d(x, %s)" % call, "F.avg_pool1d(x, %s)" % call, x=x1)
    shift = "(lambda r: (r[0], r[1] + 1))(%s)"
    f.case("torch.max_pool2d(x, 2)", shift % "F.max_pool2d(x, 2, return_indices=True)", x=x2)
    f.case("torch.max_pool2d(x, {3, 2}, {2, 1}, {1, 0}, {1, 2}, true)",
           shift % "F.max_pool2d(x, (3, 2), (2, 1), (1, 0), (1, 2), True, return_indices=True)",
           x=x2)
    f.case("torch.max_pool2d(x, 3, {ceil_mode=true, stride=2})",
           shift % "F.max_pool2d(x, 3, 2, ceil_mode=True, return_indices=True)", x=x2[0])
    f.case("torch.max_pool3d(x, 2, 1)", shift % "F.max_pool3d(x, 2, 1, return_indices=True)", x=x3)
    f.case("torch.max_pool2d(x, 2)", shift % "F.max_pool2d(x, 2, return_indices=True)",
           grad=False, x=tensor([[[NAN, 1, 2, -INF], [0, 3, -INF, -INF]]]))
    f.case("torch.avg_pool2d(x, 2)", "F.avg_pool2d(x, 2)", x=x2)
    f.case("torch.avg_pool2d(x, {3, 2}, {2, 1}, 1, true)",
           "F.avg_pool2d(x, (3, 2), (2, 1), 1, True)", x=x2)
    f.case("torch.avg_pool2d(x, {3, 2}, {2, 1}, 1, true, false)",
           "F.avg_pool2d(x, (3, 2), (2, 1), 1, True, False)", x=x2)
    f.case("torch.avg_pool2d(x, 3, 2, 1, false, true, 4)",
           "F.avg_pool2d(x, 3, 2, 1, False, True, 4)", x=x2)
    f.case("torch.avg_pool3d(x, 2, 1, 1)", "F.avg_pool3d(x, 2, 1, 1)", x=x3)
    for n, x, sizes in ((1, x1, ("3", "7", "9")), (2, x2, ("1", "{2, 3}", "4")),
                        (3, x3, ("{2, 1, 3}",))):
        for size in sizes:
            of = size.replace("{", "(").replace("}", ")")
            f.case("torch.adaptive_avg_pool%dd(x, %s)" % (n, size),
                   "F.adaptive_avg_pool%dd(x, %s)" % (n, of), x=x)
            f.case("torch.adaptive_max_pool%dd(x, %s)" % (n, size),
                   shift % ("F.adaptive_max_pool%dd(x, %s, return_indices=True)" % (n, of)), x=x)
    f.case("torch.im2col(x, 2)", "F.unfold(x, 2)", x=x2)
    f.case("torch.im2col(x, {2, 3}, {1, 2}, {1, 2}, {2, 1})",
           "F.unfold(x, (2, 3), (1, 2), (1, 2), (2, 1))", x=x2[0])
    f.case("torch.col2im(x, {4, 5}, {2, 3}, {1, 2}, {1, 2}, {2, 1})",
           "F.fold(x, (4, 5), (2, 3), (1, 2), (1, 2), (2, 1))", x=draws(1, 6, 15))
    f.write()


def padding():
    f = File("signal_pad", "Padding and resizing")
    x = draws(2, 3, 4)
    for pads in ("1, 2", "0, 1, 2, 0", "-1, 2, 1, -1", "1, 0, 0, 2, 1, 1"):
        f.case("torch.pad(x, {%s})" % pads, "F.pad(x, (%s))" % pads, x=x)
        f.case("torch.pad(x, {%s}, \"constant\", 0.5)" % pads, "F.pad(x, (%s), value=0.5)" % pads,
               x=x)
    for mode in ("reflect", "replicate", "circular"):
        for pads in ("1, 2", "0, 3"):
            f.case("torch.pad(x, {%s}, \"%s\")" % (pads, mode), "F.pad(x, (%s), '%s')" % (pads, mode),
                   x=x)
        f.case("torch.pad(x, {1, 2, 1, 0}, \"%s\")" % mode, "F.pad(x, (1, 2, 1, 0), '%s')" % mode,
               x=x[None])
    f.case("torch.pad(x, {1, 1})", "F.pad(x, (1, 1))", x=tensor([1, 2, 3], torch.int64))
    x1, x2, x3 = draws(1, 2, 4), draws(1, 1, 3, 4), draws(1, 1, 2, 3, 2)
    resized = ((x1, "nearest", ("7",), "2.5"), (x1, "linear", ("7", "2"), "1.3"),
               (x2, "nearest", ("{5, 2}", "2"), "1.6"), (x2, "nearest-exact", ("{5, 2}",), "1.6"),
               (x2, "bilinear", ("{5, 2}", "{1, 7}"), "1.6"),
               (x2, "bicubic", ("{5, 2}", "{1, 7}"), "0.7"), (x2, "area", ("{2, 3}", "{4, 6}"), "0.7"),
               (x3, "trilinear", ("{3, 2, 4}",), "1.5"), (x3, "nearest", ("{3, 2, 4}",), "2"))
    for x, mode, sizes, scale in resized:
        corners = ("", ", true") if "l" in mode and mode != "area" else ("",)
        for align in corners:
            python = ", align_corners=True" if align else ""
            for size in sizes:
                f.case("torch.interpolate(x, %s, nil, \"%s\"%s)" % (size, mode, align),
                       "F.interpolate(x, %s, mode='%s'%s)" % (
                           size.replace("{", "(").replace("}", ")"), mode, python), x=x)
            f.case("torch.interpolate(x, {scale_factor=%s, mode=\"%s\"%s})" % (
                       scale, mode, ", align_corners=true" if align else ""),
                   "F.interpolate(x, scale_factor=%s, mode='%s'%s)" % (scale, mode, python), x=x)
    f.case("torch.pixel_shuffle(x, 2)", "F.pixel_shuffle(x, 2)", x=draws(2, 4, 1, 2))
    f.case("torch.pixel_unshuffle(x, 2)", "F.pixel_unshuffle(x, 2)", x=draws(2, 1, 4, 2))
    f.case("torch.channel_shuffle(x, 2)", "F.channel_shuffle(x, 2)", x=draws(1, 6, 1, 2))
    f.write()


def pairs(z):
    return torch.view_as_real(z.resolve_conj())


def fourier():
    f = File("signal_fft", "Fourier transforms")
    z, x = draws(2, 4, 2), draws(2, 4, seed=2)
    F.c, F.pairs, F.f = torch.view_as_complex, pairs, torch.fft
    for args in ("", ", 4", ", 9", ", nil, 2", ", 5, 1, \"ortho\"", ", 7, -1, \"forward\"",
                 ", nil, -2, \"ortho\""):
        python = args.replace("nil", "None").replace(", 2", ", 1").replace("5, 1", "5, 0")
        for name in ("fft", "ifft"):
            f.case("torch.fft.%s(z%s)" % (name, args), "F.pairs(F.f.%s(F.c(z)%s))" % (name, python),
                   z=z)
        for name in ("rfft", "ihfft"):
            f.case("torch.fft.%s(x%s)" % (name, args), "F.pairs(F.f.%s(x%s))" % (name, python), x=x)
        for name in ("irfft", "hfft"):
            f.case("torch.fft.%s(z%s)" % (name, args), "F.f.%s(F.c(z)%s)" % (name, python), z=z)
    f.write()
    f = File("signal_fft_many", "Fourier transforms of several dimensions")
    z, x = draws(2, 2, 3, 2), draws(2, 2, 3, seed=2)
    for args, python in (("", ""), (", {3, 2}", ", (3, 2)"), (", nil, {1, 3}", ", None, (0, 2)"),
                         (", {2, 3}, {3, 2}, \"ortho\"", ", (2, 3), (2, 1), 'ortho'")):
        for n in "2n":
            for name in ("fft", "ifft"):
                f.case("torch.fft.%s%s(z%s)" % (name, n, args),
                       "F.pairs(F.f.%s%s(F.c(z)%s))" % (name, n, python), z=z)
            f.case("torch.fft.rfft%s(x%s)" % (n, args), "F.pairs(F.f.rfft%s(x%s))" % (n, python),
                   x=x)
            f.case("torch.fft.irfft%s(z%s)" % (n, args), "F.f.irfft%s(F.c(z)%s)" % (n, python),
                   z=z)
    f.case("torch.fft.fftshift(x)", "F.f.fftshift(x)", x=x)
    f.case("torch.fft.ifftshift(x, 2)", "F.f.ifftshift(x, 1)", x=x)
    f.case("torch.fft.fftshift(z)", "F.pairs(F.f.fftshift(F.c(z)))", z=z)
    f.write()


def more():
    f = File("signal_more", "Windows, short transforms and sampled images")
    F.c, F.pairs = torch.view_as_complex, pairs
    for name in ("hann", "hamming", "blackman", "bartlett", "kaiser"):
        for n in (1, 5):
            for periodic in ("true", "false"):
                f.case("torch.%s_window(%d, %s, {dtype=\"float64\"})" % (name, n, periodic),
                       "torch.%s_window(%d, %s)" % (name, n, periodic.title()))
    x, z = draws(2, 12), draws(2, 5, 4, 2, seed=3)
    for lua, python in (("8", "8"), ("8, 3", "8, 3"), ("6, 2, 4, w", "6, 2, 4, w"),
                        ("5, 2, 4, w, false, nil, true, false",
                         "5, 2, 4, w, False, 'reflect', True, False")):
        f.case("torch.stft(x, %s)" % lua, "F.pairs(torch.stft(x, %s, return_complex=True))" % python,
               x=x, w=draws(4, low=0.5, high=2, seed=2))
    for lua, python in (("8", "8"), ("8, 3, 7, w", "8, 3, 7, w"),
                        ("8, 2, 7, w, true, true, true, 9", "8, 2, 7, w, True, True, True, 9")):
        f.case("torch.istft(z, %s)" % lua, "torch.istft(F.c(z), %s)" % python, z=z,
               w=draws(7, low=0.5, high=2, seed=2))
    image, theta = draws(2, 2, 3, 4), draws(2, 2, 3, seed=2, low=-1, high=1)
    grid = draws(2, 2, 3, 2, seed=5, low=-1.4, high=1.4)
    for align in ("false", "true"):
        f.case("torch.affine_grid(t, {2, 1, 3, 2}, %s)" % align,
               "F.affine_grid(t, (2, 1, 3, 2), %s)" % align.title(), t=theta)
        for mode in ("bilinear", "nearest"):
            for padding in ("zeros", "border", "reflection"):
                f.case("torch.grid_sample(x, g, \"%s\", \"%s\", %s)" % (mode, padding, align),
                       "F.grid_sample(x, g, '%s', '%s', %s)" % (mode, padding, align.title()),
                       x=image, g=grid)
    a, b = draws(3, 2), draws(3, 2, seed=2)
    f.case("torch.complex_mul(a, b)", "F.pairs(F.c(a) * F.c(b))", a=a, b=b)
    f.case("torch.complex_div(a, b)", "F.pairs(F.c(a) / F.c(b))", a=a, b=b)
    f.case("torch.complex_abs(a)", "F.c(a).abs()", a=a)
    f.case("torch.complex_angle(a)", "F.c(a).angle()", a=a)
    f.case("torch.conj(a)", "F.pairs(F.c(a).conj())", a=a)
    f.case("torch.polar(a, b)", "F.pairs(torch.polar(a, b))", a=a.abs(), b=b)
    f.write()


def make():
    convolution()
    classic()
    windows()
    padding()
    fourier()
    more()
