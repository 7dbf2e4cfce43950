"""The corpus over HTTP: an API of ours lets nothing in; one as tutorials write it is found out."""

from typing import Annotated, Any

import jwt
import pytest
from fastapi import Depends, FastAPI, HTTPException, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from fastapi.testclient import TestClient
from flask import Flask

from proofkey.errors import ProofkeyError
from proofkey.fastapi import AccessToken, Introspection, Protect
from proofkey.resource_server.challenge import build_refusal
from proofkey.resource_server.credentials import read_credentials
from proofkey.runtime.verifier import Verifier
from proofkey.testing.api_check import HostileTokens, check_api
from proofkey.testing.clock import TurnedClock
from proofkey.testing.corpus import corpus_of, maker_of
from proofkey.testing.corpus_issuer import CorpusIssuer
from proofkey.testing.introspection_endpoint import CLIENT_ID, CLIENT_SECRET, IntrospectingIssuer
from proofkey.testing.issuer import AUDIENCE, LocalIssuer
from proofkey.testing.personas import PERSONAS
from proofkey.testing.server import serving

PUBLIC = "https://api.test"


def app_of(api: Protect) -> FastAPI:
    app = FastAPI(lifespan=api.lifespan)

    @app.get("/orders")
    async def orders(token: Annotated[AccessToken, Security(api, scopes=["orders:read"])]) -> str:
        return token.sub

    return app


def protected(issuer: LocalIssuer, **options: Any) -> FastAPI:
    return app_of(
        Protect(
            issuer=issuer.url,
            dialect=issuer.persona.dialect,
            audience=AUDIENCE,
            transport=issuer.transport,
            clock=issuer.clock,
            **options,
        )
    )


@pytest.mark.spec("6750-3-a", "9449-7.1-b", "V16-16.5.1", "9449-4.3-a", "X-jti", "8725b-3.14-a")
@pytest.mark.parametrize("remembered", [0, 1000], ids=["each verified", "remembered"])
@pytest.mark.parametrize("name", PERSONAS)
def test_an_api_of_ours_makes_of_every_token_what_it_must(name: str, remembered: int) -> None:
    """Twice: status, challenge and one constant text; the second time meets the memory of tokens."""
    issuer = LocalIssuer(dialect=name, clock=TurnedClock())
    app = protected(issuer, remember_tokens=remembered, dpop="optional", public_url=PUBLIC)
    for _ in range(2):
        report = HostileTokens(issuer).check(app, "/orders", scope="orders:read", dpop_url=f"{PUBLIC}/orders")
        assert report.conforms, str(report)
        assert report.sent > 500
        assert report.left_out == 0
        assert set(report.bodies) == {"400 invalid_request", "401 invalid_token", "401 invalid_dpop_proof"}


@pytest.mark.parametrize("name", PERSONAS)
def test_without_dpop_and_through_a_client(name: str) -> None:
    issuer = LocalIssuer(dialect=name, clock=TurnedClock())
    with TestClient(protected(issuer), raise_server_exceptions=True) as client:
        report = HostileTokens(issuer).check(client, "/orders", scope="orders:read")
    assert report.conforms, str(report)
    assert report.left_out > 3


@pytest.mark.spec("7662-rs")
def test_introspection_lets_no_hostile_token_in() -> None:
    issuer = IntrospectingIssuer(clock=TurnedClock())
    asking = Introspection(client_id=CLIENT_ID, client_secret=CLIENT_SECRET, size=5000)
    app = protected(issuer, introspection=asking, remember_tokens=1000)
    for _ in range(2):
        report = HostileTokens(issuer).check(app, "/orders", scope="orders:read")
        assert report.conforms, str(report)
    assert issuer.questions


def test_a_guard_around_the_application_lets_nothing_in_either() -> None:
    issuer = LocalIssuer(clock=TurnedClock())
    api = Protect(issuer=issuer.url, audience=AUDIENCE, transport=issuer.transport, clock=issuer.clock)
    app = app_of(api)
    api.guard(app)
    report = HostileTokens(issuer).check(app, "/orders", scope="orders:read")
    assert report.conforms, str(report)


# --- other APIs -------------------------------------------------------------------------------------------------


def naive_app(issuer: CorpusIssuer) -> FastAPI:
    """As tutorials write it: PyJWT and its key client, called as their documentation shows."""
    app = FastAPI()
    keys = jwt.PyJWKClient(issuer.jwks_uri)
    bearer = HTTPBearer()

    def claims_of(sent: Annotated[HTTPAuthorizationCredentials, Depends(bearer)]) -> dict[str, Any]:
        token = sent.credentials
        try:
            key = keys.get_signing_key_from_jwt(token)
            decoded: dict[str, Any] = jwt.decode(
                token, key.key, algorithms=["RS256"], audience=AUDIENCE, issuer=issuer.url
            )
        except jwt.PyJWTError as error:
            raise HTTPException(401, str(error)) from error
        return decoded

    @app.get("/orders")
    def orders(claims: Annotated[dict[str, Any], Depends(claims_of)]) -> str:
        if "orders:read" not in claims.get("scope", ""):
            raise HTTPException(403, "scope")
        return str(claims.get("sub"))

    return app


@pytest.mark.spec("8725b-3.11", "9068-4-a", "8725b-3.14-a", "9449-7.2-a")
def test_an_api_as_tutorials_write_it_is_found_out(corpus_issuer: CorpusIssuer) -> None:
    report = HostileTokens(corpus_issuer).check(naive_app(corpus_issuer), "/orders", scope="orders:read")
    assert not report.ok
    let_in = {one.name for one in report.accepted}
    assert let_in >= {
        "access token typed JWT",
        "refresh token",
        "bound to a DPoP key",
        "payload: members twice",
        "exp of string",
        "no exp",
        "no sub",
        "sub empty",
        "scope with two spaces",
    }
    assert "plain" not in {one.name for one in report.refused}
    told = str(report)
    assert f"{len(report.accepted)} wrong accepts" in told
    assert "different bodies with 401: the reason shows" in told
    assert "without WWW-Authenticate" in told
    assert "no exp" in told
    assert "V9-9.2.1" in told


def careless_app(issuer: CorpusIssuer) -> FastAPI:
    """Every fault in one: no signature looked at, an exception where a claim is missing, strict where it harms."""
    app = FastAPI()
    bearer = HTTPBearer()

    @app.get("/orders")
    def orders(sent: Annotated[HTTPAuthorizationCredentials, Depends(bearer)]) -> str:
        claims = jwt.decode(sent.credentials, options={"verify_signature": False})
        if isinstance(claims["aud"], list):
            raise HTTPException(401)
        return str(claims["sub"])

    return app


def test_wrong_refusals_and_faults_are_found_too(corpus_issuer: CorpusIssuer) -> None:
    client = TestClient(careless_app(corpus_issuer), raise_server_exceptions=False)
    report = HostileTokens(corpus_issuer).check(client, "/orders", scope="orders:read")
    assert {one.name for one in report.refused} == {"a list of audiences with ours"}
    assert {"a stranger's signature", "alg none, unsigned", "HS256 with the public PEM"} <= {
        one.name for one in report.accepted
    }
    assert {"no aud", "opaque"} <= {one.name for one in report.faults}
    raising = TestClient(careless_app(corpus_issuer))
    named = {one.name: one.got for one in HostileTokens(corpus_issuer).check(raising, "/orders").faults}
    assert named["no aud"] == "KeyError"
    in_process = HostileTokens(corpus_issuer).check(careless_app(corpus_issuer), "/orders")
    assert {one.name: one.got for one in in_process.faults}["no aud"] == "KeyError"


def test_an_api_that_refuses_everything_shows_nothing(corpus_issuer: CorpusIssuer) -> None:
    """And an API without such a path lets everything in."""
    app = FastAPI()

    @app.get("/closed")
    def closed() -> str:
        raise HTTPException(401, headers={"WWW-Authenticate": "Bearer"})

    report = HostileTokens(corpus_issuer).check(app, "/closed")
    assert not report.ok
    assert "the ordinary token is refused" in str(report)
    assert "a challenge without its error code" in str(report)
    assert len(HostileTokens(corpus_issuer).check(app, "/absent").accepted) > 300


def test_what_is_known_is_told_apart_and_may_not_be_out_of_date(corpus_issuer: CorpusIssuer) -> None:
    cases = corpus_of(maker_of(corpus_issuer, scope="orders:read"))
    app = naive_app(corpus_issuer)
    report = check_api(app, "/orders", cases)
    reasons = {one.name: "PyJWT" for one in (*report.accepted, *report.refused, *report.faults)}
    excused = check_api(app, "/orders", cases, known=reasons)
    assert excused.ok, str(excused)
    assert {one.remark for one in excused.known} == {"PyJWT"}
    stale = check_api(app, "/orders", cases, known=reasons | {"a stranger's signature": "no longer so"})
    assert not stale.ok
    assert stale.unused == ("a stranger's signature",)


@pytest.mark.spec("8725b-3.3-a")
def test_a_flask_api_on_our_verifier(corpus_issuer: CorpusIssuer) -> None:
    app = Flask("orders")
    verifier = Verifier(issuer=corpus_issuer.url, audience=AUDIENCE)

    @app.get("/orders")
    def orders() -> Any:
        from flask import request

        headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in request.headers.items()]
        try:
            token = verifier.verify_sync(read_credentials(headers).token)
        except ProofkeyError as error:
            refusal = build_refusal(error)
            return dict(refusal.body or {}), refusal.status, dict(refusal.headers)
        return token.sub

    report = HostileTokens(corpus_issuer).check(app.test_client(), "/orders", scope="orders:read")
    assert report.conforms, str(report)


def test_a_running_server_by_its_address(corpus_issuer: CorpusIssuer) -> None:
    """Real keys over real HTTP, in real time."""
    app = app_of(Protect(issuer=corpus_issuer.url, audience=AUDIENCE))
    with serving(app) as url:
        report = HostileTokens(corpus_issuer).check(url, "/orders", scope="orders:read")
    assert report.conforms, str(report)
    assert report.left_out < 40


@pytest.mark.parametrize("target", [7, None, object()], ids=["number", "nothing", "object"])
def test_only_an_api_can_be_checked(target: object, issuer: LocalIssuer) -> None:
    with pytest.raises(TypeError, match="ASGI application"):
        check_api(target, "/", corpus_of(maker_of(issuer)))
