"""Client certificates that a proxy forwards (RFC 8705), over HTTP."""

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import cache
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlencode

import pytest
from cryptography import x509
from starlette.types import ASGIApp

from proofkey.authorization_server.policy import CertificateCheck, Policy
from proofkey.authorization_server.registration import check_registration
from proofkey.errors import ConfigurationError
from proofkey.protocol.registration import ClientRegistration
from proofkey.protocol.text import ClientId, Secret, decode_base64url
from proofkey.runtime.clock import system_clock
from proofkey.runtime.entropy import system_entropy
from proofkey.runtime.master_key import MasterKey
from proofkey.runtime.passwords import PasswordPool
from proofkey.runtime.server_core import ServerCore
from proofkey.store.memory import MemoryServerStore
from proofkey.testing.client_certificate import ClientCertificate, make_client_certificate
from proofkey.testing.dpop import DpopKey
from proofkey.testing.tokens import key_for_tests
from proofkey.web.server import Server
from tests.web.asgi import FORM, Reply, ask
from tests.web.real_server import SECRET, build_policy

ISSUER = "https://op.test"
PROXY = ("10.0.0.7", 4711)
STRANGER = ("203.0.113.9", 4711)
DN = "CN=reports,OU=Billing,O=Acme\\, Inc.,C=DE"
KEY = key_for_tests("ES256", "client-key")


@cache
def certificate(name: str = "reports") -> ClientCertificate:
    names = (
        x509.DNSName("Reports.acme.test"),
        x509.UniformResourceIdentifier("spiffe://acme.test/reports"),
        x509.IPAddress(ip_address("2001:db8::7")),
        x509.RFC822Name("reports@acme.test"),
    )
    return make_client_certificate(name, *names, dn=DN) if name == "reports" else make_client_certificate(name)


def jwks(*certificates: ClientCertificate) -> str:
    chains = [base64.b64encode(one.der).decode() for one in certificates]
    return json.dumps({"keys": [KEY.public_jwk | {"kid": chain[-9:], "x5c": [chain]} for chain in chains]})


def robot(client_id: str, method: Any = "tls_client_auth", **members: Any) -> ClientRegistration:
    return ClientRegistration(
        client_id=ClientId(client_id),
        token_endpoint_auth_method=method,
        grant_types=frozenset({"client_credentials"}),
        response_types=frozenset(),
        scope=("orders:read",),
        **members,
    )


NAMED: dict[str, dict[str, Any]] = {
    "dn": {"tls_client_auth_subject_dn": DN},
    "dns": {"tls_client_auth_san_dns": "reports.ACME.test"},
    "uri": {"tls_client_auth_san_uri": "spiffe://acme.test/reports"},
    "ip": {"tls_client_auth_san_ip": "2001:0db8:0::7"},
    "email": {"tls_client_auth_san_email": "reports@acme.test"},
}
PINNED = robot("pinned", "self_signed_tls_client_auth", jwks=jwks(certificate("old"), certificate()))
BOUND: dict[str, Any] = {"tls_client_certificate_bound_access_tokens": True}


def policy(check: CertificateCheck | None) -> Policy:
    made = build_policy(ISSUER)
    web, _ = made.clients
    grants = web.grant_types | {"client_credentials"}
    clients = (
        replace(web, grant_types=grants),
        replace(web, client_id=ClientId("bound"), grant_types=grants, **BOUND),
        *(robot(kind, **members) for kind, members in NAMED.items()),
        robot("dn-bound", tls_client_auth_subject_dn=DN, **BOUND),
        PINNED,
    )
    return replace(made, clients=clients, client_certificates=check)


@asynccontextmanager
async def serving(check: CertificateCheck | None = "verified") -> AsyncIterator[ASGIApp]:
    core = ServerCore(
        policy(check),
        MemoryServerStore(),
        clock=system_clock(),
        entropy=system_entropy,
        master_key=MasterKey(Secret("k" * 43)),
        passwords=PasswordPool(),
    )
    header = "Client-Cert" if check else None
    server = Server(core, trusted_proxies=["10.0.0.0/8"], client_certificate_header=header)
    async with server.running():
        yield server.asgi()


@pytest.fixture
async def app() -> AsyncIterator[ASGIApp]:
    async with serving() as app:
        yield app


def forwarded(shown: ClientCertificate | None) -> list[tuple[bytes, bytes]]:
    headers = {} if shown is None else shown.headers()
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]


async def token(
    app: ASGIApp,
    client_id: str,
    shown: ClientCertificate | None = None,
    *headers: tuple[bytes, bytes],
    peer: tuple[str, int] = PROXY,
    **form: str,
) -> Reply:
    asked = {"grant_type": "client_credentials", "client_id": client_id, **form}
    if client_id in ("web", "bound"):
        asked["client_secret"] = SECRET
        basic = base64.b64encode(f"{client_id}:{asked.pop('client_secret')}".encode())
        headers = (*headers, (b"authorization", b"Basic " + basic))
    body = urlencode(asked).encode()
    return await ask(app, "POST", "/token", FORM, *forwarded(shown), *headers, body=body, client=peer)


def error_of(reply: Reply) -> tuple[int, str]:
    return reply.status, json.loads(reply.body)["error"]


def claims_of(reply: Reply) -> dict[str, Any]:
    claims: dict[str, Any] = json.loads(decode_base64url(json.loads(reply.body)["access_token"].split(".")[1]))
    return claims


# --- authentication ------------------------------------------------------------------------------------------


@pytest.mark.spec("8705-2-a", "9700-2.5-a")
@pytest.mark.parametrize("kind", [*NAMED, "pinned"])
async def test_the_registered_certificate_authenticates_and_no_other(app: ASGIApp, kind: str) -> None:
    assert (await token(app, kind, certificate())).status == 200
    refused = await token(app, kind, certificate("thief"))
    assert error_of(refused) == (401, "invalid_client")
    assert error_of(await token(app, kind)) == (401, "invalid_client")
    assert error_of(await token(app, kind, certificate(), client_secret=SECRET)) == (401, "invalid_client")


@pytest.mark.spec("9700-4.13-a", "8705-2-a")
async def test_a_header_that_no_trusted_proxy_sent_is_ignored(app: ASGIApp) -> None:
    assert error_of(await token(app, "dn", certificate(), peer=STRANGER)) == (401, "invalid_client")
    spoofed = (b"x-forwarded-for", b"10.0.0.7")
    assert error_of(await token(app, "dn", certificate(), spoofed, peer=STRANGER)) == (401, "invalid_client")


async def test_a_repeated_or_broken_header_is_an_invalid_request(app: ASGIApp) -> None:
    twice = forwarded(certificate())[0]
    assert error_of(await token(app, "dn", certificate(), twice)) == (400, "invalid_request")
    assert error_of(await token(app, "dn", None, (b"client-cert", b":AAAA:"))) == (400, "invalid_request")


@pytest.mark.spec("8705-2-a")
async def test_a_name_counts_only_where_its_signer_was_checked() -> None:
    async with serving("unverified") as app:
        assert error_of(await token(app, "dn", certificate())) == (401, "invalid_client")
        assert (await token(app, "pinned", certificate())).status == 200
    async with serving(None) as app:
        for kind in ("dn", "pinned"):
            assert error_of(await token(app, kind, certificate())) == (401, "invalid_client")
        assert error_of(await token(app, "bound", certificate())) == (400, "invalid_request")


@pytest.mark.spec("8705-2-a", "V10-10.4.10")
async def test_a_certificate_goes_with_revocation_and_introspection(app: ASGIApp) -> None:
    made = json.loads((await token(app, "dn", certificate())).body)["access_token"]
    body = urlencode({"client_id": "dn", "token": made}).encode()
    for path in ("/introspect", "/revoke"):
        asked = await ask(app, "POST", path, FORM, *forwarded(certificate()), body=body, client=PROXY)
        assert asked.status == 200, path
        assert error_of(await ask(app, "POST", path, FORM, body=body, client=PROXY)) == (401, "invalid_client")


# --- bound tokens --------------------------------------------------------------------------------------------


@pytest.mark.spec("8705-3-a", "9700-2.2.1-a")
async def test_tokens_are_bound_to_the_certificate_of_the_request(app: ASGIApp) -> None:
    for client_id in ("bound", "dn-bound"):
        reply = await token(app, client_id, certificate())
        assert json.loads(reply.body)["token_type"] == "Bearer"
        assert claims_of(reply)["cnf"] == certificate().cnf
    assert error_of(await token(app, "bound")) == (400, "invalid_request")
    assert "cnf" not in claims_of(await token(app, "dn", certificate()))


@pytest.mark.spec("8705-3-a", "9449-5-b")
async def test_a_token_may_be_bound_twice(app: ASGIApp) -> None:
    key = DpopKey()
    proof = (b"dpop", key.proof("POST", f"{ISSUER}/token").encode())
    reply = await token(app, "bound", certificate(), proof)
    assert json.loads(reply.body)["token_type"] == "DPoP"
    assert claims_of(reply)["cnf"] == {**key.cnf, **certificate().cnf}


async def test_the_document_names_the_methods(app: ASGIApp) -> None:
    document = json.loads((await ask(app, "GET", "/.well-known/openid-configuration")).body)
    assert {"tls_client_auth", "self_signed_tls_client_auth"} <= {
        *document["token_endpoint_auth_methods_supported"]
    }
    assert document["tls_client_certificate_bound_access_tokens"] is True
    async with serving(None) as plain:
        document = json.loads((await ask(plain, "GET", "/.well-known/openid-configuration")).body)
        assert "tls_client_auth" not in document["token_endpoint_auth_methods_supported"]
        assert document["tls_client_certificate_bound_access_tokens"] is False


# --- registration --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("client", "member"),
    [
        pytest.param(robot("a"), "tls_client_auth_subject_dn", id="no name"),
        pytest.param(robot("a", **NAMED["dn"], **NAMED["ip"]), "tls_client_auth_subject_dn", id="two names"),
        pytest.param(
            robot("a", tls_client_auth_subject_dn="reports"), "tls_client_auth_subject_dn", id="no such form"
        ),
        pytest.param(robot("a", tls_client_auth_san_ip="reports"), "tls_client_auth_san_ip", id="no address"),
        pytest.param(robot("a", "self_signed_tls_client_auth"), "jwks", id="no certificate"),
        pytest.param(
            robot("a", "self_signed_tls_client_auth", jwks=json.dumps({"keys": [KEY.public_jwk]})),
            "jwks",
            id="a key without its certificate",
        ),
        pytest.param(
            replace(PINNED, **NAMED["ip"]), "tls_client_auth_san_ip", id="a name that counts for nothing"
        ),
        pytest.param(
            robot("a", **NAMED["dn"], secret_digest=Secret(SECRET).digest()), "client_secret", id="a secret too"
        ),
    ],
)
def test_a_registration_is_refused(client: ClientRegistration, member: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        check_registration(client, ISSUER)
    assert refused.value.facts["member"] == member
