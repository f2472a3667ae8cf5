"""The layers of `cargo bench --workspace --bench recurrent` in PyTorch: `peer <case> <median ms> <min ms>`."""

import torch

from peer import measure


for batch, steps, d_input, hidden in [(32, 50, 64, 256), (32, 20, 32, 64), (4, 20, 64, 128)]:
    x = torch.rand(batch, steps, d_input) * 2 - 1
    for kind, make in [("lstm", torch.nn.LSTM), ("gru", torch.nn.GRU)]:
        layer = make(d_input, hidden, batch_first=True)

        def value():
            with torch.no_grad():
                layer(x)

        def both():
            layer.zero_grad()
            layer(x)[0].square().mean().backward()

        name = f"{kind} b{batch} t{steps} {d_input}->{hidden}"
        measure(f"{name} value", value)
        measure(f"{name} both", both)

x = torch.rand(1, 64) * 2 - 1
for kind, cell in [("lstm", torch.nn.LSTMCell(64, 256)), ("gru", torch.nn.GRUCell(64, 256))]:

    def sample():
        with torch.no_grad():
            state = None
            for _ in range(20):
                state = cell(x, state)

    measure(f"{kind} b1 64->256, 20 steps of one", sample)
