"""A server with an API, the API that it calls, and the clients that stand for them."""

from dataclasses import replace
from typing import Any

from proofkey.authorization_server.answers import Json, Jwt
from proofkey.authorization_server.policy import Policy, Resource
from proofkey.authorization_server.stores import ServerStore
from proofkey.protocol.text import Instant, Secret
from proofkey.protocol.token_messages import ACCESS_TOKEN, TOKEN_EXCHANGE
from tests.authorization_server.driver import (
    API,
    BILLING,
    CLIENTS,
    PEER,
    POLICY,
    SECRET,
    Desk,
    client,
    credentials,
    open_desk,
)

STOCK = "https://stock.test"
SCOPE = "openid profile offline_access orders:read orders:write"
_MACHINE: dict[str, Any] = {"redirect_uris": frozenset(), "response_types": frozenset()}
_EXCHANGES: dict[str, Any] = {**_MACHINE, "grant_types": frozenset({TOKEN_EXCHANGE})}
KIT: Policy = replace(
    POLICY,
    resources={
        API: Resource(identifier=API, scopes=("orders:read", "orders:write"), clients=("api", "deaf")),
        STOCK: Resource(identifier=STOCK, scopes=("orders:read", "stock:read"), clients=("stock",)),
        BILLING: Resource(identifier=BILLING, scopes=("bills:read",), clients=("billing",)),
    },
    clients=(
        *CLIENTS,
        client("opaque", access_token_format="opaque"),
        client("api", **_EXCHANGES, scope=("openid", "orders:read", "stock:read")),
        client("stock", **_EXCHANGES, scope=("orders:read", "bills:read")),
        client("billing", **_EXCHANGES, scope=("bills:read",)),
        client("deaf", **_MACHINE, grant_types=frozenset({"client_credentials"}), scope=("orders:read",)),
        client("stranger", **_EXCHANGES, scope=("orders:read", "stock:read")),
    ),
)


async def open_kit(store: ServerStore | None = None, **changes: Any) -> Desk:
    return await open_desk(replace(KIT, **changes), store)


async def ask(
    desk: Desk, token: str, client_id: str = "api", *, secret: Secret | None = SECRET, **form: Any
) -> dict[str, Any]:
    """What the introspection endpoint says."""
    answer = await ask_for_answer(desk, token, client_id, secret=secret, **form)
    assert isinstance(answer, Json)
    assert answer.no_store
    assert answer.status == 200
    return dict(answer.body)


async def ask_for_answer(
    desk: Desk,
    token: str,
    client_id: str = "api",
    *,
    secret: Secret | None = SECRET,
    signed: bool = False,
    **form: Any,
) -> Json | Jwt:
    authorization, pairs = credentials(client_id, secret)
    answer = await desk.core.introspect(
        (*pairs, ("token", token), *form.items()), authorization, PEER, signed=signed
    )
    assert isinstance(answer, Json | Jwt)
    return answer


async def exchange(desk: Desk, token: str, client_id: str = "api", **form: Any) -> dict[str, Any]:
    """A token exchange; without a target, for STOCK."""
    chosen = {
        "subject_token": token,
        "subject_token_type": ACCESS_TOKEN,
        **({} if form.keys() & {"resource", "audience"} else {"resource": STOCK}),
        **form,
    }
    sent = {name: value for name, value in chosen.items() if value is not None}
    return await desk.token(client_id, grant_type=TOKEN_EXCHANGE, **sent)


async def sign(desk: Desk, claims: dict[str, Any], typ: str = "at+jwt") -> str:
    """A token that the server itself has signed, whatever it says."""
    from tests.authorization_server.driver import first_keys

    return first_keys()[0].sign(typ, claims)


def later(desk: Desk, seconds: int) -> Instant:
    return Instant(desk.clock.now() + seconds)
