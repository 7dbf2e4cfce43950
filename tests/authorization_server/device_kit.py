"""A server with devices: how one asks, how a person answers, and how it asks again."""

from dataclasses import replace
from typing import Any

from proofkey.authorization_server.answers import Json, Page, Redirect
from proofkey.authorization_server.policy import Policy
from proofkey.authorization_server.stores import ServerStore
from proofkey.errors import OAuthError
from proofkey.protocol.token_messages import DEVICE_CODE
from tests.authorization_server.driver import (
    CLIENTS,
    POLICY,
    SECRET,
    Desk,
    Visitor,
    client,
    credentials,
    interaction_of,
    open_desk,
)

DEVICE: dict[str, Any] = {
    "redirect_uris": frozenset(),
    "response_types": frozenset(),
    "grant_types": frozenset({DEVICE_CODE, "refresh_token"}),
}
NO_SECRET: dict[str, Any] = {"secret_digest": None, "token_endpoint_auth_method": "none"}
DEVICES: Policy = replace(
    POLICY,
    features=frozenset({"device"}),
    clients=(
        *CLIENTS,
        client("tv", **DEVICE, **NO_SECRET),
        client("box", **DEVICE),
        client("own", **DEVICE, skip_consent=True),
        client("bound", **DEVICE, **NO_SECRET, dpop_bound_access_tokens=True),
    ),
)
DEVICE_PEER = "198.51.100.9"


async def open_devices(store: ServerStore | None = None, **changes: Any) -> Desk:
    return await open_desk(replace(DEVICES, **changes), store)


def proven(client_id: str) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    return credentials(client_id, SECRET if client_id in {"web", "box", "own"} else None)


async def ask_device(desk: Desk, client_id: str = "tv", **form: str) -> dict[str, Any]:
    """The device authorization response."""
    authorization, pairs = proven(client_id)
    answer = await desk.core.authorize_device((*pairs, *form.items()), authorization, DEVICE_PEER)
    assert isinstance(answer, Json)
    assert answer.no_store
    assert answer.status == 200
    return dict(answer.body)


async def poll(desk: Desk, device_code: str, client_id: str = "tv", **form: Any) -> dict[str, Any]:
    """The token response, or what it is refused with as `error`."""
    _, pairs = proven(client_id)
    secret = None if pairs else SECRET
    try:
        return await desk.token(client_id, secret=secret, grant_type=DEVICE_CODE, device_code=device_code, **form)
    except OAuthError as error:
        return {"error": error.error, "finding": error.finding}


async def type_code(visitor: Visitor, user_code: str) -> Page | Redirect:
    answer = visitor.keep(await visitor.core.enter_user_code((("user_code", user_code),), visitor.browser))
    assert isinstance(answer, Page | Redirect)
    return answer


async def confirm(visitor: Visitor, user_code: str, username: str = "ann") -> tuple[str, Page]:
    """The page that asks, with its interaction, for that person."""
    id_ = interaction_of(await type_code(visitor, user_code))
    page = await visitor.look(id_)
    assert isinstance(page, Page)
    if page.name == "login":
        await visitor.log_in(id_, username)
        page = await visitor.look(id_)
    assert isinstance(page, Page)
    return id_, page


async def answer_device(visitor: Visitor, user_code: str, decision: str = "allow") -> Page:
    id_, _ = await confirm(visitor, user_code)
    page = await visitor.decide(id_, decision)
    assert isinstance(page, Page)
    return page
