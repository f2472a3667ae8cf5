"""The training steps of `cargo bench --workspace --bench training` in PyTorch.

    python3 benches/peer_training.py [--threads N] [--only PART_OF_A_NAME]

prints the version of torch and then `peer <case> <median ms> <min ms>`. Eager mode, Adam with foreach=True: what someone gets who writes these
steps today without compiling them. The data are random bits of the right size; the time does not depend on them.
"""

import argparse
import time

import torch
import torch.nn.functional as F
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--steps", type=int, default=60)
parser.add_argument("--only", default="")
args = parser.parse_args()
torch.set_num_threads(args.threads)
torch.manual_seed(0)

WARM_UP = 10


def case(name, model, loss):
    if args.only not in name:
        return
    adam = torch.optim.Adam(model.parameters(), lr=1e-3, foreach=True)
    times = []
    for step in range(WARM_UP + args.steps):
        start = time.perf_counter()
        adam.zero_grad()
        loss(model).backward()
        adam.step()
        if step >= WARM_UP:
            times.append((time.perf_counter() - start) * 1e3)
    times.sort()
    print(f"peer {name:32} {times[len(times) // 2]:8.3f} {times[0]:8.3f}", flush=True)


def bits(rows):
    return (torch.rand(rows, 784) < 0.15).float()


def neg_log_lik(logits, x):
    """-log p(x) under Bernoulli laws, summed over pixels, mean over rows."""
    return F.binary_cross_entropy_with_logits(logits.flatten(1), x, reduction="sum") / len(x)


class Masked(nn.Conv2d):
    """A filter that sees only what comes before a pixel, row by row."""

    def __init__(self, channels_in, channels_out, side, centre):
        super().__init__(channels_in, channels_out, side, padding=side // 2)
        seen = torch.arange(side * side) < side * side // 2 + centre
        self.register_buffer("mask", seen.float().view(1, 1, side, side))

    def forward(self, x):
        return F.conv2d(x, self.weight * self.mask, self.bias, padding=self.padding)


class PixelCnn(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.first = Masked(1, channels, 7, False)
        self.residual = nn.ModuleList(Masked(channels, channels, 3, True) for _ in range(2))
        self.last = nn.Conv2d(channels, 1, 1)

    def forward(self, x):
        x = self.first(x)
        for layer in self.residual:
            x = x + layer(torch.relu(x))
        return self.last(torch.relu(x))


print("torch", torch.__version__, "threads", torch.get_num_threads())

x = bits(100)
mlp = nn.Sequential(nn.Linear(784, 200), nn.Tanh(), nn.Linear(200, 200), nn.Tanh(), nn.Linear(200, 784))
case("mlp b100 784-200-200-784", mlp, lambda model: neg_log_lik(model(x), x))

sequences = torch.rand(32, 50, 64) * 2 - 1
for name, layer in [("lstm", nn.LSTM), ("gru", nn.GRU)]:
    layer = layer(64, 256, batch_first=True)
    case(f"{name} b32 t50 64-256", layer, lambda model: model(sequences)[0].square().mean())

x64 = bits(64)
autoencoder = nn.Sequential(
    nn.Conv2d(1, 16, 3, stride=2, padding=1),
    nn.ReLU(),
    nn.Conv2d(16, 32, 3, stride=2, padding=1),
    nn.ReLU(),
    nn.ConvTranspose2d(32, 16, 4, stride=2, padding=1),
    nn.ReLU(),
    nn.ConvTranspose2d(16, 1, 4, stride=2, padding=1),
)
case("autoencoder b64 1-16-32 28x28", autoencoder, lambda model: neg_log_lik(model(x64.view(-1, 1, 28, 28)), x64))

x32 = bits(32)
case("masked b32 1-32-32-32-1 28x28", PixelCnn(32), lambda model: neg_log_lik(model(x32.view(-1, 1, 28, 28)), x32))
