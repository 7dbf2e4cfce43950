"""What a proven token allows: scopes, roles, permissions, people and clients, and how the person signed in."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from proofkey.errors import (
    ClientNeeded,
    ConfigurationError,
    InsufficientPermission,
    InsufficientRole,
    InsufficientScope,
    InsufficientUserAuthentication,
    InvalidScope,
    UserNeeded,
)
from proofkey.findings import Finding
from proofkey.protocol.access_token import AccessToken
from proofkey.protocol.scope import parse_scope
from proofkey.protocol.text import Instant

Granting = Mapping[str, frozenset[str]]
"""For a scope, the scopes that include it (`build_granting`); a scope that only itself grants is absent."""
FLAT: Final[Granting] = {}
"""No scope includes another."""
LEEWAY: Final = 10
"""Seconds between the clock that wrote `auth_time` and ours."""
Names = str | Iterable[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """What an operation asks of a token beside its scopes; every part has to hold. Made by `build_requirement`."""

    scopes: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    """Any one of them."""
    all_roles: tuple[str, ...] = ()
    permissions: tuple[str, ...] = ()
    """All of them."""
    user: bool = False
    """A person stands behind the token."""
    client: bool = False
    """The token is a client's own."""
    max_age: int | None = None
    """Seconds since the person signed in."""
    acr_values: tuple[str, ...] = ()
    """Any one of these classes of authentication (OIDC Core §2, `acr`)."""


def build_requirement(
    *,
    scopes: Names | None = None,
    roles: Names | None = None,
    all_roles: Names | None = None,
    permissions: Names | None = None,
    user: bool = False,
    client: bool = False,
    max_age: int | None = None,
    acr_values: Names | None = None,
) -> Requirement:
    """A name alone stands for a list of one; `max_age` is in seconds. How a person signed in can only be asked of
    a person, so `max_age` and `acr_values` bring `user` with them.

    Raises: ConfigurationError when a list is empty, which would ask for nothing, a scope is none or several in one
    text, or the parts contradict.
    """
    step_up = max_age is not None or acr_values is not None
    if client and (user or step_up):
        raise ConfigurationError(Finding.CONFIG_VALUE, key="client", reason="a client's token is no user's")
    whole: object = max_age
    if max_age is not None and (not isinstance(whole, int) or isinstance(whole, bool) or max_age < 0):
        raise ConfigurationError(Finding.CONFIG_VALUE, key="max_age", fix="seconds, 0 or more")
    wanted = _names("scopes", scopes)
    for scope in wanted:
        check_scope_name(scope, "scopes")
    return Requirement(
        scopes=wanted,
        roles=_names("roles", roles),
        all_roles=_names("all_roles", all_roles),
        permissions=_names("permissions", permissions),
        user=user or step_up,
        client=client,
        max_age=max_age,
        acr_values=_names("acr_values", acr_values),
    )


def build_granting(hierarchy: Mapping[str, Names]) -> Granting:
    """From each scope and the scopes that it includes, `{"orders:admin": ["orders:read"]}`, to each scope and
    those that include it, through any number of steps.

    Raises: ConfigurationError when a scope includes itself, directly or by way of others, or is no scope.
    """
    includes = {scope: _names(f"scope_hierarchy[{scope!r}]", included) for scope, included in hierarchy.items()}
    for scope in {*includes, *(name for names in includes.values() for name in names)}:
        check_scope_name(scope, "scope_hierarchy")
    granting: dict[str, set[str]] = {}
    for scope in includes:
        for included in _closure(scope, includes):
            granting.setdefault(included, set()).add(scope)
    return {scope: frozenset(holders) for scope, holders in granting.items()}


def check_requirement(
    token: AccessToken[Any], needs: Requirement, now: Instant, granting: Granting = FLAT
) -> None:
    """Every part, the ones that no new sign-in could mend first.

    Raises: InsufficientScope or a kind of it; InsufficientUserAuthentication.
    """
    if needs.scopes:
        check_scope(token, needs.scopes, granting)
    if needs.user:
        check_user(token)
    if needs.client:
        check_client(token)
    if needs.roles:
        check_roles(token, needs.roles)
    if needs.all_roles:
        check_all_roles(token, needs.all_roles)
    if needs.permissions:
        check_permissions(token, needs.permissions)
    if needs.max_age is not None or needs.acr_values:
        check_sign_in(token, now, max_age=needs.max_age, acr_values=needs.acr_values)


def check_scope(token: AccessToken[Any], needed: Sequence[str], granting: Granting = FLAT) -> None:
    """RFC 6750 §3.1: every scope that the operation needs, compared as whole values; a scope that includes a
    needed one stands for it.

    Raises: InsufficientScope.
    """
    held = token.scope
    for scope in needed:
        if scope not in held and granting.get(scope, _NONE).isdisjoint(held):
            break
    else:
        return
    missing = [scope for scope in needed if not has_scope(token, scope, granting)]
    raise InsufficientScope(
        Finding.SCOPE_INSUFFICIENT,
        scope=tuple(needed),
        missing=" ".join(missing),
        had=" ".join(held),
        sub=token.sub,
    )


def has_scope(token: AccessToken[Any], scope: str, granting: Granting = FLAT) -> bool:
    """True when the token has that scope, or one that includes it."""
    return scope in token.scope or not granting.get(scope, _NONE).isdisjoint(token.scope)


def check_roles(token: AccessToken[Any], allowed: Sequence[str]) -> None:
    """RFC 9068 §2.2.3.1: at least one of the roles.

    Raises: InsufficientRole.
    """
    if not any(role in token.roles for role in allowed):
        raise InsufficientRole(
            Finding.ROLE_INSUFFICIENT, roles=tuple(allowed), had=" ".join(token.roles), sub=token.sub
        )


def check_all_roles(token: AccessToken[Any], needed: Sequence[str]) -> None:
    """RFC 9068 §2.2.3.1: every one of the roles.

    Raises: InsufficientRole.
    """
    if not set(needed).issubset(token.roles):
        raise InsufficientRole(
            Finding.ROLE_INSUFFICIENT,
            roles=tuple(needed),
            every=True,
            had=" ".join(token.roles),
            sub=token.sub,
        )


def check_permissions(token: AccessToken[Any], needed: Sequence[str]) -> None:
    """Every one of the permissions that the provider writes into the token.

    Raises: InsufficientPermission.
    """
    if not set(needed).issubset(token.permissions):
        raise InsufficientPermission(
            Finding.PERMISSION_INSUFFICIENT,
            permissions=tuple(needed),
            had=" ".join(token.permissions),
            sub=token.sub,
        )


def check_user(token: AccessToken[Any]) -> None:
    """RFC 9068 §5: a client's own token never acts as a person.

    Raises: UserNeeded.
    """
    if token.is_client_only:
        raise UserNeeded(Finding.USER_NEEDED, client_id=token.client_id)


def check_client(token: AccessToken[Any]) -> None:
    """RFC 9068 §2.2: the token of a client that acts for itself.

    Raises: ClientNeeded.
    """
    if not token.is_client_only:
        raise ClientNeeded(Finding.CLIENT_NEEDED, client_id=token.client_id, sub=token.sub)


def check_sign_in(
    token: AccessToken[Any],
    now: Instant,
    *,
    max_age: int | None = None,
    acr_values: Sequence[str] = (),
    leeway: int = LEEWAY,
) -> None:
    """RFC 9470 §3, §4: the person signed in within `max_age` seconds, and in one of the classes `acr_values`.

    A time of sign-in that lies in the future is as good as none.
    Raises: InsufficientUserAuthentication, which names both demands, so that one new sign-in meets them.
    """
    finding = _age_fault(token.auth_time, now, max_age, leeway)
    if finding is None and acr_values and token.acr not in acr_values:
        finding = Finding.SIGN_IN_TOO_WEAK
    if finding is not None:
        raise InsufficientUserAuthentication(
            finding,
            acr_values=tuple(acr_values),
            max_age=max_age,
            auth_time="none" if token.auth_time is None else str(token.auth_time),
            acr="none" if token.acr is None else token.acr[:200],
            now=str(now),
            sub=token.sub,
        )


_NONE: Final[frozenset[str]] = frozenset()


def _age_fault(auth_time: Instant | None, now: Instant, max_age: int | None, leeway: int) -> Finding | None:
    if max_age is None:
        return None
    if auth_time is None or auth_time > now + leeway:
        return Finding.SIGN_IN_TIME_UNKNOWN
    return Finding.SIGN_IN_TOO_OLD if now - auth_time > max_age + leeway else None


def _names(key: str, names: Names | None) -> tuple[str, ...]:
    """Raises: ConfigurationError when there is a list and nothing in it."""
    if names is None:
        return ()
    found: tuple[object, ...] = (names,) if isinstance(names, str) else tuple(names)
    texts = tuple(dict.fromkeys(name for name in found if isinstance(name, str)))
    if not all(isinstance(name, str) for name in found):
        raise ConfigurationError(Finding.CONFIG_VALUE, key=key, reason="each name is a text, not a list of them")
    if not texts or not all(name.strip() for name in texts):
        raise ConfigurationError(Finding.CONFIG_VALUE, key=key, reason="it is empty and would ask for nothing")
    return texts


def check_scope_name(scope: str, key: str) -> None:
    """RFC 6749 §3.3: one scope in the text. Raises: ConfigurationError, which names the setting `key`."""
    reason = "one scope is expected: no space, quote or backslash"
    try:
        parsed = parse_scope(scope)
    except InvalidScope as error:
        raise ConfigurationError(Finding.CONFIG_VALUE, key=key, value=scope[:200], reason=reason) from error
    if len(parsed) != 1:
        raise ConfigurationError(Finding.CONFIG_VALUE, key=key, value=scope[:200], reason=reason)


def _closure(scope: str, includes: Mapping[str, tuple[str, ...]]) -> set[str]:
    """Everything that `scope` includes. Raises: ConfigurationError when that is itself."""
    found: set[str] = set()
    left = list(includes[scope])
    while left:
        name = left.pop()
        if name == scope:
            raise ConfigurationError(
                Finding.CONFIG_VALUE, key="scope_hierarchy", value=scope[:200], reason="the scope includes itself"
            )
        if name not in found:
            found.add(name)
            left.extend(includes.get(name, ()))
    return found
