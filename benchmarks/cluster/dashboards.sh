#!/usr/bin/env bash
# Fills the dashboards with a real sweep and draws them: a Prometheus of its own (Debian's) asks the broker's container and the metrics of all processes while
# deploy/images/try runs.    benchmarks/cluster/dashboards.sh WORK      writes dashboard-*.svg into WORK; WORK is also the folder of deploy/images/try
set -euo pipefail
root=$(dirname "$(readlink -f "$0")")/../..
work=$1 files=$root/deploy/k8s/components/observability
rm -rf "$work/prometheus" && mkdir -p "$work/prometheus"
free() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
otlp=$(free) server=$(free) began=$(date +%s)
# The rules are those of the manifests; asked is where this machine has it, and more often than on a cluster, since the sweep is short.
cp "$files/rules.yaml" "$work/prometheus/"
sed -e "s/otel-collector:8889/127.0.0.1:$otlp/; s/_interval: 15s/_interval: 2s/; s/dns_sd_configs:/static_configs:/; s/{ names: .*/{ targets: [\"127.0.0.1:15692\"] }/" "$files/prometheus.yaml" >"$work/prometheus/prometheus.yaml"
python3 "$root/benchmarks/cluster/otlp_to_prometheus.py" "$otlp" &
bridge=$!
prometheus --config.file="$work/prometheus/prometheus.yaml" --storage.tsdb.path="$work/prometheus/data" --web.listen-address="127.0.0.1:$server" >"$work/prometheus/log" 2>&1 &
prometheus=$!
trap 'kill $bridge $prometheus; wait' EXIT
OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:$otlp OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf OTEL_METRIC_EXPORT_INTERVAL=2000 LATHE_TRY_OTLP=1 "$root/deploy/images/try" "$work"
python3 "$root/benchmarks/cluster/draw_dashboards.py" "http://127.0.0.1:$server" $(($(date +%s) - began)) "$work" "$files"/dashboards/*.json
curl -s "http://127.0.0.1:$server/api/v1/rules" | python3 -c '
import json, sys
for group in json.load(sys.stdin)["data"]["groups"]:
    for rule in group["rules"]:
        print(rule["name"], rule["health"], rule.get("state", ""))'
