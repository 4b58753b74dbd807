"""Where PyTorch's optimizers and schedules get to: spec/stdlib/optim_golden_spec.lua follows them.

Five steps from (1, -2, 3) down the sum of 0.5 (1, 2, 3) x^2 + 0.5 x."""
import os

import torch

from cases import HERE

CASES = [
    ("AdamW", "{lr = 0.1}", dict(lr=0.1)),
    ("AdamW", "{lr = 0.1, betas = {0.8, 0.95}, eps = 1e-3, weight_decay = 0.3}",
     dict(lr=0.1, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.3)),
    ("Adamax", "{lr = 0.1}", dict(lr=0.1)),
    ("Adamax", "{lr = 0.1, betas = {0.8, 0.95}, eps = 1e-3, weight_decay = 0.05}",
     dict(lr=0.1, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.05)),
    ("Adagrad", "{lr = 0.1}", dict(lr=0.1)),
    ("Adagrad", "{lr = 0.1, lr_decay = 0.2, weight_decay = 0.05, initial_accumulator_value = 0.5, "
     "eps = 1e-3}", dict(lr=0.1, lr_decay=0.2, weight_decay=0.05, initial_accumulator_value=0.5,
                         eps=1e-3)),
    ("Adadelta", "{}", {}),
    ("Adadelta", "{lr = 0.5, rho = 0.8, eps = 1e-3, weight_decay = 0.05}",
     dict(lr=0.5, rho=0.8, eps=1e-3, weight_decay=0.05)),
    ("RMSprop", "{lr = 0.1}", dict(lr=0.1)),
    ("RMSprop", "{lr = 0.1, alpha = 0.8, eps = 1e-3, weight_decay = 0.05, momentum = 0.9, "
     "centered = true}", dict(lr=0.1, alpha=0.8, eps=1e-3, weight_decay=0.05, momentum=0.9,
                              centered=True)),
    ("Rprop", "{lr = 0.5}", dict(lr=0.5)),
    ("Rprop", "{lr = 0.5, etas = {0.3, 1.5}, step_sizes = {0.4, 0.7}}",
     dict(lr=0.5, etas=(0.3, 1.5), step_sizes=(0.4, 0.7))),
    ("ASGD", "{lr = 0.1, lambd = 0.1, alpha = 0.5, t0 = 2, weight_decay = 0.05}",
     dict(lr=0.1, lambd=0.1, alpha=0.5, t0=2, weight_decay=0.05)),
    ("NAdam", "{lr = 0.1, weight_decay = 0.05}", dict(lr=0.1, weight_decay=0.05)),
    ("RAdam", "{lr = 0.1, betas = {0.9, 0.7}, weight_decay = 0.05}",
     dict(lr=0.1, betas=(0.9, 0.7), weight_decay=0.05)),
    ("RAdam", "{lr = 0.1}", dict(lr=0.1)),
]

S = torch.optim.lr_scheduler
SCHEDULES = [
    ("StepLR", "{step_size = 3, gamma = 0.5}", lambda o: S.StepLR(o, 3, 0.5)),
    ("MultiStepLR", "{milestones = {2, 5}}", lambda o: S.MultiStepLR(o, [2, 5])),
    ("ExponentialLR", "{gamma = 0.9}", lambda o: S.ExponentialLR(o, 0.9)),
    ("LinearLR", "{total_iters = 4, start_factor = 0.25}", lambda o: S.LinearLR(o, 0.25, 1, 4)),
    ("CosineAnnealingLR", "{T_max = 8, eta_min = 0.01}",
     lambda o: S.CosineAnnealingLR(o, 8, 0.01)),
    ("OneCycleLR", "{max_lr = 2, total_steps = 9}", lambda o: S.OneCycleLR(o, 2, 9)),
    ("OneCycleLR", "{max_lr = 2, total_steps = 9, pct_start = 0.5, anneal_strategy = 'linear',\n"
     "        div_factor = 10, final_div_factor = 100}",
     lambda o: S.OneCycleLR(o, 2, 9, pct_start=0.5, anneal_strategy="linear", div_factor=10,
                            final_div_factor=100)),
]
MEASURES = [5, 4, 4.1, 3.99, 3.9999, 4.2, 3, 3.1, 3.2, 3.3, 3.4, 3.5]
PLATEAUS = [
    ("{patience = 1, factor = 0.5}", dict(patience=1, factor=0.5)),
    ("{patience = 0, factor = 0.5, cooldown = 2, min_lr = 0.3, threshold = 0.05}",
     dict(patience=0, factor=0.5, cooldown=2, min_lr=0.3, threshold=0.05)),
    ("{patience = 1, factor = 0.5, mode = 'max', threshold_mode = 'abs', threshold = 0.15}",
     dict(patience=1, factor=0.5, mode="max", threshold_mode="abs", threshold=0.15)),
]


def numbers(values):
    return "{%s}" % ", ".join("%.8g" % v for v in values)


def steps(name, keywords):
    x = torch.tensor([1.0, -2, 3], dtype=torch.float64, requires_grad=True)
    optimizer = getattr(torch.optim, name)([x], **keywords)
    for _ in range(5):
        optimizer.zero_grad()
        (0.5 * (torch.tensor([1.0, 2, 3]) * x * x).sum() + 0.5 * x.sum()).backward()
        optimizer.step()
    return x.tolist()


def adam():
    return torch.optim.Adam([torch.zeros(1, requires_grad=True)], lr=1)


def rates(make_schedule):
    optimizer, out, momenta = adam(), [], []
    schedule = make_schedule(optimizer)
    for k in range(8):
        out.append(optimizer.param_groups[0]["lr"])
        momenta.append(optimizer.param_groups[0]["betas"][0])
        optimizer.step()
        schedule.step()
    return out, momenta


def plateau(keywords):
    optimizer, out = adam(), []
    schedule = S.ReduceLROnPlateau(optimizer, **keywords)
    for value in MEASURES:
        schedule.step(value)
        out.append(optimizer.param_groups[0]["lr"])
    return out


def make():
    with open(os.path.join(HERE, "optim.lua"), "w") as out:
        out.write("-- Optimizers and schedules, by PyTorch %s. Written by make.py.\nreturn {\n"
                  % torch.__version__.split("+")[0])
        out.write("  optimizers = {\n")
        for name, options, keywords in CASES:
            out.write("    {'%s',\n      %s,\n      %s},\n"
                      % (name, options, numbers(steps(name, keywords))))
        out.write("  },\n  schedules = {\n")
        for name, options, make_schedule in SCHEDULES:
            lr, momenta = rates(make_schedule)
            out.write("    {'%s',\n      %s,\n      %s,\n      %s},\n"
                      % (name, options, numbers(lr), numbers(momenta)))
        out.write("  },\n  measures = %s,\n  plateaus = {\n" % numbers(MEASURES))
        for options, keywords in PLATEAUS:
            out.write("    {%s,\n      %s},\n" % (options, numbers(plateau(keywords))))
        out.write("  },\n}\n")
