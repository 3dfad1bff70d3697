#!/usr/bin/env bash
# The front of LeNet-5 on Fashion-MNIST by a search, beside that of the whole grid: front.sh [FOLDER [SEEDS]], by default artifacts/front and 1 seed of the search.
# Trains with `lathe`, which is to be on the PATH (or LATHE names it); needs the Debian package dataset-fashion-mnist. FOLDER keeps what is finished, so that a call that was interrupted goes on.
# Seconds are those of the CPU that a whole run of lathe takes, trials that were stopped early included: other work on the machine changes them little.
set -euo pipefail

here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
folder=${1:-$here/../../artifacts/front} seeds=${2:-1}
sweeps=$here/../../docs/results/sweeps
export LATHE_COMPUTE_SLOTS=${LATHE_COMPUTE_SLOTS:-$(nproc)} DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=${DOTNET_SYSTEM_GLOBALIZATION_INVARIANT:-1}
read -ra lathe <<<"${LATHE:-lathe}"
mkdir -p "$folder"
[[ -e $folder/data ]] || { /usr/bin/python3 "$here/../first_images.py" /usr/share/datasets/fashion-mnist "$folder/data.part/fashion-mnist" 6000 1000 && mv "$folder/data.part" "$folder/data"; }

# A home for each run: nothing is taken from another one's store.
run() {
  local name=$1 sweep=$2
  shift 2
  [[ ! -e $folder/$name.json ]] || return 0
  rm -rf "$folder/$name.home"
  local TIMEFORMAT='%U %S'
  { time LATHE_HOME=$folder/$name.home "${lathe[@]}" run "$sweeps/$sweep.yaml" --data "$folder/data" --json "$folder/$name.part" "$@" >"$folder/$name.log" 2>&1; } 2>"$folder/$name.seconds"
  mv "$folder/$name.part" "$folder/$name.json"
}

run grid search-lenet5-front-grid
for ((seed = 1; seed <= seeds; seed++)); do
  run "nsga2-$seed" search-lenet5-front --set "search.seed=$seed"
done
exec /usr/bin/python3 "$here/front.py" "$folder"
