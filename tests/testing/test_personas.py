"""The local issuer in every provider's dialect, against the verifier that an application has."""

from dataclasses import dataclass

import pytest

from proofkey.errors import ConfigurationError, InvalidToken
from proofkey.findings import Finding
from proofkey.providers import dialect_for
from proofkey.runtime.verifier import Verifier
from proofkey.testing.clock import TurnedClock
from proofkey.testing.issuer import LocalIssuer
from proofkey.testing.persona_claims import TENANT
from proofkey.testing.personas import PERSONAS
from proofkey.testing.tokens_for import TokensFor

API = "https://api.test"
COMMON = "https://login.microsoftonline.com/common/v2.0"
OTHER_TENANT = "11111111-2222-4333-8444-555555555555"


@dataclass
class Application:
    """What holds a verifier, as `Protect` does."""

    verifier: Verifier


def application(issuer: LocalIssuer, tenants: tuple[str, ...] = ()) -> Application:
    verifier = Verifier(
        issuer=issuer.url,
        audience=API,
        dialect=issuer.persona.dialect,
        tenants=tenants,
        transport=issuer.transport,
        clock=issuer.clock,
    )
    return Application(verifier)


@pytest.mark.parametrize("name", PERSONAS)
async def test_an_api_takes_the_tokens_of_a_persona(name: str) -> None:
    issuer = LocalIssuer(dialect=name, clock=TurnedClock())
    api = application(issuer)
    token = await api.verifier.verify(issuer.token_for(scope="orders:read", sub="ann"))
    assert "orders:read" in token.scope
    assert not token.is_client_only
    own = await api.verifier.verify(issuer.token_for(scope="orders:read", client_only=True))
    assert own.is_client_only
    with pytest.raises(InvalidToken) as refusal:
        await api.verifier.verify(issuer.id_token_for())
    assert refusal.value.finding is Finding.TOKEN_IS_ID_TOKEN


@pytest.mark.parametrize("name", PERSONAS)
def test_a_persona_stands_in_for_the_issuer_of_an_application(name: str) -> None:
    """Without an account: the application is written for the provider, the test mints in its words."""
    issuer = LocalIssuer(dialect=name, clock=TurnedClock())
    api = application(LocalIssuer("https://another.test"))
    own = api.verifier
    with issuer.stand_in_for(api):
        headers = TokensFor(issuer)(scope="orders:read", roles=["admin"])
        token = api.verifier.verify_sync(headers["Authorization"].removeprefix("Bearer "))
        assert token.has_scope("orders:read")
        assert token.has_role("admin") is (name not in {"auth0", "auth0-rfc9068"})
    assert api.verifier is own


@pytest.mark.parametrize("name", PERSONAS)
def test_the_dialect_is_the_one_that_the_issuer_chooses(name: str) -> None:
    persona = PERSONAS[name]
    if name != "proofkey":
        assert dialect_for(persona.issuer) is persona.dialect
    assert persona.source


async def test_several_tenants_behind_one_issuer() -> None:
    issuer = LocalIssuer(COMMON, dialect="entra", clock=TurnedClock())
    assert issuer.metadata["issuer"] == "https://login.microsoftonline.com/{tenantid}/v2.0"
    api = application(issuer, (TENANT,))
    assert (await api.verifier.verify(issuer.token_for(scope="orders:read"))).user_key[0] == TENANT
    foreign = f"https://login.microsoftonline.com/{OTHER_TENANT}/v2.0"
    with pytest.raises(InvalidToken) as refusal:
        await api.verifier.verify(issuer.token_for(scope="orders:read", iss=foreign, tid=OTHER_TENANT))
    assert refusal.value.finding is Finding.TOKEN_TENANT


def test_a_persona_of_several_tenants_stands_in() -> None:
    issuer = LocalIssuer(COMMON, dialect="entra", clock=TurnedClock())
    api = application(LocalIssuer("https://another.test"))
    with issuer.stand_in_for(api):
        assert api.verifier.verify_sync(issuer.token_for(scope="orders:read")).sub == "u1"


async def test_a_v1_token_is_taken_by_an_api_that_names_the_v2_issuer() -> None:
    issuer = LocalIssuer(dialect="entra-v1", clock=TurnedClock())
    token = await application(issuer).verifier.verify(issuer.token_for(scope="orders:read"))
    assert token.iss == f"https://sts.windows.net/{TENANT}/"
    assert token.amr == ("pwd", "mfa")


async def test_permissions_of_auth0() -> None:
    issuer = LocalIssuer(dialect="auth0", clock=TurnedClock())
    token = await application(issuer).verifier.verify(issuer.token_for(permissions=["orders:write"]))
    assert token.permissions == ("orders:write",)


def test_an_unknown_persona_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigurationError) as refusal:
        LocalIssuer(dialect="google")
    assert "entra-v1" in refusal.value.facts["fix"]
