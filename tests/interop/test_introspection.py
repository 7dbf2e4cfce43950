"""Our introspection of opaque tokens at oidc-provider (npm), a certified provider: plain and signed answers."""

import json
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import httpx2
import pytest
from fastapi import FastAPI, Security

from proofkey.client.config import LoginConfig
from proofkey.client.session import Session
from proofkey.errors import InvalidToken, ProofkeyError, Unavailable
from proofkey.fastapi import AccessToken, Protect
from proofkey.findings import Finding
from proofkey.protocol.jose import SigningAlgorithm, SigningKey, generate_signing_key
from proofkey.protocol.text import ClientId, Issuer, Secret
from proofkey.runtime.introspection import Introspection
from proofkey.runtime.verifier import Verifier
from proofkey.testing.clock import TurnedClock
from proofkey.testing.server import free_port, serving
from proofkey.testing.sign_in import sign_in
from tests.interop.peer import running_peer
from tests.interop.provider_pages import Person

pytestmark = pytest.mark.interop

OPAQUE_API = "https://opaque.test"
OTHER_API = "https://other.test"
JWT_API = "https://jwt.test"
SECRET = Secret("Jq4v1Zt7Lr0Xc8Mw5Hd2Np9Sk6Fb3GyTaEuIoRiVhWn")
CALLBACK = "https://rp.test/callback"
KEYS: tuple[SigningAlgorithm, ...] = ("RS256", "ES256", "Ed25519")
CODE = {"grant_types": ["authorization_code", "refresh_token", "client_credentials"], "redirect_uris": [CALLBACK]}
MACHINE: dict[str, Any] = {"grant_types": [], "redirect_uris": [], "response_types": []}


class World:
    """The provider, whose tokens for one API nobody can read, and the clients that may ask about them."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._stack = stack
        self.folder = folder
        self.issuer = f"http://127.0.0.1:{free_port()}"
        self.api_key = generate_signing_key("ES256", "api-key")
        self.app_key = generate_signing_key("RS256", "app-key")
        provider = stack.enter_context(running_peer("provider.mjs", folder / "provider.log"))
        assert self.issuer == provider.ask(
            {
                "port": int(self.issuer.rpartition(":")[2]),
                "keys": [{**generate_signing_key(name).private_jwk, "use": "sig"} for name in KEYS],
                "clients": self._clients(),
                "apis": {OPAQUE_API: "orders:read", OTHER_API: "other:read", JWT_API: "orders:read"},
                "opaqueApis": [OPAQUE_API, OTHER_API],
                "accessTokenSeconds": 60,
            }
        )

    def _clients(self) -> list[dict[str, Any]]:
        secret = {"client_secret": SECRET.reveal()}
        signed = {"introspection_signed_response_alg": "ES256"}

        def by_assertion(key: SigningKey) -> dict[str, Any]:
            return {"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [key.public_jwk]}}

        return [
            {"client_id": "app", **CODE, **secret},
            {"client_id": "app-jwt", **CODE, **by_assertion(self.app_key)},
            {"client_id": "api", **MACHINE, **secret, **signed},
            {"client_id": "api-post", **MACHINE, **secret, "token_endpoint_auth_method": "client_secret_post"},
            {"client_id": "api-jwt", **MACHINE, **signed, **by_assertion(self.api_key)},
        ]

    async def signed_in(self, resource: str = OPAQUE_API, scope: str = "orders:read", **changes: Any) -> Session:
        """A session from a whole login at the provider."""
        config = LoginConfig(
            **{
                "issuer": Issuer(self.issuer),
                "client_id": ClientId("app"),
                "client_secret": SECRET,
                "redirect_uri": CALLBACK,
                "scope": ("openid", "offline_access", *scope.split()),
                "resource": (resource,),
                **changes,
            }
        )
        http = self._stack.enter_context(httpx2.Client(timeout=10, follow_redirects=False, trust_env=False))
        person = Person(http, self.issuer)
        return (await sign_in(config, lambda url: person.answer_to(url, CALLBACK))).session

    def client_token(self, resource: str = OPAQUE_API, scope: str = "orders:read") -> str:
        """A token that a client got for itself."""
        form = {"grant_type": "client_credentials", "scope": scope, "resource": resource}
        answer = self._post("/token", form)
        token: str = answer.json()["access_token"]
        return token

    def revoke(self, token: str) -> None:
        assert self._post("/token/revocation", {"token": token}).status_code == 200

    def _post(self, path: str, form: dict[str, str]) -> httpx2.Response:
        return httpx2.post(f"{self.issuer}{path}", data=form, auth=("app", SECRET.reveal()), trust_env=False)

    def verifier(self, clock: TurnedClock | None = None, **options: Any) -> Verifier:
        values: dict[str, Any] = {"client_id": "api", "client_secret": SECRET, **options}
        return Verifier(
            issuer=self.issuer, audience=OPAQUE_API, introspection=Introspection(**values), clock=clock
        )

    def key_file(self) -> Path:
        file = self.folder / "api-key.json"
        file.write_text(json.dumps(self.api_key.private_jwk))
        return file


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Generator[World]:
    with ExitStack() as stack:
        yield World(tmp_path_factory.mktemp("introspection"), stack)


async def refusal(verifier: Verifier, token: str) -> ProofkeyError:
    with pytest.raises(ProofkeyError) as refused:
        await verifier.verify(token)
    return refused.value


WAYS = ["plain, basic", "plain, post", "plain, assertion", "signed, basic", "signed, assertion"]


def ways(world: World, way: str) -> dict[str, Any]:
    answers, method = way.split(", ")
    options: dict[str, Any] = {"signed": answers == "signed"}
    if method == "post":
        options |= {"client_id": "api-post", "auth_method": "client_secret_post"}
    if method == "assertion":
        options |= {"client_id": "api-jwt", "client_secret": None, "private_key_file": world.key_file()}
    return options


@pytest.mark.spec("7662-rs", "9701 † / F2M-5.5", "7523b-cli")
@pytest.mark.parametrize("way", WAYS)
async def test_a_persons_and_a_programs_tokens_are_told(world: World, way: str) -> None:
    verifier = world.verifier(**ways(world, way))
    session = await world.signed_in()
    token = await verifier.verify(session.tokens.access_token.reveal())
    assert (token.iss, token.sub, token.client_id) == (world.issuer, "ann", "app")
    assert (token.aud, token.scope, token.is_client_only) == ((OPAQUE_API,), ("orders:read",), False)
    assert 0 < token.exp - token.iat <= 60
    machine = await verifier.verify(world.client_token())
    assert (machine.sub, machine.client_id, machine.is_client_only) == ("app", "app", True)


@pytest.mark.spec("7662-rs", "7662-2.2-a")
@pytest.mark.parametrize("way", WAYS)
async def test_other_tokens_open_nothing(world: World, way: str) -> None:
    verifier = world.verifier(**ways(world, way))
    session = await world.signed_in()
    assert session.tokens.refresh_token
    wrong = {
        world.client_token(OTHER_API, "other:read"): Finding.TOKEN_AUDIENCE,
        session.tokens.refresh_token.reveal(): Finding.TOKEN_CLAIM_MISSING,
        "invented": Finding.INTROSPECTION_INACTIVE,
    }
    for token, finding in wrong.items():
        refused = await refusal(verifier, token)
        assert isinstance(refused, InvalidToken)
        assert refused.finding is finding


@pytest.mark.spec("7662-rs")
async def test_a_refresh_token_is_none_even_where_no_audience_is_asked_for(world: World) -> None:
    verifier = world.verifier(allow_insecure_missing_audience=True)
    session = await world.signed_in()
    assert session.tokens.refresh_token
    assert isinstance(await refusal(verifier, session.tokens.refresh_token.reveal()), InvalidToken)


@pytest.mark.spec("7662-4-a")
@pytest.mark.parametrize("way", ["plain, basic", "signed, basic"])
async def test_a_revoked_token_is_refused_within_max_age(world: World, way: str) -> None:
    verifier = world.verifier(max_age=0, **ways(world, way))
    token = world.client_token()
    assert (await verifier.verify(token)).is_client_only
    world.revoke(token)
    assert (await refusal(verifier, token)).finding is Finding.INTROSPECTION_INACTIVE


async def test_jwts_of_the_same_issuer_are_verified_here(world: World) -> None:
    token = world.client_token(JWT_API)
    api = Verifier(
        issuer=world.issuer, audience=JWT_API, introspection=Introspection(client_id="api", client_secret=SECRET)
    )
    assert (await api.verify(token)).aud == (JWT_API,)
    assert (await refusal(world.verifier(), token)).finding is Finding.TOKEN_AUDIENCE


async def test_a_server_that_does_not_introspect_jwts_is_named_when_it_has_to(world: World) -> None:
    introspection = Introspection(client_id="api", client_secret=SECRET, always=True)
    api = Verifier(issuer=world.issuer, audience=JWT_API, introspection=introspection)
    refused = await refusal(api, world.client_token(JWT_API))
    assert isinstance(refused, Unavailable)
    assert refused.facts["error"] == "unsupported_token_type"


async def test_wrong_credentials_of_our_own_are_named_as_ours(world: World) -> None:
    verifier = world.verifier(client_secret="Wrong-7Zr0bX1mGd2Vt8Ky3Lw5Hs9Nc4Jf6PaEuRi")
    refused = await refusal(verifier, world.client_token())
    assert isinstance(refused, Unavailable)
    assert refused.finding is Finding.INTROSPECTION_CREDENTIALS


@pytest.mark.spec("7523b-cli", "7523-3-a / OC-9-a")
async def test_a_login_proves_itself_by_assertions(world: World) -> None:
    session = await world.signed_in(client_id=ClientId("app-jwt"), client_secret=None, client_key=world.app_key)
    assert session.sub == "ann"
    token = await world.verifier().verify(session.tokens.access_token.reveal())
    assert (token.sub, token.client_id) == ("ann", "app-jwt")


def test_an_api_takes_opaque_tokens(world: World) -> None:
    api = Protect(
        issuer=world.issuer,
        audience=OPAQUE_API,
        introspection=Introspection(client_id="api", client_secret=SECRET, signed=True),
    )
    app = FastAPI(lifespan=api.lifespan)

    @app.get("/orders")
    async def orders(token: Annotated[AccessToken, Security(api, scopes=["orders:read"])]) -> dict[str, Any]:
        return {"sub": token.sub, "client_only": token.is_client_only}

    with serving(app) as url:
        answers = [
            httpx2.get(f"{url}/orders", headers={"authorization": f"Bearer {token}"}, trust_env=False)
            for token in (world.client_token(), "invented")
        ]
    assert answers[0].json() == {"sub": "app", "client_only": True}
    assert (answers[1].status_code, answers[1].json()["error"]) == (401, "invalid_token")
