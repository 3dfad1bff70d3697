#!/usr/bin/env bash
# The same fan-out of tasks that do nothing through Lathe, Celery, Snakemake and Optuna, on one RabbitMQ and one PostgreSQL, in one run:
# rivals.sh [TASKS [FEWER]], by default 10,000 tasks, and 10,000 for Snakemake and Optuna too. Installs what is missing from Debian, and starts no service.
set -euo pipefail

here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
tasks=${1:-10000} fewer=${2:-${1:-10000}}

declare -A needs=(
  [rabbitmq-server]=/usr/lib/rabbitmq/bin/rabbitmq-server
  [postgresql]='/usr/lib/postgresql/*/bin/postgres'
  [python3-celery]=/usr/lib/python3/dist-packages/celery
  [snakemake]=/usr/bin/snakemake
  [python3-optuna]=/usr/lib/python3/dist-packages/optuna
  [python3-psycopg2]=/usr/lib/python3/dist-packages/psycopg2
)

install_needs() {
  local package missing=() sudo=() policy=/usr/sbin/policy-rc.d own_policy=''
  for package in "${!needs[@]}"; do
    compgen -G "${needs[$package]}" >/dev/null || missing+=("$package")
  done
  ((${#missing[@]})) || return 0
  ((EUID == 0)) || sudo=(sudo -n)
  echo "rivals: installing ${missing[*]} (apt-get; no service is started) ..." >&2
  # Debian starts a service as soon as it is installed, unless this file says no.
  if [[ ! -e $policy ]]; then
    own_policy=1
    printf '#!/bin/sh\nexit 101\n' | "${sudo[@]}" tee "$policy" >/dev/null && "${sudo[@]}" chmod +x "$policy"
  fi
  local apt=("${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -q)
  "${apt[@]}" update >&2 || true
  # One by one: where one is not to be had, the others are.
  for package in "${missing[@]}"; do
    "${apt[@]}" install -y --no-install-recommends "$package" >&2 || echo "rivals: $package is not to be had here; what needs it is left out" >&2
  done
  [[ -z $own_policy ]] || "${sudo[@]}" rm -f "$policy"
}

install_needs
export DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=${DOTNET_SYSTEM_GLOBALIZATION_INVARIANT:-1}
exec dotnet run -c Release --project "$here" -- rivals "$tasks" "$fewer" "$here/rivals"
