#!/usr/bin/env bash
# Training steps of Lathe, of the same networks by hand in TorchSharp, and of Debian's PyTorch, in alternation on the same threads.
#   benchmarks/engine.sh [--threads N] [--steps N] [--rounds N] [--warmup N] [--models resnet20,resnet50] [--json FILE]
# Prints one table of median step times and their ratios, and writes every step to a JSON file. Wants the machine to itself.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
threads=$(nproc) steps=3 rounds=5 warmup=2 models=resnet20,resnet50 json=$root/artifacts/engine.json

fail() {
  printf 'engine.sh: %s\n' "$@" >&2
  exit 2
}

while (($#)); do
  case $1 in
    --threads | --steps | --rounds | --warmup | --models | --json)
      (($# > 1)) || fail "$1 needs a value"
      printf -v "${1#--}" %s "$2"
      shift 2
      ;;
    *) fail "unknown switch '$1'; known are --threads, --steps, --rounds, --warmup, --models and --json" ;;
  esac
done
for number in threads steps rounds warmup; do
  [[ ${!number} =~ ^[1-9][0-9]*$ ]] || fail "--$number is '${!number}'; it must be a whole number of at least 1"
done

# Another python3 on the PATH does not see Debian's packages.
find_python() {
  for python in python3 /usr/bin/python3; do
    "$python" -c 'import torch, torchvision' 2>/dev/null && return
  done
  return 1
}

install_pytorch() {
  # Debian's PyTorch multiplies matrices with whatever BLAS there is, and the one it brings along is slow.
  local packages=(python3-torch python3-torchvision libopenblas0-openmp) sudo=()
  if find_python && compgen -G '/usr/lib/*/openblas*/libblas.so.3' >/dev/null; then return; fi
  command -v apt-get >/dev/null || fail "PyTorch is missing and there is no apt-get: install torch and torchvision for python3 and run this again"
  if ((EUID != 0)); then
    sudo=(sudo -n)
    "${sudo[@]}" true 2>/dev/null || fail "PyTorch or OpenBLAS is missing; run: sudo apt-get install ${packages[*]}"
  fi
  echo "engine.sh: installing ${packages[*]}" >&2
  local options=(-y --no-install-recommends -o DPkg::Lock::Timeout=900)
  "${sudo[@]}" apt-get install "${options[@]}" "${packages[@]}" >&2 ||
    { "${sudo[@]}" apt-get update >&2 && "${sudo[@]}" apt-get install "${options[@]}" "${packages[@]}" >&2; } ||
    fail "apt-get could not install ${packages[*]}; its messages are above"
  find_python || fail "torch and torchvision were installed, but python3 cannot import them: python3 -c 'import torch, torchvision'"
}

find_dotnet() {
  command -v dotnet >/dev/null && return
  local folder
  for folder in "${DOTNET_ROOT:-}" "$HOME/.dotnet" /usr/share/dotnet /usr/lib/dotnet /usr/local/share/dotnet; do
    [[ -n $folder && -x $folder/dotnet ]] && PATH=$folder:$PATH && return
  done
  fail "the .NET 10 SDK was not found; install it and run this again: https://dotnet.microsoft.com/download/dotnet/10.0"
}

find_dotnet
install_pytorch
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1 DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=${DOTNET_SYSTEM_GLOBALIZATION_INVARIANT:-1}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo "engine.sh: building ..." >&2
(cd "$root" && dotnet build -c Release benchmarks -v quiet --nologo) >"$work/build.log" 2>&1 || {
  cat "$work/build.log" >&2
  fail "the build failed; its output is above"
}

# What Lathe sets for itself (nn/Runtime/MemoryTuning.cs, ThreadTuning.cs), for PyTorch too.
export MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=2147483647 MALLOC_TOP_PAD_=67108864 MALLOC_ARENA_MAX=1 OMP_WAIT_POLICY=PASSIVE
export OMP_NUM_THREADS=$threads
reports=()
for ((round = 1; round <= rounds; round++)); do
  echo "engine.sh: round $round of $rounds" >&2
  common=(--threads "$threads" --steps "$steps" --rounds 1 --warmup "$warmup" --models "$models")
  dotnet "$root/artifacts/bin/Lathe.Benchmarks/release/Lathe.Benchmarks.dll" engine "${common[@]}" --json "$work/lathe-$round.json" >"$work/log" 2>&1 ||
    { cat "$work/log" >&2; fail "Lathe's part failed; its output is above"; }
  "$python" "$root/benchmarks/engine_pytorch.py" "${common[@]}" --json "$work/pytorch-$round.json" >"$work/log" 2>&1 ||
    { cat "$work/log" >&2; fail "PyTorch's part failed; its output is above"; }
  reports+=("$work/lathe-$round.json" "$work/pytorch-$round.json")
done
mkdir -p "$(dirname "$json")"
"$python" "$root/benchmarks/engine_table.py" "$json" "${reports[@]}"
echo "every step is in $json"
