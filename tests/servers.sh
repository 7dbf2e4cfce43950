#!/usr/bin/env bash
# PostgreSQL, Redis, nginx and SoftHSM, which the tests start on ports and in folders of their own. What the
# distribution would run as services is not started: nothing listens on the usual ports because of us.
set -euo pipefail

missing=()
command -v initdb >/dev/null || compgen -G "/usr/lib/postgresql/*/bin/initdb" >/dev/null || missing+=(postgresql)
command -v redis-server >/dev/null || command -v valkey-server >/dev/null || missing+=(redis-server)
command -v nginx >/dev/null || [ -x /usr/sbin/nginx ] || missing+=(nginx)
command -v softhsm2-util >/dev/null || missing+=(softhsm2)
[ ${#missing[@]} -eq 0 ] && exit 0

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "The tests need PostgreSQL, Redis, nginx and SoftHSM: install ${missing[*]} with the system's package manager"
  exit 2
fi

echo "Installing ${missing[*]}"
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
  trap 'rm -f "$policy"' EXIT
fi
for try in 1 2 3; do
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null && exit 0
  sleep 5
done
echo "apt-get could not install ${missing[*]}"
exit 2
