"""The schedule of keys over a year: published before use, used for its time, shown until all is dead."""

from itertools import count

import pytest

from proofkey.authorization_server.policy import Lifetimes
from proofkey.protocol.access_token import verify_access_token
from proofkey.protocol.jose import SigningAlgorithm, SigningKey, generate_signing_key, signing_key_from_jwk
from proofkey.protocol.key_set import KeySet, parse_public_jwk
from proofkey.protocol.text import Instant
from proofkey.runtime import server_upkeep
from proofkey.testing.clock import TurnedClock
from tests.authorization_server.driver import ISSUER, Desk, first_keys, header_of, open_desk

DAY = 86_400
LIVES = Lifetimes()


@pytest.mark.spec("OC-10.1.1-a", "issue 4 keys", "threats §2.17", "threats §3.24")
async def test_every_key_is_published_before_it_signs_and_until_its_last_token_is_dead(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A client_credentials token each day for 400 days, and every key that the JWK Set ever showed."""
    rsa, numbers = first_keys()[1].private_jwk, count()

    def quickly(algorithm: SigningAlgorithm) -> SigningKey:
        """RSA keys take a third of a second each: one under several names."""
        if algorithm == "RS256":
            return signing_key_from_jwk({**rsa, "kid": f"rsa {next(numbers)}"})
        return generate_signing_key(algorithm)

    monkeypatch.setattr(server_upkeep, "generate_signing_key", quickly)
    clock = TurnedClock()
    desk = await open_desk(clock=clock)
    start = clock.now()
    shown: dict[str, list[Instant]] = {}
    signed: dict[str, list[Instant]] = {}
    for _ in range(400):
        token = (await desk.token("robot", grant_type="client_credentials"))["access_token"]
        signed.setdefault(str(header_of(token)["kid"]), []).append(clock.now())
        for jwk in desk.core.jwks()["keys"]:
            if jwk["alg"] == "ES256":
                shown.setdefault(jwk["kid"], []).append(clock.now())
        clock.turn(LIVES.client_credentials - 1)
        check_verifies(desk, token, clock.now())
        clock.turn(DAY - LIVES.client_credentials + 1)
        await desk.core.upkeep()
    assert len(signed) == 5
    for kid, uses in signed.items():
        if uses[0] != start:
            assert uses[0] - shown[kid][0] >= LIVES.key_announcement - DAY
        assert uses[-1] - uses[0] <= LIVES.key_use
        if uses[-1] < clock.now() - 30 * DAY:
            assert LIVES.key_afterlife - DAY <= shown[kid][-1] - uses[-1] <= LIVES.key_afterlife + 2 * DAY
    together = [sum(moment in moments for moments in shown.values()) for moment in next(iter(shown.values()))]
    assert max(together) <= 3


def check_verifies(desk: Desk, token: str, now: Instant) -> None:
    """As an API that has just fetched the keys."""
    keys = KeySet(parse_public_jwk(jwk) for jwk in desk.core.jwks()["keys"])
    verify_access_token(
        token, keys, issuer=ISSUER, audience=frozenset({str(ISSUER)}), now=now, algorithms=frozenset({"ES256"})
    )
