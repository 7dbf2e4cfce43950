"""Our template, `Login` and `Protect` at a real Keycloak: its import, its pages, its tokens, its introspection."""

import json
from collections.abc import Generator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import httpx2
import pytest
from fastapi import Depends, FastAPI, Security

from proofkey.cli.app import run
from proofkey.client.config import LoginConfig
from proofkey.client.session import Session
from proofkey.errors import InvalidToken
from proofkey.fastapi import AccessToken, Login, Protect
from proofkey.findings import Finding
from proofkey.protocol.dialect import remedy_for
from proofkey.protocol.exchange import Answer, Ask
from proofkey.protocol.jws import read_unverified_header, read_unverified_payload
from proofkey.protocol.text import ClientId, Issuer, Secret
from proofkey.providers import dialect_for
from proofkey.runtime.introspection import Introspection
from proofkey.runtime.verifier import Verifier
from proofkey.testing.dpop import DpopKey
from proofkey.testing.server import free_port, serving
from proofkey.testing.sign_in import sign_in
from proofkey.transport.http import HttpTransport
from tests.interop.keycloak_server import KeycloakPerson, browser_client, change_clients, running_keycloak

pytestmark = [pytest.mark.interop, pytest.mark.timeout(400)]

API = "https://api.test"
CALLBACK = "https://rp.test/auth/callback"
SCOPE = "openid profile email orders:read"


@dataclass(frozen=True)
class Keycloak:
    """The running server, and what `config template --local` made for it."""

    issuer: str
    folder: Path
    web: str
    seconds: float

    def secret(self, client_id: str) -> str:
        return (self.folder / f"{client_id}.secret").read_text().strip()

    @property
    def password(self) -> str:
        return (self.folder / "users.password").read_text().strip()

    @property
    def endpoint(self) -> str:
        return f"{self.issuer}/protocol/openid-connect"

    def token(self, client_id: str, **more: str) -> dict[str, Any]:
        """What the token endpoint says to a client that asks for itself."""
        form = {"grant_type": "client_credentials", "scope": "orders:read"}
        auth = (client_id, self.secret(client_id))
        answer = httpx2.post(f"{self.endpoint}/token", data=form, auth=auth, headers=more, trust_env=False)
        body: dict[str, Any] = answer.json()
        assert answer.status_code == 200, body
        return body

    def verifier(self, **options: Any) -> Verifier:
        return Verifier(**{"issuer": self.issuer, "audience": API, **options})


def registration(issuer: str, web: str) -> dict[str, Any]:
    """The neutral registration of an application, its API and three clients more."""
    code = {"redirect_uris": [CALLBACK], "scope": SCOPE}
    own = {"grant_types": ["client_credentials"], "response_types": [], "scope": "orders:read"}
    return {
        "name": "Orders",
        "issuer": issuer,
        "clients": [
            {
                "client_id": "web",
                "redirect_uris": [f"{web}/auth/callback"],
                "post_logout_redirect_uris": [f"{web}/auth/signed-out"],
                "backchannel_logout_uri": f"{web}/auth/backchannel-logout",
                "scope": f"{SCOPE} orders:write offline_access",
            },
            {"client_id": "native", **code},
            {"client_id": "plain", **code},
            {"client_id": "no-audience", **code},
            {"client_id": "worker", **own},
            {"client_id": "bound", **own, "dpop_bound_access_tokens": True},
        ],
        "api": {
            "resource": API,
            "scopes_supported": ["orders:read", "orders:write"],
            "roles": ["admin", "auditor"],
            "introspection": True,
        },
    }


@pytest.fixture(scope="module")
def keycloak(tmp_path_factory: pytest.TempPathFactory) -> Generator[Keycloak]:
    """The realm is our template's, but for two clients that are as Keycloak's own defaults make them."""
    folder = tmp_path_factory.mktemp("keycloak")
    port, web = free_port(), f"http://127.0.0.1:{free_port()}"
    issuer = f"http://127.0.0.1:{port}/realms/orders"
    source = folder / "registration.json"
    source.write_text(json.dumps(registration(issuer, web)))
    made = folder / "made"
    words = ["--registration", str(source), "--local", "--output", str(made)]
    assert run(["config", "template", "keycloak", *words]) == 0
    change_clients(
        made / "realm.json",
        plain={"attributes": {"access.token.header.type.rfc9068": "false"}, "protocolMappers": []},
        **{"no-audience": {"defaultClientScopes": ["basic", "roles", "profile", "email"]}},
    )
    with running_keycloak(made / "realm.json", port=port, log=folder / "keycloak.log") as seconds:
        yield Keycloak(issuer, made, web, seconds)


@pytest.fixture
def stack() -> Generator[ExitStack]:
    with ExitStack() as held:
        yield held


def person(keycloak: Keycloak, stack: ExitStack, name: str = "ann") -> KeycloakPerson:
    http = stack.enter_context(browser_client())
    return KeycloakPerson(http, keycloak.issuer, name, keycloak.password)


async def signed_in(keycloak: Keycloak, stack: ExitStack, client_id: str = "native", name: str = "ann") -> Session:
    """A session from a whole login of a program at Keycloak's pages."""
    config = LoginConfig(
        issuer=Issuer(keycloak.issuer),
        client_id=ClientId(client_id),
        client_secret=Secret(keycloak.secret(client_id)),
        redirect_uri=CALLBACK,
        scope=tuple(SCOPE.split()),
    )
    browser = person(keycloak, stack, name)
    return (await sign_in(config, lambda url: browser.answer_to(url, CALLBACK))).session


def api_of(issuer: str, **options: Any) -> FastAPI:
    """An API that knows nothing of Keycloak but its issuer."""
    api = Protect(issuer=issuer, audience=API, **options)
    app = FastAPI(lifespan=api.lifespan)

    @app.get("/orders")
    async def orders(token: Annotated[AccessToken, Security(api, scopes=["orders:read"])]) -> dict[str, Any]:
        return {"client_id": token.client_id, "roles": sorted(token.roles), "client_only": token.is_client_only}

    @app.get("/changes")
    async def changes(token: Annotated[AccessToken, Security(api, scopes=["orders:write"])]) -> dict[str, Any]:
        return {"sub": token.sub}

    @app.get("/mine")
    async def mine(token: Annotated[AccessToken, Depends(api.user)]) -> dict[str, Any]:
        return {"sub": token.sub}

    return app


def call(api: str, path: str, token: str, scheme: str = "Bearer", **headers: str) -> httpx2.Response:
    headers = {"authorization": f"{scheme} {token}", **headers}
    return httpx2.get(f"{api}{path}", headers=headers, trust_env=False)


def start_web(keycloak: Keycloak, stack: ExitStack) -> None:
    """An application whose people sign in at Keycloak, and which calls the API for them."""
    api = stack.enter_context(serving(api_of(keycloak.issuer)))
    login = Login(
        issuer=keycloak.issuer,
        client_id="web",
        client_secret_file=keycloak.folder / "web.secret",
        public_url=keycloak.web,
        audience=API,
        scope=SCOPE,
    )
    app = FastAPI()
    login.mount(app)
    user = Annotated[Session, Depends(login.user)]

    @app.get("/me")
    async def me(session: user) -> dict[str, Any]:
        return {"name": session.name, "scope": session.scope}

    @app.get("/orders")
    async def orders(session: user) -> Any:
        async with await login.api(session, api) as client:
            return (await client.get("/orders")).json()

    stack.enter_context(serving(app, port=int(keycloak.web.rpartition(":")[2])))


# --- the template and the login ------------------------------------------------------------------------------
def test_keycloak_starts_with_the_realm_of_our_template(
    keycloak: Keycloak, capsys: pytest.CaptureFixture[str]
) -> None:
    with capsys.disabled():
        print(f"\nKeycloak started in {keycloak.seconds:.1f} s")
    metadata = httpx2.get(f"{keycloak.issuer}/.well-known/openid-configuration", trust_env=False).json()
    assert metadata["issuer"] == keycloak.issuer
    assert "S256" in metadata["code_challenge_methods_supported"]
    assert dialect_for(keycloak.issuer).name == "keycloak"


@pytest.mark.spec("OC-3.1.3.7-a", "9207-2.4-a / MCP26-iss", "7636-4.5")
def test_a_person_signs_in_through_keycloaks_pages_and_the_api_knows_her_roles(
    keycloak: Keycloak, stack: ExitStack
) -> None:
    start_web(keycloak, stack)
    ann, bob = person(keycloak, stack), person(keycloak, stack, "bob")
    answer = ann.open(f"{keycloak.web}/auth/login?next=/me")
    assert (str(answer.url), answer.json()["name"]) == (f"{keycloak.web}/me", "Ann Example")
    assert "orders:read" in answer.json()["scope"]
    assert ann.pages == ["login"]
    said = ann.get(f"{keycloak.web}/orders").json()
    assert (said["client_id"], said["roles"], said["client_only"]) == ("web", ["admin", "auditor"], False)
    bob.open(f"{keycloak.web}/auth/login?next=/me")
    assert bob.get(f"{keycloak.web}/orders").json()["roles"] == []


@pytest.mark.spec("RL-2-c")
def test_signing_out_ends_the_session_at_keycloak_too(keycloak: Keycloak, stack: ExitStack) -> None:
    start_web(keycloak, stack)
    ann = person(keycloak, stack)
    ann.open(f"{keycloak.web}/auth/login?next=/me")
    away = ann.http.post(f"{keycloak.web}/auth/logout", headers={"origin": keycloak.web})
    back = ann.open(away.headers["location"])
    assert str(back.url).startswith(f"{keycloak.web}/auth/signed-out")
    ann.open(f"{keycloak.web}/auth/login?next=/me")
    assert ann.pages == ["login", "login"]


@pytest.mark.spec("9700-2.1.1-b", "7636-4.4.1")
@pytest.mark.parametrize(
    "challenge",
    [{}, {"code_challenge": "a" * 43, "code_challenge_method": "plain"}],
    ids=["none", "plain"],
)
def test_the_template_makes_keycloak_demand_pkce(keycloak: Keycloak, challenge: dict[str, str]) -> None:
    query = {
        "client_id": "native",
        "response_type": "code",
        "redirect_uri": CALLBACK,
        "scope": "openid",
        **challenge,
    }
    answer = httpx2.get(f"{keycloak.endpoint}/auth", params=query, trust_env=False)
    assert "error=invalid_request" in answer.headers["location"]


@pytest.mark.spec("9700-2.4-a")
def test_the_template_leaves_the_password_grant_off(keycloak: Keycloak) -> None:
    form = {"grant_type": "password", "username": "ann", "password": keycloak.password}
    auth = ("native", keycloak.secret("native"))
    answer = httpx2.post(f"{keycloak.endpoint}/token", data=form, auth=auth, trust_env=False)
    assert (answer.status_code, answer.json()["error"]) == (400, "unauthorized_client")


# --- access tokens -------------------------------------------------------------------------------------------
@pytest.mark.spec("9068-4-a", "9068-2.2")
@pytest.mark.parametrize(("client_id", "typ"), [("native", "at+jwt"), ("plain", "JWT")])
async def test_access_tokens_of_both_header_types_are_accepted(
    keycloak: Keycloak, stack: ExitStack, client_id: str, typ: str
) -> None:
    session = await signed_in(keycloak, stack, client_id)
    token = session.tokens.access_token.reveal()
    assert read_unverified_header(token)["typ"] == typ
    proven = await keycloak.verifier().verify(token)
    assert (proven.client_id, proven.sub, proven.is_client_only) == (client_id, session.sub, False)
    assert "orders:read" in proven.scope
    assert "orders:write" not in proven.scope
    assert set(proven.roles) == {"admin", "auditor"}


@pytest.mark.spec("9068-2.2")
async def test_with_the_template_a_strict_verifier_takes_them_too(keycloak: Keycloak, stack: ExitStack) -> None:
    """The template adds what RFC 9068 wants and Keycloak leaves out: the header's type and client_id."""
    token = (await signed_in(keycloak, stack)).tokens.access_token.reveal()
    assert (await keycloak.verifier(dialect="rfc9068").verify(token)).client_id == "native"
    plain = (await signed_in(keycloak, stack, "plain")).tokens.access_token.reveal()
    with pytest.raises(InvalidToken) as refusal:
        await keycloak.verifier(dialect="rfc9068").verify(plain)
    assert refusal.value.finding is Finding.TOKEN_TYPE


@pytest.mark.spec("9068-2.2 / V10-10.3.3")
async def test_a_service_accounts_token_is_a_clients_own(keycloak: Keycloak, stack: ExitStack) -> None:
    token = keycloak.token("worker")["access_token"]
    proven = await keycloak.verifier().verify(token)
    assert (proven.client_id, proven.is_client_only, proven.scope) == ("worker", True, ("orders:read",))
    api = stack.enter_context(serving(api_of(keycloak.issuer)))
    assert call(api, "/orders", token).json()["client_only"] is True
    assert call(api, "/mine", token).status_code == 403
    assert call(api, "/changes", token).status_code == 403


@pytest.mark.spec("9068-4-a", "X-kind")
async def test_other_tokens_of_keycloak_are_refused_for_what_they_are(
    keycloak: Keycloak, stack: ExitStack
) -> None:
    session = await signed_in(keycloak, stack)
    assert session.tokens.id_token
    assert session.tokens.refresh_token
    refused = {
        session.tokens.id_token.reveal(): Finding.TOKEN_IS_ID_TOKEN,
        session.tokens.refresh_token.reveal(): Finding.TOKEN_IS_REFRESH_TOKEN,
    }
    api = stack.enter_context(serving(api_of(keycloak.issuer)))
    verifier = keycloak.verifier()
    for wrong, finding in refused.items():
        answer = call(api, "/orders", wrong)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")
        with pytest.raises(InvalidToken) as refusal:
            await verifier.verify(wrong)
        assert refusal.value.finding is finding


@pytest.mark.spec("9068-4-a")
async def test_without_the_audience_mapper_the_remedy_names_it(keycloak: Keycloak, stack: ExitStack) -> None:
    token = (await signed_in(keycloak, stack, "no-audience")).tokens.access_token.reveal()
    assert API not in read_unverified_payload(token).get("aud", ())
    with pytest.raises(InvalidToken) as refusal:
        await keycloak.verifier().verify(token)
    assert refusal.value.finding in (Finding.TOKEN_AUDIENCE, Finding.TOKEN_CLAIM_MISSING)
    assert "audience mapper" in remedy_for(refusal.value.finding, dialect_for(keycloak.issuer))


# --- the network, introspection, DPoP ------------------------------------------------------------------------
class Recording:
    """Sends, and remembers where to."""

    def __init__(self) -> None:
        self.urls: list[str] = []
        self._inner = HttpTransport()

    async def send(self, ask: Ask) -> Answer:
        self.urls.append(ask.url)
        return await self._inner.send(ask)


@pytest.mark.spec("interfaces: internal_base_url")
async def test_keycloak_is_reached_by_another_address_than_its_issuer(keycloak: Keycloak) -> None:
    sent = Recording()
    internal = keycloak.issuer.replace("127.0.0.1", "localhost").partition("/realms")[0]
    verifier = keycloak.verifier(internal_base_url=internal, transport=sent)
    assert (await verifier.verify(keycloak.token("worker")["access_token"])).client_id == "worker"
    assert sent.urls
    assert all(url.startswith(internal) for url in sent.urls)


@pytest.mark.spec("7662-2.2")
async def test_keycloak_is_asked_whether_a_token_still_lives(keycloak: Keycloak, stack: ExitStack) -> None:
    session = await signed_in(keycloak, stack)
    secret = keycloak.folder / "https-api-test.secret"
    asking = Introspection(client_id=API, client_secret_file=secret, always=True, max_age=0)
    verifier = keycloak.verifier(introspection=asking)
    token = session.tokens.access_token.reveal()
    assert (await verifier.verify(token)).sub == session.sub
    auth = ("native", keycloak.secret("native"))
    over = httpx2.post(f"{keycloak.endpoint}/revoke", data={"token": token}, auth=auth, trust_env=False)
    assert over.status_code == 200
    with pytest.raises(InvalidToken) as refusal:
        await verifier.verify(token)
    assert refusal.value.finding is Finding.INTROSPECTION_INACTIVE
    assert (await keycloak.verifier().verify(token)).sub == session.sub, "without asking it lives to its exp"


@pytest.mark.spec("9449-5", "9449-7.1", "9449-7.2")
async def test_a_bound_token_of_keycloak_needs_its_proof(keycloak: Keycloak, stack: ExitStack) -> None:
    key = DpopKey()
    answer = keycloak.token("bound", dpop=key.proof("POST", f"{keycloak.endpoint}/token"))
    token = answer["access_token"]
    assert answer["token_type"] == "DPoP"
    assert read_unverified_payload(token)["cnf"]["jkt"] == key.jkt
    port = free_port()
    public = f"http://127.0.0.1:{port}"
    api = stack.enter_context(serving(api_of(keycloak.issuer, dpop="optional", public_url=public), port=port))
    proof = key.proof("GET", f"{public}/orders", token=token)
    assert call(api, "/orders", token, "DPoP", dpop=proof).json()["client_id"] == "bound"
    assert call(api, "/orders", token, "DPoP", dpop=proof).status_code == 401, "the same proof again"
    assert call(api, "/orders", token).status_code == 401
    with pytest.raises(InvalidToken) as refusal:
        await keycloak.verifier().verify(token)
    assert refusal.value.finding is Finding.TOKEN_BOUND
