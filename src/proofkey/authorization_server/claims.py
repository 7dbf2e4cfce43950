"""What is said about a person: claims by scope, absent ones left out."""

from collections.abc import Mapping
from typing import Any, Final, cast

from proofkey.authorization_server.records import User

PROFILE: Final = (
    "name", "family_name", "given_name", "middle_name", "nickname", "preferred_username", "profile", "picture",
    "website", "gender", "birthdate", "zoneinfo", "locale", "updated_at", "roles",
)  # fmt: skip
"""OIDC Core §5.4 `profile`, and our `roles`."""
EMAIL: Final = ("email", "email_verified")
CLAIMS_OF_SCOPE: Final[Mapping[str, tuple[str, ...]]] = {
    "profile": PROFILE,
    "email": EMAIL,
    "address": ("address",),
    "phone": ("phone_number", "phone_number_verified"),
}
"""OIDC Core §5.4."""
OFFERED: Final = tuple(claim for claims in CLAIMS_OF_SCOPE.values() for claim in claims)
_EMPTY: Final[tuple[object, ...]] = (None, "", [], {})


def claims_about(
    user: User, scope: tuple[str, ...], single: Mapping[str, tuple[Any, ...]] | None = None
) -> dict[str, Any]:
    """OIDC Core §5.4: what the scope releases, and of `single` claims those whose value the client can use
    (§5.5.1); never null, never empty (§5.3.2)."""
    released = [name for owner, names in CLAIMS_OF_SCOPE.items() if owner in scope for name in names]
    if not released and not single:
        return {}
    known = _known(user)
    told = {name: known[name] for name in released if known.get(name) not in _EMPTY}
    for name, values in (single or {}).items():
        if known.get(name) not in _EMPTY and (not values or known[name] in values):
            told[name] = known[name]
    return told


def _whole(parts: Mapping[str, object]) -> dict[str, object]:
    return {name: part for name, part in parts.items() if part not in _EMPTY}


def _known(user: User) -> dict[str, Any]:
    """Everything that is known; what is verified is said only of what is there (OIDC Core §5.7)."""
    known: dict[str, Any] = {"preferred_username": user.username, **user.claims, "roles": list(user.roles)}
    for claim, verified in (("email", "email_verified"), ("phone_number", "phone_number_verified")):
        known[verified] = known.get(verified) is True if known.get(claim) else None
    address: object = known.get("address")
    known["address"] = _whole(cast("Mapping[str, object]", address)) if isinstance(address, Mapping) else None
    return known
