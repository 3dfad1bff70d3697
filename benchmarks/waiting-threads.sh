#!/usr/bin/env bash
# How fast two libtorch threads train while another process keeps one CPU busy: OpenMP threads that spin against threads that sleep.
# Prints seconds of one LeNet-5 epoch for each policy and their ratio. Needs Fashion-MNIST and taskset; takes a few minutes.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
work=$(mktemp -d)
trap 'kill "${busy:-}" 2>/dev/null || true; rm -rf "$work"' EXIT
cat >"$work/epoch.yaml" <<'YAML'
model: lenet5
dataset: fashion-mnist
seed: 1
stages:
  - train: { epochs: 1 }
YAML
"$root/lathe" models >/dev/null
epoch() {
  local from=$EPOCHREALTIME
  OMP_WAIT_POLICY=$1 LATHE_THREADS=2 taskset -c 0,1 "$root/lathe" run "$work/epoch.yaml" --home "$work/$1" >/dev/null
  awk -v a="$from" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }'
}
taskset -c 1 bash -c 'while :; do :; done' &
busy=$!
passive=$(epoch PASSIVE)
active=$(epoch ACTIVE)
awk -v p="$passive" -v a="$active" 'BEGIN { printf "sleeping %.1f s, spinning %.1f s, ratio %.2f\n", p, a, a / p }'
