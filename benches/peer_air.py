"""The training step of attend-infer-repeat with the count summed over, in PyTorch: the peer of crates/train/benches/air_step.rs.

    python3 benches/peer_air.py --case reduced --batch 64

prints `peer <case> <batch> median_ms min_ms` after a line with the version of torch. Eager mode, two threads (`--threads`), Adam with foreach=True. The same
model, step for step: the LSTM's input product once per image, the transformer as two batched matrix products, N + 1 likelihoods in one batch.
"""

import argparse
import math
import statistics
import time

import torch
import torch.nn.functional as F

STEPS, SIGMA, EPS, LN_ODDS = 3, 0.3, 1e-3, math.log(0.01)
SCALE, SCALE_STD, POSITION_STD = 0.45, 0.1, 0.5
SIZES = {
    "reduced": dict(canvas=32, window=16, embed=200, lstm=128, predict=100, what=20, glimpse=100),
    "paper": dict(canvas=50, window=28, embed=0, lstm=256, predict=200, what=50, glimpse=200),
}


def centres(n):
    return (2 * torch.arange(n) + 1) / n - 1


def triangles(source, n):
    return F.relu(1 - (source.unsqueeze(2) - torch.arange(n)).abs())


class Air(torch.nn.Module):
    def __init__(self, canvas, window, embed, lstm, predict, what, glimpse):
        super().__init__()
        self.canvas, self.window, self.units, self.what = canvas, window, lstm, what
        pixels, small = canvas * canvas, window * window
        self.embed = torch.nn.Linear(pixels, embed) if embed else None
        self.input = torch.nn.Linear(embed or pixels, 4 * lstm)
        self.recurrent = torch.nn.Linear(3 + what + 1 + lstm, 4 * lstm, bias=False)
        self.predict = torch.nn.Linear(lstm, predict)
        self.presence = torch.nn.Linear(predict, 1)
        self.place = torch.nn.Linear(predict, 6)
        self.encoder = torch.nn.Sequential(torch.nn.Linear(small, glimpse), torch.nn.ReLU(), torch.nn.Linear(glimpse, 2 * what))
        self.decoder = torch.nn.Sequential(torch.nn.Linear(what, glimpse), torch.nn.ReLU(), torch.nn.Linear(glimpse, small))
        mean = torch.tensor([math.log(SCALE), 0.0, 0.0])
        self.register_buffer("place_mean", mean)
        self.register_buffer("place_log_std", torch.tensor([SCALE_STD, POSITION_STD, POSITION_STD]).log())
        with torch.no_grad():
            self.presence.bias.fill_(1.0)
            self.place.bias.copy_(torch.cat([mean, torch.full([3], math.log(0.1))]))
            self.decoder[2].bias.fill_(-2.0)

    def crop(self, images, place):
        scale = place[:, :1].exp()
        at = lambda axis: ((scale * centres(self.window) + place[:, axis : axis + 1] + 1) * self.canvas - 1) / 2
        left, right = triangles(at(2), self.canvas), triangles(at(1), self.canvas)
        return (left @ images.view(-1, self.canvas, self.canvas) @ right.transpose(1, 2)).flatten(1)

    def paste(self, windows, place):
        inverse = place[:, :1].neg().exp()
        at = lambda axis: (((centres(self.canvas) - place[:, axis : axis + 1]) * inverse + 1) * self.window - 1) / 2
        left, right = triangles(at(2), self.window), triangles(at(1), self.window)
        return (left @ windows.view(-1, self.window, self.window) @ right.transpose(1, 2)).flatten(1)

    def cost(self, x):
        """-ELBO of every image, the count summed over."""
        rows, pixels = x.shape
        features = F.relu(self.embed(x)) if self.embed else x
        gates_x = self.input(features)
        h = c = x.new_zeros(rows, self.units)
        thing = x.new_zeros(rows, 3 + self.what + 1)
        present = x.new_ones(rows, 1)
        canvas = torch.zeros_like(x)
        logits, kl_where, kl_what, canvases = [], [], [], [canvas]
        for _ in range(STEPS):
            i, f, g, o = (gates_x + self.recurrent(torch.cat([thing, h], 1))).chunk(4, 1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
            predicted = F.relu(self.predict(h))
            raw = self.presence(predicted)
            mix = lambda p: p * (1 - EPS) + EPS / 2
            logits.append(mix(torch.sigmoid(raw)).log() - mix(torch.sigmoid(-raw)).log())
            mean, log_std = self.place(predicted).chunk(2, 1)
            kl_where.append(kl(mean, log_std, self.place_mean, self.place_log_std))
            place = mean + log_std.exp() * torch.randn_like(mean)
            mean, log_std = self.encoder(self.crop(x, place)).chunk(2, 1)
            kl_what.append(kl(mean, log_std, torch.zeros(1), torch.zeros(1)))
            what = mean + log_std.exp() * torch.randn_like(mean)
            canvas = canvas + self.paste(torch.sigmoid(self.decoder(what)), place)
            canvases.append(canvas)
            thing = torch.cat([place - self.place_mean, what, present], 1)
        logits = torch.cat(logits, 1)
        prior = torch.tensor([math.log(sum(math.exp(j * LN_ODDS) for j in range(1, STEPS - i + 1))) for i in range(STEPS)])
        kl_presence = torch.sigmoid(logits) * (logits - prior) + F.softplus(prior) - F.softplus(logits)
        none = x.new_zeros(rows, 1)
        reached = torch.cat([none, F.logsigmoid(logits).cumsum(1)], 1)
        counts = (reached + torch.cat([F.logsigmoid(-logits), none], 1)).exp()
        reached = reached.exp()
        squares = (x.unsqueeze(0) - torch.stack(canvases)).square().sum(2).t()
        log_lik = -squares / (2 * SIGMA**2) - pixels * math.log(SIGMA * math.sqrt(2 * math.pi))
        kl_objects = torch.stack(kl_where, 1) + torch.stack(kl_what, 1)
        return -(counts * log_lik).sum(1) + (reached[:, :-1] * kl_presence).sum(1) + (reached[:, 1:] * kl_objects).sum(1)


def kl(mean, log_std, prior_mean, prior_log_std):
    ratio, shift = (log_std - prior_log_std).exp(), (mean - prior_mean) / prior_log_std.exp()
    return ((ratio**2 + shift**2 - 1) / 2 - log_std + prior_log_std).sum(1)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", choices=SIZES, required=True)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--warm-up", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()

    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads", flush=True)
    model = Air(**SIZES[arguments.case])
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, foreach=True)
    x = (torch.rand(arguments.batch, model.canvas**2) < 0.1).float()

    times = []
    for _ in range(arguments.warm_up + arguments.steps):
        start = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        model.cost(x).mean().backward()
        optimizer.step()
        times.append((time.perf_counter() - start) * 1e3)
    times = times[arguments.warm_up :]
    print(f"peer {arguments.case} {arguments.batch} {statistics.median(times):.3f} {min(times):.3f}")


if __name__ == "__main__":
    main()
