#!/usr/bin/env bash
# Writes deploy/.env with new passwords, and an empty file for the key of Prometheus, where they are missing.
set -euo pipefail
cd "$(dirname "$0")"
password() { python3 -c 'import secrets; print(secrets.token_urlsafe(24))'; }
if [ ! -s .env ]; then
  (umask 077 && printf 'POSTGRES_PASSWORD=%s\nGRAFANA_PASSWORD=%s\n' "$(password)" "$(password)" > .env)
fi
# Prometheus runs as another user: the file can be read by all, its folder by its owner alone.
(umask 077 && mkdir -p secrets)
[ -e secrets/metrics_key ] || (umask 022 && : > secrets/metrics_key)
