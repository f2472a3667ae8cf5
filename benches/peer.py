"""What the comparisons of layers share: options, and a loop that prints `peer <case> <median ms> <min ms>`."""

import argparse
import time

import torch

parser = argparse.ArgumentParser()
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--rounds", type=int, default=20)
parser.add_argument("--only", default="", help="a part of the names of the wanted cases")
args = parser.parse_args()
torch.set_num_threads(args.threads)
torch.manual_seed(0)
print("torch", torch.__version__, "threads", torch.get_num_threads())


def measure(case, function):
    if args.only not in case:
        return
    times = []
    for round_ in range(args.rounds + 3):
        start = time.perf_counter()
        function()
        if round_ >= 3:
            times.append((time.perf_counter() - start) * 1e3)
    times.sort()
    print(f"peer      {case:44} {times[len(times) // 2]:9.3f} {times[0]:9.3f}", flush=True)
