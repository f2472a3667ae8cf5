"""The training step of a neural Turing machine on copy in PyTorch: the peer of crates/train/benches/ntm_step.rs.

    python3 benches/peer_ntm.py --case soft --length 10

prints `peer <case> <length> median_ms min_ms` after a line with the version of torch. Eager mode, two threads (`--threads`), Adam with foreach=True: what
someone gets who writes this model today without compiling it. The machine of `ntm/copy`: LSTM of 64 units, memory of 32 x 16, one read and
one write head, batches of 32 sequences of 6 bits, gradient clipped to a norm of 10. The data are random bits of the right size.

Cases: `soft`, the weighting of Graves et al., 2014; `shift-rloo`, moves of one-hot heads drawn by their logits, two samples, each the other's
baseline, costs to go.
"""

import argparse
import statistics
import time

import torch
import torch.nn.functional as F

BITS, UNITS, SLOTS, WIDTH, BATCH, HEADS = 6, 64, 32, 16, 32, 2


class Machine(torch.nn.Module):
    def __init__(self, hard):
        super().__init__()
        self.hard = hard
        self.lstm = torch.nn.LSTMCell(BITS + 1 + WIDTH, UNITS)
        # Add, erase, shifts, then key, strength, sharpening and gate of both heads.
        self.emitted = 2 * WIDTH + 3 * HEADS + (0 if hard else HEADS * (WIDTH + 3))
        self.heads = torch.nn.Linear(UNITS, self.emitted)
        self.output = torch.nn.Linear(UNITS + WIDTH, BITS)
        self.reads = torch.nn.Parameter(torch.zeros(1, WIDTH))

    def forward(self, inputs, first_counted):
        """Logits of the counted steps `[steps, rows, bits]`, and the log-probability of each choice `[steps, rows, heads]`."""
        rows = inputs.shape[1]
        hidden = cell = torch.zeros(rows, UNITS)
        reads = self.reads.expand(rows, WIDTH)
        memory = torch.full((rows, SLOTS, WIDTH), 1e-6)
        address = torch.zeros(rows, HEADS, SLOTS)
        address[:, :, 0] = 1.0
        logits, log_probs = [], []
        for t, x in enumerate(inputs):
            hidden, cell = self.lstm(torch.cat([x, reads], 1), (hidden, cell))
            emitted = self.heads(hidden).clamp(-20, 20)
            add, erase, shift = emitted.split([WIDTH, WIDTH, 3 * HEADS] + [self.emitted - 2 * WIDTH - 3 * HEADS], 1)[:3]
            shift = shift.view(rows, HEADS, 3)
            if self.hard:
                law = torch.distributions.Categorical(logits=shift, validate_args=False)
                choice = law.sample()
                log_probs.append(law.log_prob(choice))
                address = self.move(address, F.one_hot(choice, 3).float())
            else:
                address = self.address(emitted[:, 2 * WIDTH + 3 * HEADS :], shift, address, memory)
            reads = (address[:, :1] @ memory).squeeze(1)
            write = address[:, 1].unsqueeze(2)
            memory = memory * (1 - write * torch.sigmoid(erase).unsqueeze(1)) + write * add.unsqueeze(1)
            if t >= first_counted:
                logits.append(self.output(torch.cat([hidden, reads], 1)))
        return torch.stack(logits), torch.stack(log_probs) if log_probs else None

    @staticmethod
    def move(address, shift):
        return shift[:, :, :1] * address.roll(-1, 2) + shift[:, :, 1:2] * address + shift[:, :, 2:] * address.roll(1, 2)

    def address(self, emitted, shift, previous, memory):
        rows = emitted.shape[0]
        key, strength, gamma, gate = emitted.split([HEADS * WIDTH, HEADS, HEADS, HEADS], 1)
        key = key.view(rows, HEADS, WIDTH)
        cosine = (key @ memory.transpose(1, 2)) / (
            (key.square().sum(2, keepdim=True) + 1e-6).sqrt() * (memory.square().sum(2).unsqueeze(1) + 1e-6).sqrt()
        )
        content = F.softmax(F.softplus(strength).unsqueeze(2) * cosine, 2)
        mixed = torch.lerp(previous, content, torch.sigmoid(gate).unsqueeze(2))
        moved = self.move(mixed, F.softmax(shift, 2))
        return F.softmax((1 + F.softplus(gamma)).unsqueeze(2) * torch.log(moved + 1e-12), 2)


def sequences(length):
    """Copy: the vectors, a delimiter, and zeros while the machine answers."""
    bits = (torch.rand(length, BATCH, BITS) < 0.5).float()
    inputs = torch.zeros(2 * length + 1, BATCH, BITS + 1)
    inputs[:length, :, :BITS] = bits
    inputs[length, :, BITS] = 1.0
    return inputs, bits


def soft_loss(model, inputs, targets, first_counted):
    logits, _ = model(inputs, first_counted)
    return F.binary_cross_entropy_with_logits(logits, targets, reduction="none").sum((0, 2)).mean()


def rloo_loss(model, inputs, targets, first_counted):
    inputs, targets = (torch.cat([x, x], 1) for x in (inputs, targets))
    logits, log_probs = model(inputs, first_counted)
    cost = F.binary_cross_entropy_with_logits(logits, targets, reduction="none").sum(2)
    padded = torch.cat([torch.zeros(first_counted, cost.shape[1]), cost.detach()])
    to_go = padded.flip(0).cumsum(0).flip(0)
    one, two = to_go.chunk(2, 1)
    advantage = torch.cat([one - two, two - one], 1)
    return (cost.sum(0) + (advantage.unsqueeze(2) * log_probs).sum((0, 2))).mean()


CASES = {"soft": soft_loss, "shift-rloo": rloo_loss}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", choices=CASES, required=True)
    parser.add_argument("--length", type=int, default=10)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--warm-up", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()

    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads", flush=True)
    loss_of = CASES[arguments.case]
    model = Machine(hard=arguments.case != "soft")
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, foreach=True)
    inputs, targets = sequences(arguments.length)
    first_counted = arguments.length + 1

    times = []
    for _ in range(arguments.warm_up + arguments.steps):
        start = time.perf_counter()
        loss = loss_of(model, inputs, targets, first_counted)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimizer.step()
        times.append((time.perf_counter() - start) * 1e3)
    times = times[arguments.warm_up :]
    print(f"peer {arguments.case} {arguments.length} {statistics.median(times):.3f} {min(times):.3f}")


if __name__ == "__main__":
    main()
