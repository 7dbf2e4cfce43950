"""One provider, many tenants: one key set, a closed list of `iss`, and a discovery document with a template."""

import json
from typing import Any

import pytest

from proofkey.errors import ConfigurationError, InvalidToken, Unavailable
from proofkey.findings import Finding
from proofkey.protocol.exchange import Answer
from proofkey.protocol.jose import generate_signing_key
from proofkey.runtime.trust import TrustedIssuer
from proofkey.runtime.verifier import Verifier
from proofkey.testing.clock import TurnedClock
from proofkey.testing.faults import FaultyTransport
from proofkey.testing.issuer import LocalIssuer
from proofkey.testing.transport import AsgiTransport

HOST = "https://login.microsoftonline.com"
SHARED = f"{HOST}/organizations/v2.0"
ONE, TWO, THREE = (f"{digit * 8}-{digit * 4}-4{digit * 3}-8{digit * 3}-{digit * 12}" for digit in "123")
API = "11111111-2222-4333-8444-555555555555"


def iss(tenant: str) -> str:
    return f"{HOST}/{tenant}/v2.0"


class Bench:
    def __init__(self, **answers: Any) -> None:
        self.clock = TurnedClock()
        self.issuer = LocalIssuer(SHARED, dialect="entra", clock=self.clock, audience=API)
        self.wire = FaultyTransport(AsgiTransport({HOST: self.issuer}))
        self.published(**answers)
        self.verifier = Verifier(
            issuer=SHARED, tenants=[ONE, TWO], audience=API, transport=self.wire, clock=self.clock
        )

    def published(self, **members: Any) -> None:
        base = {
            "issuer": f"{HOST}/{{tenantid}}/v2.0",
            "authorization_endpoint": f"{HOST}/organizations/oauth2/v2.0/authorize",
            "token_endpoint": f"{HOST}/organizations/oauth2/v2.0/token",
            "jwks_uri": f"{HOST}/organizations/discovery/v2.0/keys",
        }
        self.wire.answers["/openid-configuration"] = answer(base | members)
        self.keys()

    def keys(self, **members: Any) -> None:
        keys = [key.public_jwk | members for key in self.issuer.keys]
        self.wire.answers["/keys"] = answer({"keys": keys})

    def token(self, tenant: str, **claims: Any) -> str:
        return self.issuer.token_for(**{"scope": "orders:read", "iss": iss(tenant), "tid": tenant} | claims)


def answer(document: dict[str, Any]) -> Answer:
    return Answer(200, {}, json.dumps(document).encode())


@pytest.mark.spec("8725b-3.8-a", "providers §2 row 7")
async def test_tenants_of_the_list_come_in_and_share_one_key_set() -> None:
    bench = Bench()
    for tenant in (ONE, TWO):
        token = await bench.verifier.verify(bench.token(tenant))
        assert token.iss == iss(tenant)
        assert token.user_key[0] == tenant
    assert bench.wire.count("/keys") == 1
    assert bench.verifier.accepted == {SHARED: 2}


@pytest.mark.spec("8725b-3.8-a")
@pytest.mark.parametrize(
    "claimed",
    [iss(THREE), iss("{tenantid}"), SHARED, iss(ONE) + "/", f"{HOST}/{ONE}", iss(ONE).upper(), iss(f"{ONE}/..")],
)
async def test_any_other_tenant_stays_out_though_the_key_is_the_same(claimed: str) -> None:
    bench = Bench()
    await bench.verifier.verify(bench.token(ONE))
    with pytest.raises(InvalidToken) as caught:
        await bench.verifier.verify(bench.issuer.token_for(scope="orders:read", iss=claimed, tid=THREE))
    assert caught.value.finding in (Finding.TOKEN_ISSUER, Finding.TOKEN_TENANT)


async def test_the_tenant_in_iss_and_tid_is_the_same() -> None:
    bench = Bench()
    with pytest.raises(InvalidToken):
        await bench.verifier.verify(bench.issuer.token_for(scope="orders:read", iss=iss(ONE), tid=TWO))


@pytest.mark.spec("RFC 8414 §3.3")
@pytest.mark.parametrize(
    "issuer", [iss(ONE), SHARED, f"{HOST}/{{tenant}}/v2.0", "https://evil.test/{tenantid}/v2.0"]
)
async def test_the_document_names_exactly_the_template(issuer: str) -> None:
    bench = Bench(issuer=issuer)
    with pytest.raises(Unavailable):
        await bench.verifier.verify(bench.token(ONE))
    assert bench.wire.count("/keys") == 0


@pytest.mark.spec("8725b-3.8-a")
@pytest.mark.parametrize(
    ("named", "good"),
    [(iss("{tenantid}"), True), (iss(ONE), True), (iss(THREE), False), ("", False), (5, False), (None, True)],
)
async def test_a_key_that_names_a_foreign_tenant_is_left_out(named: object, good: bool) -> None:
    bench = Bench()
    bench.keys(**({} if named is None else {"issuer": named}))
    if good:
        await bench.verifier.verify(bench.token(ONE))
    else:
        with pytest.raises(Unavailable):
            await bench.verifier.verify(bench.token(ONE))


@pytest.mark.spec("X-failclosed")
def test_the_shared_issuer_needs_the_list_of_tenants() -> None:
    with pytest.raises(ConfigurationError, match="tenants"):
        Verifier(issuer=SHARED, audience=API)


async def test_tenants_beside_another_issuer() -> None:
    bench = Bench()
    own = LocalIssuer("https://own.test", clock=bench.clock)

    class Both:
        async def send(self, ask: Any) -> Answer:
            return await (own.transport if ask.url.startswith(own.url) else bench.wire).send(ask)

    verifier = Verifier(
        issuers=[TrustedIssuer(issuer=SHARED, tenants=(ONE,), audience=API), TrustedIssuer(issuer=own.url)],
        audience=own.audience,
        transport=Both(),
        clock=bench.clock,
    )
    await verifier.verify(bench.token(ONE))
    await verifier.verify(own.token_for())
    for token in (
        bench.token(TWO),
        bench.token(ONE, iss=own.url),
        own.token_for(iss=iss(ONE)),
        own.token_for(key=generate_signing_key("ES256", bench.issuer.keys[0].kid)),
    ):
        with pytest.raises(InvalidToken):
            await verifier.verify(token)
