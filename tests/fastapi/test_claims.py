"""Typed claims: the application's model in place of the mapping, validated once."""

import json
import logging
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import FastAPI, Security
from pydantic import BaseModel, Field, field_validator
from starlette.testclient import TestClient
from typing_extensions import TypedDict

from proofkey.errors import ConfigurationError
from proofkey.fastapi import AccessToken, Protect
from proofkey.testing.clock import TurnedClock
from proofkey.testing.issuer import AUDIENCE, LocalIssuer
from proofkey.testing.tokens_for import bearer


class MyClaims(BaseModel):
    """What this application wants to know."""

    tenant: str = Field(min_length=1)
    level: int = 0
    validations: int = 1

    @field_validator("tenant")
    @classmethod
    def counted(cls, tenant: str) -> str:
        SEEN.append(tenant)
        if tenant == "breaks":
            raise RuntimeError("canary-secret")
        return tenant


SEEN: list[str] = []


class World:
    def __init__(self, *, remember_tokens: int = 0) -> None:
        self.clock = TurnedClock()
        self.issuer = LocalIssuer(clock=self.clock)
        self.api = Protect[MyClaims](
            issuer=self.issuer.url,
            audience=AUDIENCE,
            transport=self.issuer.transport,
            clock=self.clock,
            remember_tokens=remember_tokens,
        )
        self.app = FastAPI(lifespan=self.api.lifespan)

        @self.app.get("/tenant")
        async def tenant(token: Annotated[AccessToken[MyClaims], Security(self.api)]) -> str:
            assert isinstance(token.claims, MyClaims)
            return f"{token.claims.tenant} {token.claims.level} {token.sub}"

    def get(self, **claims: object) -> Any:
        SEEN.clear()
        return TestClient(self.app).get("/tenant", headers=bearer(self.issuer.token_for(**claims)))  # type: ignore[arg-type] # claims of any kind


def test_the_handler_gets_the_model() -> None:
    assert World().get(tenant="acme", level=3, sub="ann").json() == "acme 3 ann"


@pytest.mark.spec("V16-16.5.1", "9700-4.9.3-a")
@pytest.mark.parametrize(
    ("claims", "claim", "reason"),
    [
        ({}, "tenant", "missing"),
        ({"tenant": ""}, "tenant", "string_too_short"),
        ({"tenant": ["canary-secret"]}, "tenant", "string_type"),
        ({"tenant": "a", "level": "canary-secret"}, "level", "int_parsing"),
    ],
)
def test_claims_that_do_not_fit_are_refused_without_a_word_about_their_values(
    caplog: pytest.LogCaptureFixture, claims: dict[str, object], claim: str, reason: str
) -> None:
    caplog.set_level(logging.DEBUG)
    answer = World().get(**claims)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")
    assert answer.json()["error_description"] == "The access token is not valid."
    (event,) = [vars(record)["proofkey"] for record in caplog.records if "RS-15" in record.getMessage()]
    assert (event["finding"], event["claim"]) == ("RS-15", claim)
    assert reason in caplog.text
    assert "canary-secret" not in caplog.text


@pytest.mark.spec("X-failclosed")
def test_a_model_that_breaks_lets_nobody_in(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    answer = World().get(tenant="breaks")
    assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable")
    assert "RuntimeError" in caplog.text
    assert "canary-secret" not in caplog.text


def test_a_remembered_token_keeps_its_model() -> None:
    world = World(remember_tokens=2)
    tokens = [world.issuer.token_for(tenant=f"t{number}") for number in range(4)]
    client = TestClient(world.app)
    SEEN.clear()
    for token in (tokens[0], tokens[0], tokens[1], tokens[1]):
        client.get("/tenant", headers=bearer(token))
    assert SEEN == ["t0", "t1"]
    for token in tokens:
        assert client.get("/tenant", headers=bearer(token)).status_code == 200
    assert client.get("/tenant", headers=bearer(tokens[3])).json() == "t3 0 u1"


def test_a_remembered_model_never_goes_to_another_token() -> None:
    world = World(remember_tokens=1)
    client = TestClient(world.app)
    for number in range(50):
        headers = bearer(world.issuer.token_for(tenant=f"t{number}", sub=f"s{number}"))
        assert client.get("/tenant", headers=headers).json() == f"t{number} 0 s{number}"


class Claims(TypedDict):
    tenant: str


class OfClass(Protect[Claims]):
    """A model that a subclass names."""


def test_a_subclass_may_name_the_model() -> None:
    issuer = LocalIssuer()
    api = OfClass(issuer=issuer.url, audience=AUDIENCE, transport=issuer.transport)
    app = FastAPI()

    @app.get("/")
    async def tenant(token: Annotated[AccessToken[Claims], Security(api)]) -> str:
        return token.claims["tenant"]

    client = TestClient(app)
    assert client.get("/", headers=bearer(issuer.token_for(tenant="acme"))).json() == "acme"
    assert client.get("/", headers=bearer(issuer.token_for())).status_code == 401


@pytest.mark.parametrize("model", [Mapping[str, Any], dict[str, Any], Any, dict], ids=str)
def test_a_mapping_is_left_as_it_came(model: Any) -> None:
    issuer = LocalIssuer()
    api = Protect[model](issuer=issuer.url, audience=AUDIENCE, transport=issuer.transport)
    assert api._admission.claims is None


@pytest.mark.spec("X-failclosed")
def test_a_model_that_cannot_be_is_refused_at_the_start() -> None:
    class NoModel:
        pass

    class OfNoModel(Protect[NoModel]):
        pass

    with pytest.raises(ConfigurationError, match="claims"):
        OfNoModel(issuer="https://id.example", audience=AUDIENCE)
    with pytest.raises(ConfigurationError, match="claims"):
        Protect[NoModel](issuer="https://id.example", audience=AUDIENCE)


SNIPPET = """
from typing import Annotated, Any, assert_type
from collections.abc import Mapping
from fastapi import Depends, FastAPI, Request, Security
from pydantic import BaseModel
from proofkey.fastapi import AccessToken, Guard, Protect

class MyClaims(BaseModel):
    tenant: str

class User:
    name: str

async def find(token: AccessToken[MyClaims]) -> User | None:
    return None

api = Protect[MyClaims](issuer="https://id.example", audience="https://api.example")
plain = Protect(issuer="https://id.example", audience="https://api.example")
users = api.users(find)
app = FastAPI(lifespan=api.lifespan)

@app.get("/")
async def handler(
    request: Request,
    token: Annotated[AccessToken[MyClaims], Security(api, scopes=["a"])],
    other: Annotated[AccessToken, Security(plain)],
    user: Annotated[User, Depends(users)],
) -> str:
    assert_type(token.claims, MyClaims)
    assert_type(other.claims, Mapping[str, Any])
    assert_type(await api.admit(request), AccessToken[MyClaims])
    assert_type(await plain.admit(request), AccessToken[Mapping[str, Any]])
    assert_type(api.token(request), AccessToken[MyClaims])
    assert_type(api.role("x"), Guard[MyClaims])
    return token.claims.tenant + user.name

async def scopes(request: Request) -> None:
    from fastapi.security import SecurityScopes
    assert_type(await users(request, SecurityScopes()), User)
    assert_type(await api.optional(request, SecurityScopes()), AccessToken[MyClaims] | None)
"""


@pytest.mark.parametrize("checker", ["mypy", "basedpyright"])
def test_type_checkers_know_the_model(tmp_path: Path, checker: str) -> None:
    snippet = tmp_path / "snippet.py"
    snippet.write_text(SNIPPET)
    root = Path(__file__).parents[2]
    if checker == "mypy":
        command = ["mypy", "--strict", "--config-file", str(root / "pyproject.toml"), str(snippet)]
    else:
        config = {"include": [str(snippet)], "extraPaths": [str(root / "src")], "typeCheckingMode": "strict"}
        (tmp_path / "pyrightconfig.json").write_text(json.dumps(config | {"reportMissingTypeStubs": False}))
        command = ["basedpyright", "--pythonpath", sys.executable, "-p", str(tmp_path)]
    done = subprocess.run([sys.executable, "-m", *command], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
