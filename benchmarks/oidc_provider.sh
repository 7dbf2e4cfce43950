#!/usr/bin/env bash
# Runs oidc_provider.mjs; brings its packages here first. 3: they could not be downloaded.
set -euo pipefail
cd "$(dirname "$0")"
PYTHON=$(cd .. && pwd)/.venv/bin/python
LOG=$(mktemp)
trap 'rm -f "$LOG"' EXIT
. ../tests/interop/npm.sh
npm_ready >&2 || exit 3
[ "${1:-}" = "--install" ] && exit 0
rm -f "$LOG"
exec node oidc_provider.mjs
