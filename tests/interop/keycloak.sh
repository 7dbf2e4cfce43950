# A real Keycloak. Sourced by run.sh; `keycloak_ready` brings it here and says whether it is.
KEYCLOAK=26.7.3
JAVA_NEEDED=17
KEYCLOAK_HOME=$PWD/.keycloak/keycloak-$KEYCLOAK
ARTIFACT=org.keycloak:keycloak-quarkus-dist:$KEYCLOAK:zip
ZIP=${HOME:-/root}/.m2/repository/org/keycloak/keycloak-quarkus-dist/$KEYCLOAK/keycloak-quarkus-dist-$KEYCLOAK.zip

java_fits() {
  local major
  major=$(java -version 2>&1 | grep -oE 'version "[0-9]+' | grep -oE '[0-9]+$' || echo 0)
  [ "$major" -ge "$JAVA_NEEDED" ]
}

debian_package() { # NAME: installs it; 1: could not be downloaded
  [ "$(id -u)" = 0 ] || { echo "interop: the tests with Keycloak need $1: install it"; exit 2; }
  echo "interop: installing $1"
  for try in 1 2 3; do
    if { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$1"; } \
      >"$LOG" 2>&1; then return 0; fi
    echo "interop: download $try of 3 failed ($(tail -n 1 "$LOG"))"
    [ "$try" = 3 ] || sleep "$try"
  done
  return 1
}

keycloak_download() { # 0: the archive is here; 1: could not be downloaded
  [ -f "$ZIP" ] && return 0
  command -v mvn >/dev/null || debian_package maven || return 1
  for try in 1 2 3; do
    if mvn -B -q -C dependency:get -Dartifact="$ARTIFACT" -Dtransitive=false >"$LOG" 2>&1 && [ -f "$ZIP" ]; then
      return 0
    fi
    echo "interop: download $try of 3 failed ($(grep -m 1 ERROR "$LOG" | cut -c1-160 || true))"
    [ "$try" = 3 ] || sleep "$try"
  done
  return 1
}

keycloak_ready() {
  if ! { java_fits || { debian_package default-jre-headless && java_fits; }; } || ! keycloak_download; then
    echo "interop: Keycloak passed over, $ARTIFACT or Java could not be downloaded"
    return 1
  fi
  if [ ! -f "$KEYCLOAK_HOME/.unpacked" ]; then
    rm -rf .keycloak
    mkdir .keycloak
    "$PYTHON" -m zipfile -e "$ZIP" .keycloak
    touch "$KEYCLOAK_HOME/.unpacked"
  fi
  export KEYCLOAK_HOME
}
