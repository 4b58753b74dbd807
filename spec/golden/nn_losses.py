"""Cases of the criterions, replayed by spec/nn/losses_golden_spec.lua."""
import re

from cases import *  # noqa: F401,F403


def short(t):
    return torch.round(t, decimals=3)


A, B = draws(3, 4), draws(3, 4, seed=2)
LOG_P, P = short(F.log_softmax(A, 1)), short(F.softmax(B, 1))
LABELS = tensor([2, 4, 1], torch.int64)
SIGNS = tensor([1.0, -1, -1])
IMAGE = draws(2, 3, 2, 2, seed=7)
PLACES = tensor([[[1, 3], [2, 2]], [[3, 3], [1, 2]]], torch.int64)
WEIGHT = "torch.tensor([1., 2, 0.5, 3])"  # w to the spec
REDUCTIONS = ("mean", "sum", "none")


def each_reduction(f, lua, python, **inputs):
    """In `lua` and `python` '@' stands for the reduction."""
    for how in REDUCTIONS:
        f.case(lua.replace("@", how), python.replace("@", how), **inputs)


def differences(f):
    for name, python in (("MSE", "mse_loss"), ("Abs", "l1_loss"), ("SmoothL1", "smooth_l1_loss")):
        each_reduction(f, "nn.%sCriterion{reduction = \"@\"}(x, t)" % name,
                       "F.%s(x, t, reduction='@')" % python, x=A, t=B)
    each_reduction(f, "nn.HuberCriterion{delta = 0.7, reduction = \"@\"}(x, t)",
                   "F.huber_loss(x, t, delta=0.7, reduction='@')", x=A, t=B)


def labels(f):
    each_reduction(f, "nn.ClassNLLCriterion(w, {reduction = \"@\"})(x, t)",
                   "F.nll_loss(x, t - 1, %s, reduction='@')" % WEIGHT, x=LOG_P, t=LABELS)
    for more, keywords in (("", ""), (", label_smoothing = 0.2", ", label_smoothing=0.2")):
        for weights in (True, False):
            each_reduction(
                f, "cross_entropy(%s, {reduction = \"@\", ignoreIndex = 4%s})(x, t)"
                % ("w" if weights else "nil", more),
                "F.cross_entropy(x, t - 1, %s, ignore_index=3, reduction='@'%s)"
                % (WEIGHT if weights else "None", keywords), x=A, t=LABELS)
        f.case("cross_entropy{reduction = \"mean\"%s}(x, t)" % more,
               "F.cross_entropy(x, t - 1%s)" % keywords, x=IMAGE, t=PLACES)
        each_reduction(
            f, "cross_entropy{weights = w, reduction = \"@\"%s}(x, t)" % more,
            "F.cross_entropy(x, t, %s, reduction='@'%s)" % (WEIGHT, keywords), x=A, t=P)
        f.case("cross_entropy{reduction = \"none\"%s}(x, t)" % more,
               "F.cross_entropy(x, t, reduction='none'%s)" % keywords, x=IMAGE,
               t=short(F.softmax(draws(2, 3, 2, 2, seed=8), 1)))
    f.case("cross_entropy{reduction = \"none\"}(x, t)",
           "F.cross_entropy(x, t - 1, reduction='none')", x=IMAGE, t=PLACES)
    f.case("nn.SpatialClassNLLCriterion()(x, t)", "F.nll_loss(x, t - 1)",
           x=short(F.log_softmax(IMAGE, 1)), t=PLACES)
    f.case("nn.MultiMarginCriterion(1, w, 0.7)(x, t)",
           "F.multi_margin_loss(x, t - 1, 1, 0.7, %s)" % WEIGHT, x=A, t=LABELS)
    f.case("nn.MultiMarginCriterion(2)(x, t)", "F.multi_margin_loss(x, t - 1, 2)", x=A, t=LABELS)
    each_reduction(f, "nn.MultiLabelMarginCriterion{reduction = \"@\"}(x, t)",
                   "F.multilabel_margin_loss(x, t - 1, reduction='@')", x=A,
                   t=tensor([[2, 1, 0, 3], [4, 0, 0, 0], [3, 3, 1, 2]], torch.int64))


def two_classes(f):
    yes = tensor([[1.0, 0, 0, 1], [0, 1, 1, 0], [1, 1, 0, 0]])
    soft = short(torch.sigmoid(B))
    for t in (yes, soft):
        each_reduction(f, "nn.BCECriterion(w, {reduction = \"@\"})(x, t)",
                       "F.binary_cross_entropy(x, t, %s, reduction='@')" % WEIGHT,
                       x=short(torch.sigmoid(A)), t=t)
        each_reduction(
            f, "nn.BCEWithLogitsCriterion{weights = w, pos_weight = w, "
            "reduction = \"@\"}(x, t)",
            "F.binary_cross_entropy_with_logits(x, t, %s, reduction='@', pos_weight=%s)"
            % (WEIGHT, WEIGHT), x=A, t=t)
    f.case("nn.BCEWithLogitsCriterion()(x, t)", "F.binary_cross_entropy_with_logits(x, t)",
           x=tensor([[800.0, -800], [-800, 800]]), t=tensor([[1.0, 0], [1, 0]]))
    f.case("nn.MultiLabelSoftMarginCriterion(w)(x, t)",
           "F.multilabel_soft_margin_loss(x, t, %s)" % WEIGHT, x=A, t=yes)
    f.case("nn.SoftMarginCriterion()(x, t:detach())", "F.soft_margin_loss(x, t.detach())",
           x=A, t=2 * yes - 1)
    # Lin et al.'s formula: PyTorch itself has none.
    f.case("nn.FocalCriterion()(x, t)",
           "((0.25 * t + 0.75 * (1 - t)) * (1 - torch.where(t > 0, x, -x).sigmoid()) ** 2"
           " * F.binary_cross_entropy_with_logits(x, t, reduction='none')).mean()",
           x=A, t=yes.clone())
    f.case("nn.FocalCriterion{gamma = 1.5, alpha = w}(x, t)",
           "((1 - x.softmax(1).gather(1, t[:, None] - 1)[:, 0]) ** 1.5 * %s[t - 1]"
           " * F.cross_entropy(x, t - 1, reduction='none')).mean()" % WEIGHT, x=A, t=LABELS)
    f.case("nn.DiceCriterion()(x, t)",
           "(1 - (2 * (x * t).sum(1) + 1) / (x.sum(1) + t.sum(1) + 1)).mean()",
           x=short(torch.sigmoid(A)), t=yes)


def distributions(f):
    f.case("nn.DistKLDivCriterion()(x, t)", "F.kl_div(x, t)", x=LOG_P, t=P)
    for how in REDUCTIONS + ("batchmean",):
        f.case("nn.KLDivCriterion{reduction = \"%s\"}(x, t)" % how,
               "F.kl_div(x, t, reduction='%s')" % how, x=LOG_P, t=P)
        f.case("nn.KLDivCriterion{log_target = true, reduction = \"%s\"}(x, t)" % how,
               "F.kl_div(x, t, reduction='%s', log_target=True)" % how, x=LOG_P, t=short(P.log()))
    counts = tensor([[0.0, 1, 2, 3], [7, 0, 2, 1], [1, 4, 1, 0]])
    each_reduction(f, "nn.PoissonNLLCriterion{full = true, reduction = \"@\"}(x, t:detach())",
                   "F.poisson_nll_loss(x, t.detach(), full=True, reduction='@')", x=A, t=counts)
    f.case("nn.PoissonNLLCriterion{log_input = false}(x, t:detach())",
           "F.poisson_nll_loss(x, t.detach(), log_input=False)", x=A.abs(), t=counts)
    each_reduction(f, "nn.GaussianNLLCriterion{full = true, reduction = \"@\"}({x, v}, t)",
                   "F.gaussian_nll_loss(x, t, v, full=True, reduction='@')", x=A, t=B,
                   v=draws(3, 4, low=0.2, high=2, seed=4))
    f.case("nn.GaussianNLLCriterion{eps = 0.1}({x, v}, t)",
           "F.gaussian_nll_loss(x, t, v, eps=0.1)", x=A, t=B, v=tensor([[0.01], [0.5], [2.0]]))


def pairs(f):
    f.case("nn.HingeEmbeddingCriterion(0.8)(x, t:detach())",
           "F.hinge_embedding_loss(x, t.detach(), 0.8)", x=tensor([0.3, 0.4, 2.0]), t=SIGNS)
    f.case("nn.CosineEmbeddingCriterion(-0.5)({a, b}, t:detach())",
           "F.cosine_embedding_loss(a, b, t.detach(), -0.5)", a=A, b=B, t=SIGNS)
    f.case("nn.MarginRankingCriterion(0.5)({a, b}, t:detach())",
           "F.margin_ranking_loss(a, b, t.detach(), 0.5)", a=draws(3), b=draws(3, seed=2), t=SIGNS)
    for lua, python in (("margin = 1", "margin=1"), ("margin = 2, p = 3", "margin=2, p=3"),
                        ("margin = 2, swap = true", "margin=2, swap=True")):
        each_reduction(f, "nn.TripletMarginCriterion{%s, reduction = \"@\"}({a, b, c})" % lua,
                       "F.triplet_margin_loss(a, b, c, %s, reduction='@')" % python,
                       a=A, b=B, c=draws(3, 4, seed=3))
    f.case("nn.NTXentCriterion{temperature = 0.3}({a, b})",
           "F.cross_entropy((lambda z: z @ z.T / 0.3 - 1e9 * torch.eye(6))"
           "(F.normalize(torch.cat([a, b]))), torch.tensor([3, 4, 5, 0, 1, 2]))", a=A, b=B)


def sequences(f):
    x = draws(6, 3, 4)
    targets = tensor([[1, 2, 3], [2, 2, 0], [3, 0, 0]], torch.int64)
    log_p = "F.log_softmax(x, 2)"
    for how in REDUCTIONS:
        f.case("nn.CTCCriterion{reduction = \"%s\"}(x, t, {6, 5, 4}, {3, 2, 1})" % how,
               "F.ctc_loss(%s, t, (6, 5, 4), (3, 2, 1), reduction='%s')" % (log_p, how),
               x=x, t=targets)
    f.case("nn.CTCCriterion()(x, {{1, 2, 3}, {2, 2}, {3}}, {6, 5, 4})",
           "F.ctc_loss(%s, torch.tensor([1, 2, 3, 2, 2, 3]), (6, 5, 4), (3, 2, 1), "
           "reduction='sum')" % log_p, x=x)
    f.case("nn.CTCCriterion{blank = 3}(x, {{1, 0, 2}, {2, 2}, {}})",
           "F.ctc_loss(%s, torch.tensor([1, 0, 2, 2, 2]), (6, 6, 6), (3, 2, 0), blank=3, "
           "reduction='sum')" % log_p, x=x)
    f.case("nn.CTCCriterion{zero_infinity = true}(x, {{1, 1}, {1, 2, 3}, {2}}, {2, 3, 2})",
           "F.ctc_loss(%s, torch.tensor([[1, 1, 0], [1, 2, 3], [2, 0, 0]]), (2, 3, 2), (2, 3, 1), "
           "reduction='sum', zero_infinity=True)" % log_p, x=x)
    f.case("nn.CTCCriterion()(x, {1, 2, 2})",
           "F.ctc_loss(F.log_softmax(x, 1), torch.tensor([1, 2, 2]), (6,), (3,), reduction='sum')",
           x=draws(6, 4, seed=5))


def make():
    f = File("nn_losses", "Criterions")
    for part in (differences, labels, two_classes, distributions, pairs, sequences):
        part(f)
    f.cases = [re.sub(r"-?\d+\.\d{10,}(e-\d+)?", lambda m: "%.10g" % float(m[0]), case)
               for case in f.cases]
    f.write()
