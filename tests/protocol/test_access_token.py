"""Access tokens: the corpus of hostile and of harmless tokens, and what a good one says."""

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proofkey.errors import InvalidToken
from proofkey.findings import Finding
from proofkey.protocol.access_token import (
    AccessToken,
    Confirmation,
    build_access_token_claims,
    read_access_token,
    verify_access_token,
)
from proofkey.protocol.jose import SigningAlgorithm
from proofkey.protocol.jws import VerifiedJws
from proofkey.protocol.text import Instant, Subject
from proofkey.testing.hostile_tokens import HarmlessToken, HostileToken, harmless_tokens, hostile_tokens
from proofkey.testing.tokens import NOW, TokenMaker, key_for_tests, key_set_of

ALGORITHMS: tuple[SigningAlgorithm, ...] = ("ES256", "RS256", "PS256", "Ed25519")
MAKERS = {algorithm: TokenMaker(key_for_tests(algorithm)) for algorithm in ALGORITHMS}
CORPUS = [(algorithm, token) for algorithm, make in MAKERS.items() for token in hostile_tokens(make)]
HARMLESS = [(algorithm, token) for algorithm, make in MAKERS.items() for token in harmless_tokens(make)]


def verify(make: TokenMaker, token: str, *, now: int = NOW, audience: frozenset[str] | None = None) -> AccessToken:
    return verify_access_token(
        token,
        key_set_of(make.key),
        issuer=make.issuer,
        audience=frozenset({make.audience}) if audience is None else audience,
        now=Instant(now),
    )


@pytest.mark.spec(
    "9068-4-a", "8725b-3.14-a", "8725b-3.9-a", "8725b-3.8-a", "V9-9.2.1", "7515-4.1.11", "9449-7.2-a"
)
@pytest.mark.parametrize(
    ("algorithm", "hostile"), CORPUS, ids=[f"{algorithm} {token.name!a}" for algorithm, token in CORPUS]
)
def test_hostile_token_is_refused_for_the_right_reason(algorithm: SigningAlgorithm, hostile: HostileToken) -> None:
    with pytest.raises(InvalidToken) as refusal:
        verify(MAKERS[algorithm], hostile.token)
    assert refusal.value.finding is hostile.finding
    assert refusal.value.description == "The access token is not valid."


@pytest.mark.spec("9068-4-a", "F2-5.3.2.1-13-rs", "8725b-3.2-b")
@pytest.mark.parametrize(
    ("algorithm", "harmless"), HARMLESS, ids=[f"{algorithm} {token.name}" for algorithm, token in HARMLESS]
)
def test_harmless_token_is_accepted(algorithm: SigningAlgorithm, harmless: HarmlessToken) -> None:
    assert verify(MAKERS[algorithm], harmless.token).iss == MAKERS[algorithm].issuer


MAKE = MAKERS["ES256"]


def test_what_an_access_token_says() -> None:
    token = verify(MAKE, MAKE.access_token(roles=["admin"], auth_time=NOW - 5, tenant="t1", exp=NOW + 60.9))
    assert (token.iss, token.sub, token.aud, token.client_id) == (MAKE.issuer, "u1", (MAKE.audience,), "app")
    assert (token.exp, token.iat, token.jti, token.auth_time) == (NOW + 60, NOW, "jti-1", NOW - 5)
    assert token.scope == ("openid", "orders:read")
    assert token.roles == ("admin",)
    assert token.claims["tenant"] == "t1"
    assert token.has_scope("orders:read")
    assert not token.has_scope("orders")
    assert not token.has_scope("openid orders:read")
    assert token.has_role("admin")
    assert not token.is_client_only
    with pytest.raises(dataclasses.FrozenInstanceError):
        token.sub = "u2"  # type: ignore[misc,assignment]


@pytest.mark.spec("9068-2.2", "V10-10.3.3")
def test_a_clients_own_token_is_told_apart() -> None:
    assert verify(MAKE, MAKE.access_token(sub="app")).is_client_only


@pytest.mark.spec("8725b-3.9-a")
def test_an_empty_expectation_refuses() -> None:
    with pytest.raises(InvalidToken):
        verify(MAKE, MAKE.access_token(), audience=frozenset())
    with pytest.raises(InvalidToken):
        read_access_token(
            VerifiedJws({"typ": "at+jwt"}, json.dumps(MAKE.claims(iss="")).encode()),
            issuer="",
            audience=frozenset({MAKE.audience}),
            now=NOW,
        )


@pytest.mark.spec("F2-5.3.2.1-13-rs", "V9-9.2.1")
@pytest.mark.parametrize(
    ("seconds", "finding"),
    [(-11, Finding.TOKEN_NOT_YET_VALID), (-10, None), (0, None), (909, None), (910, Finding.TOKEN_EXPIRED)],
)
def test_a_token_lives_from_iat_to_exp_with_ten_seconds_of_leeway(seconds: int, finding: Finding | None) -> None:
    token = MAKE.access_token()
    if finding is None:
        assert verify(MAKE, token, now=NOW + seconds).exp == NOW + 900
        return
    with pytest.raises(InvalidToken) as refusal:
        verify(MAKE, token, now=NOW + seconds)
    assert refusal.value.finding is finding
    assert refusal.value.facts["now"] == str(NOW + seconds)


@pytest.mark.spec("8725b-3.8-a")
def test_a_token_of_another_issuer_with_the_same_kid_is_refused() -> None:
    other = TokenMaker(key_for_tests("ES256", "other"), "https://other.test", MAKE.audience)
    for token in (
        other.access_token(),
        other.access_token(iss=MAKE.issuer),
        other.access_token({"kid": MAKE.key.kid}),
    ):
        with pytest.raises(InvalidToken):
            verify(MAKE, token)


@pytest.mark.spec("9700-4.9.3-a")
def test_a_refusal_never_shows_the_token() -> None:
    for _, hostile in CORPUS:
        with pytest.raises(InvalidToken) as refusal:
            verify(MAKE, hostile.token)
        shown = f"{refusal.value} {refusal.value.facts} {refusal.value.description}"
        for part in hostile.token.split("."):
            assert len(part) < 24 or part not in shown


@pytest.mark.spec("9068-2.1-a")
def test_built_claims_are_read_back() -> None:
    claims = build_access_token_claims(
        issuer=MAKE.issuer,
        sub="u1",
        client_id="app",
        audience=("https://other.test", MAKE.audience),
        scope=("b", "a", "b"),
        now=NOW,
        lifetime=900,
        jti="j",
        roles=("admin",),
        auth_time=Instant(NOW - 1),
        extra={"sub": "forged", "tenant": "t"},
    )
    token = verify(MAKE, MAKE.key.sign("at+jwt", claims))
    assert (token.sub, token.scope, token.roles, token.auth_time) == ("u1", ("b", "a"), ("admin",), NOW - 1)
    assert token.claims["tenant"] == "t"


@pytest.mark.spec("9068-3-a")
def test_no_token_is_built_without_an_audience() -> None:
    with pytest.raises(ValueError, match="audience"):
        build_access_token_claims(
            issuer="i", sub="s", client_id="c", audience=(), scope=(), now=NOW, lifetime=1, jti="j"
        )


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=300)
@given(st.dictionaries(st.sampled_from([*MAKE.claims(), "nbf", "auth_time", "roles", "cnf", "x"]), json_values))
def test_any_claims_are_read_or_refused(changes: dict[str, Any]) -> None:
    claims = MAKE.claims() | changes
    jws = VerifiedJws({"typ": "at+jwt"}, json.dumps(claims).encode())
    try:
        token = read_access_token(jws, issuer=MAKE.issuer, audience=frozenset({MAKE.audience}), now=NOW)
    except InvalidToken:
        return
    assert MAKE.audience in token.aud
    assert "cnf" not in claims
    assert all(type(text) is str and len(text) for text in (token.sub, token.client_id, token.jti))
    assert NOW - 10 < token.exp < 2**53
    assert 0 <= token.iat <= NOW + 10
    assert {type(text) for text in (*token.scope, *token.roles)} <= {str}


@given(st.binary(max_size=60), json_values)
def test_any_payload_and_typ_is_read_or_refused(payload: bytes, typ: Any) -> None:
    for jws in (
        VerifiedJws({"typ": "at+jwt"}, payload),
        VerifiedJws({"typ": typ}, json.dumps(MAKE.claims()).encode()),
    ):
        if isinstance(typ, str) and "at+jwt" in typ.lower():
            continue
        with pytest.raises(InvalidToken):
            read_access_token(jws, issuer=MAKE.issuer, audience=frozenset({MAKE.audience}), now=NOW)


THUMBPRINT = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"


def verify_bound(token: str) -> AccessToken:
    return verify_access_token(
        token,
        key_set_of(MAKE.key),
        issuer=MAKE.issuer,
        audience=frozenset({MAKE.audience}),
        now=NOW,
        bound=True,
    )


@pytest.mark.spec("9449-6.1", "8705-3.1")
@pytest.mark.parametrize(
    ("cnf", "expected"),
    [
        ({"jkt": THUMBPRINT}, Confirmation(jkt=THUMBPRINT)),
        ({"x5t#S256": THUMBPRINT}, Confirmation(x5t_s256=THUMBPRINT)),
        ({"jkt": THUMBPRINT, "x5t#S256": THUMBPRINT}, Confirmation(THUMBPRINT, THUMBPRINT)),
        ({"jkt": THUMBPRINT, "kc-jkt-type": "DPoP"}, Confirmation(jkt=THUMBPRINT)),
    ],
    ids=["DPoP", "certificate", "both", "with Keycloak's note"],
)
def test_a_bound_token_says_to_what_where_the_caller_demands_the_proof(
    cnf: dict[str, str], expected: Confirmation
) -> None:
    assert verify_bound(MAKE.access_token(cnf=cnf)).cnf == expected
    with pytest.raises(InvalidToken) as refusal:
        verify(MAKE, MAKE.access_token(cnf=cnf))
    assert refusal.value.finding is Finding.TOKEN_BOUND


UNKNOWN, OF_TYPE = Finding.TOKEN_BINDING_UNKNOWN, Finding.TOKEN_CLAIM_TYPE
BAD_CONFIRMATIONS: dict[str, tuple[object, Finding]] = {
    "empty": ({}, UNKNOWN),
    "a key": ({"jwk": {"kty": "EC"}}, UNKNOWN),
    "a kid": ({"kid": "k"}, UNKNOWN),
    "Keycloak's note alone": ({"kc-jkt-type": "DPoP"}, UNKNOWN),
    "jkt and something else": ({"jkt": THUMBPRINT, "kid": "k"}, UNKNOWN),
    "in capitals": ({"JKT": THUMBPRINT}, UNKNOWN),
    "null": (None, Finding.TOKEN_CLAIM_MISSING),
    "a string": (THUMBPRINT, OF_TYPE),
    "a list": ([{"jkt": THUMBPRINT}], OF_TYPE),
    "true": (True, OF_TYPE),
    "jkt a number": ({"jkt": 7}, OF_TYPE),
    "jkt a list": ({"jkt": [THUMBPRINT]}, OF_TYPE),
    "jkt null": ({"jkt": None}, OF_TYPE),
    "jkt empty": ({"jkt": ""}, OF_TYPE),
    "jkt short": ({"jkt": THUMBPRINT[:-1]}, OF_TYPE),
    "jkt long": ({"jkt": THUMBPRINT + "A"}, OF_TYPE),
    "jkt padded": ({"jkt": THUMBPRINT + "="}, OF_TYPE),
    "jkt with a line feed": ({"jkt": THUMBPRINT + "\n"}, OF_TYPE),
    "one good, one bad": ({"jkt": THUMBPRINT, "x5t#S256": 7}, OF_TYPE),
}


@pytest.mark.spec("9449-7.2-a")
@pytest.mark.parametrize(("cnf", "finding"), BAD_CONFIRMATIONS.values(), ids=BAD_CONFIRMATIONS.keys())
def test_a_binding_that_nobody_could_prove_is_refused(cnf: object, finding: Finding) -> None:
    with pytest.raises(InvalidToken) as refusal:
        verify_bound(MAKE.sign(MAKE.claims() | {"cnf": cnf}))
    assert refusal.value.finding is finding


@pytest.mark.spec("V10-10.3.4")
def test_how_somebody_signed_in() -> None:
    token = verify(MAKE, MAKE.access_token(acr="urn:example:loa:2", amr=["pwd", "otp"]))
    assert (token.acr, token.amr) == ("urn:example:loa:2", ("pwd", "otp"))
    plain = verify(MAKE, MAKE.access_token())
    assert (plain.acr, plain.amr, plain.permissions, plain.cnf) == (None, (), (), None)
    assert plain.user_key == (MAKE.issuer, "u1")


@pytest.mark.parametrize(
    "claims",
    [{"acr": 1}, {"acr": ["x"]}, {"acr": True}, {"amr": "pwd"}, {"amr": ["pwd", 1]}, {"amr": {}}],
    ids=str,
)
def test_how_somebody_signed_in_has_a_type(claims: dict[str, Any]) -> None:
    with pytest.raises(InvalidToken) as refusal:
        verify(MAKE, MAKE.access_token(**claims))
    assert refusal.value.finding is Finding.TOKEN_CLAIM_TYPE


def test_a_token_that_was_read_is_like_one_that_was_made() -> None:
    """It is filled before it is frozen, which needs the same slots on both sides."""
    read = verify(MAKE, MAKE.access_token(roles=["admin"], acr="1"))
    values = {field.name: getattr(read, field.name) for field in dataclasses.fields(AccessToken)}
    made: AccessToken = AccessToken(**values)
    assert type(read) is AccessToken
    assert read == made
    assert repr(read) == repr(made)
    assert dataclasses.replace(read, sub=Subject("u2")).sub == "u2"
    with pytest.raises(dataclasses.FrozenInstanceError):
        del read.sub


@pytest.mark.spec("8725b-3.8-a")
def test_a_closed_list_of_issuers_is_compared_exactly() -> None:
    def read(iss: object, issuer: frozenset[str]) -> AccessToken:
        payload = json.dumps(MAKE.claims() | {"iss": iss}).encode()
        jws = VerifiedJws({"typ": "at+jwt"}, payload)
        return read_access_token(jws, issuer=issuer, audience=frozenset({MAKE.audience}), now=NOW)

    both = frozenset({"https://a.test", "https://b.test"})
    assert read("https://b.test", both).iss == "https://b.test"
    for iss in ("https://c.test", "https://a.test/", "", ["https://a.test"], "https://a.test https://b.test"):
        with pytest.raises(InvalidToken):
            read(iss, both)
    with pytest.raises(InvalidToken):
        read("https://a.test", frozenset())
