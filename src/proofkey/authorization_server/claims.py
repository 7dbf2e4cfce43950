"""What is said about a person: claims by scope, absent ones left out."""

from typing import Any, Final

from proofkey.authorization_server.records import User

PROFILE: Final = (
    "name", "family_name", "given_name", "middle_name", "nickname", "preferred_username", "profile", "picture",
    "website", "gender", "birthdate", "zoneinfo", "locale", "updated_at", "roles",
)  # fmt: skip
"""OIDC Core §5.4 `profile`, and our `roles`."""
EMAIL: Final = ("email", "email_verified")
OFFERED: Final = (*PROFILE, *EMAIL)


def claims_about(user: User, scope: tuple[str, ...]) -> dict[str, Any]:
    """OIDC Core §5.4: what the scope releases; never null, never empty (§5.3.2)."""
    known: dict[str, Any] = {"preferred_username": user.username, **user.claims, "roles": list(user.roles)}
    known["email_verified"] = known.get("email_verified") is True if known.get("email") else None
    released = (PROFILE if "profile" in scope else ()) + (EMAIL if "email" in scope else ())
    return {name: known[name] for name in released if known.get(name) not in (None, "", [], {})}
