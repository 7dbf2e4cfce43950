"""Logout tokens at a client: every check of OIDC Back-Channel Logout §2.6."""

import json
from typing import Any

import pytest

from proofkey.errors import InvalidRequest
from proofkey.findings import Finding
from proofkey.protocol.jose import generate_signing_key
from proofkey.protocol.key_set import KeySet
from proofkey.protocol.logout_token import LogoutToken, build_logout_token_claims, verify_logout_token
from proofkey.protocol.text import ClientId, Instant, Issuer, Secret, Subject, encode_base64url
from proofkey.testing.logout_tokens import make_logout_token
from proofkey.testing.tokens import compact_json, sign_exactly

NOW = Instant(1_800_000_000)
EVENT = "http://schemas.openid.net/event/backchannel-logout"
KEY = generate_signing_key("ES256", "k1")
FOREIGN = generate_signing_key("ES256", "k1")
KEYS = KeySet.from_document(json.dumps({"keys": [KEY.public_jwk]}).encode())


def verify(token: str, *, algorithms: frozenset[str] = frozenset({"ES256"}), now: int = NOW) -> LogoutToken:
    return verify_logout_token(
        Secret(token),
        KEYS,
        algorithms=algorithms,
        issuer=Issuer("https://op.test"),
        client_id=ClientId("web"),
        now=Instant(now),
    )


def token_of(header: dict[str, Any] | None = None, **claims: Any) -> str:
    return make_logout_token(KEY, now=NOW, sid="s1", header=header, claims=claims)


def test_an_honest_token_names_person_and_session() -> None:
    read = verify(token_of())
    assert (read.iss, read.sub, read.sid, read.jti) == ("https://op.test", "u1", "s1", "logout-1")
    assert read.expires_at == NOW + 130
    assert "logout-1" not in repr(read)


@pytest.mark.spec("BL-2.6-a")
@pytest.mark.parametrize(
    ("header", "claims"),
    [
        ({"typ": None}, {}),
        ({"typ": "LOGOUT+JWT"}, {}),
        ({"typ": "application/logout+jwt"}, {}),
        ({}, {"sub": None}),
        ({}, {"sid": None}),
        ({}, {"aud": ["web"]}),
        ({}, {"events": {EVENT: {}, "urn:other": {}}}),
        ({}, {"exp": NOW + 86_400}),
        ({}, {"iat": NOW - 599, "exp": NOW + 1}),
        ({}, {"iat": NOW + 10}),
        ({}, {"unknown": [1]}),
    ],
    ids=[
        "no typ", "typ in capitals", "media type", "sid alone", "sub alone", "aud in a list", "more events",
        "lives for long", "old but alive", "made a moment ahead", "unknown claim",
    ],
)  # fmt: skip
def test_it_is_accepted(header: dict[str, Any], claims: dict[str, Any]) -> None:
    assert verify(token_of(header, **claims)).iss == "https://op.test"


@pytest.mark.spec("BL-2.6-a", "V10-10.5.5", "threats §2 row 38")
@pytest.mark.parametrize(
    ("header", "claims", "finding"),
    [
        ({"typ": "JWT"}, {}, Finding.LOGOUT_TOKEN_TYPE),
        ({"typ": "at+jwt"}, {}, Finding.LOGOUT_TOKEN_TYPE),
        ({"typ": ["logout+jwt"]}, {}, Finding.LOGOUT_TOKEN_TYPE),
        ({}, {"iss": "https://evil.test"}, Finding.TOKEN_ISSUER),
        ({}, {"iss": "https://op.test/"}, Finding.TOKEN_ISSUER),
        ({}, {"iss": None}, Finding.TOKEN_CLAIM_MISSING),
        ({}, {"aud": "other"}, Finding.LOGOUT_TOKEN_AUDIENCE),
        ({}, {"aud": ["web", "other"]}, Finding.LOGOUT_TOKEN_AUDIENCE),
        ({}, {"aud": []}, Finding.TOKEN_CLAIM_TYPE),
        ({}, {"aud": None}, Finding.TOKEN_CLAIM_MISSING),
        ({}, {"iat": None}, Finding.TOKEN_CLAIM_MISSING),
        ({}, {"iat": "now"}, Finding.TOKEN_CLAIM_TYPE),
        ({}, {"iat": NOW + 11}, Finding.TOKEN_NOT_YET_VALID),
        ({}, {"iat": NOW - 611, "exp": NOW + 86_400}, Finding.LOGOUT_TOKEN_OLD),
        ({}, {"exp": None}, Finding.TOKEN_CLAIM_MISSING),
        ({}, {"exp": NOW - 10}, Finding.TOKEN_EXPIRED),
        ({}, {"exp": True}, Finding.TOKEN_CLAIM_TYPE),
        ({}, {"events": None}, Finding.LOGOUT_TOKEN_EVENT),
        ({}, {"events": {}}, Finding.LOGOUT_TOKEN_EVENT),
        ({}, {"events": {"urn:other": {}}}, Finding.LOGOUT_TOKEN_EVENT),
        ({}, {"events": [EVENT]}, Finding.LOGOUT_TOKEN_EVENT),
        ({}, {"events": EVENT}, Finding.LOGOUT_TOKEN_EVENT),
        ({}, {"events": {EVENT: True}}, Finding.LOGOUT_TOKEN_EVENT),
        ({}, {"nonce": "n"}, Finding.LOGOUT_TOKEN_NONCE),
        ({}, {"nonce": ""}, Finding.LOGOUT_TOKEN_NONCE),
        ({}, {"sub": None, "sid": None}, Finding.LOGOUT_TOKEN_SUBJECT),
        ({}, {"sub": ""}, Finding.TOKEN_CLAIM_TYPE),
        ({}, {"sub": 7}, Finding.TOKEN_CLAIM_TYPE),
        ({}, {"sid": ["s1"]}, Finding.TOKEN_CLAIM_TYPE),
        ({}, {"sid": "s" * 513}, Finding.TOKEN_CLAIM_TYPE),
        ({}, {"jti": None}, Finding.TOKEN_CLAIM_MISSING),
        ({}, {"jti": 1}, Finding.TOKEN_CLAIM_TYPE),
        ({}, {"jti": "j" * 513}, Finding.TOKEN_CLAIM_TYPE),
        ({"alg": "none"}, {}, Finding.TOKEN_ALGORITHM),
        ({"alg": "HS256"}, {}, Finding.TOKEN_ALGORITHM),
        ({"alg": "RS256"}, {}, Finding.TOKEN_ALGORITHM),
        ({"kid": "k2"}, {}, Finding.TOKEN_KEY_UNKNOWN),
        ({"crit": ["exp"]}, {}, Finding.TOKEN_CRIT),
    ],
)
def test_it_is_refused(header: dict[str, Any], claims: dict[str, Any], finding: Finding) -> None:
    with pytest.raises(InvalidRequest) as refused:
        verify(token_of(header, **claims))
    assert refused.value.finding is finding


@pytest.mark.spec("BL-2.6-a")
def test_a_nonce_of_null_is_a_nonce() -> None:
    claims = build_logout_token_claims(
        issuer=Issuer("https://op.test"),
        client_id=ClientId("web"),
        sub=Subject("u1"),
        sid=None,
        now=NOW,
        lifetime=120,
        jti="j",
    )
    header = {"alg": "ES256", "kid": "k1", "typ": "logout+jwt"}
    with pytest.raises(InvalidRequest) as refused:
        verify(sign_exactly(KEY, compact_json(header), compact_json({**claims, "nonce": None})))
    assert refused.value.finding is Finding.LOGOUT_TOKEN_NONCE


@pytest.mark.spec("BL-2.6-a")
def test_the_algorithm_is_one_that_the_client_allows() -> None:
    with pytest.raises(InvalidRequest) as refused:
        verify(token_of(), algorithms=frozenset({"RS256"}))
    assert refused.value.finding is Finding.TOKEN_ALGORITHM


@pytest.mark.spec("BL-2.6-a", "threats §2 row 38")
def test_a_signature_of_somebody_else_a_changed_one_and_none_are_refused() -> None:
    foreign = make_logout_token(FOREIGN, now=NOW)
    head, payload, signature = token_of().split(".")
    other = make_logout_token(KEY, now=NOW, sub="u2").split(".")[1]
    unsigned = f"{encode_base64url(compact_json({'alg': 'none', 'typ': 'logout+jwt'}))}.{payload}."
    for token in (
        foreign,
        f"{head}.{other}.{signature}",
        unsigned,
        f"{head}.{payload}",
        "",
        "a.b.c",
        "x" * 20_000,
    ):
        with pytest.raises(InvalidRequest):
            verify(token)
