"""What an application that embeds the server decides itself: more claims, consent, its own people.

A hook that fails, or answers what nobody can use, is answered with 503: nothing is opened for want of an answer.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol, cast

from proofkey.authorization_server.claims import OFFERED
from proofkey.authorization_server.records import User
from proofkey.errors import Unavailable
from proofkey.findings import Finding
from proofkey.protocol.registration import ClientRegistration
from proofkey.protocol.text import Secret

Place = Literal["access_token", "id_token", "userinfo"]
"""Where claims are to stand."""
Ruling = Literal["ask", "grant", "deny"]
"""On consent: ask the person, grant without asking, or refuse."""
RULINGS: Final = ("ask", "grant", "deny")

RESERVED: Final = frozenset(
    {
        *("iss", "sub", "aud", "exp", "nbf", "iat", "jti", "nonce", "auth_time", "acr", "amr", "azp", "sid"),
        *("at_hash", "c_hash", "s_hash", "client_id", "scope", "roles", "cnf", "act", "may_act", "events"),
        *("authorization_id", "authorization_details", "token_introspection", "active", "token_type", "username"),
        *("_claim_names", "_claim_sources"),
    }
)
"""Claims that the server alone writes: what they say is decided elsewhere, or something is decided by them."""
RETRY_AFTER: Final = 5
"""Seconds."""
MOST_BYTES: Final = 4096
"""Of the JSON that a hook adds to one token; tokens travel in headers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A person as hooks see one, and as an own user store tells of one.

    `sub` never changes and is never given to anybody else: at most 255 printable ASCII characters. Who is
    `disabled`, or has a `password_changed_at` (seconds since 1970) later than the sign-in, may not act any more:
    sign-ins and tokens end at the next question.
    """

    sub: str
    username: str
    roles: tuple[str, ...] = ()
    claims: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """OIDC Core §5.1 names: name, email, email_verified, …"""
    disabled: bool = False
    password_changed_at: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimsQuestion:
    """Which claims to add, where, for whom."""

    place: Place
    client: ClientRegistration
    person: Person | None
    """None for a token that is the client's own."""
    scope: tuple[str, ...]
    audience: tuple[str, ...]
    """Of the access token; the client itself for the two other places."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentQuestion:
    """Whether this client gets this from this person, who is signed in."""

    client: ClientRegistration
    person: Person
    scope: tuple[str, ...]
    claims: tuple[str, ...]
    """Single claims beside those of the scope."""
    details: tuple[Mapping[str, Any], ...]
    """authorization_details (RFC 9396)."""
    resource: tuple[str, ...]
    """The audience: one API, or the issuer itself."""
    prompt: frozenset[str]


class TellClaims(Protocol):
    """The claims hook, as the role calls it."""

    async def __call__(self, question: ClaimsQuestion, /) -> object:
        """Raises: Unavailable when the hook failed."""
        ...


class RuleConsent(Protocol):
    """The consent hook, as the role calls it."""

    async def __call__(self, question: ConsentQuestion, /) -> object:
        """Raises: Unavailable when the hook failed."""
        ...


class People(Protocol):
    """An own user store, as the role calls it; what it answers is not checked yet."""

    async def find_by_username(self, username: str, /) -> object: ...

    async def find_by_sub(self, sub: str, /) -> object: ...

    async def verify_password(self, person: Person | None, password: Secret, /) -> object: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """Those that are there; without one, what it would decide is the default."""

    claims: TellClaims | None = None
    consent: RuleConsent | None = None
    people: People | None = None


NO_HOOKS: Final = Hooks()


def person_of(user: User) -> Person:
    """As hooks see one."""
    return Person(
        sub=user.sub,
        username=user.username,
        roles=user.roles,
        claims=user.claims,
        disabled=user.disabled,
        password_changed_at=user.password_changed_at,
    )


def read_claims_answer(
    answer: object, place: Place, released: frozenset[str], client_id: str
) -> Mapping[str, Any]:
    """What a claims hook adds: a copy in plain JSON. A claim that belongs to a scope counts only among `released`,
    and nothing that is empty is said (OIDC Core §5.3.2, §5.4).

    Raises: Unavailable for a reserved claim, and for whatever is no small JSON object.
    """
    if answer is None:
        return {}
    if not isinstance(answer, Mapping):
        raise _unusable("claims", reason="no mapping", place=place, client_id=client_id)
    try:
        text = json.dumps(dict(cast("Mapping[str, object]", answer)), allow_nan=False)
        told = cast("dict[str, Any]", json.loads(text))
    except (TypeError, ValueError, RecursionError):
        raise _unusable("claims", reason="not JSON", place=place, client_id=client_id) from None
    if len(text) > MOST_BYTES:
        raise _unusable("claims", reason=f"more than {MOST_BYTES} bytes", place=place, client_id=client_id)
    reserved = sorted(RESERVED.intersection(told))
    if reserved:
        raise _unusable("claims", reason="reserved", claim=reserved[0], place=place, client_id=client_id)
    withheld = set(OFFERED) - released
    return {name: value for name, value in told.items() if name not in withheld and value not in _EMPTY}


def read_ruling(answer: object, client_id: str) -> Ruling | None:
    """What a consent hook answers; None leaves it to the default. Raises: Unavailable."""
    if answer is None:
        return None
    for ruling in RULINGS:
        if isinstance(answer, str) and answer == ruling:
            return ruling
    raise _unusable("consent", reason="none of ask, grant, deny and None", client_id=client_id)


def read_person(answer: object, method: str) -> Person | None:
    """What an own user store finds. Raises: Unavailable for anything but a Person with fitting values."""
    if answer is None:
        return None
    if not isinstance(answer, Person):
        raise _unusable("users", reason="no Person", method=method)
    for name, kind in _KINDS.items():
        value = getattr(answer, name)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise _unusable("users", reason=f"{name} is of another type", method=method)
    if not answer.username or not all(isinstance(role, str) for role in cast("tuple[object, ...]", answer.roles)):
        raise _unusable("users", reason="username or roles", method=method)
    return answer


def read_verdict(answer: object) -> bool:
    """Whether the password was right: True and False, and nothing that is merely true. Raises: Unavailable."""
    if answer is True or answer is False:
        return answer
    raise _unusable("users", reason="neither True nor False", method="verify_password")


_EMPTY: Final[tuple[object, ...]] = (None, "", [], {})
_KINDS: Final[Mapping[str, type]] = {
    "sub": str,
    "username": str,
    "roles": tuple,
    "claims": Mapping,
    "disabled": bool,
    "password_changed_at": int,
}


def _unusable(hook: str, **facts: str) -> Unavailable:
    return Unavailable(Finding.HOOK_ANSWER, retry_after=RETRY_AFTER, hook=hook, **facts)
