#!/usr/bin/env bash
# Strategies of searches beside those of Debian's Optuna on the same problems: search.sh [SEEDS [PROCESSES [FOLDER]]], by default 20 seeds, 2 processes and artifacts/search.
# FOLDER keeps each finished run of Optuna, so that a call that was interrupted goes on where it was; --table prints the table of what there is, and runs nothing of Optuna.
# Installs python3-optuna from Debian if it is missing.
set -euo pipefail

here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
table_only=''
[[ ${1:-} != --table ]] || { table_only=1; shift; }
seeds=${1:-20} processes=${2:-2} folder=${3:-$here/../../artifacts/search}
tables=("$here"/*.json)

if [[ -z $table_only ]]; then
  if ! /usr/bin/python3 -c 'import optuna' 2>/dev/null; then
    sudo=()
    ((EUID == 0)) || sudo=(sudo -n)
    "${sudo[@]}" apt-get -q update >&2 || true
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends python3-optuna >&2
  fi
  # One thread for each process: several fight for the CPUs.
  OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 /usr/bin/python3 -W ignore "$here/optuna_trials.py" "$folder" 200 "$seeds" "$processes" "${tables[@]}"
fi
export DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=${DOTNET_SYSTEM_GLOBALIZATION_INVARIANT:-1}
dotnet run -c Release --project "$here/../coordinator" -- search "$folder" "$seeds" "${tables[@]}"
