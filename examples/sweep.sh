#!/usr/bin/env bash
# Three estimators, two seeds each, on one configuration, and a page that compares them: runs/sweep.html.
#
#   examples/sweep.sh                # two to four minutes
#   examples/sweep.sh --smoke        # seconds; options go to `train`
set -euo pipefail

for estimator in rloo disarm rebar; do
  cargo run --release -- train sbn --estimator "$estimator" --seeds 0..2 --out "runs/sweep/$estimator" "$@"
done
cargo run --release -- report runs/sweep/* --markdown
cargo run --release -- report runs/sweep/* -o runs/sweep.html
