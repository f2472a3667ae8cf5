"""The layers of `cargo bench --workspace --bench conv` in PyTorch: `peer <case> <median ms> <min ms>`."""

import torch
import torch.nn.functional as F

from peer import measure


def layer(case, shape, inner, module, forward):
    x = torch.rand(*shape) * 2 - 1
    tracked = x.clone().requires_grad_(inner)

    def value():
        with torch.no_grad():
            forward(x)

    def both():
        module.zero_grad()
        tracked.grad = None
        forward(tracked).square().mean().backward()

    measure(f"{case} value", value)
    measure(f"{case} both", both)


for batch, (c_in, c_out), size, kernel, stride, inner in [
    (32, (1, 16), 28, 3, 1, False),
    (32, (16, 32), 28, 3, 1, True),
    (32, (32, 32), 28, 3, 1, True),
    (64, (16, 32), 14, 3, 2, True),
    (64, (1, 16), 28, 3, 2, False),
    (64, (64, 64), 7, 3, 1, True),
    (32, (64, 64), 28, 1, 1, True),
    (1, (32, 32), 28, 3, 1, True),
]:
    conv = torch.nn.Conv2d(c_in, c_out, kernel, stride=stride, padding=kernel // 2)
    name = f"conv b{batch} {c_in}->{c_out} {size}x{size} k{kernel} s{stride}"
    layer(name, (batch, c_in, size, size), inner, conv, conv)

for batch, (c_in, c_out), size, kernel, stride in [(64, (32, 16), 7, 4, 2), (64, (16, 1), 14, 4, 2)]:
    conv = torch.nn.ConvTranspose2d(c_in, c_out, kernel, stride=stride, padding=1)
    name = f"transposed b{batch} {c_in}->{c_out} {size}x{size} k{kernel} s{stride}"
    layer(name, (batch, c_in, size, size), True, conv, conv)

for (c_in, c_out), kernel, centre in [((1, 32), 7, False), ((32, 32), 3, True)]:
    conv = torch.nn.Conv2d(c_in, c_out, kernel, padding=kernel // 2)
    mask = torch.zeros(kernel * kernel)
    mask[: kernel * kernel // 2 + centre] = 1
    mask = mask.reshape(kernel, kernel)

    def masked(x, conv=conv, mask=mask, kernel=kernel):
        return F.conv2d(x, conv.weight * mask, conv.bias, padding=kernel // 2)

    name = f"masked b32 {c_in}->{c_out} 28x28 k{kernel}"
    layer(name, (32, c_in, 28, 28), c_in > 1, conv, masked)
