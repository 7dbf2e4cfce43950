"""Signing keys: which one signs, what is published, and a whole rotation with tokens in flight."""

from dataclasses import replace
from typing import Any

import pytest

from proofkey.authorization_server.keys import (
    Announce,
    KeyRing,
    Retire,
    build_key_record,
    build_key_ring,
    plan_rotation,
)
from proofkey.authorization_server.policy import Lifetimes
from proofkey.authorization_server.records import SigningKeyRecord
from proofkey.errors import ConfigurationError, ServerError
from proofkey.protocol.jose import generate_signing_key
from proofkey.protocol.text import Instant, Secret
from proofkey.runtime.master_key import MasterKey
from proofkey.runtime.server_core import server_sealer
from tests.authorization_server.driver import MASTER_KEY, first_keys

DAY = 86400
START = Instant(1_800_000_000)
SEALER = server_sealer(MASTER_KEY)
LIFETIMES = Lifetimes()


def _record(active_from: int = 0, **changes: Any) -> SigningKeyRecord:
    at = Instant(START + active_from)
    return replace(build_key_record(generate_signing_key("ES256"), START, at, SEALER), **changes)


@pytest.mark.spec("OD-3-a", "8725b-3.1-a", "V11-11.2.3")
def test_the_key_set_is_public_and_names_use_and_algorithm() -> None:
    records = [build_key_record(key, START, START, SEALER) for key in first_keys()]
    keys = build_key_ring(records, START, SEALER).document["keys"]
    assert [(key["alg"], key["use"], key["kty"]) for key in keys] == [
        ("ES256", "sig", "EC"), ("RS256", "sig", "RSA"),
    ]  # fmt: skip
    for key in keys:
        assert not {"d", "p", "q", "dp", "dq", "qi", "k"} & set(key)
    assert len(keys[1]["n"]) == 512  # 3072 bits


def test_the_private_half_is_stored_sealed_and_bound_to_its_kid() -> None:
    one, other = _record(), _record()
    private = generate_signing_key("ES256").private_jwk
    assert "d" in private
    assert '"d"' not in repr(one)
    with pytest.raises(ConfigurationError):
        build_key_ring([one], START, server_sealer(MasterKey(Secret("another master key, also long enough"))))
    with pytest.raises(ConfigurationError):
        build_key_ring([replace(one, sealed_private_jwk=other.sealed_private_jwk)], START, SEALER)


def test_which_key_signs() -> None:
    old, new, coming = _record(-10 * DAY), _record(-DAY), _record(DAY)
    retired = _record(-DAY, retired_at=Instant(START - 1), remove_at=Instant(START + DAY))
    removed = _record(-5 * DAY, retired_at=Instant(START - 2), remove_at=START)
    records = [old, new, coming, retired, removed]
    ring = build_key_ring(records, START, SEALER)
    assert ring.signing_key("ES256").kid == new.kid
    assert ring.published.kids == {old.kid, new.kid, coming.kid, retired.kid}
    assert [key["kid"] for key in ring.document["keys"]] == [record.kid for record in records[:4]]
    assert ring.until == START + DAY
    assert ring.stands(records, START)
    assert not ring.stands(records, Instant(START + DAY))
    assert not ring.stands(records[:2], START)
    later = build_key_ring(records, Instant(START + DAY), SEALER, ring)
    assert later.signing_key("ES256").kid == coming.kid
    with pytest.raises(ServerError):
        ring.signing_key("RS256")


def test_a_key_that_is_open_is_not_opened_again() -> None:
    record = _record()
    ring = build_key_ring([record], START, SEALER)
    again = build_key_ring([record], START, SEALER, ring)
    assert again.signing_key("ES256") is ring.signing_key("ES256")


def test_an_empty_ring_stands_for_no_records() -> None:
    assert KeyRing().stands([], START)


@pytest.mark.spec("OC-10.1.1-a")
@pytest.mark.parametrize(
    ("records", "now", "plan"),
    [
        pytest.param([], 0, (), id="no key at all"),
        pytest.param(["0"], 0, (), id="a young key"),
        pytest.param(["0"], 76 * DAY - 1, (), id="just before the announcement"),
        pytest.param(["0"], 76 * DAY, (Announce("ES256", Instant(START + 90 * DAY)),), id="announced 14 d before"),
        pytest.param(["0"], 200 * DAY, (Announce("ES256", Instant(START + 214 * DAY)),), id="late: still 14 d"),
        pytest.param(["0", "90"], 80 * DAY, (), id="announced already"),
        pytest.param(["0", "90"], 90 * DAY, (Retire("0", Instant(START + 104 * DAY)),), id="superseded"),
        pytest.param(["0r", "90"], 91 * DAY, (), id="retired already"),
    ],
)  # fmt: skip
def test_what_is_due(records: list[str], now: int, plan: tuple[Announce | Retire, ...]) -> None:
    stored = [
        replace(
            _record(int(name.rstrip("r")) * DAY),
            kid=name,
            retired_at=Instant(START + 90 * DAY) if name.endswith("r") else None,
        )
        for name in records
    ]
    assert plan_rotation(stored, Instant(START + now), LIFETIMES) == plan
