"""Our `Login` and `Protect` at oidc-provider (npm), a certified provider: its pages, its tokens, its keys."""

from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from fastapi import Depends, FastAPI, Security

from proofkey.client.config import LoginConfig
from proofkey.client.session import Session
from proofkey.errors import InvalidToken, LoginFailed, RefreshFailed, Unavailable
from proofkey.fastapi import AccessToken, Login, Protect
from proofkey.findings import Finding
from proofkey.protocol.jose import SigningAlgorithm, SigningKey, generate_signing_key
from proofkey.protocol.jws import read_unverified_header, read_unverified_payload
from proofkey.protocol.text import ClientId, Issuer, Pairs, Secret
from proofkey.runtime.clock import ShiftedClock
from proofkey.runtime.login_core import LoginCore
from proofkey.runtime.verifier import Verifier
from proofkey.store.memory import MemorySessionStore
from proofkey.testing.server import free_port, serving
from proofkey.testing.sign_in import NativeLogin, sign_in
from proofkey.testing.tokens import key_for_tests
from proofkey.transport.http import HttpTransport
from tests.interop.peer import running_peer
from tests.interop.provider_pages import Person

pytestmark = pytest.mark.interop

API = "https://api.test"
OTHER_API = "https://other.test"
SECRET = Secret("Jq4v1Zt7Lr0Xc8Mw5Hd2Np9Sk6Fb3GyTaEuIoRiVhWn")
CALLBACK = "https://rp.test/callback"
SCOPE = "openid profile offline_access orders:read"
TOKEN_LIFE = 60
CLIENT_KEY = key_for_tests("ES256", "client-key")
KEYS: tuple[SigningAlgorithm, ...] = ("RS256", "ES256", "Ed25519")


class TurnedFile(ShiftedClock):
    """The machine's clock, for the provider lives by it, and what it is turned by."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._file = path
        self._turned = 0

    def turn(self, seconds: int) -> None:
        self._turned += seconds
        self._file.write_text(str(self._turned))


class World:
    """The provider, an API that trusts it, and an application whose people sign in there; each with its clock."""

    def __init__(self, folder: Path, stack: ExitStack, *, strict_offline: bool = False) -> None:
        self._folder = folder
        self._stack = stack
        self._strict_offline = strict_offline
        self._port, self._web_port = free_port(), free_port()
        self.issuer = f"http://127.0.0.1:{self._port}"
        self.web = f"http://127.0.0.1:{self._web_port}"
        self.clock = TurnedFile(folder / "clock")
        self.api_clock = TurnedFile(folder / "api-clock")
        self._provider = ExitStack()
        stack.callback(self._provider_down)

    def provider_up(self, keys: list[SigningKey]) -> None:
        """With those keys; at the same address after a `provider_down`."""
        provider = self._provider.enter_context(running_peer("provider.mjs", self._folder / "provider.log"))
        assert self.issuer == provider.ask(
            {
                "port": self._port,
                "keys": [{**key.private_jwk, "use": "sig"} for key in keys],
                "clients": clients(self.web),
                "apis": {API: "orders:read orders:write", OTHER_API: "other:read"},
                "accessTokenSeconds": TOKEN_LIFE,
                "strictOffline": self._strict_offline,
            }
        )

    def _provider_down(self) -> None:
        self._provider.close()

    def new_keys(self, keys: list[SigningKey]) -> None:
        """The provider starts anew with other keys; what it remembered is gone."""
        self._provider_down()
        self.provider_up(keys)

    def parts_up(self) -> None:
        self.api = self._stack.enter_context(serving(api_of(self)))
        self._stack.enter_context(serving(web_of(self), port=self._web_port))

    def person(self) -> Person:
        http = httpx2.Client(timeout=10, follow_redirects=False, trust_env=False)
        return Person(self._stack.enter_context(http), self.issuer)

    def config(self, **changes: Any) -> LoginConfig:
        values: dict[str, Any] = {
            "issuer": Issuer(self.issuer),
            "client_id": ClientId("basic"),
            "client_secret": SECRET,
            "redirect_uri": CALLBACK,
            "scope": tuple(SCOPE.split()),
            "resource": (API,),
        }
        return LoginConfig(**{**values, **changes})

    async def signed_in(self, **changes: Any) -> Session:
        """A session from a whole login at the provider."""
        config = self.config(**changes)
        return (await sign_in(config, lambda url: self.person().answer_to(url, CALLBACK))).session

    def client_token(self) -> str:
        """A token that a client got for itself."""
        form = {"grant_type": "client_credentials", "scope": "orders:read", "resource": API}
        answer = httpx2.post(f"{self.issuer}/token", data=form, auth=("basic", SECRET.reveal()), trust_env=False)
        token: str = answer.json()["access_token"]
        return token

    def call(self, path: str, token: str) -> httpx2.Response:
        headers = {"authorization": f"Bearer {token}"}
        return httpx2.get(f"{self.api}{path}", headers=headers, trust_env=False)

    def verifier(self) -> Verifier:
        return Verifier(issuer=self.issuer, audience=API, clock=self.api_clock)


def clients(web: str) -> list[dict[str, Any]]:
    """What is registered at the provider."""
    code = {"grant_types": ["authorization_code", "refresh_token"], "redirect_uris": [CALLBACK]}
    secret = {"client_secret": SECRET.reveal()}
    return [
        {
            "client_id": "web",
            **code,
            **secret,
            "redirect_uris": [f"{web}/auth/callback"],
            "post_logout_redirect_uris": [f"{web}/auth/signed-out"],
        },
        {"client_id": "basic", **code, **secret, "grant_types": [*code["grant_types"], "client_credentials"]},
        {
            "client_id": "post",
            **code,
            **secret,
            "token_endpoint_auth_method": "client_secret_post",
            "id_token_signed_response_alg": "ES256",
        },
        {
            "client_id": "public",
            **code,
            "token_endpoint_auth_method": "none",
            "id_token_signed_response_alg": "Ed25519",
        },
        {
            "client_id": "signed",
            **code,
            "token_endpoint_auth_method": "private_key_jwt",
            "jwks": {"keys": [CLIENT_KEY.public_jwk]},
            "require_pushed_authorization_requests": True,
            "userinfo_signed_response_alg": "ES256",
        },
    ]


def api_of(world: World) -> FastAPI:
    """An API for persons and programs."""
    api = Protect(issuer=world.issuer, audience=API, clock=world.api_clock)
    app = FastAPI(lifespan=api.lifespan)

    @app.get("/orders")
    async def orders(token: Annotated[AccessToken, Security(api, scopes=["orders:read"])]) -> dict[str, Any]:
        return {"sub": token.sub, "client_id": token.client_id}

    @app.get("/changes")
    async def changes(token: Annotated[AccessToken, Security(api, scopes=["orders:write"])]) -> None: ...

    @app.get("/mine")
    async def mine(token: Annotated[AccessToken, Depends(api.user)]) -> dict[str, Any]:
        return {"sub": token.sub}

    return app


def web_of(world: World) -> FastAPI:
    """An application that calls the API for the person; `/tokens` shows what no application should."""
    login = Login(
        issuer=world.issuer,
        client_id="web",
        client_secret=SECRET,
        public_url=world.web,
        audience=API,
        scope=SCOPE,
        clock=world.clock,
    )
    app = FastAPI()
    login.mount(app)
    user = Annotated[Session, Depends(login.user)]

    @app.get("/me")
    async def me(session: user) -> dict[str, Any]:
        return {"sub": session.sub, "name": session.name, "scope": session.scope}

    @app.get("/orders")
    async def orders(session: user) -> Any:
        async with await login.api(session, world.api) as client:
            return (await client.get("/orders")).json()

    @app.get("/tokens")
    async def tokens(session: user) -> dict[str, str | None]:
        held = await login.core.access_token(session.id)
        return {
            "access": held.access_token.reveal(),
            "refresh": held.refresh_token.reveal() if held.refresh_token else None,
        }

    return app


@pytest.fixture(scope="module")
def keys() -> list[SigningKey]:
    return [generate_signing_key(algorithm) for algorithm in KEYS]


@pytest.fixture
def new_keys() -> list[SigningKey]:
    return [generate_signing_key(algorithm) for algorithm in KEYS]


@pytest.fixture
def world(tmp_path: Path, keys: list[SigningKey]) -> Generator[World]:
    with ExitStack() as stack:
        made = World(tmp_path, stack)
        made.provider_up(keys)
        made.parts_up()
        yield made


@pytest.fixture
def strict_world(tmp_path: Path, keys: list[SigningKey]) -> Generator[World]:
    """The provider gives refresh tokens to requests with prompt=consent only, as it does by default."""
    with ExitStack() as stack:
        made = World(tmp_path, stack, strict_offline=True)
        made.provider_up(keys)
        made.parts_up()
        yield made


# --- the login of an application -----------------------------------------------------------------------------
@pytest.mark.spec("OC-3.1.3.7-a", "9207-2.4-a / MCP26-iss", "8707-2.2-a", "7636-4.5")
def test_a_person_signs_in_and_sees_what_only_the_api_has(world: World) -> None:
    person = world.person()
    answer = person.open(f"{world.web}/auth/login?next=/me")
    assert answer.json() == {"sub": "ann", "name": "ann of the provider", "scope": ["orders:read"]}
    assert str(answer.url) == f"{world.web}/me"
    assert person.pages == ["login", "consent"]
    assert person.get(f"{world.web}/orders").json() == {"sub": "ann", "client_id": "web"}


@pytest.mark.spec("6749-6-a / OC-12.1", "OC-12.2-b")
def test_tokens_are_refreshed_and_the_rotated_refresh_token_is_kept(world: World) -> None:
    person = world.person()
    first = person.open(f"{world.web}/auth/login?next=/tokens").json()
    assert person.get(f"{world.web}/tokens").json() == first, "nothing is refreshed before its time"
    seen = [first]
    for _ in range(3):
        world.clock.turn(TOKEN_LIFE - 20)
        seen.append(person.get(f"{world.web}/tokens").json())
        assert person.get(f"{world.web}/orders").json()["sub"] == "ann"
    assert len({tokens["access"] for tokens in seen}) == 4
    assert len({tokens["refresh"] for tokens in seen}) == 4


@pytest.mark.spec("9700-2.2.2-a / 4.14.2-a")
def test_a_family_that_the_provider_revoked_ends_the_session(world: World) -> None:
    person = world.person()
    stolen = person.open(f"{world.web}/auth/login?next=/tokens").json()["refresh"]
    world.clock.turn(TOKEN_LIFE - 20)
    person.get(f"{world.web}/tokens")
    form = {"grant_type": "refresh_token", "refresh_token": stolen}
    replay = httpx2.post(f"{world.issuer}/token", data=form, auth=("web", SECRET.reveal()), trust_env=False)
    assert (replay.status_code, replay.json()["error"]) == (400, "invalid_grant")
    assert person.get(f"{world.web}/me").status_code == 200
    world.clock.turn(TOKEN_LIFE - 20)
    for path in ("/tokens", "/me"):
        refused = person.get(f"{world.web}{path}")
        assert (refused.status_code, refused.json()["error"]) == (401, "login_required")


@pytest.mark.spec("RL-2-c")
def test_signing_out_ends_the_session_here_and_there(world: World) -> None:
    person = world.person()
    person.open(f"{world.web}/auth/login?next=/me")
    away = person.http.post(f"{world.web}/auth/logout", headers={"origin": world.web})
    assert away.status_code == 303
    back = person.open(away.headers["location"])
    assert str(back.url).startswith(f"{world.web}/auth/signed-out?state=")
    assert back.status_code == 200
    assert person.get(f"{world.web}/me").status_code == 401
    person.open(f"{world.web}/auth/login?next=/me")
    assert person.pages == ["login", "consent", "logout", "login", "consent"]


@pytest.mark.spec("9207-2.4-a / MCP26-iss")
def test_who_aborts_at_the_provider_is_told_so(world: World) -> None:
    answer = world.person().open(f"{world.web}/auth/login?next=/me", aborts=True)
    assert str(answer.url).startswith(f"{world.web}/auth/callback?")
    assert 400 <= answer.status_code < 500
    assert 'data-page="error"' in answer.text


# --- the client alone ----------------------------------------------------------------------------------------
@pytest.mark.spec("OC-3.1.3.7-a")
@pytest.mark.parametrize(
    ("changes", "algorithm"),
    [
        pytest.param({"client_id": "basic"}, "RS256", id="basic"),
        pytest.param({"client_id": "post", "auth_method": "client_secret_post"}, "ES256", id="post"),
        pytest.param({"client_id": "public", "client_secret": None}, "Ed25519", id="public"),
    ],
)
async def test_every_kind_of_client_signs_in(world: World, changes: dict[str, Any], algorithm: str) -> None:
    session = await world.signed_in(**changes)
    assert session.sub == "ann"
    assert session.tokens.id_token
    assert read_unverified_header(session.tokens.id_token.reveal())["alg"] == algorithm
    assert world.call("/mine", session.tokens.access_token.reveal()).json() == {"sub": "ann"}


@pytest.mark.spec("9700-2.5-a / V10-10.4.16", "OC-5.3.2-a")
async def test_a_client_with_a_key_pushes_its_request_and_reads_signed_userinfo(world: World) -> None:
    key: dict[str, Any] = {"client_id": "signed", "client_secret": None, "client_key": CLIENT_KEY}
    login = NativeLogin(world.config(**key, resource=(), scope=("openid", "profile"), userinfo="signed"))
    url = await login.start()
    assert set(parse_qs(urlsplit(url).query)) == {"client_id", "request_uri"}
    session = await login.finish(world.person().answer_to(url, CALLBACK))
    assert (session.sub, session.claims["name"]) == ("ann", "ann of the provider")


async def test_a_token_for_an_api_alone_opens_no_userinfo_and_the_login_goes_on(world: World) -> None:
    session = await world.signed_in(userinfo="auto")
    assert (session.sub, session.claims["aud"]) == ("ann", "basic")
    with pytest.raises(Unavailable):
        await world.signed_in(userinfo=True)


@pytest.mark.spec("9207-2.4-a / MCP26-iss")
@pytest.mark.parametrize("forged", [("iss", "https://evil.test"), None], ids=["another", "none"])
async def test_an_answer_without_the_right_issuer_is_refused(world: World, forged: tuple[str, str] | None) -> None:
    login = NativeLogin(world.config())
    pairs = world.person().answer_to(await login.start(), CALLBACK)
    changed: Pairs = tuple(pair for pair in pairs if pair[0] != "iss")
    with pytest.raises(LoginFailed) as refusal:
        await login.finish(changed if forged is None else (*changed, forged))
    assert refusal.value.finding is Finding.LOGIN_ISSUER


@pytest.mark.spec("OC-11-a")
async def test_a_provider_that_wants_consent_for_offline_access_gives_a_refresh_token_for_it(
    strict_world: World,
) -> None:
    """OIDC Core §11: without prompt=consent this provider ignores offline_access, and the session is short."""
    core = LoginCore(strict_world.config(), MemorySessionStore(), HttpTransport(), clock=strict_world.clock)
    sessions = []
    for prompt in (frozenset[str](), frozenset({"consent"})):
        started = await core.start("/", prompt=prompt)
        pairs = strict_world.person().answer_to(started.url, CALLBACK)
        sessions.append((await core.finish(pairs, {started.flow: started.browser})).session)
    short, long = sessions
    assert (short.tokens.refresh_token, bool(long.tokens.refresh_token)) == (None, True)
    strict_world.clock.turn(TOKEN_LIFE + 1)
    assert (await core.access_token(long.id)).access_token != long.tokens.access_token
    with pytest.raises(RefreshFailed) as refusal:
        await core.access_token(short.id)
    assert refusal.value.final


# --- the API -------------------------------------------------------------------------------------------------
@pytest.mark.spec("9068-4-a", "6750-3")
async def test_the_api_takes_its_access_tokens_and_no_others(world: World) -> None:
    session = await world.signed_in()
    plain = await world.signed_in(resource=(), scope=("openid",))
    other = await world.signed_in(resource=(OTHER_API,), scope=("openid", "other:read"))
    assert session.tokens.id_token
    token = session.tokens.access_token.reveal()
    assert read_unverified_header(token)["typ"] == "at+jwt"
    assert world.call("/orders", token).json() == {"sub": "ann", "client_id": "basic"}
    refused = {
        session.tokens.id_token.reveal(): Finding.TOKEN_IS_ID_TOKEN,
        plain.tokens.access_token.reveal(): Finding.TOKEN_IS_OPAQUE,
        other.tokens.access_token.reveal(): Finding.TOKEN_AUDIENCE,
    }
    verifier = world.verifier()
    for wrong, finding in refused.items():
        answer = world.call("/orders", wrong)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith('Bearer error="invalid_token", error_description="')
        assert answer.json()["error"] == "invalid_token"
        with pytest.raises(InvalidToken) as refusal:
            await verifier.verify(wrong)
        assert refusal.value.finding is finding


@pytest.mark.spec("6750-3.1")
async def test_the_api_asks_for_scopes(world: World) -> None:
    session = await world.signed_in()
    answer = world.call("/changes", session.tokens.access_token.reveal())
    assert answer.status_code == 403
    assert answer.headers["www-authenticate"].startswith('Bearer error="insufficient_scope"')
    assert ', scope="orders:write"' in answer.headers["www-authenticate"]


@pytest.mark.spec("9068-2.2 / V10-10.3.3")
def test_the_api_tells_programs_from_persons(world: World) -> None:
    token = world.client_token()
    assert world.call("/orders", token).json() == {"sub": "basic", "client_id": "basic"}
    assert world.call("/mine", token).status_code == 403


@pytest.mark.spec("9068-4-b", "V9-9.2.1")
def test_the_api_refuses_a_token_that_is_over(world: World) -> None:
    token = world.client_token()
    life = read_unverified_payload(token)
    world.api_clock.turn(life["exp"] - life["iat"] + 30)
    answer = world.call("/orders", token)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")


# --- new keys ------------------------------------------------------------------------------------------------
@pytest.mark.spec("8725-3.10")
def test_the_api_learns_new_keys_and_forgets_old_ones(world: World, new_keys: list[SigningKey]) -> None:
    old = world.client_token()
    assert world.call("/orders", old).status_code == 200
    world.new_keys(new_keys)
    new = world.client_token()
    assert read_unverified_header(new)["kid"] != read_unverified_header(old)["kid"]
    world.api_clock.turn(31)
    assert world.call("/orders", new).status_code == 200
    assert world.call("/orders", old).status_code == 401


@pytest.mark.spec("OC-10.1.1")
def test_a_login_learns_new_keys(world: World, new_keys: list[SigningKey]) -> None:
    assert world.person().open(f"{world.web}/auth/login?next=/me").json()["sub"] == "ann"
    world.new_keys(new_keys)
    world.clock.turn(31)
    assert world.person().open(f"{world.web}/auth/login?next=/me").json()["sub"] == "ann"
