"""What one protected request costs beside other packages, in one run: CPU time of the application alone.

All get the same RS256 token of one issuer and check one scope; keys are in their caches. A package that is not
installed (`requirements/peers.txt`) is named on stderr and left out.
"""

import asyncio
import importlib
import json
import sys
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from time import process_time
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Request, Security

from benchmarks.ratio import Ratio
from benchmarks.request import call, scope_of
from proofkey.fastapi import AccessToken, Protect
from proofkey.testing.issuer import AUDIENCE, LocalIssuer
from proofkey.testing.tokens import key_for_tests

ROUNDS = 40
REQUESTS = 60
DOMAIN = "issuer.test"
ISSUER = f"https://{DOMAIN}/"

Dependency = Callable[..., Awaitable[object]]


def run() -> list[Ratio]:
    """Each peer's time per request, as a multiple of ours."""
    issuer = LocalIssuer(ISSUER)
    issuer.keys = [key_for_tests("RS256")]
    now = int(issuer.clock.now())
    scope = "openid orders:read"
    token = issuer.token_for(scope=scope, scp=scope, nbf=now, ver="2.0", expires_in=3600)
    app = FastAPI()
    names = [name for name, add in PEERS.items() if _added(app, name, add, issuer)]
    times = _times(app, names, token)
    return [Ratio(f"request of {name} / ours", times[name] / times["ours"], 1.0, "high") for name in names]


def _added(app: FastAPI, name: str, add: Callable[[FastAPI, LocalIssuer], None], issuer: LocalIssuer) -> bool:
    try:
        add(app, issuer)
    except ImportError as error:
        print(f"{name} is not installed ({error.name})", file=sys.stderr)
        return False
    return True


def _times(app: FastAPI, names: list[str], token: str) -> dict[str, float]:
    """The best of rounds in which all take turns."""
    issuer = LocalIssuer(ISSUER)
    issuer.keys = [key_for_tests("RS256")]
    api = Protect(issuer=ISSUER, audience=AUDIENCE, transport=issuer.transport)

    @app.get("/ours")
    async def ours(token: Annotated[AccessToken, Security(api, scopes=["orders:read"])]) -> str:
        return "orders"

    best = dict.fromkeys(["ours", *names], float("inf"))
    with asyncio.Runner() as runner:

        async def many(path: str) -> float:
            scope = scope_of(path, token)
            await call(app, scope)
            start = process_time()
            for _ in range(REQUESTS):
                await call(app, scope)
            return process_time() - start

        for _ in range(ROUNDS):
            for name in best:
                best[name] = min(best[name], runner.run(many(_path(name))))
    return best


def _path(name: str) -> str:
    return "/" + name.replace(" ", "-")


def _add(app: FastAPI, name: str, dependency: Any) -> None:
    @app.get(_path(name))
    async def endpoint(claims: Annotated[Any, dependency]) -> str:
        return "orders"


def _check_scope(granted: str) -> None:
    if "orders:read" not in granted.split():
        raise HTTPException(403)


def _pyjwt(app: FastAPI, issuer: LocalIssuer) -> None:
    """As its documentation writes it, in an async dependency; the key set is cached."""
    jwt = importlib.import_module("jwt")
    client = jwt.PyJWKClient(f"{ISSUER}jwks")
    client.fetch_data = lambda: client.jwk_set_cache.put(issuer.jwks) or issuer.jwks

    async def verified(request: Request) -> object:
        _, _, token = request.headers["authorization"].partition(" ")
        key = client.get_signing_key_from_jwt(token)
        claims: Mapping[str, Any] = jwt.decode(
            token, key.key, algorithms=["RS256"], audience=AUDIENCE, issuer=ISSUER
        )
        _check_scope(claims["scope"])
        return claims

    _add(app, "PyJWT + PyJWKClient", Depends(verified))


def _azure(app: FastAPI, issuer: LocalIssuer) -> None:
    azure = importlib.import_module("fastapi_azure_auth")
    scheme = azure.SingleTenantAzureAuthorizationCodeBearer(
        app_client_id=AUDIENCE, tenant_id="tenant", allow_guest_users=True
    )
    config = scheme.openid_config
    config.issuer, config.signing_keys = ISSUER, {}
    config._load_keys([{"use": "sig", **key} for key in issuer.jwks["keys"]])
    config._config_timestamp = datetime.now()  # noqa: DTZ005 - its own comparison is naive
    _add(app, "fastapi-azure-auth", Security(scheme, scopes=["orders:read"]))


def _auth0(app: FastAPI, issuer: LocalIssuer) -> None:
    plugin = importlib.import_module("fastapi_plugin.fast_api_client")

    async def fetch(url: str) -> dict[str, Any]:
        return issuer.jwks if url.endswith("/jwks") else issuer.metadata

    auth0 = plugin.Auth0FastAPI(domain=DOMAIN, audience=AUDIENCE, custom_fetch=fetch)
    _add(app, "auth0-fastapi-api", Depends(auth0.require_auth(scopes="orders:read")))


def _fastmcp(app: FastAPI, issuer: LocalIssuer) -> None:
    module = importlib.import_module("fastmcp.server.auth.providers.jwt")
    verifier = module.JWTVerifier(
        jwks_uri=f"{ISSUER}jwks", issuer=ISSUER, audience=AUDIENCE, required_scopes=["orders:read"]
    )

    async def fetch() -> dict[str, Any]:
        return json.loads(json.dumps(issuer.jwks))  # type: ignore[no-any-return] # a document

    verifier._fetch_jwks = fetch

    async def verified(request: Request) -> object:
        claims: object = await verifier.verify_token(request.headers["authorization"].partition(" ")[2])
        if claims is None:
            raise HTTPException(401)
        return claims

    _add(app, "FastMCP JWTVerifier", Depends(verified))


PEERS: Mapping[str, Callable[[FastAPI, LocalIssuer], None]] = {
    "PyJWT + PyJWKClient": _pyjwt,
    "fastapi-azure-auth": _azure,
    "auth0-fastapi-api": _auth0,
    "FastMCP JWTVerifier": _fastmcp,
}
