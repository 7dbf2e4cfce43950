"""Two authorization servers with the same client and person, each a process of its own: ours and oidc-provider."""

import json
import secrets
import subprocess
from base64 import b64encode
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urljoin

import httpx2

from proofkey.protocol.jose import SigningAlgorithm, generate_signing_key
from proofkey.protocol.pkce import challenge_of
from proofkey.testing.headless import read_page
from proofkey.testing.postgresql_server import running_postgresql
from proofkey.testing.redis_server import running_redis
from proofkey.testing.server import free_port, running_server, write_server_config

HERE = Path(__file__).parent
CLIENT = "web"
SECRET = "a-client-secret-for-the-benchmark-of-48-letters"
BASIC = "Basic " + b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
REDIRECT_URI = "https://rp.test/callback"
RESOURCE = "https://api.test"
SCOPE = "openid offline_access orders:read"
NOT_HERE = 3


@dataclass(frozen=True, slots=True)
class Paths:
    """Of the endpoints; they are the two servers' own."""

    authorize: str
    token: str
    introspect: str
    jwks: str
    discovery: str = "/.well-known/openid-configuration"


@dataclass(frozen=True, slots=True)
class Served:
    """A running server; `cookie` is that of a person who signed in and consented."""

    name: str
    port: int
    pid: int
    paths: Paths
    cookie: str


class NotInstalled(Exception):
    """The packages of the peer could not be downloaded."""


@contextmanager
def ours(algorithm: SigningAlgorithm, store: str, **settings: Any) -> Generator[Served]:
    """`proofkey serve` with one worker; `store` is memory, postgresql or a URL. ID tokens are signed with
    `algorithm`, access tokens with ES256; so they are at the other one."""
    with ExitStack() as stack:
        if store == "postgresql":
            store = stack.enter_context(running_postgresql()).url
        folder = Path(stack.enter_context(TemporaryDirectory()))
        port = free_port()
        config = write_server_config(folder, _settings(port, algorithm, store, settings))
        server = stack.enter_context(running_server(config, port=port))
        paths = _paths(port)
        cookie = _signed_in(port, paths, {"username": "ann", "password": PASSWORD, "decision": "allow"})
        yield Served("ours", port, server.pid, paths, cookie)


PASSWORD = "a passphrase for the benchmark"


def _settings(port: int, algorithm: SigningAlgorithm, store: str, more: dict[str, Any]) -> dict[str, Any]:
    client = {
        "client_id": CLIENT,
        "client_secret": SECRET,
        "redirect_uris": [REDIRECT_URI],
        "scope": SCOPE,
        "grant_types": ["authorization_code", "refresh_token", "client_credentials"],
        "id_token_signed_response_alg": algorithm,
    }
    return {
        "issuer": f"http://127.0.0.1:{port}",
        "workers": 1,
        "store": store if ":" in store else f"{store}:",
        "default_resource": RESOURCE,
        "resources": [{"identifier": RESOURCE, "scopes": ["orders:read"]}],
        "clients": [client],
        "users": [{"username": "ann", "password": PASSWORD, "sub": "u1"}],
        **more,
    }


def _paths(port: int) -> Paths:
    base = f"http://127.0.0.1:{port}"
    told = httpx2.get(base + "/.well-known/openid-configuration", trust_env=False).json()
    names = ("authorization_endpoint", "token_endpoint", "introspection_endpoint", "jwks_uri")
    return Paths(*(told[name].removeprefix(base) for name in names))


@contextmanager
def oidc_provider(algorithm: SigningAlgorithm, store: str) -> Generator[Served]:
    """The npm package; `store` is memory or redis. Raises: NotInstalled."""
    with ExitStack() as stack:
        redis = stack.enter_context(running_redis()) if store == "redis" else None
        port = free_port()
        names: tuple[SigningAlgorithm, ...] = (algorithm, "ES256")
        keys = [
            {**generate_signing_key(one, one).private_jwk, "use": "sig", "alg": one}
            for one in dict.fromkeys(names)
        ]
        client = {
            "client_id": CLIENT,
            "client_secret": SECRET,
            "redirect_uris": [REDIRECT_URI],
            "grant_types": ["authorization_code", "refresh_token", "client_credentials"],
            "id_token_signed_response_alg": algorithm,
        }
        told = stack.enter_context(
            _node(
                {
                    "port": port,
                    "redis": redis.url if redis else None,
                    "keys": keys,
                    "client": client,
                    "resource": RESOURCE,
                    "scope": "orders:read",
                }
            )
        )
        paths = _paths(port)
        cookie = _signed_in(port, paths, {"login": "ann", "password": "any"})
        yield Served("oidc-provider", port, int(told["pid"]), paths, cookie)


@contextmanager
def _node(configuration: dict[str, Any]) -> Iterator[dict[str, Any]]:
    process = subprocess.Popen(
        ["bash", str(HERE / "oidc_provider.sh")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("no pipes")
        try:
            process.stdin.write(json.dumps(configuration) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
            if not line:
                if process.wait() == NOT_HERE:
                    raise NotInstalled
                raise RuntimeError("oidc-provider does not start")
            yield json.loads(line)
        finally:
            process.stdin.close()
            process.wait(20)


def authorization_path(paths: Paths, **more: str) -> str:
    """An authorization request with PKCE; the verifier is `VERIFIER`."""
    asked = {
        "response_type": "code",
        "client_id": CLIENT,
        "redirect_uri": REDIRECT_URI,
        "scope": SCOPE,
        "resource": RESOURCE,
        "state": "a-state-of-some-length-0123456789",
        "nonce": secrets.token_urlsafe(16),
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        **more,
    }
    return f"{paths.authorize}?{httpx2.QueryParams(asked)}"


VERIFIER = "a-verifier-for-the-benchmark-of-48-characters-00"
CHALLENGE = challenge_of(VERIFIER)


def _signed_in(port: int, paths: Paths, typed: dict[str, str]) -> str:
    """Goes through the server's pages; gives the cookies of the browser."""
    base = f"http://127.0.0.1:{port}"
    with httpx2.Client(trust_env=False, headers={"accept": "text/html", "sec-fetch-site": "same-origin"}) as http:
        answer = http.get(base + authorization_path(paths, prompt="consent"))
        for _ in range(20):
            target = urljoin(str(answer.url), answer.headers.get("location", ""))
            if target.startswith(REDIRECT_URI):
                break
            if answer.is_redirect:
                answer = http.get(target)
                continue
            form = read_page(answer.text)[1][0]
            fields = {**form.fields, **{name: typed[name] for name in form.names if name in typed}}
            answer = http.post(urljoin(str(answer.url), form.action), data=fields, headers={"origin": base})
        else:
            raise RuntimeError("the pages of the server lead in a circle")
        return "; ".join(f"{one.name}={one.value}" for one in http.cookies.jar)
