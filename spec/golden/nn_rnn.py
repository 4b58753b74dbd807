"""Cases of the recurrent modules over sequences (time, batch, feature), replayed by
spec/nn/rnn_golden_spec.lua: PyTorch's cells, unrolled, or the formula of a paper."""
from cases import *  # noqa: F401,F403

T, B, D, H = 3, 2, 3, 2
X = draws(T, B, D)


def reorder(w, *order):
    parts = w.chunk(len(order))
    return torch.cat([parts[k] for k in order])


def unroll(cell, x, *state):
    outputs = []
    for step in x:
        state = cell(step, *state)
        outputs.append(state[0])
    return torch.stack(outputs)


def zeros(x):
    return torch.zeros(x.shape[1], H)


def lstm(x, wi, bi, wo):
    """PyTorch has the gates input, forget, cell, output; FastLSTM input, cell, forget, output."""
    wi, bi, wo = (reorder(w, 0, 2, 1, 3) for w in (wi, bi, wo))
    return unroll(lambda y, h, c: torch.lstm_cell(y, (h, c), wi, wo, bi, bi * 0), x,
                  zeros(x), zeros(x))


def peephole(x, wi, bi, wo, pi, pf, po):
    def cell(y, h, c):
        i, g, f, o = (y @ wi.T + bi + h @ wo.T).chunk(4, 1)
        c = (f + pf * c).sigmoid() * c + (i + pi * c).sigmoid() * g.tanh()
        return (o + po * c).sigmoid() * c.tanh(), c
    return unroll(cell, x, zeros(x), zeros(x))


def gru(x, wi, bi, wo, wh, bh, wr):
    def cell(y, h):
        r, z = (y @ wi.T + bi + h @ wo.T).sigmoid().chunk(2, 1)
        return ((1 - z) * (y @ wh.T + bh + (r * h) @ wr.T).tanh() + z * h,)
    return unroll(cell, x, zeros(x))


def rnn(x, wi, bi, wo, bo, start):
    first = (x[0] @ wi.T + bi + start).tanh()
    rest = unroll(lambda y, h: (torch.rnn_tanh_cell(y, h, wi, wo, bi, bo),), x[1:], first)
    return torch.cat((first[None], rest))


def stabilized(x, beta):
    """x, with the gradient of the penalty besides its own."""
    norms = x.norm(dim=2)
    penalty = beta * ((norms[1:] - norms[:-1]) ** 2).mean(1).sum()
    return x + (penalty - penalty.detach()) / weight(x).sum()


def masked(x, *w):
    """Steps of which an example is all zeros begin its sequence anew, with an output of zeros."""
    wi, bi, wo = (reorder(v, 0, 2, 1, 3) for v in w)

    def cell(y, h, c):
        keep = (y != 0).any(1, keepdim=True)
        return [torch.where(keep, v, 0.0) for v in torch.lstm_cell(y, (h, c), wi, wo, bi, bi * 0)]
    return unroll(cell, x, zeros(x), zeros(x))


F.fast, F.peephole, F.gru, F.rnn = lstm, peephole, gru, rnn
F.stabilized, F.masked = stabilized, masked


def make():
    f = File("nn_rnn", "Recurrent modules over sequences")
    lstms = dict(wi=draws(4 * H, D, seed=2), bi=draws(4 * H, seed=3), wo=draws(4 * H, H, seed=4))
    fields = "i2g = {weight = wi, bias = bi}, o2g = {weight = wo}"
    f.case("over(nn.FastLSTM(3, 2), {%s}, x)" % fields, "F.fast(x, wi, bi, wo)", x=X, **lstms)
    f.case("over(nn.LSTM(3, 2, nil, false), {%s}, x)" % fields, "F.fast(x, wi, bi, wo)", x=X,
           **lstms)
    f.case("over(nn.LSTM(3, 2), {%s, peepInput = pi, peepForget = pf, peepOutput = po}, x)"
           % fields, "F.peephole(x, wi, bi, wo, pi, pf, po)", x=X, pi=draws(H, seed=5),
           pf=draws(H, seed=6), po=draws(H, seed=7), **lstms)
    f.case("over(nn.GRU(3, 2), {%s, i2h = {weight = wh, bias = bh}, o2h = {weight = wr}}, x)"
           % fields, "F.gru(x, wi, bi, wo, wh, bh, wr)", x=X, wi=draws(2 * H, D, seed=2),
           bi=draws(2 * H, seed=3), wo=draws(2 * H, H, seed=4), wh=draws(H, D, seed=5),
           bh=draws(H, seed=6), wr=draws(H, H, seed=7))
    f.case("over(nn.Recurrent(2, nn.Linear(3, 2), nn.Linear(2, 2), nn.Tanh()), {inputModule = "
           "{weight = wi, bias = bi}, feedbackModule = {weight = wo, bias = bo}, startModule = "
           "{bias = s}}, x)", "F.rnn(x, wi, bi, wo, bo, s)", x=X, wi=draws(H, D, seed=2),
           bi=draws(H, seed=3), wo=draws(H, H, seed=4), bo=draws(H, seed=5), s=draws(H, seed=6))
    f.case("over(nn.NormStabilizer(0.7), {}, x)", "F.stabilized(x, 0.7)", x=X)
    padded = X.clone()
    padded[1, 0] = padded[2, 1] = 0
    f.case("over(nn.FastLSTM(3, 2):maskZero(1), {%s}, x)" % fields, "F.masked(x, wi, bi, wo)",
           x=padded, **lstms)
    f.write()
