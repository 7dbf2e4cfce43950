"""A real `proofkey serve` with two workers, its clients and people, and every secret that passed by."""

import base64
import json
import ssl
import sys
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from io import BytesIO, StringIO, TextIOWrapper
from itertools import count
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qs, parse_qsl, unquote_plus, urlsplit

import httpx2
import pytest

from proofkey.cli.app import run as run_command
from proofkey.protocol.text import Secret, decode_base64url
from proofkey.runtime.clock import CLOCK_FILE
from proofkey.runtime.entropy import system_entropy
from proofkey.testing.headless import HeadlessBrowser, read_page
from proofkey.testing.relying_party import Person, RelyingParty
from proofkey.testing.server import ServerProcess, free_port, running_server, write_server_config

CALLBACK: Final = "https://rp.test/cb"
WITH_QUERY: Final = "https://rp.test/cb?a=1"
BYE: Final = "https://rp.test/bye"
API: Final = "https://api.test"
MAIL: Final = "https://mail.test"
SECTOR: Final = "https://shop.test/sector.json"
ACR: Final = {"urn:op:password": ["pwd"], "urn:op:two-factors": ["pwd", "otp"]}
LOOPBACK: Final = "http://127.0.0.1/cb"
PRIVATE: Final = "com.acme.app:/cb"
SCOPE: Final = "openid profile email offline_access orders:read orders:write"
ODD_SECRET: Final = "a:b+c%d&é ~/?=" + "0123456789abcdefghij"
ODD_ID: Final = "odd:one+%&"
PASSPHRASE: Final = "brave-otter-river-41 of "
NO_TLS: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Everything is http on loopback; making a context for each client would take most of the time."""
COMPOSED: Final = "caf\u00e9 noir et cr\u00e8me"
DECOMPOSED: Final = "cafe\u0301 noir et cre\u0300me"
LONG: Final = "tall-grass-" * 18

NAMES: Final = (
    *("ann", "bob", "cleo", "dora", "eve", "fred", "gus", "hugo", "ida"),
    *("quiet", "raced", "timed", "olga", "otto"),
)
PEOPLE: Final[Mapping[str, str]] = {
    **{name: PASSPHRASE + name for name in NAMES},
    "long": LONG,
    "noir": COMPOSED,
}
SECRET_PARAMETERS: Final = frozenset(
    {
        *("password", "code", "client_secret", "refresh_token", "access_token", "code_verifier", "token"),
        *("id_token_hint", "id_token", "client_assertion"),
    }
)


def _client(client_id: str, **changes: Any) -> dict[str, Any]:
    members = {
        "client_id": client_id,
        "client_secret": f"secret of {client_id}, 0123456789abcdefghij",
        "redirect_uris": [CALLBACK],
        "post_logout_redirect_uris": [BYE],
        "scope": SCOPE,
    }
    return {name: value for name, value in (members | changes).items() if value is not None}


CLIENTS: Final = [
    _client("web", client_name="Orders dashboard", redirect_uris=[CALLBACK, WITH_QUERY]),
    _client("other"),
    _client("first", skip_consent=True, redirect_uris=[CALLBACK, WITH_QUERY]),
    _client("rsa", skip_consent=True, id_token_signed_response_alg="RS256"),
    _client("pss", skip_consent=True, id_token_signed_response_alg="PS256", userinfo_signed_response_alg="RS256"),
    _client("ed", skip_consent=True, id_token_signed_response_alg="Ed25519", userinfo_signed_response_alg="PS256"),
    _client(
        "eddsa", skip_consent=True, id_token_signed_response_alg="EdDSA", userinfo_signed_response_alg="EdDSA"
    ),
    _client("curious", scope=f"{SCOPE} phone address", client_name="Curious shop"),
    _client("bare", scope="openid offline_access"),
    _client("aged", skip_consent=True, default_max_age=60, require_auth_time=True),
    _client("strong", skip_consent=True, default_acr_values=["urn:op:two-factors", "urn:op:password"]),
    *(
        _client(name, skip_consent=True, subject_type="pairwise", redirect_uris=[uri])
        for name, uri in {
            "shop": "https://shop.test/cb",
            "shop2": "https://shop.test/b",
            "bank": "https://bank.test/cb",
        }.items()
    ),
    _client(
        "sector",
        skip_consent=True,
        subject_type="pairwise",
        sector_identifier_uri=SECTOR,
        redirect_uris=["https://one.test/cb", "https://two.test/cb"],
    ),
    _client("form", token_endpoint_auth_method="client_secret_post", skip_consent=True),
    _client(ODD_ID, client_secret=ODD_SECRET, grant_types=["client_credentials"]),
    _client("guessed", grant_types=["client_credentials"]),
    _client("spa", client_secret=None, token_endpoint_auth_method="none"),
    _client(
        "native",
        client_secret=None,
        token_endpoint_auth_method="none",
        application_type="native",
        redirect_uris=[LOOPBACK, "http://[::1]/cb", PRIVATE],
    ),
    _client("machine", grant_types=["client_credentials"], redirect_uris=[CALLBACK], scope="openid orders:read"),
    _client("once", skip_consent=True, grant_types=["authorization_code"]),
    _client("loose", skip_consent=True, allow_insecure_without_pkce=True),
    _client("doomed", skip_consent=True),
]


class Done(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


@dataclass
class Provider:
    """The running server, seen from outside."""

    server: ServerProcess
    issuer: str
    config: Path
    clock: Path
    seen: set[str] = field(default_factory=set)
    """Every secret that was sent or received, and every password."""
    _addresses: Iterator[int] = field(default_factory=lambda: count(1))
    _people: dict[str, Person] = field(default_factory=dict)
    _parties: dict[str, RelyingParty] = field(default_factory=dict)
    _clients: list[httpx2.Client] = field(default_factory=list)

    def url(self, path: str) -> str:
        return self.issuer + path

    def http(self, **headers: str) -> httpx2.Client:
        """A new client with no cookies, from an address of its own; open until the server ends."""
        number = next(self._addresses)
        headers = {"x-forwarded-for": f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", **headers}
        hooks: Any = {"request": [self._on_request], "response": [self._on_response]}
        client = httpx2.Client(
            headers=headers,
            timeout=30,
            follow_redirects=False,
            trust_env=False,
            event_hooks=hooks,
            verify=NO_TLS,
        )
        self._clients.append(client)
        return client

    def close(self) -> None:
        for client in self._clients:
            client.close()

    def ask(self, method: str, path: str, **options: Any) -> httpx2.Response:
        """One request without cookies."""
        with self.http() as client:
            return client.request(method, path if "://" in path else self.url(path), **options)

    def party(self, client_id: str, **changes: Any) -> RelyingParty:
        """That client; kept unless something of it is changed."""
        if not changes and client_id in self._parties:
            return self._parties[client_id]
        known = next(one for one in CLIENTS if one["client_id"] == client_id)
        secret = known.get("client_secret")
        made = RelyingParty(
            self.issuer,
            client_id,
            **{
                "redirect_uri": known["redirect_uris"][0],
                "secret": Secret(secret) if secret else None,
                "method": known.get("token_endpoint_auth_method"),
                "scope": "openid profile email offline_access orders:read",
                "resource": API,
                "http": self.http(),
                **changes,
            },
        )
        return made if changes else self._parties.setdefault(client_id, made)

    def person(self, username: str = "ann") -> Person:
        """Somebody in the browser that they always use; signed in from the first login on."""
        if username not in self._people:
            self._people[username] = self.stranger(username)
        return self._people[username]

    def stranger(self, username: str = "ann", client: httpx2.Client | None = None) -> Person:
        """Somebody in a new browser."""
        return Person(HeadlessBrowser(client or self.http()), username, Secret(PEOPLE.get(username, username)))

    def turn(self, seconds: int) -> None:
        """Moves the server's clocks forward."""
        self.clock.write_text(str(int(self.clock.read_text() or 0) + seconds))

    def now(self) -> int:
        """The server's time."""
        return int(time.time()) + int(self.clock.read_text() or 0)

    def run(self, *arguments: str, stdin: str = "") -> Done:
        """`proofkey …` beside the running server, in this process, which is another one than the server's."""
        return run_here(*arguments, "--config", str(self.config), stdin=stdin, clock=self.clock)

    def events(self, since: int = 0) -> list[dict[str, Any]]:
        """The lines of the log from that place on."""
        return [json.loads(line) for line in self.server.log.read_text()[since:].splitlines()]

    def log_size(self) -> int:
        return len(self.server.log.read_text())

    # --- what passes by ----------------------------------------------------------------------------------------
    def _on_request(self, request: httpx2.Request) -> None:
        body = request.read().decode("utf-8", "replace")
        self._take(parse_qsl(f"{request.url.query.decode()}&{body}"))
        authorization = request.headers.get("authorization", "")
        scheme, _, credentials = authorization.partition(" ")
        if scheme == "Bearer":
            self.seen.add(credentials)
        elif scheme == "Basic":
            self.seen.add(credentials)
            plain = base64.b64decode(credentials + "==", validate=False).decode("utf-8", "replace")
            self.seen.add(unquote_plus(plain.partition(":")[2]))

    def _on_response(self, response: httpx2.Response) -> None:
        response.read()
        self._take(parse_qsl(urlsplit(response.headers.get("location", "")).query))
        self.seen.update(value for value in response.cookies.values() if value)
        if response.content and response.headers.get("content-type") == "application/json":
            members: dict[str, Any] = response.json()
            self._take((name, value) for name, value in members.items() if isinstance(value, str))

    def _take(self, pairs: Any) -> None:
        self.seen.update(value for name, value in pairs if name in SECRET_PARAMETERS)


def run_here(*arguments: str, stdin: str = "", clock: Path | None = None) -> Done:
    """`proofkey …`, without the second that a new process takes."""
    out, err = StringIO(), StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "stdin", TextIOWrapper(BytesIO(stdin.encode())))
        if clock:
            patch.setenv(CLOCK_FILE, str(clock))
        return Done(run_command(arguments), out.getvalue(), err.getvalue())


def server_settings(issuer: str, people: Mapping[str, str] = PEOPLE, **changes: Any) -> dict[str, Any]:
    """The `[server]` section with all clients, and those people."""
    roles = {"ann": ["admin", "clerk"]}
    claims = {
        "ann": {"name": "Ann Lee", "email": "ann@op.test", "email_verified": True, "nickname": ""},
        "bob": {"email": "bob@op.test"},
        "olga": {
            "phone_number": "+47 22 00 00 00",
            "phone_number_verified": True,
            "address": {"street_address": "", "locality": "Oslo", "country": "NO"},
            "website": "",
        },
    }
    users = [
        {
            "username": name,
            "password": password,
            "sub": f"sub-of-{name}",
            "roles": roles.get(name, []),
            "claims": claims.get(name, {}),
        }
        for name, password in people.items()
    ]
    resources = [
        {"identifier": API, "scopes": ["orders:read", "orders:write"]},
        {"identifier": MAIL, "scopes": ["mail:read"]},
    ]
    openid = {"acr_values": ACR, "sector_identifier_uris": [SECTOR]}
    common = {**openid, "clients": CLIENTS, "users": users, "resources": resources}
    return {"issuer": issuer, "workers": 2, "trusted_proxies": ["127.0.0.1/32"], **common, **changes}


@contextmanager
def running_provider(folder: Path, *, path: str = "", **changes: Any) -> Generator[Provider]:
    """`proofkey serve` with two workers on one SQLite file; at the end no secret stands in its log."""
    port = free_port()
    issuer = f"http://127.0.0.1:{port}{path}"
    config = write_server_config(folder, server_settings(issuer, **changes))
    with config.open("a") as file:
        file.write('[log]\nlevel = "debug"\n')
    clock = folder / "clock"
    clock.write_text("0")
    with running_server(config, port=port, environ={CLOCK_FILE: str(clock)}) as server:
        provider = Provider(server, issuer, config, clock)
        provider.seen.update(PEOPLE.values())
        provider.seen.update(one["client_secret"] for one in CLIENTS if "client_secret" in one)
        provider.seen.add((folder / "master.key").read_text())
        try:
            yield provider
        finally:
            provider.close()
    check_log(provider)


def check_log(provider: Provider) -> None:
    """No secret that passed by, and no password, is in the log. Raises: AssertionError."""
    log = provider.server.log.read_text()
    found = sorted(secret[:4] for secret in provider.seen if len(secret) > 11 and secret in log)
    assert not found, f"{len(found)} secrets in the log, beginning with {found[:5]}"


# --- reading ---------------------------------------------------------------------------------------------------


def claims_of(token: Secret | None) -> dict[str, Any]:
    return segment(token, 1)


def header_of(token: Secret | None) -> dict[str, Any]:
    return segment(token, 0)


def segment(token: Secret | None, place: int) -> dict[str, Any]:
    assert token is not None
    members: dict[str, Any] = json.loads(decode_base64url(token.reveal().split(".")[place]))
    return members


def sent_back(answer: httpx2.Response) -> dict[str, str]:
    """The parameters of a redirect to the callback; every redirect is a 303."""
    assert answer.status_code == 303, (answer.status_code, answer.text[:300])
    target = urlsplit(answer.headers["location"])
    values = parse_qs(target.query, keep_blank_values=True, strict_parsing=True)
    assert all(len(value) == 1 for value in values.values()), values
    return {name: value[0] for name, value in values.items()}


def page_of(answer: httpx2.Response) -> str:
    """The name of the page that was shown."""
    return read_page(answer.text)[0]


def is_refused_without_location(answer: httpx2.Response) -> bool:
    return answer.status_code == 400 and "location" not in answer.headers and page_of(answer) == "error"


def error_of(answer: httpx2.Response) -> tuple[int, str]:
    """Status and code of an OAuth error document, whose shape is checked."""
    document: dict[str, str] = answer.json()
    assert set(document) <= {"error", "error_description"}, document
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    return answer.status_code, document["error"]


def fresh() -> str:
    return system_entropy()


def everywhere(op: Provider, kid: str) -> bool:
    """Both workers publish it, as far as forty new connections show."""
    for _ in range(40):
        with httpx2.Client(trust_env=False) as client:
            if kid not in [key["kid"] for key in client.get(op.url("/jwks")).json()["keys"]]:
                return False
    return True


def wait_until(condition: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.05)
