"""The training step of a one-layer Bernoulli VAE (784-200-784, linear) in PyTorch: the peer of crates/train/benches/sbn_step.rs.

    python3 benches/peer_sbn.py --case rloo --batch 24

prints `peer <case> <batch> median_ms min_ms processor_ms` after a line with the version of torch; the last is the time of all threads, per step. Eager mode, two threads, Adam with foreach=True: what
someone gets who writes this model today without compiling it. The data are random bits of the right size; the time does not depend on them.
"""

import argparse
import math
import statistics
import time

import torch
import torch.nn.functional as F

PIXELS, UNITS, EXAMPLES = 784, 200, 2400


class Model(torch.nn.Module):
    def __init__(self, mean):
        super().__init__()
        self.register_buffer("mean", mean)
        self.encoder = torch.nn.Linear(PIXELS, UNITS)
        self.decoder = torch.nn.Linear(UNITS, PIXELS)
        self.prior = torch.nn.Parameter(torch.zeros(UNITS))
        with torch.no_grad():
            p = mean.clamp(0.001, 0.999)
            self.decoder.bias.copy_(torch.log(p) - torch.log1p(-p))

    def encode(self, x):
        return self.encoder(x - self.mean)

    def log_lik(self, b, x, frozen=False):
        """log p(x|b), one number per row; `frozen` keeps the gradient away from the decoder."""
        weight, bias = self.decoder.weight, self.decoder.bias
        if frozen:
            weight, bias = weight.detach(), bias.detach()
        logits = F.linear(2 * b - 1, weight, bias)
        return -F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1)

    def kl(self, q):
        """KL(q || p), analytic, one number per row."""
        p = self.prior
        return (torch.sigmoid(q) * (q - p) + F.softplus(p) - F.softplus(q)).sum(1)


def logistic(like):
    u = torch.rand_like(like).clamp(1e-6, 1 - 1e-6)
    return torch.log(u) - torch.log1p(-u)


class Rloo:
    """Two samples, each the other's baseline (Kool et al., 2019)."""

    def __init__(self, model):
        self.model = model
        self.optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, betas=(0.9, 0.99999), foreach=True)

    def step(self, x):
        q = self.model.encode(x)
        both = torch.cat([q, q])
        b = torch.bernoulli(torch.sigmoid(both.detach()))
        cost = -self.model.log_lik(b, torch.cat([x, x]))
        log_q = -F.binary_cross_entropy_with_logits(both, b, reduction="none").sum(1)
        first, second = cost.detach().chunk(2)
        difference = first - second
        advantage = torch.cat([difference, -difference])
        loss = (cost + advantage * log_q).mean() + self.model.kl(q).mean()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()


class Rebar:
    """REBAR (Tucker et al., 2017) with the conditional second branch; scale and temperature follow the gradient of the squared gradient."""

    def __init__(self, model):
        self.model = model
        self.log_temperature = torch.nn.Parameter(torch.tensor(-0.7))
        self.eta = torch.nn.Parameter(torch.tensor(1.0))
        self.optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, betas=(0.9, 0.99999), foreach=True)
        self.tuner = torch.optim.Adam([self.log_temperature, self.eta], lr=1e-2, betas=(0.9, 0.99999), foreach=True)

    def step(self, x):
        model, batch = self.model, x.shape[0]
        logits = model.encode(x)
        # The control variate lives at the logits: a leaf, so that its gradient can be differentiated again.
        q = logits.detach().requires_grad_()
        noise = logistic(q)
        z = q + noise
        b = (z > 0).float().detach()
        z_tilde = conditional(q, b)
        temperature = self.log_temperature.exp()
        relaxed = torch.sigmoid(torch.cat([z, z_tilde]) / temperature)
        c, c_tilde = (-model.log_lik(relaxed, torch.cat([x, x]), frozen=True)).chunk(2)
        cost = -model.log_lik(b, x)
        log_q = -F.binary_cross_entropy_with_logits(q, b, reduction="none").sum(1)

        ones = torch.ones(batch)
        (score,) = torch.autograd.grad(log_q, q, ones, create_graph=True)
        (slope,) = torch.autograd.grad(c - c_tilde, q, ones, create_graph=True)
        gradient = (cost.detach() - self.eta * c_tilde).unsqueeze(1) * score + self.eta * slope

        variance = gradient.square().sum(1).mean()
        tuning = torch.autograd.grad(variance, [self.log_temperature, self.eta])

        self.optimizer.zero_grad(set_to_none=True)
        surrogate = (logits * gradient.detach()).sum(1)
        (cost + surrogate + model.kl(logits)).mean().backward()
        self.optimizer.step()
        self.log_temperature.grad, self.eta.grad = tuning
        self.tuner.step()


class Concrete:
    """The Concrete relaxation (Maddison, Mnih & Teh; Jang, Gu & Poole, 2017) at temperature 2/3, its density and that of a relaxed prior (1/2)."""

    def __init__(self, model):
        self.model = model
        self.optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, betas=(0.9, 0.99999), foreach=True)

    def step(self, x):
        q = self.model.encode(x)
        y = (q + logistic(q)) / (2 / 3)
        cost = log_density(y, q, 2 / 3) - log_density(y, self.model.prior, 1 / 2) - self.model.log_lik(torch.sigmoid(y), x)
        self.optimizer.zero_grad(set_to_none=True)
        cost.mean().backward()
        self.optimizer.step()


def log_density(y, logits, temperature):
    """ln density of the logit y of a relaxed bit, one number per row."""
    r = logits - temperature * y
    return (math.log(temperature) + r - 2 * F.softplus(r)).sum(1)


def conditional(q, b):
    """z given b = [z > 0]: uniform v, squeezed into the part of (0, 1) that b allows, through the inverse of the logistic law."""
    v = torch.rand_like(q).clamp(1e-6, 1 - 1e-6)
    below = torch.sigmoid(-q)
    u = torch.where(b > 0, below + v * (1 - below), v * below).clamp(1e-6, 1 - 1e-6)
    return q + torch.log(u) - torch.log1p(-u)


CASES = {"rloo": Rloo, "rebar": Rebar, "concrete": Concrete}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", choices=CASES, required=True)
    parser.add_argument("--batch", type=int, default=24)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--warm-up", type=int, default=50)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()

    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads", flush=True)
    data = (torch.rand(EXAMPLES, PIXELS) < torch.rand(PIXELS)).float()
    case = CASES[arguments.case](Model(data.mean(0)))

    times = []
    for step in range(arguments.warm_up + arguments.steps):
        if step == arguments.warm_up:
            before = time.process_time()
        start = time.perf_counter()
        index = torch.randint(EXAMPLES, (arguments.batch,))
        case.step(data[index])
        times.append((time.perf_counter() - start) * 1e3)
    worked = (time.process_time() - before) / arguments.steps * 1e3
    times = times[arguments.warm_up :]
    print(f"peer {arguments.case} {arguments.batch} {statistics.median(times):.3f} {min(times):.3f} {worked:.3f}")


if __name__ == "__main__":
    main()
