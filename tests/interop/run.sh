#!/usr/bin/env bash
# The tests that need peers from elsewhere: brings those here, then runs the tests. A download that fails three times
# is reported and passed over; everything else that fails, fails. INTEROP=npm or INTEROP=keycloak asks for one alone.
set -euo pipefail
cd "$(dirname "$0")"
ROOT=$(cd ../.. && pwd)
PYTHON=$ROOT/.venv/bin/python
LOG=$(mktemp)
trap 'rm -f "$LOG"' EXIT
. ./npm.sh
. ./keycloak.sh

PEERS=()
for family in ${INTEROP:-npm keycloak}; do
  if "${family}_ready"; then PEERS+=("$family"); fi
done
[ ${#PEERS[@]} -gt 0 ] || exit 0

cd "$ROOT"
INTEROP_PEERS="${PEERS[*]}" "$PYTHON" -m pytest tests/interop -q "$@"
