"""A real Keycloak in development mode on a free loopback port, and a person at its pages."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx2

from proofkey.testing.headless import Form
from proofkey.testing.server import free_port
from tests.interop.provider_pages import Person

START_SECONDS = 300
STOP_SECONDS = 30
HEAP = "-Xms64m -Xmx512m"
# Ends the server when this process does: then the pipe on standard input closes.
_WATCHED = 'exec 3<&0; "$@" & server=$!; (read -r _ <&3; kill -TERM "$server") & wait "$server"'


class KeycloakFailed(Exception):
    """It did not start; the message holds the end of its log."""


@contextmanager
def running_keycloak(realm: Path, *, port: int, log: Path) -> Generator[float]:
    """Runs until the end of the block, with that realm imported into an empty database in memory; gives the
    seconds that the start took. The first start of an installation takes longer: Keycloak builds itself.

    Raises: KeycloakFailed.
    """
    home = Path(os.environ["KEYCLOAK_HOME"])
    imported = home / "data" / "import" / "realm.json"
    imported.parent.mkdir(parents=True, exist_ok=True)
    imported.touch(mode=0o600)
    imported.write_text(realm.read_text())
    health = free_port()
    options = [
        "--import-realm",
        "--db=dev-mem",
        "--cache=local",
        "--http-host=127.0.0.1",
        f"--http-port={port}",
        f"--hostname=http://127.0.0.1:{port}",
        "--hostname-backchannel-dynamic=true",
        "--health-enabled=true",
        f"--http-management-port={health}",
    ]
    command = ["bash", "-c", _WATCHED, "keycloak", "sh", str(home / "bin" / "kc.sh"), "start-dev", *options]
    began = time.monotonic()
    with log.open("a") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "JAVA_OPTS_KC_HEAP": HEAP},
        )
    try:
        _wait_until_ready(process, f"http://127.0.0.1:{health}/health/ready", began, log)
        yield time.monotonic() - began
    finally:
        _stop(process)
        imported.unlink(missing_ok=True)


def _wait_until_ready(process: subprocess.Popen[bytes], url: str, began: float, log: Path) -> None:
    with httpx2.Client(timeout=5, trust_env=False) as http:
        while time.monotonic() - began < START_SECONDS and process.poll() is None:
            try:
                if http.get(url).status_code == 200:
                    return
            except httpx2.TransportError:
                pass
            time.sleep(0.25)
    raise KeycloakFailed(log.read_text()[-3000:])


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Politely, then by force; the whole group, for it is a shell with a Java behind it."""
    with process:
        assert process.stdin
        process.stdin.close()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


def browser_client() -> httpx2.Client:
    """As browsers do, it sends `Secure` cookies to http on loopback."""
    jar = CookieJar(DefaultCookiePolicy(secure_protocols=("https", "http")))
    return httpx2.Client(timeout=20, follow_redirects=False, trust_env=False, cookies=jar)


class KeycloakPerson(Person):
    """Somebody at Keycloak's own pages."""

    def __init__(self, http: httpx2.Client, provider: str, name: str, password: str) -> None:
        super().__init__(http, provider, name)
        self._password = password

    def _send(self, answer: httpx2.Response, form: Form) -> httpx2.Response:
        typed: dict[str, Any] = {**form.fields}
        if "username" in form.names:
            typed |= {"username": self.name, "password": self._password}
        self.pages.append("login" if "username" in form.names else "other")
        return self.http.post(urljoin(str(answer.url), form.action), data=typed)


def change_clients(realm: Path, **changes: dict[str, Any]) -> None:
    """Writes members of clients, by client_id, into a realm's file; `attributes` are added to the others."""
    document = json.loads(realm.read_text())
    for client in document["clients"]:
        members = changes.get(client["clientId"], {})
        client["attributes"] = client.get("attributes", {}) | members.get("attributes", {})
        client |= {name: value for name, value in members.items() if name != "attributes"}
    realm.write_text(json.dumps(document))
