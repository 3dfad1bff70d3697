#!/usr/bin/env bash
# Strategies of searches beside those of Debian's Optuna on the same problems: search.sh [SEEDS [PROCESSES]], by default 20 seeds and 2 processes.
# Installs python3-optuna from Debian if it is missing.
set -euo pipefail

here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
seeds=${1:-20} processes=${2:-2}
tables=("$here"/*.json)

if ! /usr/bin/python3 -c 'import optuna' 2>/dev/null; then
  sudo=()
  ((EUID == 0)) || sudo=(sudo -n)
  "${sudo[@]}" apt-get -q update >&2 || true
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends python3-optuna >&2
fi

theirs=$(mktemp)
trap 'rm -f "$theirs"' EXIT
/usr/bin/python3 -W ignore "$here/optuna_trials.py" "$theirs" 200 "$seeds" "$processes" "${tables[@]}"
export DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=${DOTNET_SYSTEM_GLOBALIZATION_INVARIANT:-1}
dotnet run -c Release --project "$here/../coordinator" -- search "$theirs" "$seeds" "${tables[@]}"
