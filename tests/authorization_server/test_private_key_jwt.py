"""Clients that prove themselves by an assertion: once, at every endpoint, throttled as secrets are."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from proofkey.authorization_server.answers import Json
from proofkey.authorization_server.records import AuditEvent
from proofkey.authorization_server.registration import check_registration
from proofkey.errors import ConfigurationError, InvalidClient, InvalidRequest, TooManyRequests, Unavailable
from proofkey.findings import Finding
from proofkey.protocol.client_assertion import build_client_assertion
from proofkey.protocol.client_authentication import ASSERTION_TYPE, build_basic
from proofkey.protocol.text import ClientId, Instant, Pairs
from proofkey.testing.tokens import key_for_tests
from tests.authorization_server.driver import (
    ISSUER,
    PEER,
    POLICY,
    SECRET,
    VERIFIER,
    Desk,
    Visitor,
    client,
    open_desk,
)

KEY = key_for_tests("ES256", "client-key")
JWKS = json.dumps({"keys": [KEY.public_jwk]})
SIGNED: dict[str, Any] = {"secret_digest": None, "token_endpoint_auth_method": "private_key_jwt", "jwks": JWKS}
ASK: Pairs = (("grant_type", "client_credentials"),)
CLIENTS = (client("signed", **SIGNED), client("other", **SIGNED))


@pytest.fixture
async def desk() -> Desk:
    return await open_desk(replace(POLICY, clients=(*POLICY.clients, *CLIENTS)))


def assertion(
    desk: Desk, jti: str = "j-1", client_id: str = "signed", key: Any = KEY, audience: str = ISSUER
) -> str:
    now = desk.clock.now()
    return build_client_assertion(key, client_id=ClientId(client_id), audience=audience, now=now, jti=jti)


def form(made: str, *more: tuple[str, str]) -> Pairs:
    return (*ASK, ("client_assertion_type", ASSERTION_TYPE), ("client_assertion", made), *more)


async def ask(desk: Desk, pairs: Pairs, *headers: str) -> dict[str, Any]:
    answer = await desk.core.token(pairs, headers, PEER)
    assert isinstance(answer, Json)
    return dict(answer.body)


@pytest.mark.spec("9700-2.5-a", "7523b-4-a", "V10-10.4.16")
@pytest.mark.parametrize("more", [(), (("client_id", "signed"),)], ids=["without client_id", "with client_id"])
async def test_an_assertion_authenticates(desk: Desk, more: Pairs) -> None:
    assert (await ask(desk, form(assertion(desk), *more)))["token_type"] == "Bearer"


@pytest.mark.spec("7523-3-a")
async def test_an_assertion_is_used_once(desk: Desk) -> None:
    made = assertion(desk)
    await ask(desk, form(made))
    with pytest.raises(InvalidClient) as refused:
        await ask(desk, form(made))
    assert refused.value.finding is Finding.ASSERTION_REPLAYED
    assert await ask(desk, form(assertion(desk, "j-2")))
    assert await ask(desk, form(assertion(desk, "j-1", "other")))


@pytest.mark.spec("7523-3-a")
async def test_an_assertion_stays_used_until_it_is_over(desk: Desk) -> None:
    made = assertion(desk)
    await ask(desk, form(made))
    for _ in range(10):
        desk.clock.turn(8)
        with pytest.raises(InvalidClient):
            await ask(desk, form(made))


@pytest.mark.spec("7523b-4-a", "6749-3.2.1-b", "V10-10.4.10")
@pytest.mark.parametrize(
    "build",
    [
        pytest.param(lambda desk: form(assertion(desk, audience=f"{ISSUER}/token")), id="for the token endpoint"),
        pytest.param(lambda desk: form(assertion(desk, client_id="web")), id="a client with a secret"),
        pytest.param(lambda desk: form(assertion(desk, client_id="native")), id="a public client"),
        pytest.param(lambda desk: form(assertion(desk, client_id="nobody")), id="nobody"),
        pytest.param(lambda desk: form(assertion(desk), ("client_id", "other")), id="another client_id"),
        pytest.param(lambda desk: form(assertion(desk, key=key_for_tests("ES256", "thief"))), id="another key"),
        pytest.param(lambda desk: form("a.b.c"), id="no JWT"),
        pytest.param(lambda desk: form(""), id="empty"),
        pytest.param(lambda desk: (*ASK, ("client_assertion", assertion(desk))), id="no type"),
        pytest.param(
            lambda desk: (*ASK, ("client_assertion_type", "x"), ("client_assertion", assertion(desk))),
            id="another type",
        ),
        pytest.param(
            lambda desk: (*ASK, ("client_id", "signed"), ("client_assertion_type", ASSERTION_TYPE)),
            id="type alone",
        ),
        pytest.param(lambda desk: (*ASK, ("client_id", "signed")), id="nothing but the name"),
        pytest.param(
            lambda desk: (*ASK, ("client_id", "signed"), ("client_secret", SECRET.reveal())), id="a secret instead"
        ),
    ],
)
async def test_a_client_is_refused_with_one_text(desk: Desk, build: Callable[[Desk], Pairs]) -> None:
    with pytest.raises(InvalidClient) as refused:
        await ask(desk, build(desk))
    assert refused.value.description == "Client authentication failed."


@pytest.mark.spec("6749-2.3-a")
async def test_an_assertion_and_another_method_are_an_invalid_request(desk: Desk) -> None:
    with pytest.raises(InvalidRequest):
        await ask(desk, form(assertion(desk), ("client_secret", SECRET.reveal())))
    with pytest.raises(InvalidRequest):
        await ask(desk, form(assertion(desk)), build_basic("signed", SECRET))


@pytest.mark.spec("6749-2.3.1-b")
async def test_wrong_assertions_are_throttled_as_secrets_are(desk: Desk) -> None:
    thief = key_for_tests("ES256", "thief")
    for number in range(20):
        with pytest.raises(InvalidClient):
            await ask(desk, form(assertion(desk, str(number), key=thief)))
    for key in (thief, KEY):
        with pytest.raises(TooManyRequests):
            await ask(desk, form(assertion(desk, "j-1", key=key)))
    assert await desk.token(grant_type="client_credentials")


@pytest.mark.spec("V10-10.4.10")
async def test_an_assertion_goes_with_every_grant_and_with_revocation(desk: Desk, visitor: Visitor) -> None:
    visitor = Visitor(desk.core)
    back = await visitor.walk("signed")
    code: Pairs = (("grant_type", "authorization_code"), ("code", back["code"]), ("code_verifier", VERIFIER))
    tokens = await ask(desk, (*code, *form(assertion(desk, "1"))[1:]))
    refresh: Pairs = (("grant_type", "refresh_token"), ("refresh_token", tokens["refresh_token"]))
    again = await ask(desk, (*refresh, *form(assertion(desk, "2"))[1:]))
    revoke: Pairs = (("token", again["refresh_token"]), *form(assertion(desk, "3"))[1:])
    assert isinstance(await desk.core.revoke(revoke, (), PEER), Json)
    with pytest.raises(InvalidClient):
        await desk.core.revoke(revoke, (), PEER)


async def test_a_disabled_client_is_refused(desk: Desk) -> None:
    now = desk.clock.now()
    await desk.store.disable_client(ClientId("signed"), now, AuditEvent(at=now, name="x"))
    with pytest.raises(InvalidClient) as refused:
        await ask(desk, form(assertion(desk)))
    assert refused.value.finding is Finding.CLIENT_DISABLED


class Forgetful:
    """A replay memory that cannot be had."""

    async def add(self, key: str, *, now: Instant, until: Instant, made: Instant | None = None) -> bool:
        raise Unavailable(Finding.STORE_UNAVAILABLE)

    async def purge(self, now: Instant) -> int:
        return 0

    async def aclose(self) -> None:
        return None


@pytest.mark.spec("7523-3-a")
async def test_without_the_memory_nothing_is_proven() -> None:
    desk = await open_desk(replace(POLICY, clients=(*POLICY.clients, *CLIENTS)), replays=Forgetful())
    with pytest.raises(Unavailable):
        await ask(desk, form(assertion(desk)))
    assert await desk.token(grant_type="client_credentials")


@pytest.mark.parametrize(
    ("changes", "member"),
    [
        pytest.param({"jwks": None}, "jwks", id="no keys"),
        pytest.param({"jwks": '{"keys": []}'}, "jwks", id="an empty set"),
        pytest.param({"jwks": "[]"}, "jwks", id="no set"),
        pytest.param({"jwks": json.dumps({"keys": [KEY.private_jwk]})}, "jwks", id="a private key"),
        pytest.param({"jwks": json.dumps({"keys": [KEY.public_jwk | {"use": "enc"}]})}, "jwks", id="to encrypt"),
        pytest.param({"token_endpoint_auth_signing_alg": "RS256"}, "jwks", id="none for the algorithm"),
        pytest.param(
            {"token_endpoint_auth_signing_alg": "HS256"}, "token_endpoint_auth_signing_alg", id="a symmetric one"
        ),
        pytest.param({"secret_digest": SECRET.digest()}, "client_secret", id="a secret too"),
    ],
)
def test_a_registration_is_refused(changes: dict[str, Any], member: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        check_registration(client("signed", **SIGNED | changes), ISSUER)
    assert refused.value.facts["member"] == member
    assert KEY.private_jwk["d"] not in str(refused.value)


async def test_the_metadata_names_method_and_algorithms(desk: Desk) -> None:
    document = desk.core.metadata()
    assert "private_key_jwt" in document["token_endpoint_auth_methods_supported"]
    assert "ES256" in document["token_endpoint_auth_signing_alg_values_supported"]
    assert not {"none", "HS256"} & {*document["token_endpoint_auth_signing_alg_values_supported"]}
