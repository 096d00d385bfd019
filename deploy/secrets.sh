#!/usr/bin/env bash
# Writes new passwords into deploy/secrets, where they are missing. The key for Prometheus is made by `shoptalk keys add`.
set -euo pipefail
cd "$(dirname "$0")"
umask 077
mkdir -p secrets
for name in postgres_password grafana_password; do
  [ -s "secrets/$name" ] || python3 -c 'import secrets; print(secrets.token_urlsafe(24), end="")' > "secrets/$name"
done
[ -s secrets/pgpass ] || printf 'postgres:5432:shoptalk:shoptalk:%s\n' "$(cat secrets/postgres_password)" > secrets/pgpass
[ -e secrets/metrics_key ] || : > secrets/metrics_key
