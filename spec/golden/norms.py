"""Cases of normalisation and attention."""
from cases import *  # noqa: F401,F403

WEIGHT, BIAS = draws(4, seed=11), draws(4, seed=12)
IMAGES = draws(3, 4, 2, 3, seed=13)


def of_dimensions(f):
    x = draws(2, 3, 4, seed=10)
    f.case("torch.layer_norm(x, {4}, w, b)", "F.layer_norm(x, (4,), w, b)", x=x, w=WEIGHT, b=BIAS)
    f.case("torch.layer_norm(x, {3, 4}, nil, nil, 0.1)", "F.layer_norm(x, (3, 4), eps=0.1)", x=x)
    f.case("torch.layer_norm(x, {3, 4}, w)", "F.layer_norm(x, (3, 4), w)", x=x,
           w=draws(3, 4, seed=14))
    f.case("torch.rms_norm(x, {4}, w)", "F.rms_norm(x, (4,), w)", x=x, w=WEIGHT)
    f.case("torch.rms_norm(x, {3, 4}, nil, 0.2)", "F.rms_norm(x, (3, 4), eps=0.2)", x=x)


def of_channels(f):
    for x in (IMAGES, draws(5, 4, seed=15), draws(1, 4, 17, seed=16)):
        f.case("torch.batch_norm(x, nil, nil, w, b, true)",
               "F.batch_norm(x, None, None, w, b, True)", x=x, w=WEIGHT, b=BIAS)
        f.case("torch.batch_norm(x, m, v, w, b, false, 0.1, 0.01)",
               "F.batch_norm(x, m.detach(), v.detach(), w, b, False, 0.1, 0.01)", x=x,
               m=draws(4, seed=17), v=draws(4, low=0.5, seed=18), w=WEIGHT, b=BIAS)
        f.case("torch.group_norm(x, 2, w, b)", "F.group_norm(x, 2, w, b)", x=x, w=WEIGHT, b=BIAS)
    f.case("torch.group_norm(x, 1)", "F.group_norm(x, 1)", x=IMAGES)
    f.case("torch.group_norm(x, 4, w)", "F.group_norm(x, 4, w)", x=IMAGES, w=WEIGHT)
    f.case("torch.instance_norm(x, nil, nil, w, b)", "F.instance_norm(x, weight=w, bias=b)",
           x=IMAGES, w=WEIGHT, b=BIAS)
    f.case("torch.instance_norm(x, m, v, nil, nil, false)",
           "F.instance_norm(x, m.detach(), v.detach(), use_input_stats=False)", x=IMAGES,
           m=draws(4, seed=17), v=draws(4, low=0.5, seed=18))
    for name in ("batch", "instance"):
        both = ("%s_norm(x, m, v, nil, nil, true, 0.3), m, v" % name,
                "(F.%s_norm(x, m, v, None, None, True, 0.3), m, v)" % name)
        f.case("torch." + both[0], both[1], grad=False, x=IMAGES, m=draws(4, seed=17),
               v=draws(4, low=0.5, seed=18))


def attention(f):
    q, k, v = draws(1, 2, 3, 2, seed=20), draws(1, 2, 4, 2, seed=21), draws(1, 2, 4, 3, seed=22)
    name = "scaled_dot_product_attention(q, k, v"
    f.case("torch.%s)" % name, "F.%s)" % name, q=q, k=k, v=v)
    f.case("torch.%s, nil, true, 0.4)" % name, "F.%s, is_causal=True, scale=0.4)" % name, q=q, k=k,
           v=v)
    f.case("torch.%s, m)" % name, "F.%s, m)" % name, q=q, k=k, v=v, m=draws(3, 4, seed=23))
    f.case("torch.%s, m)" % name, "F.%s, m)" % name, q=q, k=k, v=v,
           m=tensor([[1, 0, 1, 1], [0, 0, 1, 0], [1, 1, 1, 1]], torch.bool))
    f.case("torch.%s)" % name, "F.%s, enable_gqa=True)" % name, q=draws(1, 4, 2, 2, seed=24), k=k,
           v=v)


def make():
    f = File("norms", "Normalisation and attention")
    of_dimensions(f)
    of_channels(f)
    attention(f)
    f.write()
