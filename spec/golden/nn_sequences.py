"""Cases of recurrent layers, replayed by spec/nn/sequences_golden_spec.lua: stacked(kind, options,
x, parameters [, state] [, lengths]) is the output and the last state; parameters in PyTorch's
order."""
from cases import *  # noqa: F401,F403
from torch import nn
from torch.nn.utils import rnn as packing

IN, HIDDEN = 2, 3
KINDS = {"LSTM": (nn.LSTM, 4, 2), "GRU": (nn.GRU, 3, 1), "RNN": (nn.RNN, 1, 1)}


def stacked(kind, options, x, parameters, state=None, lengths=None):
    layers = KINDS[kind][0](IN, HIDDEN, **options)
    names = [n for n, _ in layers.named_parameters()]
    if state is not None:
        state = tuple(state) if kind == "LSTM" else state[0]
    values = dict(zip(names, parameters))
    if lengths is None:
        y, last = torch.func.functional_call(layers, values, (x, state))
    else:
        packed = packing.pack_padded_sequence(x, lengths, options.get("batch_first", False),
                                              enforce_sorted=False)
        y, last = torch.func.functional_call(layers, values, (packed, state))
        y, _ = packing.pad_packed_sequence(y, options.get("batch_first", False),
                                           total_length=x.shape[1 if "batch_first" in options
                                                                else 0])
    return [y] + (list(last) if kind == "LSTM" else [last])


def seq_lstm(x, w, b, o=None):
    """Weights as rnn's: rows of the input and of h, columns i f o g."""
    columns = torch.tensor([k * HIDDEN + i for k in (0, 1, 3, 2) for i in range(HIDDEN)])
    w, b = w[:, columns].T, b[columns]
    layer = nn.LSTM(IN, HIDDEN, proj_size=0 if o is None else o.shape[1])
    values = {"weight_ih_l0": w[:, :IN], "weight_hh_l0": w[:, IN:], "bias_ih_l0": b,
              "bias_hh_l0": torch.zeros_like(b)}
    if o is not None:
        values["weight_hr_l0"] = o.T
    return torch.func.functional_call(layer, values, (x,))[0]


def seq_gru(x, w, b):
    h, out = torch.zeros(x.shape[1], HIDDEN), []
    for step in x:
        u, r, _ = torch.sigmoid(torch.cat([step, h], 1) @ w + b).chunk(3, 1)
        new = torch.tanh((torch.cat([step, r * h], 1) @ w + b)[:, 2 * HIDDEN:])
        h = (1 - u) * new + u * h
        out.append(h)
    return torch.stack(out)


F.stacked, F.seq_lstm, F.seq_gru = stacked, seq_lstm, seq_gru


def sizes(kind, layers=1, bidirectional=False, bias=True, proj=0):
    rows, out = KINDS[kind][1] * HIDDEN, proj or HIDDEN
    ways = 2 if bidirectional else 1
    for layer in range(layers):
        for _ in range(ways):
            yield rows, IN if layer == 0 else out * ways
            yield rows, out
            if bias:
                yield (rows,)
                yield (rows,)
            if proj:
                yield proj, HIDDEN


def lua_options(o):
    return "{%s}" % ", ".join("%s = %s" % (k, str(v).lower() if isinstance(v, bool)
                                           else '"%s"' % v if isinstance(v, str) else v)
                     for k, v in o.items())


def case(f, kind, options=None, state=False, lengths=None, time=3, batch=2):
    o = options or {}
    python = {{"layers": "num_layers", "proj": "proj_size"}.get(k, k): v for k, v in o.items()}
    first = o.get("batch_first")
    inputs = {"x": draws(*((batch, time) if first else (time, batch)), IN, seed=3)}
    shape = {k: v for k, v in o.items() if k in ("layers", "bidirectional", "bias", "proj")}
    names = []
    for k, size in enumerate(sizes(kind, **shape)):
        names.append("p%d" % k)
        inputs[names[-1]] = draws(*size, low=-1, high=1, seed=10 + k)
    states = []
    if state:
        ways = o.get("layers", 1) * (2 if o.get("bidirectional") else 1)
        for k in range(KINDS[kind][2]):
            states.append("s%d" % k)
            size = o.get("proj") or HIDDEN if k == 0 else HIDDEN
            inputs[states[-1]] = draws(ways, batch, size, low=-1, high=1, seed=50 + k)
    wanted = "[%s]" % ", ".join(names)
    python_call = "F.stacked('%s', %r, x, %s" % (kind, python, wanted)
    lua_call = "stacked(\"%s\", %s, x, {%s}" % (kind, lua_options(o), ", ".join(names))
    if states or lengths:
        python_call += ", [%s]" % ", ".join(states) if states else ", None"
        lua_call += ", {%s}" % ", ".join(states) if states else ", nil"
    if lengths:
        python_call += ", torch.tensor(%r)" % lengths
        lua_call += ", {%s}" % ", ".join(map(str, lengths))
    f.case(lua_call + ")", python_call + ")", **inputs)


def make():
    f = File("nn_sequences", "Recurrent layers")
    for kind in KINDS:
        case(f, kind)
        case(f, kind, {"bias": False}, state=True)
        case(f, kind, {"layers": 2}, lengths=[2, 4, 1], time=4, batch=3)
        case(f, kind, {"bidirectional": True}, state=True, lengths=[4, 1, 3], time=4, batch=3)
    case(f, "LSTM", {"layers": 2, "bidirectional": True, "batch_first": True}, state=True)
    case(f, "RNN", {"nonlinearity": "relu"}, state=True)
    case(f, "LSTM", {"proj": 2, "layers": 2, "bidirectional": True}, state=True)
    case(f, "LSTM", {"proj": 1}, lengths=[1, 3], state=True)
    w, b = draws(IN + HIDDEN, 4 * HIDDEN, low=-1, high=1, seed=5), draws(4 * HIDDEN, seed=6)
    x = draws(3, 2, IN, seed=4)
    f.case("with(nn.SeqLSTM(2, 3), {weight = w, bias = b})(x)", "F.seq_lstm(x, w, b)", x=x, w=w,
           b=b)
    f.case("with(nn.SeqLSTMP(2, 3, 2), {weight = w, bias = b, weightO = o})(x)",
           "F.seq_lstm(x, w, b, o)", x=x, w=w[:IN + 2], b=b,
           o=draws(HIDDEN, 2, low=-1, high=1, seed=7))
    f.case("with(nn.SeqGRU(2, 3), {weight = w, bias = b})(x)", "F.seq_gru(x, w, b)", x=x,
           w=w[:, :9].contiguous(), b=b[:9])
    f.write()
