"""The application's own user for a token: found by `token.user_key`, refused where there is none."""

from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import Any, Generic, TypeVar, cast

from anyio.to_thread import run_sync
from starlette.exceptions import HTTPException

from proofkey.errors import InvalidToken, ProofkeyError, Unavailable
from proofkey.findings import Finding
from proofkey.protocol.access_token import AccessToken
from proofkey.resource_server.authorization import check_user
from proofkey.runtime import events

UserT = TypeVar("UserT")
LoadUser = Callable[[AccessToken[Any]], Awaitable[UserT | None] | UserT | None]
"""Gives the user that `token.user_key`, (iss, sub), belongs to; None where there is none or it is disabled."""


class UserLoader(Generic[UserT]):
    """Calls the application's function and judges its answer.

    An async function is awaited. A plain one is called on the event loop, unless `in_thread` says that it waits
    for something, as a database does.
    """

    __slots__ = ("_in_thread", "_load")

    def __init__(self, load: LoadUser[UserT], *, in_thread: bool = False) -> None:
        self._load = load
        self._in_thread = in_thread

    async def load(self, token: AccessToken[Any]) -> UserT:
        """The user behind the token.

        A token whose user the application does not know, or has disabled, is as good as revoked: 401
        `invalid_token` (RFC 6750 §3.1).
        Raises: UserNeeded for a client's own token; InvalidToken; Unavailable when the function breaks, so that
        nobody gets in; and what it raises on purpose: HTTPException, ProofkeyError.
        """
        check_user(token)
        try:
            answer = await run_sync(self._load, token) if self._in_thread else self._load(token)
            user = await answer if isawaitable(answer) else answer
        except (HTTPException, ProofkeyError):
            raise
        except Exception as error:
            events.internal_error("api.load_user_failed", error)
            raise Unavailable(Finding.APP_HOOK_FAILED, hook="load_user") from error
        if user is None or user is False:  # False: what `known and known.active` gives of a disabled one
            raise InvalidToken(Finding.APP_USER_NONE, issuer=token.user_key[0], sub=token.user_key[1][:200])
        return cast("UserT", user)
