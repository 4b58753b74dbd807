"""Cases of attention, transformers and normalisation, replayed by spec/nn/attention_golden_spec.lua:
with(module, {name = tensor}) is the module with these parameters, of itself and its children by
their names in PyTorch, whose dots are underscores."""
from cases import *  # noqa: F401,F403
from torch.func import functional_call
from torch import nn

X, MEMORY = draws(2, 3, 4, seed=30), draws(2, 2, 4, seed=31)
MASK = tensor([[1, 0, 1], [1, 1, 0], [0, 1, 1]], torch.bool)
KEYS = tensor([[1, 1, 1], [1, 0, 1]], torch.bool)


def run(module, parameters, *args, **options):
    """The module's result with these parameters, training or not."""
    names = {n.replace(".", "_"): n for n, _ in module.named_parameters()}
    r = functional_call(module, {names[n]: p for n, p in parameters.items()}, args, options)
    return r[0] if isinstance(r, tuple) else r


def rotated(x, base=10000.0, interleaved=False):
    """Pairs as complex numbers, turned."""
    n = x.shape[-1] // 2
    angle = torch.outer(torch.arange(x.shape[-2], dtype=x.dtype),
                        base ** (-2 * torch.arange(n, dtype=x.dtype) / x.shape[-1]))
    pairs = x.reshape(*x.shape[:-1], n, 2) if interleaved else torch.stack(
        (x[..., :n], x[..., n:]), -1)
    turned = torch.view_as_real(torch.view_as_complex(pairs.contiguous())
                                * torch.polar(torch.ones_like(angle), angle))
    return turned.flatten(-2) if interleaved else torch.cat((turned[..., 0], turned[..., 1]), -1)


def grouped(x, p, heads, kv):
    """Causal attention of `heads` heads with rotary positions, which share `kv` of keys."""
    n = x.shape[-1] // heads
    q, k, v = F.linear(x, p["in_proj_weight"], p["in_proj_bias"]).split((heads * n, kv * n, kv * n), -1)
    q, k, v = (t.unflatten(-1, (-1, n)).transpose(1, 2) for t in (q, k, v))
    y = F.scaled_dot_product_attention(rotated(q), rotated(k), v, is_causal=True, enable_gqa=True)
    return F.linear(y.transpose(1, 2).flatten(2), p["out_proj_weight"], p["out_proj_bias"])


def waves(x):
    """Sine, cosine, and the sine of a third channel."""
    t = torch.arange(x.shape[-2], dtype=x.dtype)
    return torch.stack((t.sin(), t.cos(), (t * 10000 ** (-2 / 3)).sin()), 1)


F.waves, F.run, F.rotated, F.grouped, F.nn = waves, run, rotated, grouped, nn


def parameters(module, scale=0.5):
    """Numbers for all parameters."""
    return {n.replace(".", "_"): draws(*p.shape, low=-scale, high=scale, seed=40 + i)
            for i, (n, p) in enumerate(module.named_parameters())}


def case(f, lua, python, p, **inputs):
    """In both texts P stands for the parameters by name."""
    f.case(lua.replace("P", "{%s}" % ", ".join("%s = %s" % (n, n) for n in p)),
           python.replace("P", "{%s}" % ", ".join("'%s': %s" % (n, n) for n in p)), **inputs, **p)


def attention(f):
    p = parameters(nn.MultiheadAttention(4, 2))
    python = "F.run(F.nn.MultiheadAttention(4, 2, batch_first=True), P, %s)"
    lua = "with(nn.MultiHeadAttention(4, 2%s), P)(%s)"
    case(f, lua % ("", "x"), python % "x, x, x", p, x=X)
    case(f, lua % (", {causal = true}", "x"), python % "x, x, x, attn_mask=m", p, x=X,
         m=tensor([[0, 1, 1], [0, 0, 1], [0, 0, 0]], torch.bool))
    case(f, lua % ("", "{x, y, z}"), python % "x, y, z", p, x=X, y=MEMORY, z=draws(2, 2, 4, seed=32))
    case(f, lua % ("", "{x, mask = m, key_mask = k}"),
         python % "x, x, x, attn_mask=~m, key_padding_mask=~k", p, x=X, m=MASK, k=KEYS)
    case(f, lua % ("", "{x, mask = m}"), python % "x, x, x, attn_mask=m", p, x=X,
         m=draws(3, 3, seed=33))
    p = parameters(nn.MultiheadAttention(4, 1, kdim=3, vdim=2))
    case(f, "with(nn.MultiHeadAttention(4, 1, {kdim = 3, vdim = 2}), P)({x, y, z})",
         "F.run(F.nn.MultiheadAttention(4, 1, kdim=3, vdim=2, batch_first=True), P, x, y, z)", p,
         x=X, y=draws(2, 3, 3, seed=34), z=draws(2, 3, 2, seed=35))
    p = {"in_proj_weight": draws(12, 8, low=-0.5, high=0.5, seed=36),
         "in_proj_bias": draws(12, seed=37),
         "out_proj_weight": draws(8, 8, low=-0.5, high=0.5, seed=38),
         "out_proj_bias": draws(8, seed=39)}
    case(f, "with(nn.MultiHeadAttention(8, 4, {kv_heads = 1, causal = true, rotary = true}), P)(x)",
         "F.grouped(x, P, 4, 1)", {**p}, x=draws(1, 3, 8, seed=30))


def positions(f):
    x = draws(2, 3, 6, seed=30)
    f.case("nn.RotaryEmbedding(6)(x)", "F.rotated(x)", x=x)
    f.case("nn.RotaryEmbedding(6, {interleaved = true, base = 100})(x)",
           "F.rotated(x, 100.0, True)", x=x)
    f.case("typed(nn.PositionalEncoding(3), x)", "x + F.waves(x)",
           x=draws(2, 4, 3, seed=31))


def layers(f):
    x, memory = draws(2, 3, 2, seed=30), draws(2, 2, 2, seed=31)
    for options, given in (
            ("", "dropout = 0, feedforward = 2"),
            (", norm_first=True, activation='gelu', layer_norm_eps=0.01",
             "dropout = 0, feedforward = 2, norm_first = true, activation = \"gelu\", eps = 0.01")):
        make = "F.nn.Transformer%sLayer(2, 1, 2, 0.0, batch_first=True" + options + ")"
        p = parameters(eval(make % "Encoder"))
        case(f, "with(nn.TransformerEncoderLayer(2, 1, {%s}), P)({x, key_mask = k})" % given,
             "F.run(%s, P, x, src_key_padding_mask=~k)" % (make % "Encoder"), p, x=x, k=KEYS)
        p = parameters(eval(make % "Decoder"))
        case(f, "with(nn.TransformerDecoderLayer(2, 1, {%s}), P)({x, y})" % given,
             "F.run(%s, P, x, y, tgt_mask=m)" % (make % "Decoder"), p, x=x, y=memory,
             m=tensor([[0, 1, 1], [0, 0, 1], [0, 0, 0]], torch.bool))


def norms(f):
    w, b = draws(4, seed=50), draws(4, seed=51)
    p, images = {"weight": w, "bias": b}, draws(2, 4, 2, 2, seed=52)
    case(f, "with(nn.LayerNorm(4), P)(x)", "F.run(F.nn.LayerNorm(4), P, x)", p, x=X)
    case(f, "with(nn.RMSNorm(4), P)(x)", "F.run(F.nn.RMSNorm(4), P, x)", {"weight": w}, x=X)
    case(f, "with(nn.GroupNorm(2, 4), P)(x)", "F.run(F.nn.GroupNorm(2, 4), P, x)", p, x=images)
    case(f, "with(nn.InstanceNorm2d(4, nil, nil, true), P)(x)",
         "F.run(F.nn.InstanceNorm2d(4, affine=True), P, x)", p, x=images)
    for name, x in (("BatchNorm1d", draws(3, 4, seed=53)), ("BatchNorm2d", images)):
        case(f, "with(nn.%s(4), P)(x)" % name, "F.run(F.nn.%s(4), P, x)" % name, p, x=x)
    for name, momentum in (("BatchNorm2d", "0.3"), ("BatchNorm2d", "None"), ("InstanceNorm2d", "0.3")):
        f.case("steps(nn.%s(4, nil, %s, false, true), x)" % (
            name, momentum.replace("None", "false")), "F.steps(F.nn.%s(4, momentum=%s, "
            "affine=False, track_running_stats=True), x)" % (name, momentum), x=images)
    f.case("singular(nn.SpectralNorm(nn.Linear(4, 3, false)), w, x)",
           "F.linear(x, w / torch.linalg.svdvals(w)[0])", x=draws(2, 4, seed=54),
           w=draws(3, 4, seed=55))


def steps(module, x):
    """Three steps of training, and the result in use with the statistics it then has."""
    for k in range(3):
        module(x * (k + 1))
    module.eval()
    return module(x), module.running_mean, module.running_var


F.steps = steps


def make():
    f = File("nn_attention", "Attention, transformers and normalisation")
    attention(f)
    positions(f)
    layers(f)
    norms(f)
    f.write()
