"""How our own clients prove themselves: the four methods, and the assertion."""

import base64
import json
from typing import Any

import pytest

from proofkey.errors import ConfigurationError
from proofkey.findings import Finding
from proofkey.protocol.client_assertion import (
    OutgoingClient,
    authenticate,
    build_client_assertion,
    check_outgoing_client,
    choose_method,
)
from proofkey.protocol.client_authentication import ASSERTION_TYPE
from proofkey.protocol.exchange import Ask
from proofkey.protocol.jose import SIGNING_ALGORITHMS, SigningAlgorithm
from proofkey.protocol.jws import verify_compact
from proofkey.protocol.text import ClientId, Instant, Issuer, Secret
from proofkey.protocol.token_kind import TokenKind, classify
from proofkey.testing.tokens import key_for_tests, key_set_of

ISSUER = Issuer("https://op.test")
TOKEN_URL = "https://op.test/token"
NOW = Instant(1_800_000_000)
SECRET = Secret("q7Zr0bX1mGd2Vt8Ky3Lw5Hs9Nc4Jf6PaEuRiTyWo0")
KEY = key_for_tests("ES256", "client-key")


def client(**changes: Any) -> OutgoingClient:
    return OutgoingClient(client_id=ClientId("api"), **changes)


def sent(who: OutgoingClient, offered: tuple[str, ...] = ()) -> Ask:
    ask = Ask("POST", TOKEN_URL, {"accept": "application/json"}, (("grant_type", "x"),), 99)
    return authenticate(ask, who, offered=offered, issuer=ISSUER, now=NOW, fresh_id=lambda: "fresh-1")


def assertion_of(ask: Ask) -> tuple[dict[str, Any], dict[str, Any]]:
    form = dict(ask.form or ())
    assert form["client_assertion_type"] == ASSERTION_TYPE
    jws = verify_compact(form["client_assertion"], key_set_of(KEY), frozenset({"ES256"}))
    return dict(jws.header), json.loads(jws.payload)


@pytest.mark.spec("7523b-cli", "7523b-4-a", "7523b-4-b")
def test_an_assertion_is_for_the_issuer_for_a_minute_and_for_once() -> None:
    header, claims = assertion_of(sent(client(key=KEY)))
    assert header == {"alg": "ES256", "kid": "client-key", "typ": "client-authentication+jwt"}
    assert claims == {
        "iss": "api",
        "sub": "api",
        "aud": ISSUER,
        "jti": "fresh-1",
        "iat": NOW,
        "exp": NOW + 60,
    }


@pytest.mark.spec("7523b-4-a")
def test_another_audience_is_the_operators_own_words() -> None:
    _, claims = assertion_of(sent(client(key=KEY, assertion_audience=TOKEN_URL)))
    assert claims["aud"] == TOKEN_URL


@pytest.mark.parametrize("lifetime", [0, 61, -1])
def test_no_assertion_lives_longer_than_a_minute(lifetime: int) -> None:
    with pytest.raises(ValueError, match="1 to 60 seconds"):
        build_client_assertion(
            KEY, client_id=ClientId("api"), audience=ISSUER, now=NOW, jti="j", lifetime=lifetime
        )


@pytest.mark.parametrize("algorithm", SIGNING_ALGORITHMS)
def test_every_kind_of_key_signs_assertions(algorithm: SigningAlgorithm) -> None:
    key = key_for_tests(algorithm, "k")
    who = client(key=key)
    token = dict(sent(who).form or ())["client_assertion"]
    assert verify_compact(token, key_set_of(key), frozenset({algorithm})).header["alg"] == algorithm
    assert who.signs_slowly == (algorithm in ("RS256", "PS256"))


def test_an_assertion_is_told_from_an_access_token() -> None:
    assert classify(dict(sent(client(key=KEY)).form or ())["client_assertion"]) is TokenKind.CLIENT_ASSERTION


@pytest.mark.spec("6749-2.3.1")
def test_basic_puts_nothing_into_the_form() -> None:
    ask = sent(client(secret=SECRET))
    assert ask.form == (("grant_type", "x"),)
    assert base64.b64decode(ask.headers["authorization"].removeprefix("Basic ")).decode() == (
        f"api:{SECRET.reveal()}"
    )


def test_post_puts_both_into_the_form_and_none_only_the_name() -> None:
    posted = sent(client(secret=SECRET, method="client_secret_post"))
    named = sent(client())
    assert dict(posted.form or ()) == {"grant_type": "x", "client_id": "api", "client_secret": SECRET.reveal()}
    assert dict(named.form or ()) == {"grant_type": "x", "client_id": "api"}
    assert "authorization" not in {**posted.headers, **named.headers}


def test_the_rest_of_the_request_stays() -> None:
    for who in (client(), client(secret=SECRET), client(key=KEY)):
        ask = sent(who)
        assert (ask.method, ask.url, ask.headers["accept"], ask.max_bytes) == (
            "POST",
            TOKEN_URL,
            "application/json",
            99,
        )


@pytest.mark.spec("9700-4.9.3-a")
def test_neither_secret_nor_key_nor_assertion_shows_itself() -> None:
    who = client(secret=SECRET)
    assert SECRET.reveal() not in repr(who) + repr(sent(who))
    signed = sent(client(key=KEY))
    assert dict(signed.form or ())["client_assertion"] not in repr(signed)
    assert KEY.private_jwk["d"] not in repr(client(key=KEY))


BOTH = ("client_secret_basic", "client_secret_post")


@pytest.mark.parametrize(
    ("who", "offered", "method"),
    [
        pytest.param(client(secret=SECRET), BOTH, "client_secret_basic", id="both"),
        pytest.param(client(secret=SECRET), ("client_secret_post",), "client_secret_post", id="post alone"),
        pytest.param(client(secret=SECRET), ("private_key_jwt",), "client_secret_basic", id="neither"),
        pytest.param(client(secret=SECRET), (), "client_secret_basic", id="nothing known"),
        pytest.param(client(key=KEY), BOTH, "private_key_jwt", id="a key"),
        pytest.param(client(), BOTH, "none", id="public"),
        pytest.param(client(secret=SECRET, method="client_secret_post"), BOTH, "client_secret_post", id="as said"),
    ],
)
def test_the_method_follows_the_credential_and_the_metadata(
    who: OutgoingClient, offered: tuple[str, ...], method: str
) -> None:
    assert choose_method(who, offered) == method


@pytest.mark.spec("6749-2.3-a")
@pytest.mark.parametrize(
    ("who", "finding"),
    [
        pytest.param(OutgoingClient(client_id=ClientId(" ")), Finding.CONFIG_MISSING, id="no name"),
        pytest.param(client(secret=SECRET, key=KEY), Finding.CONFIG_VALUE, id="two credentials"),
        pytest.param(client(method="private_key_jwt"), Finding.CONFIG_MISSING, id="assertion without a key"),
        pytest.param(client(method="client_secret_post"), Finding.CONFIG_MISSING, id="post without a secret"),
        pytest.param(client(secret=SECRET, assertion_audience="x"), Finding.CONFIG_MISSING, id="audience, no key"),
        pytest.param(client(secret=SECRET, method="client_secret_jwt"), Finding.CONFIG_VALUE, id="unknown method"),
    ],
)
def test_a_client_that_could_never_work_is_refused_at_the_start(who: OutgoingClient, finding: Finding) -> None:
    with pytest.raises(ConfigurationError) as refused:
        check_outgoing_client(who)
    assert refused.value.finding is finding


@pytest.mark.parametrize(
    "who", [client(), client(secret=SECRET), client(key=KEY), client(key=KEY, method="private_key_jwt")]
)
def test_a_client_that_can_work_is_taken(who: OutgoingClient) -> None:
    check_outgoing_client(who)
