#!/usr/bin/env python3
"""Weights of a trained `sbn` in PyTorch, and back.

    cargo run --release -- train sbn
    cargo run --release -- export runs/sbn-glyphs-s0 -o model.safetensors
    python examples/weights.py model.safetensors     # needs torch and safetensors
    cargo run --release -- train sbn --weights back.safetensors

Every parameter stands under its path in the model. A map from m to n numbers has its weight as [m, n] and computes
x W + b, where torch.nn.Linear holds [n, m]; kernels of convolutions are [out, in, height, width] in both.
"""

import json
import sys

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file


def linear(tensors, name):
    weight, bias = tensors[name + ".weight"], tensors[name + ".bias"]
    layer = torch.nn.Linear(*weight.shape)
    layer.load_state_dict({"weight": weight.T, "bias": bias})
    return layer


path = sys.argv[1]
with safe_open(path, "pt") as file:
    print("from", json.loads(file.metadata()["unbiased"]))
tensors = load_file(path)
for name, tensor in tensors.items():
    print(f"{name:28} {list(tensor.shape)}")

# One layer of bits: q(b | x) upwards, p(x | b) downwards, p(b) learned.
encoder, decoder = linear(tensors, "upwards.0.layers.0"), linear(tensors, "downwards.0.layers.0")
prior = tensors["prior"].expand(1000, -1)
torch.manual_seed(0)
with torch.no_grad():
    bits = torch.bernoulli(torch.sigmoid(prior))
    x = torch.bernoulli(torch.sigmoid(decoder(2 * bits - 1)))
    logits = encoder(x - tensors["mean"])
    q = torch.distributions.Bernoulli(logits=logits)
    b = q.sample()
    log_lik = torch.distributions.Bernoulli(logits=decoder(2 * b - 1)).log_prob(x).sum(1)
    kl = torch.distributions.kl_divergence(q, torch.distributions.Bernoulli(logits=prior)).sum(1)
    print(f"-ELBO of 1,000 images drawn from the model: {(kl - log_lik).mean():.2f} nats")

# The way back: the same names and layouts.
save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, "back.safetensors")
print("wrote back.safetensors")
