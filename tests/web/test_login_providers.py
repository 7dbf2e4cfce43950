"""Whole logins at providers that depart from OpenID Connect: what each receives, and what comes of its answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from proofkey.errors import ConfigurationError
from proofkey.providers import OIDC, Auth0, Cognito, Entra, Google, Keycloak, Okta, Provider
from proofkey.store.memory import MemorySessionStore
from proofkey.testing.clock import TurnedClock
from proofkey.testing.entropy import CountingEntropy
from proofkey.testing.login_personas import LOGIN_PERSONAS, PersonaProvider
from proofkey.testing.persona_claims import TENANT
from proofkey.web.login import Login
from tests.client.login_kit import API, CLIENT_SECRET, RP
from tests.web.login_browser import NAVIGATION, build_app, page_of

OTHER_TENANT = "66666666-7777-4888-8999-aaaaaaaaaaaa"
WEB: dict[str, Any] = {"client_id": "web", "client_secret": CLIENT_SECRET}


class Visit:
    """One person, one application, one provider."""

    def __init__(self, name: str, provider: Provider) -> None:
        self.clock = TurnedClock()
        self.op = PersonaProvider(
            name, client_secret=CLIENT_SECRET, clock=self.clock, entropy=CountingEntropy("provider")
        )
        self.login = Login(
            provider,
            public_url=RP,
            store=MemorySessionStore(),
            transport=self.op,
            clock=self.clock,
            entropy=CountingEntropy("client"),
        )
        self.http = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(build_app(self.login, [])), base_url=RP, follow_redirects=False
        )

    async def get(self, url: str) -> httpx2.Response:
        parts = urlsplit(url)
        return await self.http.get(f"{parts.path}?{parts.query}", headers=NAVIGATION)

    async def sign_in(self) -> httpx2.Response:
        started = await self.get("/auth/login?next=/me")
        assert started.status_code == 303, started.text
        return await self.get(self.op.authorize(started.headers["location"]))

    async def sign_out(self) -> str:
        answer = await self.http.post("/auth/logout", headers={"origin": RP})
        assert answer.status_code == 303
        return answer.headers["location"]


@dataclass(frozen=True)
class Case:
    """`asked` holds parameters of the authorization request; one that must not be sent is an empty list."""

    persona: str
    provider: Provider
    asked: Mapping[str, list[str]]
    sign_out: str | None
    sent: Mapping[str, list[str]] = field(default_factory=dict)
    """Of the token request."""
    refreshes: bool = True


OFFLINE = ["openid profile offline_access"]
CASES = {
    "auth0": Case(
        "auth0",
        Auth0("acme.eu.auth0.com", audience=API, **WEB),
        {"audience": [API], "resource": [], "scope": OFFLINE},
        "https://acme.eu.auth0.com/end-session",
        {"resource": [], "audience": []},
    ),
    "auth0-old": Case(
        "auth0-old", Auth0("acme.eu.auth0.com", **WEB), {"audience": [], "scope": ["openid profile"]},
        "https://acme.eu.auth0.com/v2/logout", refreshes=False,
    ),
    "entra": Case(
        "entra",
        Entra(TENANT, scopes=("api://orders/read",), **WEB),
        {"scope": ["openid profile offline_access api://orders/read"], "resource": [], "audience": []},
        f"https://login.microsoftonline.com/{TENANT}/v2.0/end-session",
        {"resource": []},
    ),
    "entra-organizations": Case(
        "entra-organizations",
        Entra("organizations", tenants=(TENANT,), scopes=("api://orders/read",), **WEB),
        {"resource": []},
        "https://login.microsoftonline.com/organizations/v2.0/end-session",
    ),
    "google": Case(
        "google",
        Google(**WEB),
        {"access_type": ["offline"], "prompt": ["consent"], "scope": ["openid profile"], "resource": []},
        None,
    ),
    "google-online": Case(
        "google", Google(offline=False, **WEB), {"access_type": [], "prompt": []}, None, refreshes=False
    ),
    "keycloak": Case(
        "keycloak",
        Keycloak("https://sso.test", "shop", audience=API, **WEB),
        {"scope": ["openid profile"], "resource": [], "audience": []},
        "https://sso.test/realms/shop/end-session",
        {"resource": []},
    ),
    "okta": Case(
        "okta",
        Okta("acme.okta.com", server="default", audience=API, **WEB),
        {"scope": OFFLINE, "resource": [], "audience": []},
        "https://acme.okta.com/oauth2/default/end-session",
        {"resource": []},
    ),
    "cognito": Case(
        "cognito",
        Cognito("eu-central-1_Example1", audience=API, **WEB),
        {"scope": ["openid profile"], "resource": [API]},
        "https://shop.auth.eu-central-1.amazoncognito.com/logout",
        {"resource": [API]},
    ),
}  # fmt: skip
EACH = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


def test_every_persona_is_signed_in_at() -> None:
    assert {case.persona for case in CASES.values()} == set(LOGIN_PERSONAS)


@EACH
@pytest.mark.spec("9700-2.1.1-e")
async def test_each_provider_receives_what_it_reads(case: Case) -> None:
    visit = Visit(case.persona, case.provider)
    assert (await visit.sign_in()).headers["location"] == "/me"
    asked, form = visit.op.authorization_requests[0], visit.op.token_requests()[0]
    assert {name: asked.get(name, []) for name in case.asked} == case.asked
    assert {name: form.get(name, []) for name in case.sent} == case.sent
    assert asked["code_challenge_method"] == ["S256"]
    assert form["code_verifier"]
    assert (await visit.get("/me")).json() == {"sub": "u1"}


@EACH
async def test_no_space_is_written_as_a_plus(case: Case) -> None:
    visit = Visit(case.persona, case.provider)
    location = (await visit.get("/auth/login")).headers["location"]
    assert "scope=openid%20profile" in location
    assert "+" not in location


@EACH
async def test_tokens_are_refreshed_where_the_provider_was_asked_for_it(case: Case) -> None:
    visit = Visit(case.persona, case.provider)
    await visit.sign_in()
    first = (await visit.get("/token-life")).json()["expires_at"]
    visit.clock.turn(880)
    later = (await visit.get("/token-life")).json()["expires_at"]
    refreshes = visit.op.token_requests("refresh_token")
    assert (later > first, len(refreshes)) == (case.refreshes, int(case.refreshes))


@EACH
@pytest.mark.spec("RL-2-c")
async def test_a_sign_out_ends_what_can_be_ended_and_says_what_cannot(case: Case) -> None:
    visit = Visit(case.persona, case.provider)
    await visit.sign_in()
    location = await visit.sign_out()
    if case.sign_out is None:
        assert location == f"{RP}/auth/signed-out"
        page = await visit.get(location)
        assert "may still be signed in at <strong>Google</strong>" in page.text
    else:
        assert location.partition("?")[0] == case.sign_out
        assert parse_qs(urlsplit(location).query)["client_id"] == ["web"]
        page = await visit.get(visit.op.sign_out(location))
        assert "may still be signed in" not in page.text
    assert (page.status_code, page_of(page)) == (200, "logged-out")
    assert (await visit.get("/me")).status_code == 303


@EACH
async def test_a_logout_that_is_asked_about_first_may_lead_to_the_provider(case: Case) -> None:
    visit = Visit(case.persona, case.provider)
    await visit.sign_in()
    asking = await visit.get("/auth/logout")
    assert page_of(asking) == "logout"
    origin = None if case.sign_out is None else "https://" + urlsplit(case.sign_out).netloc
    targets = asking.headers["content-security-policy"].partition("form-action ")[2].partition(";")[0].split()
    assert targets == ["'self'", *([] if origin is None else [origin])]


async def test_a_provider_without_a_sign_out_is_named_by_its_host_where_nothing_better_is_known() -> None:
    visit = Visit("google", OIDC("https://accounts.google.com", **WEB))
    visit.op.faults.id_token_claims = {}
    await visit.sign_in()
    await visit.sign_out()
    page = await visit.get("/auth/signed-out")
    assert "may still be signed in at <strong>accounts.google.com</strong>" in page.text


# --- issuers -----------------------------------------------------------------------------------------------------
@pytest.mark.spec("9207-2.4-a")
@pytest.mark.parametrize("iss", [None, "https://accounts.google.com", "accounts.google.com"])
async def test_google_may_name_itself_in_the_response_though_it_does_not_announce_it(iss: str | None) -> None:
    visit = Visit("google", Google(**WEB))
    visit.op.faults.authorization_response = {"iss": iss}
    assert (await visit.sign_in()).status_code == 303


@pytest.mark.spec("9207-2.4-a")
@pytest.mark.parametrize("iss", ["https://evil.test", "http://accounts.google.com", "accounts.google.com/"])
async def test_another_issuer_in_the_response_is_refused_announced_or_not(iss: str) -> None:
    visit = Visit("google", Google(**WEB))
    visit.op.faults.authorization_response = {"iss": iss}
    answer = await visit.sign_in()
    assert (answer.status_code, page_of(answer)) == (400, "error")
    assert visit.op.token_requests() == []


@pytest.mark.parametrize("spelled", ["accounts.google.com", "https://accounts.google.com"])
async def test_google_may_change_the_spelling_of_its_issuer_between_login_and_refresh(spelled: str) -> None:
    visit = Visit("google", Google(**WEB))
    await visit.sign_in()
    visit.op.faults.refresh_id_token_claims = {"iss": spelled}
    visit.clock.turn(880)
    assert (await visit.get("/token-life")).status_code == 200
    assert len(visit.op.token_requests("refresh_token")) == 1


@pytest.mark.parametrize(
    "iss", [f"https://login.microsoftonline.com/{OTHER_TENANT}/v2.0", f"https://sts.windows.net/{TENANT}/"]
)
async def test_a_tenant_that_is_not_allowed_signs_nobody_in(iss: str) -> None:
    visit = Visit("entra-organizations", Entra("organizations", tenants=(TENANT,), **WEB))
    visit.op.faults.id_token_claims = {"iss": iss}
    assert page_of(await visit.sign_in()) == "error"
    assert (await visit.get("/me")).status_code == 303


async def test_a_refresh_never_moves_a_session_to_another_tenant() -> None:
    both = Entra("organizations", tenants=(TENANT, OTHER_TENANT), scopes=("api://orders/read",), **WEB)
    visit = Visit("entra-organizations", both)
    await visit.sign_in()
    moved = f"https://login.microsoftonline.com/{OTHER_TENANT}/v2.0"
    visit.op.faults.refresh_id_token_claims = {"iss": moved}
    visit.clock.turn(880)
    assert (await visit.get("/token-life")).status_code == 303
    assert (await visit.get("/me")).status_code == 303


# --- the constructor ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("issuer", {}),
        ("client_id", {"issuer": "https://id.test"}),
        ("issuer", {"provider": Google(**WEB), "issuer": "https://accounts.google.com"}),
        ("client_id", {"provider": Google(**WEB), "client_id": "web"}),
    ],
    ids=["nothing", "half", "issuer-twice", "client-twice"],
)
def test_a_login_has_one_provider(key: str, words: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError) as refused:
        Login(public_url=RP, **words)
    assert refused.value.facts["key"] == key


async def test_what_is_pushed_has_the_providers_own_parameters() -> None:
    visit = Visit("auth0", Auth0("acme.eu.auth0.com", audience=API, **WEB))
    endpoint = "https://acme.eu.auth0.com/par"
    visit.op.faults.metadata = {**visit.op.persona.metadata, "pushed_authorization_request_endpoint": endpoint}
    await visit.get("/auth/login")
    pushed = next(ask for ask in visit.op.asked if ask.url == endpoint)
    assert ("audience", API) in (pushed.form or ())
