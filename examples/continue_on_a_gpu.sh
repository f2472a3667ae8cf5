#!/usr/bin/env bash
# A run starts on the CPU and goes on on a GPU: checkpoints belong to no device. The figures differ by rounding from those of a run on one device.
#
#   examples/continue_on_a_gpu.sh
#   examples/continue_on_a_gpu.sh --smoke --until 10        # seconds; options go to the first `train`
set -euo pipefail

[ $# -gt 0 ] || set -- --until 5000
cargo run --release -- train sbn --out runs/moved "$@"
cargo run --release --features wgpu -- train --resume runs/moved --device wgpu
