"""ID tokens by OIDC Core §3.1.3.7."""

import base64
import hashlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proofkey.errors import LoginFailed
from proofkey.findings import Finding
from proofkey.protocol.id_token import IdToken, at_hash, build_id_token_claims, read_id_token, verify_id_token
from proofkey.protocol.jws import VerifiedJws, verify_compact
from proofkey.protocol.text import Instant, Secret
from proofkey.testing.hostile_tokens import hostile_tokens
from proofkey.testing.tokens import NOW, TokenMaker, key_for_tests, key_set_of

MAKE = TokenMaker()
ACCESS = "2YotnFZFEjr1zCsicMWpAA"


def verify(token: str, **changes: Any) -> IdToken:
    expected: dict[str, Any] = {
        "algorithms": frozenset({"ES256"}),
        "issuer": MAKE.issuer,
        "client_id": "app",
        "nonce": Secret("nonce-1"),
        "access_token": Secret(ACCESS),
        "max_age": None,
        "now": NOW,
    }
    return verify_id_token(token, key_set_of(MAKE.key), **(expected | changes))


def test_what_an_id_token_says() -> None:
    token = verify(
        MAKE.id_token(sid="s1", acr="2", amr=["pwd"], azp="app", name="Ann", at_hash=at_hash(ACCESS, "ES256"))
    )
    assert (token.iss, token.sub, token.aud, token.azp) == (MAKE.issuer, "u1", ("app",), "app")
    assert (token.exp, token.iat, token.auth_time) == (NOW + 300, NOW, NOW - 5)
    assert (token.nonce, token.sid, token.acr, token.amr) == ("nonce-1", "s1", "2", ("pwd",))
    assert token.claims["name"] == "Ann"


ACCEPTED: dict[str, tuple[str, dict[str, Any]]] = {
    "no typ": (MAKE.id_token({"typ": None}), {}),
    "typ in lower case": (MAKE.id_token({"typ": "jwt"}), {}),
    "aud a list of one": (MAKE.id_token(aud=["app"]), {}),
    "no nonce asked": (MAKE.id_token(), {"nonce": None}),
    "no nonce asked or sent": (MAKE.id_token(nonce=None), {"nonce": None}),
    "at_hash but no access token": (MAKE.id_token(at_hash="other"), {"access_token": None}),
    "max_age kept": (MAKE.id_token(), {"max_age": 5}),
    "max_age kept within the leeway": (MAKE.id_token(auth_time=NOW - 15), {"max_age": 5}),
    "max_age not asked, no auth_time": (MAKE.id_token(auth_time=None), {}),
    "iat ahead within the leeway": (MAKE.id_token(iat=NOW + 10), {}),
    "exp passed within the leeway": (MAKE.id_token(exp=NOW - 9), {}),
    "sub of 255 characters": (MAKE.id_token(sub="s" * 255), {}),
    "sid of 512 characters": (MAKE.id_token(sid="s" * 512), {}),
}


@pytest.mark.spec("OC-3.1.3.7-a")
@pytest.mark.parametrize(("token", "changes"), ACCEPTED.values(), ids=ACCEPTED.keys())
def test_unusual_id_token_is_accepted(token: str, changes: dict[str, Any]) -> None:
    assert verify(token, **changes).iss == MAKE.issuer


REFUSED: dict[str, tuple[str, dict[str, Any], Finding]] = {
    "iss other": (MAKE.id_token(iss="https://evil.test"), {}, Finding.TOKEN_ISSUER),
    "sid of 513 characters": (MAKE.id_token(sid="s" * 513), {}, Finding.TOKEN_CLAIM_TYPE),
    "iss with a slash": (MAKE.id_token(iss=MAKE.issuer + "/"), {}, Finding.TOKEN_ISSUER),
    "iss missing": (MAKE.id_token(iss=None), {}, Finding.TOKEN_CLAIM_MISSING),
    "iss a list": (MAKE.id_token(iss=[MAKE.issuer]), {}, Finding.TOKEN_CLAIM_TYPE),
    "aud other": (MAKE.id_token(aud="other"), {}, Finding.TOKEN_AUDIENCE),
    "aud missing": (MAKE.id_token(aud=None), {}, Finding.TOKEN_CLAIM_MISSING),
    "aud with an untrusted extra": (MAKE.id_token(aud=["app", "other"], azp="app"), {}, Finding.TOKEN_AUDIENCE),
    "aud empty": (MAKE.id_token(aud=[]), {}, Finding.TOKEN_CLAIM_TYPE),
    "azp other": (MAKE.id_token(azp="other"), {}, Finding.ID_TOKEN_AZP),
    "azp a number": (MAKE.id_token(azp=1), {}, Finding.TOKEN_CLAIM_TYPE),
    "exp missing": (MAKE.id_token(exp=None), {}, Finding.TOKEN_CLAIM_MISSING),
    "exp past": (MAKE.id_token(exp=NOW - 10), {}, Finding.TOKEN_EXPIRED),
    "exp a string": (MAKE.id_token(exp=str(NOW + 60)), {}, Finding.TOKEN_CLAIM_TYPE),
    "iat missing": (MAKE.id_token(iat=None), {}, Finding.TOKEN_CLAIM_MISSING),
    "iat ahead": (MAKE.id_token(iat=NOW + 11), {}, Finding.TOKEN_NOT_YET_VALID),
    "sub missing": (MAKE.id_token(sub=None), {}, Finding.TOKEN_CLAIM_MISSING),
    "sub empty": (MAKE.id_token(sub=""), {}, Finding.TOKEN_CLAIM_TYPE),
    "sub of 256 characters": (MAKE.id_token(sub="s" * 256), {}, Finding.TOKEN_CLAIM_TYPE),
    "nonce other": (MAKE.id_token(nonce="other"), {}, Finding.ID_TOKEN_NONCE),
    "nonce missing": (MAKE.id_token(nonce=None), {}, Finding.ID_TOKEN_NONCE),
    "nonce in a list": (MAKE.id_token(nonce=["nonce-1"]), {}, Finding.ID_TOKEN_NONCE),
    "nonce beyond ASCII": (MAKE.id_token(nonce="é"), {}, Finding.ID_TOKEN_NONCE),
    "at_hash other": (MAKE.id_token(at_hash=at_hash("other", "ES256")), {}, Finding.ID_TOKEN_AT_HASH),
    "at_hash whole": (
        MAKE.id_token(at_hash=hashlib.sha256(ACCESS.encode()).hexdigest()),
        {},
        Finding.ID_TOKEN_AT_HASH,
    ),
    "at_hash null": (
        MAKE.sign(
            json.loads(base64.urlsafe_b64decode(MAKE.id_token().split(".")[1] + "==")) | {"at_hash": None},
            typ="JWT",
        ),
        {},
        Finding.ID_TOKEN_AT_HASH,
    ),
    "at_hash a number": (MAKE.id_token(at_hash=1), {}, Finding.ID_TOKEN_AT_HASH),
    "max_age passed": (MAKE.id_token(auth_time=NOW - 16), {"max_age": 5}, Finding.ID_TOKEN_AUTH_TIME),
    "max_age of zero": (MAKE.id_token(auth_time=NOW - 11), {"max_age": 0}, Finding.ID_TOKEN_AUTH_TIME),
    "max_age, no auth_time": (MAKE.id_token(auth_time=None), {"max_age": 5}, Finding.TOKEN_CLAIM_MISSING),
    "auth_time a string": (MAKE.id_token(auth_time="1"), {}, Finding.TOKEN_CLAIM_TYPE),
    "amr a string": (MAKE.id_token(amr="pwd"), {}, Finding.TOKEN_CLAIM_TYPE),
    "sid a number": (MAKE.id_token(sid=1), {}, Finding.TOKEN_CLAIM_TYPE),
    "an access token": (MAKE.access_token(aud="app", nonce="nonce-1"), {}, Finding.ID_TOKEN_TYPE),
    "a logout token": (MAKE.id_token({"typ": "logout+jwt"}), {}, Finding.ID_TOKEN_TYPE),
    "typ a list": (MAKE.id_token({"typ": ["JWT"]}), {}, Finding.ID_TOKEN_TYPE),
    "alg not registered": (MAKE.id_token(), {"algorithms": frozenset({"RS256"})}, Finding.TOKEN_ALGORITHM),
    "alg none": (MAKE.id_token({"alg": "none"}), {}, Finding.TOKEN_ALGORITHM),
    "a stranger's signature": (
        TokenMaker(key_for_tests("ES256", "other")).id_token({"kid": "key-1"}),
        {},
        Finding.TOKEN_SIGNATURE,
    ),
    "payload that is no JSON": (MAKE.sign(b"x", typ="JWT"), {}, Finding.TOKEN_JSON),
    "payload with a member twice": (MAKE.sign(b'{"iss":"a","iss":"b"}', typ="JWT"), {}, Finding.TOKEN_JSON),
    "client_id empty": (MAKE.id_token(), {"client_id": ""}, Finding.TOKEN_AUDIENCE),
}


@pytest.mark.spec("OC-3.1.3.7-a", "OC-3.1.3.7-b", "OC-3.1.3.8-a", "9700-4.5.3.2-a")
@pytest.mark.parametrize(("token", "changes", "finding"), REFUSED.values(), ids=REFUSED.keys())
def test_id_token_is_refused(token: str, changes: dict[str, Any], finding: Finding) -> None:
    with pytest.raises(LoginFailed) as refusal:
        verify(token, **changes)
    assert refusal.value.finding is finding


@pytest.mark.spec("OC-3.1.3.7-a")
def test_a_trusted_extra_audience_needs_azp() -> None:
    expected: dict[str, Any] = {
        "issuer": MAKE.issuer,
        "client_id": "app",
        "nonce": None,
        "access_token": None,
        "max_age": None,
        "now": NOW,
        "trusted_audiences": frozenset({"project"}),
    }
    claims = {"iss": MAKE.issuer, "sub": "u1", "aud": ["app", "project"], "iat": NOW, "exp": NOW + 60}
    with_azp = VerifiedJws({"alg": "ES256"}, json.dumps(claims | {"azp": "app"}).encode())
    without = VerifiedJws({"alg": "ES256"}, json.dumps(claims).encode())
    assert read_id_token(with_azp, **expected).aud == ("app", "project")
    with pytest.raises(LoginFailed) as refusal:
        read_id_token(without, **expected)
    assert refusal.value.finding is Finding.ID_TOKEN_AZP


@pytest.mark.spec("OC-3.1.3.6-a", "OC-3.1.3.8-a")
@pytest.mark.parametrize(
    ("algorithm", "digest"),
    [
        ("RS256", "sha256"),
        ("PS256", "sha256"),
        ("ES256", "sha256"),
        ("ES384", "sha384"),
        ("RS384", "sha384"),
        ("ES512", "sha512"),
        ("PS512", "sha512"),
        ("Ed25519", "sha512"),
        ("EdDSA", "sha512"),
    ],
)
def test_at_hash_by_algorithm(algorithm: str, digest: str) -> None:
    half = hashlib.new(digest, ACCESS.encode()).digest()
    half = half[: len(half) // 2]
    assert at_hash(ACCESS, algorithm) == base64.urlsafe_b64encode(half).rstrip(b"=").decode()


def test_at_hash_of_the_standard() -> None:
    token = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"
    assert at_hash(token, "RS256") == "77QmUPtjPfzWtF2AnpK9RQ"


@pytest.mark.spec("OC-3.1.3.8-a")
@pytest.mark.parametrize("alg", ["none", "HS256", "ES256K", "Ed448", "", None, 7])
def test_at_hash_of_an_unknown_algorithm_fails_closed(alg: Any) -> None:
    claims = {"iss": MAKE.issuer, "sub": "u1", "aud": "app", "iat": NOW, "exp": NOW + 60, "at_hash": "x"}
    with pytest.raises(LoginFailed) as refusal:
        read_id_token(
            VerifiedJws({"alg": alg}, json.dumps(claims).encode()),
            issuer=MAKE.issuer,
            client_id="app",
            nonce=None,
            access_token=ACCESS,
            max_age=None,
            now=NOW,
        )
    assert refusal.value.finding is Finding.ID_TOKEN_AT_HASH


@pytest.mark.spec("OC-2-a")
def test_built_claims_are_read_back() -> None:
    claims = build_id_token_claims(
        issuer=MAKE.issuer,
        sub="u1",
        client_id="app",
        now=NOW,
        lifetime=300,
        algorithm="ES256",
        nonce="nonce-1",
        auth_time=Instant(NOW - 5),
        access_token=ACCESS,
        sid="s1",
        amr=("pwd",),
        extra={"email": "ann@op.test", "nonce": "forged", "sub": "forged"},
    )
    token = verify(MAKE.key.sign("JWT", claims), max_age=60)
    assert (token.sub, token.nonce, token.sid, token.amr) == ("u1", "nonce-1", "s1", ("pwd",))
    assert token.claims["email"] == "ann@op.test"
    assert token.claims["at_hash"] == at_hash(ACCESS, "ES256")
    assert "acr" not in token.claims


def test_no_hostile_token_is_an_id_token() -> None:
    for hostile in hostile_tokens(MAKE):
        if hostile.name.startswith("ID token"):
            continue
        with pytest.raises(LoginFailed):
            verify(hostile.token)


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
CLAIMS = ["iss", "sub", "aud", "azp", "exp", "iat", "nbf", "nonce", "at_hash", "auth_time", "acr", "amr", "sid"]


@settings(max_examples=300)
@given(st.dictionaries(st.sampled_from(CLAIMS), json_values), json_values)
def test_any_claims_are_read_or_refused(changes: dict[str, Any], typ: Any) -> None:
    claims = {"iss": MAKE.issuer, "sub": "u1", "aud": "app", "iat": NOW, "exp": NOW + 60, "nonce": "n"} | changes
    try:
        token = read_id_token(
            VerifiedJws({"alg": "ES256", "typ": typ}, json.dumps(claims).encode()),
            issuer=MAKE.issuer,
            client_id="app",
            nonce="n",
            access_token=ACCESS,
            max_age=None,
            now=NOW,
        )
    except LoginFailed:
        return
    assert (token.iss, token.aud, token.nonce) == (MAKE.issuer, ("app",), "n")


@pytest.mark.parametrize(
    ("named", "refused"),
    [
        (MAKE.issuer, False),
        ("https://op.test/{tenantid}/v2.0", False),
        ("https://op.test/another", True),
    ],
    ids=["its issuer", "a template", "another tenant"],
)
def test_a_key_that_its_set_names_for_one_tenant_signs_nobody_of_another_in(named: str, refused: bool) -> None:
    """Both tenants are trusted, and one document has the keys of both."""
    proven = verify_compact(MAKE.id_token(), key_set_of(MAKE.key), frozenset({"ES256"}))
    trusted = frozenset({MAKE.issuer, "https://op.test/another"})

    def read() -> IdToken:
        return read_id_token(
            proven._replace(key_issuer=named),
            issuer=trusted,
            client_id="app",
            nonce="nonce-1",
            access_token=None,
            max_age=None,
            now=NOW,
        )

    if not refused:
        assert read().iss == MAKE.issuer
        return
    with pytest.raises(LoginFailed) as error:
        read()
    assert error.value.finding is Finding.TOKEN_TENANT
