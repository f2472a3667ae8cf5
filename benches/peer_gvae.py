"""The training step of the Grammar VAE on equations in PyTorch: the peer of crates/train/benches/gvae_step.rs.

    python3 benches/peer_gvae.py --batch 600

prints `peer equations <batch> <median ms> <min ms> <processor ms>` after a line with the version of torch. Eager mode, two threads (`--threads`), Adam with
foreach=True: what someone gets who writes this model today without compiling it. The network of `gvae/equations`: 12 choices with padding, rows of 15 steps,
convolutions (2, 2), (3, 3), (4, 4), 100 features, 25 normal latents, a GRU of three layers of 100 units that sees the latent at every step, masked softmax.
Rows and masks are drawn once, on the device: our step also makes the masks from the texts, this one gets them for nothing.
"""

import argparse
import statistics
import time

import torch
import torch.nn.functional as F
from torch import nn

STEPS, WIDTH, LATENTS, WARM_UP = 15, 12, 25, 10


class Gvae(nn.Module):
    def __init__(self):
        super().__init__()
        self.convolutions = nn.ModuleList([nn.Conv1d(WIDTH, 2, 2), nn.Conv1d(2, 3, 3), nn.Conv1d(3, 4, 4)])
        self.features = nn.Linear(4 * (STEPS - 6), 100)
        self.posterior = nn.Linear(100, 2 * LATENTS)
        self.embed = nn.Linear(LATENTS, 25)
        self.gru = nn.GRU(25, 100, num_layers=3, batch_first=True)
        self.output = nn.Linear(100, WIDTH)

    def forward(self, choices, forbidden):
        """The negative bound, mean over rows; `choices` one-hot `[rows, steps, width]`."""
        x = choices.transpose(1, 2)
        for convolution in self.convolutions:
            x = torch.relu(convolution(x))
        mean, log_std = self.posterior(torch.relu(self.features(x.flatten(1)))).chunk(2, 1)
        kl = 0.5 * (mean.square() + (2 * log_std).exp() - 2 * log_std - 1).sum(1)
        z = mean + log_std.exp() * torch.randn_like(mean)
        seen = torch.relu(self.embed(z)).unsqueeze(1).expand(-1, STEPS, -1)
        logits = self.output(self.gru(seen)[0]).masked_fill(forbidden, -1e9)
        log_lik = (F.log_softmax(logits, 2) * choices).sum((1, 2))
        return (kl - log_lik).mean()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--batch", type=int, default=600)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    print("torch", torch.__version__, "threads", torch.get_num_threads())

    rows = torch.randint(WIDTH, (args.batch, STEPS))
    choices = F.one_hot(rows, WIDTH).float()
    forbidden = (torch.rand(args.batch, STEPS, WIDTH) < 0.5) & (choices == 0)
    model = Gvae()
    adam = torch.optim.Adam(model.parameters(), lr=1e-3, foreach=True)
    times = []
    for step in range(WARM_UP + args.steps):
        if step == WARM_UP:
            worked = time.process_time()
        start = time.perf_counter()
        adam.zero_grad()
        model(choices, forbidden).backward()
        adam.step()
        if step >= WARM_UP:
            times.append((time.perf_counter() - start) * 1e3)
    worked = (time.process_time() - worked) / args.steps * 1e3
    print(f"peer equations {args.batch} {statistics.median(times):.4f} {min(times):.4f} {worked:.4f}")


main()
