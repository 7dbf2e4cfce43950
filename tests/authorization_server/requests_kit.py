"""For tests of how requests come and answers go back: pushing, signing, and reading what a form would post."""

import json
from dataclasses import replace
from typing import Any

from proofkey.authorization_server.answers import Answer, FormPost, Json, Page, Redirect
from proofkey.authorization_server.policy import Policy
from proofkey.authorization_server.sender import NOTHING, Presented
from proofkey.protocol.jose import SigningKey, generate_signing_key
from proofkey.protocol.request_object import HEADER_TYPE
from proofkey.protocol.text import Secret
from proofkey.testing.stores import START
from tests.authorization_server.driver import (
    CLIENTS,
    ISSUER,
    PASSWORDS,
    PEER,
    POLICY,
    SECRET,
    Desk,
    Visitor,
    client,
    credentials,
    interaction_of,
    request,
)

KEY = generate_signing_key("ES256", "key of the client")
JWKS = json.dumps({"keys": [KEY.public_jwk]})
SIGNS = client("signs", jwks=JWKS)
MUST_SIGN = client("must-sign", jwks=JWKS, require_signed_request_object=True)
MUST_PUSH = client("must-push", require_pushed_authorization_requests=True)
EVERYTHING: Policy = replace(
    POLICY, features=frozenset({"par", "jar", "jarm"}), clients=(*CLIENTS, SIGNS, MUST_SIGN, MUST_PUSH)
)


async def push(
    desk: Desk,
    client_id: str = "web",
    *,
    secret: Secret | None = SECRET,
    presented: Presented = NOTHING,
    peer: str = PEER,
    **changes: str | None,
) -> Json:
    """Pushes a request; the client proves itself."""
    authorization, pairs = credentials(client_id, secret)
    sent = {name: value for name, value in request(client_id, **changes).items() if name not in dict(pairs)}
    answer = await desk.core.push((*pairs, *sent.items()), authorization, peer, presented)
    assert isinstance(answer, Json)
    assert answer.no_store
    return answer


async def pushed(desk: Desk, client_id: str = "web", **changes: Any) -> str:
    """The request_uri of a request that was pushed."""
    return str((await push(desk, client_id, **changes)).body["request_uri"])


async def begin(visitor: Visitor, client_id: str, request_uri: str, *more: tuple[str, str]) -> Answer:
    """The browser comes with a request_uri."""
    pairs = (("client_id", client_id), ("request_uri", request_uri), *more)
    return visitor.keep(await visitor.core.authorize(pairs, visitor.browser))


async def finish(visitor: Visitor, answer: Answer, username: str = "ann") -> Answer:
    """Through the pages, until there is an answer for the client."""
    for _ in range(4):
        if not isinstance(answer, Redirect) or not answer.url.startswith(f"{ISSUER}/interaction/"):
            return answer
        id_ = interaction_of(answer)
        page = visitor.keep(await visitor.core.interaction(id_, visitor.browser))
        if not isinstance(page, Page):
            return page
        login = (("username", username), ("password", PASSWORDS[username]))
        answer = visitor.keep(
            await visitor.core.sign_in(id_, login, visitor.browser)
            if page.name == "login"
            else await visitor.core.consent(id_, (("decision", "allow"),), visitor.browser)
        )
    raise AssertionError("the flow goes round in circles")


def posted(answer: Answer) -> dict[str, str]:
    """What a form posts to the client, each field once."""
    assert isinstance(answer, FormPost), answer
    assert len(dict(answer.fields)) == len(answer.fields)
    return dict(answer.fields)


def claims(client_id: str = "signs", **changes: Any) -> dict[str, Any]:
    """What a client writes into a request object; None leaves a claim out."""
    times = {"nbf": START, "exp": START + 60}
    every = {**request(client_id), "iss": client_id, "aud": ISSUER, **times, **changes}
    return {name: value for name, value in every.items() if value is not None}


def signed(client_id: str = "signs", *, key: SigningKey = KEY, typ: str = HEADER_TYPE, **changes: Any) -> str:
    """A request object."""
    return key.sign(typ, claims(client_id, **changes))
