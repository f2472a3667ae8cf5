"""The same as the benches `sinkhorn` and `assignment`, by PyTorch (log form), ott-jax and scipy: milliseconds, median and minimum.

pip install torch scipy jax ott-jax; python peer_sinkhorn.py [part of a case's name] [torch|scipy|ott] [threads]
"""

import sys
import time

import numpy as np


def compare(case, name, run):
    if len(sys.argv) > 1 and sys.argv[1] not in case:
        return
    times = []
    run()
    start = time.perf_counter()
    while len(times) < 30 and (time.perf_counter() - start < 2 or len(times) < 3):
        begin = time.perf_counter()
        run()
        times.append((time.perf_counter() - begin) * 1e3)
    print(f"{case:28} {name:24} {np.median(times):10.3f} {min(times):10.3f}", flush=True)


def scores(*shape):
    rng = np.random.default_rng(1)
    return (rng.normal(size=shape) + rng.gumbel(size=shape)).astype(np.float32)


CASES = [(64, 100, 20, 1.0), (64, 64, 20, 1.0), (1024, 100, 20, 1.0), (65536, 4, 20, 1.0)]


def by_torch():
    import torch

    torch.set_num_threads(int(sys.argv[3]) if len(sys.argv) > 3 else 2)

    def sinkhorn(x, iterations):
        for _ in range(iterations):
            x = x - torch.logsumexp(x, 2, keepdim=True)
            x = x - torch.logsumexp(x, 1, keepdim=True)
        return x.exp()

    for batch, n, iterations, tau in CASES:
        case = f"{batch} x {n}, L = {iterations}, tau = {tau}"
        x = torch.tensor(scores(batch, n, n))
        w = torch.tensor(scores(batch, n, n))

        def forward():
            with torch.no_grad():
                sinkhorn(x / tau, iterations)

        def both():
            y = x.clone().requires_grad_()
            (sinkhorn(y / tau, iterations) * w).sum().backward()

        compare(case, "torch forward", forward)
        compare(case, "torch forward + backward", both)


def by_ott():
    import jax
    import jax.numpy as jnp
    from ott.geometry import geometry
    from ott.problems.linear import linear_problem
    from ott.solvers.linear import sinkhorn

    for batch, n, iterations, tau in CASES:
        case = f"{batch} x {n}, L = {iterations}, tau = {tau}"
        x = jnp.asarray(scores(batch, n, n))
        w = jnp.asarray(scores(batch, n, n))
        for lse in (True, False):
            solver = sinkhorn.Sinkhorn(
                lse_mode=lse, threshold=-1.0, min_iterations=iterations, max_iterations=iterations,
                inner_iterations=iterations, implicit_diff=None,
            )

            def plan(x):
                problem = linear_problem.LinearProblem(geometry.Geometry(cost_matrix=-x, epsilon=tau))
                return solver(problem).matrix * n

            forward = jax.jit(jax.vmap(plan))
            both = jax.jit(jax.grad(lambda x: (jax.vmap(plan)(x) * w).sum()))
            kind = "log" if lse else "scaling"
            compare(case, f"ott {kind} forward", lambda: forward(x).block_until_ready())
            compare(case, f"ott {kind} both", lambda: both(x).block_until_ready())


def by_scipy():
    from scipy.optimize import linear_sum_assignment

    rng = np.random.default_rng(2)
    for n in (10, 100, 1000, 5000):
        for name, x in (("uniform", -rng.random((n, n))), ("normal + Gumbel", scores(n, n).astype(np.float64))):
            compare(f"n = {n}", f"scipy {name}", lambda: linear_sum_assignment(x, maximize=True))
    for batch, n in ((64, 100), (256, 279)):
        x = scores(batch, n, n)
        compare(f"{batch} x {n}", "scipy, a loop", lambda: [linear_sum_assignment(m, maximize=True) for m in x])


if __name__ == "__main__":
    for name, peer in (("torch", by_torch), ("scipy", by_scipy), ("ott", by_ott)):
        if len(sys.argv) < 3 or sys.argv[2] == name:
            peer()
