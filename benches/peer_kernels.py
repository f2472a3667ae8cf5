"""The operations of `cargo bench --workspace` in PyTorch: `peer <name> <median us> <min us>`."""

import argparse
import time

import torch
import torch.nn.functional as F

parser = argparse.ArgumentParser()
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--rounds", type=int, default=41)
parser.add_argument("--only", default="")
args = parser.parse_args()
torch.set_num_threads(args.threads)
torch.manual_seed(0)


def measure(name, elements, function):
    if args.only not in name:
        return
    repeats = max(1, 200_000 // elements)
    times = []
    for round_ in range(args.rounds + 3):
        start = time.perf_counter()
        for _ in range(repeats):
            function()
        if round_ >= 3:
            times.append((time.perf_counter() - start) * 1e6 / repeats)
    times.sort()
    print(f"peer {name:44} {times[len(times) // 2]:9.1f} {times[0]:9.1f}", flush=True)


def numbers(*shape):
    return torch.rand(*shape) * 8 - 4


def leaf(*shape):
    return numbers(*shape).requires_grad_()


def discretised_logistic(x, mean, log_scale):
    """As in common implementations of PixelCNN++ (256 levels)."""
    centred, rate = x - mean, torch.exp(-log_scale)
    plus, minus = rate * (centred + 1 / 255), rate * (centred - 1 / 255)
    middle = rate * centred
    difference = torch.sigmoid(plus) - torch.sigmoid(minus)
    approximation = middle - log_scale - 2 * F.softplus(middle) - 4.8442
    inside = torch.where(difference > 1e-5, torch.log(difference.clamp(min=1e-12)), approximation)
    above = torch.where(x > 0.999, -F.softplus(minus), inside)
    return torch.where(x < -0.999, plus - F.softplus(plus), above)


print("torch", torch.__version__, "threads", torch.get_num_threads())

for rows in [24, 100, 256, 5000]:
    logits, targets = leaf(rows, 784), numbers(rows, 784)
    measure(
        f"bernoulli_log_lik {rows}x784 both",
        rows * 784,
        lambda: (targets * logits - F.softplus(logits)).sum(1).sum().backward(),
    )

for rows, classes in [(100, 10), (100, 1000), (5000, 10)]:
    logits, targets = leaf(rows, classes), torch.softmax(numbers(rows, classes), 1)
    measure(
        f"categorical_log_lik {rows}x{classes} both",
        rows * classes,
        lambda: F.cross_entropy(logits, targets, reduction="none").sum().backward(),
    )

for rows, columns in [(16, 3072), (640, 3072)]:
    x = torch.round(numbers(rows, columns) * 31.875) / 127.5
    mean, log_scale = leaf(rows, columns), leaf(rows, columns)
    measure(
        f"discretised_logistic {rows}x{columns} both",
        rows * columns,
        lambda: discretised_logistic(x, mean, log_scale).sum().backward(),
    )

maps = {
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "softplus": F.softplus,
    "log_sigmoid": F.logsigmoid,
    "exp": torch.exp,
    "log of the square": lambda x: torch.log(x.square()),
}
for rows, columns in [(24, 200), (100, 200), (1000, 1000)]:
    x = leaf(rows, columns)
    plain = x.detach()
    for name, function in maps.items():
        measure(f"{name} {rows}x{columns} value", rows * columns, lambda: function(plain))
        measure(f"{name} {rows}x{columns} both", rows * columns, lambda: function(x).sum().backward())

over_rows = {
    "softmax": lambda x: torch.softmax(x, 1),
    "log_softmax": lambda x: torch.log_softmax(x, 1),
    "logsumexp": lambda x: torch.logsumexp(x, 1),
}
for rows, columns in [(100, 10), (5000, 10), (1000, 1000)]:
    x = leaf(rows, columns)
    plain = x.detach()
    for name, function in over_rows.items():
        measure(f"{name} {rows}x{columns} value", rows * columns, lambda: function(plain))
        measure(f"{name} {rows}x{columns} both", rows * columns, lambda: function(x).sum().backward())

noise = {
    "Uniform": torch.rand,
    "Logistic": lambda *shape: torch.logit(torch.rand(*shape)),
    "Gumbel": lambda *shape: -torch.log(-torch.log(torch.rand(*shape))),
    "Normal": torch.randn,
    "Exponential": lambda *shape: torch.empty(*shape).exponential_(),
}
for rows, columns in [(24, 200), (100, 200), (1000, 1000)]:
    for name, function in noise.items():
        measure(f"noise {name} {rows}x{columns}", rows * columns, lambda: function(rows, columns))
