"""Clients whose keys are at their jwks_uri: fetched when they are needed, and as seldom as that."""

import json
from dataclasses import replace
from typing import Any

import pytest

from proofkey.authorization_server.answers import Json
from proofkey.authorization_server.registration import check_registration
from proofkey.errors import ConfigurationError, InvalidClient, InvalidRequestObject, Unavailable
from proofkey.findings import Finding
from proofkey.protocol.client_assertion import build_client_assertion
from proofkey.protocol.client_authentication import ASSERTION_TYPE
from proofkey.protocol.text import ClientId, Pairs
from proofkey.testing.clock import TurnedClock
from proofkey.testing.published import PublishedDocuments
from proofkey.testing.tokens import key_for_tests
from tests.authorization_server.driver import ISSUER, PEER, POLICY, Desk, client, open_desk, request

URI = "https://rp.test/jwks"
KEY, NEXT = key_for_tests("ES256", "one"), key_for_tests("ES256", "two")
REMOTE: dict[str, Any] = {
    "secret_digest": None,
    "token_endpoint_auth_method": "private_key_jwt",
    "jwks_uri": URI,
}
CLIENT = client("remote", **REMOTE)


class Bench:
    def __init__(self, desk: Desk, web: PublishedDocuments, clock: TurnedClock) -> None:
        self.desk, self.web, self.clock = desk, web, clock
        self._jti = 0

    def assertion(self, key: Any = KEY, client_id: str = "remote", audience: str = ISSUER) -> str:
        self._jti += 1
        now = self.clock.now()
        return build_client_assertion(
            key, client_id=ClientId(client_id), audience=audience, now=now, jti=f"j{self._jti}"
        )

    async def token(self, assertion: str) -> dict[str, Any]:
        form: Pairs = (
            ("grant_type", "client_credentials"),
            ("client_assertion_type", ASSERTION_TYPE),
            ("client_assertion", assertion),
            ("client_id", "remote"),
        )
        answer = await self.desk.core.token(form, (), PEER)
        assert isinstance(answer, Json)
        return dict(answer.body)


def key_set(*keys: Any) -> dict[str, Any]:
    return {"keys": [key.public_jwk for key in keys]}


@pytest.fixture
async def bench() -> Bench:
    web, clock = PublishedDocuments(), TurnedClock()
    web.put(URI, key_set(KEY))
    features = POLICY.features | {"jar"}
    desk = await open_desk(
        replace(POLICY, clients=(*POLICY.clients, CLIENT), features=features), clock=clock, foreign=web
    )
    return Bench(desk, web, clock)


@pytest.mark.spec("7591-2", "9700-2.5-a")
async def test_the_keys_are_fetched_when_they_are_needed_and_kept(bench: Bench) -> None:
    assert not bench.web.asked  # registering it asks for nothing
    for _ in range(5):
        assert (await bench.token(bench.assertion()))["token_type"] == "Bearer"
    assert bench.web.asked == [URI]


@pytest.mark.spec("OC-10.1.1-b")
async def test_a_kid_that_is_not_there_has_the_keys_fetched_again(bench: Bench) -> None:
    await bench.token(bench.assertion())
    bench.web.put(URI, key_set(NEXT))
    bench.clock.turn(30)
    assert await bench.token(bench.assertion(NEXT))
    assert bench.web.count(URI) == 2
    with pytest.raises(InvalidClient):  # the old key is gone
        await bench.token(bench.assertion(KEY))


@pytest.mark.spec("threats 2 row 36")
async def test_a_stranger_cannot_have_them_fetched_endlessly(bench: Bench) -> None:
    await bench.token(bench.assertion())
    bench.clock.turn(30)
    stranger = key_for_tests("ES256", "stranger")
    for _ in range(10):
        with pytest.raises(InvalidClient):
            await bench.token(bench.assertion(stranger))
    assert bench.web.count(URI) == 2
    assert await bench.token(bench.assertion())


@pytest.mark.parametrize(
    "made",
    [
        lambda bench: "x",
        lambda bench: "a.b.c",
        lambda bench: bench.assertion(client_id="other"),
    ],
    ids=["no JWT", "not JSON", "another client's"],
)
async def test_nothing_is_fetched_for_what_cannot_be_its_assertion(bench: Bench, made: Any) -> None:
    with pytest.raises(InvalidClient):
        await bench.token(made(bench))
    assert not bench.web.asked


async def test_the_old_keys_serve_while_their_host_is_down(bench: Bench) -> None:
    await bench.token(bench.assertion())
    bench.web.down.add("rp.test")
    bench.clock.turn(3600)
    assert await bench.token(bench.assertion())


async def test_without_any_keys_the_client_is_told_to_come_back(bench: Bench) -> None:
    bench.web.down.add("rp.test")
    with pytest.raises(Unavailable):
        await bench.token(bench.assertion())
    with pytest.raises(Unavailable):
        await bench.token(bench.assertion())
    assert bench.web.count(URI) == 1
    bench.web.down.clear()
    bench.clock.turn(5)
    assert await bench.token(bench.assertion())


@pytest.mark.parametrize(
    "document",
    [
        {"keys": []},
        {"keys": [{"kty": "oct", "k": "c2VjcmV0"}]},
        {"keys": [{**KEY.public_jwk, "d": "AA"}]},
        {"keys": {}},
        [],
        b"<html>",
        b"",
    ],
    ids=["no key", "a secret", "a private key", "not a list", "not an object", "HTML", "nothing"],
)
async def test_a_document_that_is_no_set_of_public_keys_proves_nobody(bench: Bench, document: Any) -> None:
    bench.web.put(URI, document)
    with pytest.raises(Unavailable):
        await bench.token(bench.assertion())
    bench.web.put(URI, key_set(KEY))
    bench.clock.turn(5)
    assert await bench.token(bench.assertion())
    bench.web.put(URI, document)  # nor does it take the keys away that are here
    bench.clock.turn(301)
    assert await bench.token(bench.assertion())


async def test_a_key_set_that_is_too_large_is_not_taken(bench: Bench) -> None:
    bench.web.put(URI, {**key_set(KEY), "more": "x" * 64 * 1024})
    with pytest.raises(Unavailable):
        await bench.token(bench.assertion())


@pytest.mark.spec("9101-10.2")
async def test_request_objects_are_proven_by_them_too(bench: Bench) -> None:
    def signed(key: Any) -> Pairs:
        now = int(bench.clock.now())
        claims = {**request("remote"), "iss": "remote", "aud": ISSUER, "exp": now + 60}
        form = (("client_id", "remote"), ("request", key.sign("oauth-authz-req+jwt", claims)))
        return (*form, ("client_assertion_type", ASSERTION_TYPE), ("client_assertion", bench.assertion()))

    with pytest.raises(InvalidRequestObject) as refused:
        await bench.desk.core.push(signed(key_for_tests("ES256", "stranger")), (), PEER)
    assert refused.value.finding is Finding.TOKEN_KEY_UNKNOWN
    answer = await bench.desk.core.push(signed(KEY), (), PEER)
    assert isinstance(answer, Json)
    assert answer.status == 201
    assert bench.web.count(URI) == 1


@pytest.mark.spec("7591-2")
@pytest.mark.parametrize(
    ("changes", "member"),
    [
        ({"jwks": json.dumps(key_set(KEY))}, "jwks_uri"),
        ({"jwks_uri": "http://rp.test/jwks"}, "jwks_uri"),
        ({"jwks_uri": "http://127.0.0.1/jwks"}, "jwks_uri"),
        ({"jwks_uri": "https://ann@rp.test/jwks"}, "jwks_uri"),
        ({"jwks_uri": "file:///keys"}, "jwks_uri"),
        ({"jwks_uri": "https://rp.test/jwks#1"}, "jwks_uri"),
        ({"jwks_uri": ""}, "jwks_uri"),
        ({"jwks_uri": None}, "jwks"),
    ],
    ids=["both", "http", "http on loopback", "user information", "a file", "a fragment", "empty", "neither"],
)
def test_keys_are_registered_in_one_way_and_over_https(changes: dict[str, Any], member: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        check_registration(replace(CLIENT, **changes), ISSUER)
    assert refused.value.facts["member"] == member


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"request_object_signing_alg": "ES256"},
        {"require_signed_request_object": True},
        {"token_endpoint_auth_method": "self_signed_tls_client_auth"},
    ],
    ids=["assertions", "request objects", "request objects alone", "certificates"],
)
def test_an_address_of_keys_is_enough_where_keys_are_needed(changes: dict[str, Any]) -> None:
    check_registration(replace(CLIENT, **changes), ISSUER)
