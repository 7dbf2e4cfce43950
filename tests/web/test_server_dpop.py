"""DPoP over HTTP: the whole corpus of hostile proofs, nonces, challenges and CORS."""

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest
from starlette.types import ASGIApp

from proofkey.authorization_server.policy import Policy
from proofkey.findings import Finding
from proofkey.testing.clock import TurnedClock
from proofkey.testing.dpop import DpopKey
from proofkey.testing.hostile_proofs import HarmlessProof, HostileProof, harmless_proofs, hostile_proofs
from proofkey.testing.proof_case import ProofCase
from proofkey.testing.tokens import NOW, key_for_tests
from tests.web.asgi import FORM, Reply, ask
from tests.web.real_server import SECRET, build_policy, build_server

ISSUER = "https://as.test"
TOKEN = f"{ISSUER}/token"
BASIC = (b"authorization", b"Basic " + base64.b64encode(f"web:{SECRET}".encode()))
KEY = DpopKey(key=key_for_tests("ES256", "dpop"), clock=TurnedClock(NOW))
CASE = ProofCase(key=KEY, method="POST", url=TOKEN)
HOSTILE = [
    one
    for one in hostile_proofs(CASE)
    if "ath" not in one.name.split() and one.finding not in (Finding.DPOP_PROOF_TOKEN, Finding.DPOP_KEY_OTHER)
]
"""All but those whose fault is the access token's: there is none at the token endpoint."""


def policy(**changes: Any) -> Policy:
    made = build_policy(ISSUER)
    web, *others = made.clients
    grants = web.grant_types | {"client_credentials"}
    return replace(made, clients=(replace(web, grant_types=grants), *others), **changes)


@asynccontextmanager
async def serving(clock: TurnedClock, **changes: Any) -> AsyncIterator[ASGIApp]:
    server = build_server(policy(**changes), clock)
    async with server.running():
        yield server.asgi()


@pytest.fixture
async def app() -> AsyncIterator[ASGIApp]:
    async with serving(TurnedClock(NOW)) as app:
        yield app


async def token(app: ASGIApp, *proofs: bytes | str, **form: str) -> Reply:
    body = urlencode(form or {"grant_type": "client_credentials"}).encode()
    headers = [(b"dpop", proof if isinstance(proof, bytes) else proof.encode("latin-1")) for proof in proofs]
    return await ask(app, "POST", "/token", FORM, BASIC, *headers, body=body)


@pytest.mark.spec("9449-4.3-a", "9449-11.1-a")
async def test_every_hostile_proof_is_a_400(app: ASGIApp) -> None:
    assert len(HOSTILE) > 120
    for hostile in HOSTILE:
        await _refused(app, hostile)


async def _refused(app: ASGIApp, hostile: HostileProof) -> None:
    reply = await token(app, hostile.proof)
    assert reply.status == 400, hostile.name
    assert json.loads(reply.body) == {
        "error": "invalid_dpop_proof",
        "error_description": "The DPoP proof is not valid.",
    }
    assert "www-authenticate" not in reply.headers
    assert "dpop-nonce" not in reply.headers


@pytest.mark.spec("9449-4.3-a", "F2-5.3.2.1-13", "9449-5-b")
async def test_every_harmless_proof_is_taken_once(app: ASGIApp) -> None:
    for harmless in harmless_proofs(CASE):
        await _taken(app, harmless)


async def _taken(app: ASGIApp, harmless: HarmlessProof) -> None:
    reply = await token(app, harmless.proof)
    assert (reply.status, json.loads(reply.body).get("token_type")) == (200, "DPoP"), harmless.name
    assert (await token(app, harmless.proof)).status == 400, harmless.name


@pytest.mark.spec("9449-4.3-a", "X-host-a")
async def test_the_address_is_the_issuers_whatever_host_the_request_has(app: ASGIApp) -> None:
    for host in (b"evil.test", b"127.0.0.1"):
        body = b"grant_type=client_credentials"
        proof = (b"dpop", KEY.proof("POST", TOKEN).encode())
        reply = await ask(app, "POST", "/token", FORM, BASIC, proof, (b"host", host), body=body)
        assert reply.status == 200
        proof = (b"dpop", KEY.proof("POST", f"https://{host.decode()}/token").encode())
        assert (await ask(app, "POST", "/token", FORM, BASIC, proof, (b"host", host), body=body)).status == 400


@pytest.mark.spec("9449-4.3-a")
async def test_two_headers_are_a_400_and_an_empty_one_too(app: ASGIApp) -> None:
    for proofs in ((KEY.proof("POST", TOKEN), KEY.proof("POST", TOKEN)), ("",), (b"\xff\xfe",)):
        reply = await token(app, *proofs)
        assert (reply.status, json.loads(reply.body)["error"]) == (400, "invalid_dpop_proof")


@pytest.mark.spec("9449-8-a")
async def test_a_nonce_comes_in_one_header_of_a_400() -> None:
    clock = TurnedClock(NOW)
    key = DpopKey(key=KEY.key, clock=clock)
    async with serving(clock, dpop_nonces=True) as app:
        asked = await token(app, key.proof("POST", TOKEN))
        assert (asked.status, json.loads(asked.body)["error"]) == (400, "use_dpop_nonce")
        [nonce] = asked.headers.getlist("dpop-nonce")
        assert asked.headers["cache-control"] == "no-store"
        assert "DPoP-Nonce" in asked.headers["access-control-expose-headers"]
        given = await token(app, key.proof("POST", TOKEN, nonce=nonce))
        assert (given.status, given.headers.getlist("dpop-nonce")) == (200, [])
        clock.turn(151)
        renewed = await token(app, key.proof("POST", TOKEN, nonce=nonce))
        [newer] = renewed.headers.getlist("dpop-nonce")
        assert (renewed.status, newer != nonce) == (200, True)
        assert (await token(app, key.proof("POST", TOKEN, nonce=newer))).status == 200
        plain = await token(app)
        assert (plain.status, json.loads(plain.body)["token_type"]) == (200, "Bearer")


@pytest.mark.spec("9449-7.1-a", "9449-8-a")
async def test_userinfo_challenges_for_both_schemes_and_names_the_error_under_the_one_that_was_used() -> None:
    clock = TurnedClock(NOW)
    key = DpopKey(key=KEY.key, clock=clock)
    async with serving(clock, dpop_nonces=True) as app:
        nothing = await ask(app, "GET", "/userinfo")
        assert nothing.status == 401
        bearer, _, dpop = nothing.headers["www-authenticate"].partition(", DPoP ")
        assert bearer == 'Bearer realm="userinfo"'
        assert 'algs="ES256 ' in dpop
        assert "error" not in dpop
        nonce = (await token(app, key.proof("POST", TOKEN))).headers["dpop-nonce"]
        bound = json.loads((await token(app, key.proof("POST", TOKEN, nonce=nonce))).body)["access_token"]
        proof = key.proof("GET", f"{ISSUER}/userinfo", token=bound)
        sent = ((b"authorization", f"DPoP {bound}".encode()), (b"dpop", proof.encode()))
        asked = await ask(app, "GET", "/userinfo", *sent)
        assert (asked.status, len(asked.headers.getlist("dpop-nonce"))) == (401, 1)
        bearer, _, dpop = asked.headers["www-authenticate"].partition(", DPoP ")
        assert 'error="use_dpop_nonce"' in dpop
        assert "error" not in bearer
        refused = await ask(app, "GET", "/userinfo", (b"authorization", f"Bearer {bound}".encode()))
        bearer, _, dpop = refused.headers["www-authenticate"].partition(", DPoP ")
        assert refused.status == 401
        assert 'error="invalid_token"' in bearer
        assert "error" not in dpop


async def test_a_browser_may_send_a_proof(app: ASGIApp) -> None:
    asked = (b"access-control-request-method", b"POST"), (b"access-control-request-headers", b"dpop")
    reply = await ask(app, "OPTIONS", "/token", (b"origin", b"https://spa.test"), *asked)
    assert "DPoP" in reply.headers["access-control-allow-headers"]
    answered = await token(app, KEY.proof("POST", TOKEN))
    assert "DPoP-Nonce" in answered.headers["access-control-expose-headers"]
