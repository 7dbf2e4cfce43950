"""The hooks of an embedding application at work: plain functions in threads, a time limit, and faults as 503."""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Protocol

import anyio
from anyio import CapacityLimiter, to_thread

from proofkey.authorization_server.hooks import ClaimsQuestion, ConsentQuestion, Hooks, Person, Ruling
from proofkey.errors import Unavailable
from proofkey.findings import Finding
from proofkey.protocol.text import Secret
from proofkey.runtime import events

TIME_LIMIT: Final = 5.0
"""Seconds for one call of a hook."""
THREADS: Final = 20
"""Of all plain functions of one server together."""

Told = Mapping[str, Any] | None
ClaimsHook = Callable[[ClaimsQuestion], Told | Awaitable[Told]]
"""More claims for one token or for UserInfo; None for no more."""
ConsentHook = Callable[[ConsentQuestion], Ruling | Awaitable[Ruling | None] | None]
"""`"ask"`, `"grant"`, `"deny"`, or None for what would happen without the hook."""


class UserStore(Protocol):
    """People who are kept elsewhere; each method may be plain or `async`.

    Whatever is raised, and whatever takes longer than five seconds, is answered with 503.
    """

    def find_by_username(self, username: str, /) -> Person | Awaitable[Person | None] | None:
        """Whom that name belongs to; None for nobody. The name comes NFKC-normalised, case-folded and trimmed."""
        ...

    def find_by_sub(self, sub: str, /) -> Person | Awaitable[Person | None] | None:
        """That person as they are now, disabled or not; None when they are gone. Asked with every use of a sign-in
        or a token, so that what has changed holds at once."""
        ...

    def verify_password(self, person: Person | None, password: Secret, /) -> bool | Awaitable[bool]:
        """Whether that is the person's password (`password.reveal()`): True or False. `person` is None for an
        unknown name: take as long as for anybody, and say False."""
        ...


class _Calls:
    """Calls functions of the application, so that none of them can stop the others or the event loop."""

    __slots__ = ("_seconds", "_threads")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._threads = CapacityLimiter(THREADS)

    async def call(self, hook: str, function: Callable[..., object], *args: object) -> object:
        """What it answers, unchecked. Raises: Unavailable when it raised, or took too long."""
        try:
            with anyio.fail_after(self._seconds):
                if _is_async(function):
                    answer = function(*args)
                else:
                    answer = await to_thread.run_sync(
                        lambda: function(*args), abandon_on_cancel=True, limiter=self._threads
                    )
                return await answer if inspect.isawaitable(answer) else answer
        except Exception as error:  # noqa: BLE001 - whatever it is, the answer is 503; type and place are logged
            events.internal_error("hook.failed", error, hook=hook)
            fault = type(error).__name__
        raise Unavailable(Finding.HOOK_FAILED, hook=hook, error=fault)


class _People:
    """An own user store as the role asks it."""

    __slots__ = ("_calls", "_store")

    def __init__(self, store: UserStore, calls: _Calls) -> None:
        self._store = store
        self._calls = calls

    async def find_by_username(self, username: str, /) -> object:
        return await self._calls.call("users.find_by_username", self._store.find_by_username, username)

    async def find_by_sub(self, sub: str, /) -> object:
        return await self._calls.call("users.find_by_sub", self._store.find_by_sub, sub)

    async def verify_password(self, person: Person | None, password: Secret, /) -> object:
        return await self._calls.call("users.verify_password", self._store.verify_password, person, password)


def build_hooks(
    claims: ClaimsHook | None = None,
    consent: ConsentHook | None = None,
    users: UserStore | None = None,
    *,
    seconds: float = TIME_LIMIT,
) -> Hooks:
    """The hooks as the role asks them; `seconds` is the time limit of one call. For one event loop."""
    calls = _Calls(seconds)
    return Hooks(
        claims=None if claims is None else _asking("claims", claims, calls),
        consent=None if consent is None else _asking("consent", consent, calls),
        people=None if users is None else _People(users, calls),
    )


def _asking(hook: str, function: Callable[..., object], calls: _Calls) -> "_Ask":
    async def ask(question: object, /) -> object:
        return await calls.call(hook, function, question)

    return ask


class _Ask(Protocol):
    async def __call__(self, question: object, /) -> object: ...


def _is_async(function: Callable[..., object]) -> bool:
    call = getattr(function, "__call__", None)  # noqa: B004 - of an object whose class defines it as async
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call)
