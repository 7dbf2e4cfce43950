"""Attacks between the tenants of one provider that signs for many."""

import json
from typing import Any

import pytest

from proofkey.errors import InvalidToken
from proofkey.protocol.exchange import Answer
from proofkey.runtime.verifier import Verifier
from proofkey.testing.clock import TurnedClock
from proofkey.testing.faults import FaultyTransport
from proofkey.testing.issuer import LocalIssuer
from proofkey.testing.transport import AsgiTransport

HOST = "https://login.microsoftonline.com"
SHARED = f"{HOST}/organizations/v2.0"
ONE = "11111111-1111-4111-8111-111111111111"
PERSONAL = "9188040d-6c67-4c5b-b112-36a304b66dad"
API = "11111111-2222-4333-8444-555555555555"


def v2(tenant: str) -> str:
    return f"{HOST}/{tenant}/v2.0"


def v1(tenant: str) -> str:
    return f"https://sts.windows.net/{tenant}/"


def bench(issuer: str, tenants: tuple[str, ...], key_issuer: str) -> tuple[LocalIssuer, Verifier]:
    """A verifier whose issuer publishes one key, which it names for `key_issuer`."""
    clock = TurnedClock()
    provider = LocalIssuer(issuer, dialect="entra", clock=clock, audience=API)
    wire = FaultyTransport(AsgiTransport({HOST: provider}))
    keys = [key.public_jwk | {"issuer": key_issuer} for key in provider.keys]
    wire.answers["/jwks"] = Answer(200, {}, json.dumps({"keys": keys}).encode())
    return provider, Verifier(issuer=issuer, tenants=tenants, audience=API, transport=wire, clock=clock)


CASES: dict[str, tuple[str, tuple[str, ...], str, str, str, bool]] = {
    "the key's own tenant": (SHARED, (ONE, PERSONAL), v2(PERSONAL), v2(PERSONAL), PERSONAL, True),
    "its v1 token": (SHARED, (ONE, PERSONAL), v2(PERSONAL), v1(PERSONAL), PERSONAL, True),
    "another trusted tenant": (SHARED, (ONE, PERSONAL), v2(PERSONAL), v2(ONE), ONE, False),
    "another trusted tenant, v1": (SHARED, (ONE, PERSONAL), v2(PERSONAL), v1(ONE), ONE, False),
    "the only tenant": (v2(ONE), (), v2(ONE), v2(ONE), ONE, True),
    "the only tenant, by a key for consumers": (v2(ONE), (), v2(PERSONAL), v2(ONE), ONE, False),
    "a template": (v2(ONE), (), v2("{tenantid}"), v2(ONE), ONE, True),
}


@pytest.mark.spec("8725b-3.8-a")
@pytest.mark.parametrize(
    ("issuer", "tenants", "key_issuer", "iss", "tid", "good"), CASES.values(), ids=CASES.keys()
)
async def test_a_key_for_one_tenant_proves_no_token_of_another(
    issuer: str, tenants: tuple[str, ...], key_issuer: str, iss: str, tid: str, good: bool
) -> None:
    provider, verifier = bench(issuer, tenants, key_issuer)
    token: str = provider.token_for(scope="orders:read", iss=iss, tid=tid)
    if good:
        found: Any = await verifier.verify(token)
        assert found.iss == iss
    else:
        with pytest.raises(InvalidToken):
            await verifier.verify(token)
