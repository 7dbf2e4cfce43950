"""Private keys that are kept elsewhere: everything that is signed goes there; nothing opens when it is away."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from proofkey.authorization_server.answers import Jwt
from proofkey.authorization_server.keys import KeyRing, build_key_record
from proofkey.authorization_server.records import AuditEvent
from proofkey.authorization_server.signer import Signer, SignerKey
from proofkey.authorization_server.stores import ServerStore
from proofkey.errors import ConfigurationError, ServerError, Unavailable
from proofkey.findings import Finding
from proofkey.protocol.jose import SigningKey, generate_signing_key
from proofkey.protocol.jws import verify_compact
from proofkey.protocol.key_set import KeySet, parse_public_jwk
from proofkey.protocol.text import Instant
from proofkey.runtime import server_keys
from proofkey.runtime.server_core import ServerCore, server_sealer
from proofkey.runtime.server_keys import ServerKeys
from proofkey.store.memory import MemoryServerStore
from proofkey.testing.clock import TurnedClock
from proofkey.testing.entropy import CountingEntropy
from tests.authorization_server.driver import (
    MASTER_KEY,
    POLICY,
    SECRET,
    Desk,
    QuickPasswords,
    Visitor,
    client,
    credentials,
    first_keys,
    header_of,
)

DAY = 86_400
SEALER = server_sealer(MASTER_KEY)


class Elsewhere:
    """Keys that never reach the server."""

    def __init__(self, *keys: SigningKey) -> None:
        self.by_kid = {key.kid: key for key in keys}
        self.active_from: dict[str, int] = {}
        self.asked: list[str] = []
        self.answer: Any = None

    async def keys(self) -> Sequence[SignerKey]:
        return [
            SignerKey(public_jwk=key.public_jwk, active_from=Instant(self.active_from.get(kid, 0)))
            for kid, key in self.by_kid.items()
        ]

    async def sign(self, kid: str, signed: bytes, /) -> bytes:
        self.asked.append(kid)
        if self.answer is not None:
            answer: bytes = self.answer()
            return answer
        return self.by_kid[kid].signature_of(signed)


async def open_with(
    signer: Signer, *, store: ServerStore | None = None, clock: TurnedClock | None = None, **policy: Any
) -> Desk:
    store, clock = store or MemoryServerStore(), clock or TurnedClock()
    entropy, passwords = CountingEntropy("signer"), QuickPasswords()
    core = ServerCore(
        replace(POLICY, **policy),
        store,
        clock=clock,
        entropy=entropy,
        master_key=MASTER_KEY,
        passwords=passwords,
        opened=KeyRing(),
        signer=signer,
    )
    await core.start()
    return Desk(core, store, clock, entropy, passwords)


def check_signed_by(desk: Desk, token: str, kid: str) -> None:
    keys = KeySet(parse_public_jwk(jwk) for jwk in desk.core.jwks()["keys"])
    verify_compact(token, keys, frozenset({"ES256", "RS256", "PS256"}))
    assert header_of(token)["kid"] == kid


@pytest.mark.spec("issue 4 keys")
async def test_everything_that_is_signed_is_signed_elsewhere() -> None:
    es256, rs256 = first_keys()
    signer = Elsewhere(es256, rs256)
    own = client("own", userinfo_signed_response_alg="RS256", id_token_signed_response_alg="RS256")
    desk = await open_with(signer, clients=(*POLICY.clients, own), features=frozenset({"par", "jarm"}))
    assert not await desk.store.list_signing_keys()
    assert {key["kid"] for key in desk.core.jwks()["keys"]} == {es256.kid, rs256.kid}
    assert set(desk.core.metadata()["id_token_signing_alg_values_supported"]) == {"ES256", "RS256"}
    visitor = Visitor(desk.core)
    tokens = await visitor.tokens(desk, "own")
    check_signed_by(desk, tokens["access_token"], es256.kid)
    check_signed_by(desk, tokens["id_token"], rs256.kid)
    answer = await desk.core.userinfo((f"Bearer {tokens['access_token']}",), ())
    assert isinstance(answer, Jwt)
    check_signed_by(desk, answer.token, rs256.kid)
    authorization, pairs = credentials("own", SECRET)
    told = await desk.core.introspect(
        (*pairs, ("token", tokens["access_token"])), authorization, "peer", signed=True
    )
    assert isinstance(told, Jwt)
    check_signed_by(desk, told.token, es256.kid)
    back = await visitor.walk("own", response_mode="jwt")
    check_signed_by(desk, back["response"], es256.kid)
    assert len(signer.asked) == 6  # five, and one to see whether the code may be used up


def raises() -> bytes:
    raise ConnectionError("the PIN is 1234")


def says_no() -> bytes:
    raise ConfigurationError(Finding.CONFIG_VALUE, key="signer")


@pytest.mark.parametrize(
    "answer",
    [raises, says_no, lambda: None, lambda: "text", lambda: b"", lambda: bytes(70), lambda: object()],
    ids=["raises", "configuration", "none", "text", "empty", "DER", "object"],
)
async def test_a_signer_that_is_away_costs_503_and_says_nothing(
    answer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    signer = Elsewhere(*first_keys())
    desk = await open_with(signer)
    signer.answer = answer
    with caplog.at_level("DEBUG"), pytest.raises(Unavailable) as refused:
        await desk.token("robot", grant_type="client_credentials")
    assert refused.value.finding is Finding.SIGNER_AWAY
    assert "1234" not in f"{caplog.text}{refused.value!r}{refused.value.facts}"
    signer.answer = None
    assert await desk.token("robot", grant_type="client_credentials")


@pytest.mark.spec("issue 4 keys")
async def test_an_outage_of_the_signer_costs_nobody_a_code_or_a_refresh_token() -> None:
    """However long it lasts: beyond the grace a used refresh token would end its family."""
    signer = Elsewhere(*first_keys())
    desk = await open_with(signer)
    visitor = Visitor(desk.core)
    tokens = await visitor.tokens(desk)
    code = (await visitor.walk())["code"]
    signer.answer = raises
    with pytest.raises(Unavailable):
        await desk.redeem(code)
    with pytest.raises(Unavailable):
        await desk.refresh(tokens["refresh_token"])
    desk.clock.turn(30)
    signer.answer = None
    assert (await desk.redeem(code))["id_token"]
    assert (await desk.refresh(tokens["refresh_token"]))["access_token"]
    assert {"code.replayed", "refresh.reused", "refresh.repeated"}.isdisjoint(desk.event_names())


@pytest.mark.spec("OC-10.1.1-a", "issue 4 keys")
async def test_a_successor_is_published_before_it_signs() -> None:
    old, new = generate_signing_key("ES256"), generate_signing_key("ES256")
    signer = Elsewhere(old, first_keys()[1])
    desk = await open_with(signer)
    before = (await desk.token("robot", grant_type="client_credentials"))["access_token"]
    signer.active_from[new.kid] = desk.clock.now() + 14 * DAY
    signer.by_kid[new.kid] = new
    desk.clock.turn(2)
    token = (await desk.token("robot", grant_type="client_credentials"))["access_token"]
    check_signed_by(desk, token, old.kid)
    assert new.kid in {key["kid"] for key in desk.core.jwks()["keys"]}
    desk.clock.turn(14 * DAY)
    check_signed_by(desk, (await desk.token("robot", grant_type="client_credentials"))["access_token"], new.kid)
    check_signed_by(desk, before, old.kid)
    del signer.by_kid[old.kid]
    desk.clock.turn(2)
    await desk.token("robot", grant_type="client_credentials")
    assert old.kid not in {key["kid"] for key in desk.core.jwks()["keys"]}


async def test_the_store_s_keys_sign_until_the_signer_s_are_active_and_stay_published() -> None:
    store, clock = MemoryServerStore(), TurnedClock()
    local, now = generate_signing_key("ES256"), clock.now()
    await store.insert_signing_key(build_key_record(local, now, now, SEALER), AuditEvent(at=now, name="keys.made"))
    signer = Elsewhere(*first_keys())
    signer.active_from = dict.fromkeys(signer.by_kid, now + DAY)
    desk = await open_with(signer, store=store, clock=clock)
    token = (await desk.token("robot", grant_type="client_credentials"))["access_token"]
    check_signed_by(desk, token, local.kid)
    assert len(desk.core.jwks()["keys"]) == 3
    clock.turn(DAY)
    await desk.core.upkeep()
    later = (await desk.token("robot", grant_type="client_credentials"))["access_token"]
    check_signed_by(desk, later, first_keys()[0].kid)
    check_signed_by(desk, token, local.kid)
    assert len(await store.list_signing_keys()) == 1  # nothing was announced there, nothing retired


@pytest.mark.parametrize(
    ("keys", "says"),
    [((), "ES256"), ((1,), "ES256"), ((0,), "RS256")],
    ids=["none at all", "RSA alone", "none for a configured client"],
)
async def test_a_signer_without_the_keys_that_are_needed_ends_the_start(keys: tuple[int, ...], says: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        await open_with(Elsewhere(*(first_keys()[number] for number in keys)))
    assert refused.value.facts["value"] == says


async def test_an_algorithm_that_the_signer_has_not_is_503_later() -> None:
    desk = await open_with(Elsewhere(*first_keys()))
    with pytest.raises(Unavailable):
        await desk.core._role.signing_key("PS256")
    with pytest.raises(ServerError):
        await desk.core._role.signing_key("HS256")


@pytest.mark.parametrize(
    "jwk",
    [
        {"kty": "oct", "k": "c2VjcmV0", "alg": "ES256", "kid": "a"},
        {"alg": "ES256", "kid": "a"},
        {"kid": "a"},
        {},
        "private",
        "no kid",
    ],
    ids=["symmetric", "no key", "no alg", "empty", "private", "no kid"],
)
async def test_what_is_no_public_key_ends_the_start(jwk: Any) -> None:
    es256 = first_keys()[0]
    if jwk == "private":
        jwk = es256.private_jwk
    elif jwk == "no kid":
        jwk = {name: value for name, value in es256.public_jwk.items() if name != "kid"}

    class Wrong(Elsewhere):
        async def keys(self) -> Sequence[SignerKey]:
            return [SignerKey(public_jwk=jwk)]

    with pytest.raises(ConfigurationError):
        await open_with(Wrong())


async def test_a_signer_that_cannot_tell_its_keys_ends_the_start_and_later_changes_nothing() -> None:
    signer = Elsewhere(*first_keys())
    desk = await open_with(signer)
    before = desk.core.jwks()

    async def away() -> Sequence[SignerKey]:
        raise OSError("gone")

    signer.keys = away  # type: ignore[method-assign] # as a signer whose service went away
    desk.clock.turn(2)
    assert await desk.token("robot", grant_type="client_credentials")
    assert desk.core.jwks() is before
    with pytest.raises(Unavailable):
        await open_with(signer)


def test_without_a_signer_signing_is_the_plain_function() -> None:
    """Nothing stands between an endpoint and an ES256 key of the store."""
    keys = ServerKeys(MemoryServerStore(), SEALER, POLICY, TurnedClock())
    assert keys.sign is server_keys.sign
