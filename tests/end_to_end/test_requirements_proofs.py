"""requirements.md §1.3 and §1.6 from outside: clients that prove a key, and whose certificate counts."""

from collections.abc import Generator, Mapping
from itertools import count
from typing import Any

import httpx2
import pytest

from proofkey.findings import Finding
from proofkey.protocol.client_assertion import HEADER_TYPE as ASSERTION
from proofkey.protocol.client_authentication import ASSERTION_TYPE
from proofkey.protocol.text import Secret
from proofkey.testing.client_certificate import make_client_certificate
from proofkey.testing.dpop import DpopKey
from proofkey.testing.hostile_proofs import harmless_proofs, hostile_proofs
from proofkey.testing.proof_case import ProofCase
from proofkey.testing.relying_party import RelyingParty
from proofkey.testing.tokens import compact_json, key_for_tests, sign_exactly
from tests.end_to_end.provider_kit import (
    API,
    CALLBACK,
    PEOPLE,
    Provider,
    claims_of,
    error_of,
    page_of,
    running_provider,
    sent_back,
)

pytestmark = [pytest.mark.timeout(180)]

KEY = key_for_tests("ES256", "signing")
CERTIFICATE = make_client_certificate(dn="CN=tls")
GRANTS = ["authorization_code", "refresh_token", "client_credentials"]
SCOPE = "openid offline_access orders:read"
COMMON: dict[str, Any] = {"redirect_uris": [CALLBACK], "grant_types": GRANTS, "scope": SCOPE}
SIGNED = {"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [KEY.public_jwk]}}
BY_CERTIFICATE: dict[str, Any] = {
    "token_endpoint_auth_method": "tls_client_auth",
    "tls_client_auth_subject_dn": "CN=tls",
    "tls_client_certificate_bound_access_tokens": True,
}
PUBLIC: dict[str, Any] = {
    **COMMON,
    "grant_types": GRANTS[:2],
    "token_endpoint_auth_method": "none",
}
SETTINGS: dict[str, Any] = {
    "features": ["par"],
    "people": {"ann": PEOPLE["ann"]},
    "client_certificate_header": "Client-Cert",
    "clients": [
        {"client_id": "signing", **COMMON, **SIGNED},
        {"client_id": "pushing", **COMMON, **SIGNED, "require_pushed_authorization_requests": True},
        {"client_id": "tls", **COMMON, **BY_CERTIFICATE},
        {"client_id": "spa", **PUBLIC},
    ],
}
ELSEWHERE = frozenset({"htu with the default port", "htu with an empty port", "htu: a letter that looks alike"})
"""The server's address has a port of its own, and no such letter."""
LATER = frozenset({"iat 11 s ahead", "nbf 11 s ahead", "iat 60 s ago"})
"""Another thing when some seconds have passed."""
_numbers = count()


@pytest.fixture(scope="module")
def op(tmp_path_factory: pytest.TempPathFactory) -> Generator[Provider]:
    """Whoever asks comes through the trusted proxy."""
    with running_provider(tmp_path_factory.mktemp("proofs"), **SETTINGS) as provider:
        yield provider


@pytest.fixture(scope="module")
def direct(tmp_path_factory: pytest.TempPathFactory) -> Generator[Provider]:
    """Whoever asks comes past the trusted proxy, which is elsewhere."""
    elsewhere = {**SETTINGS, "trusted_proxies": ["192.0.2.1/32"]}
    with running_provider(tmp_path_factory.mktemp("direct"), **elsewhere) as provider:
        yield provider


def named(op: Provider, header: Mapping[str, Any] | None = None, client_id: str = "signing") -> dict[str, str]:
    """A client assertion, with exactly that header."""
    now = op.now()
    claims = {"iss": client_id, "sub": client_id, "aud": op.issuer, "iat": now, "exp": now + 60}
    claims["jti"] = f"jti {next(_numbers)}"
    header = {"typ": ASSERTION} if header is None else header
    made = sign_exactly(KEY, compact_json({"alg": "ES256", "kid": KEY.kid, **header}), compact_json(claims))
    op.seen.add(made)
    return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": made}


def metadata(op: Provider) -> dict[str, Any]:
    found: dict[str, Any] = op.ask("GET", "/.well-known/openid-configuration").json()
    return found


def token(op: Provider, form: Mapping[str, str], **headers: str) -> httpx2.Response:
    return op.ask("POST", "/token", data={"grant_type": "client_credentials", **form}, headers=headers)


# --- authentication -------------------------------------------------------------------------------------------


@pytest.mark.spec("9700-2.5-a", "V10-10.4.16", "7523b-4-b")
@pytest.mark.parametrize(
    ("header", "taken"),
    [
        ({"typ": ASSERTION}, True),
        ({"typ": f"application/{ASSERTION}"}, True),
        ({}, True),
        ({"typ": "at+jwt"}, False),
        ({"typ": "dpop+jwt"}, False),
        ({"typ": "logout+jwt"}, False),
        ({"typ": 1}, False),
    ],
    ids=str,
)
def test_a_client_signs_and_says_what_it_signed_or_nothing(
    op: Provider, header: dict[str, Any], taken: bool
) -> None:
    assert "private_key_jwt" in metadata(op)["token_endpoint_auth_methods_supported"]
    answer = token(op, named(op, header))
    if taken:
        assert answer.status_code == 200, answer.text
        assert claims_of(Secret(answer.json()["access_token"]))["client_id"] == "signing"
    else:
        assert error_of(answer) == (401, "invalid_client")


@pytest.mark.spec("9700-4.13-a", "8705-2-a / 3-a", "V10-10.4.16")
def test_a_certificate_counts_when_the_trusted_proxy_says_so_and_never_else(
    op: Provider, direct: Provider
) -> None:
    form = {"client_id": "tls"}
    answer = token(op, form, **CERTIFICATE.headers())
    assert answer.status_code == 200, answer.text
    assert claims_of(Secret(answer.json()["access_token"]))["cnf"] == CERTIFICATE.cnf
    assert error_of(token(op, form, **make_client_certificate(dn="CN=tls2").headers())) == (401, "invalid_client")
    assert error_of(token(op, form)) == (401, "invalid_client")
    for spoofed in (CERTIFICATE.headers(), {**CERTIFICATE.headers(), "X-Forwarded-For": "192.0.2.1"}):
        assert error_of(token(direct, form, **spoofed)) == (401, "invalid_client")


# --- proofs ---------------------------------------------------------------------------------------------------


def case(op: Provider) -> ProofCase:
    """One key, and the token endpoint; the server's clock is this machine's."""
    return ProofCase(key=DpopKey("ES256"), method="POST", url=op.url("/token"))


def is_a_header(proof: str) -> bool:
    """This client sends no control characters, and no spaces at an end."""
    return proof == proof.strip() and all(letter >= " " for letter in proof)


@pytest.mark.spec("9449-4.3-a", "9449-11.1-a")
def test_every_hostile_proof_is_refused(op: Provider) -> None:
    """Those whose fault is the access token's are left out: there is none here."""
    of_a_token = (Finding.DPOP_PROOF_TOKEN, Finding.DPOP_KEY_OTHER)
    hostile = [one for one in hostile_proofs(case(op)) if one.finding not in of_a_token]
    hostile = [one for one in hostile if "ath" not in one.name.split() and one.name not in ELSEWHERE | LATER]
    assert len(hostile) > 100
    with op.http() as client:
        for one in hostile:
            if not is_a_header(one.proof):
                continue
            form = {"grant_type": "client_credentials", **named(op)}
            proof = {b"dpop": one.proof.encode("latin-1")}
            answer = client.post(op.url("/token"), data=form, headers=proof)
            assert answer.status_code == 400, one.name
            assert error_of(answer) == (400, "invalid_dpop_proof"), one.name


@pytest.mark.spec("9449-4.3-a", "9449-5-b", "F2-5.3.2.1-13")
def test_every_harmless_proof_binds_the_token_and_serves_once_for_both_workers(op: Provider) -> None:
    made = case(op)
    for one in harmless_proofs(made):
        if one.name in ELSEWHERE | LATER:
            continue
        answer = token(op, named(op), dpop=one.proof)
        assert answer.status_code == 200, (one.name, answer.text)
        assert answer.json()["token_type"] == "DPoP"
        assert claims_of(Secret(answer.json()["access_token"]))["cnf"]["jkt"]
        for _ in range(4):
            assert error_of(token(op, named(op), dpop=one.proof)) == (400, "invalid_dpop_proof"), one.name


@pytest.mark.spec("9449-5-a", "9449-5-b")
def test_a_public_clients_refresh_token_serves_nobody_without_its_key(op: Provider) -> None:
    key, other, url = DpopKey(), DpopKey(), op.url("/token")
    party = RelyingParty(op.issuer, "spa", redirect_uri=CALLBACK, scope=SCOPE, resource=API, http=op.http())
    code, started = party.code(op.person())
    form = {**party.redemption(code, started), "client_id": "spa"}

    def send(proof: DpopKey | None, **form: Any) -> httpx2.Response:
        headers = {"DPoP": proof.proof("POST", url)} if proof else {}
        return op.ask("POST", "/token", data=form, headers=headers)

    tokens = send(key, **form).json()
    assert tokens["token_type"] == "DPoP"
    assert claims_of(Secret(tokens["access_token"]))["cnf"] == key.cnf
    again = {"grant_type": "refresh_token", "client_id": "spa", "refresh_token": tokens["refresh_token"]}
    assert error_of(send(None, **again))[0] == 400
    assert error_of(send(other, **again))[0] == 400
    renewed = send(key, **again)
    assert renewed.status_code == 200, renewed.text
    assert claims_of(Secret(renewed.json()["access_token"]))["cnf"] == key.cnf
    assert renewed.json()["refresh_token"] != tokens["refresh_token"]


# --- pushed requests ------------------------------------------------------------------------------------------


@pytest.mark.spec("9126-5-a")
def test_a_client_that_has_to_push_gets_nowhere_without(op: Provider) -> None:
    party = RelyingParty(op.issuer, "pushing", redirect_uri=CALLBACK, scope=SCOPE, resource=API, http=op.http())
    with op.http() as client:
        refused = client.get(party.start().url)
        assert sent_back(refused)["error"] == "invalid_request"
        plain = dict(httpx2.QueryParams(party.start().url.partition("?")[2]))
        pushed = client.post(op.url("/par"), data={**plain, **named(op, client_id="pushing")})
        assert pushed.status_code == 201, pushed.text
        query = {"client_id": "pushing", "request_uri": pushed.json()["request_uri"]}
        begun = client.get(op.url("/authorize"), params=query)
        assert begun.status_code == 303
        assert page_of(client.get(begun.headers["location"])) == "login"
