"""Plain words for people: what a scope gives, what is kept, how long, and what to do after an error."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from proofkey.authorization_server.claims import CLAIMS_OF_SCOPE
from proofkey.findings import Finding


@dataclass(frozen=True, slots=True)
class Gift:
    """One line of the consent page: what the application will be able to do, and where."""

    text: str
    where: str = ""


_IDENTITY: Final[Mapping[str, str]] = {
    "openid": "Recognise you when you come back",
    "profile": "See your name and other basic details of your profile",
    "email": "See your e-mail address",
    "phone": "See your telephone number",
    "address": "See your postal address",
}
_WITHHELD: Final[Mapping[str, str]] = {
    "profile": "Your name and profile",
    "email": "Your e-mail address",
}
_CLAIMS: Final[Mapping[str, str]] = {
    "name": "See your name",
    "family_name": "See your family name",
    "given_name": "See your given name",
    "middle_name": "See your middle name",
    "nickname": "See your nickname",
    "preferred_username": "See your username",
    "profile": "See the address of your profile page",
    "picture": "See your picture",
    "website": "See the address of your website",
    "gender": "See your gender",
    "birthdate": "See your date of birth",
    "zoneinfo": "See your time zone",
    "locale": "See your language",
    "updated_at": "See when your details changed last",
    "roles": "See your roles here",
    "email": _IDENTITY["email"],
    "email_verified": "See whether your e-mail address is verified",
    "address": _IDENTITY["address"],
    "phone_number": _IDENTITY["phone"],
    "phone_number_verified": "See whether your telephone number is verified",
}
"""Claims that were asked for one by one (OIDC Core §5.5)."""
_VERBS: Final[Mapping[str, str]] = {
    "read": "Read",
    "write": "Create and change",
    "delete": "Delete",
    "admin": "Administer",
}

_HAPPENED: Final[Mapping[Finding, str]] = {
    Finding.REDIRECT_URI_UNREGISTERED: "The application wants to send you on to an address that is not registered "
    "here, so you stay here.",
    Finding.REDIRECT_URI_MISSING: "The application did not say where you should return to.",
    Finding.CLIENT_UNKNOWN: "The application that sent you here is not known.",
    Finding.CLIENT_DISABLED: "The application that sent you here is switched off.",
    Finding.PUSHED_REQUEST_UNKNOWN: "This sign-in was finished already, or it took too long to begin.",
    Finding.USER_CODE_OVER: "The code of your device is too old, or somebody has answered already.",
    Finding.PATH_UNKNOWN: "There is no page at this address.",
    Finding.CROSS_SITE: "The form was sent from another site.",
}
_OPERATOR: Final = "You cannot repair this yourself. Tell the operator of the application the code below."
_ADVICE: Final[Mapping[Finding, str]] = {
    Finding.CROSS_SITE: "Open the application yourself and sign in from there.",
    Finding.INTERACTION_UNKNOWN: "Go back to the application and start the sign-in again.",
    Finding.INTERACTION_FOREIGN_BROWSER: "Start again from the application, in the browser where you want to "
    "finish. If you block cookies, allow them for this site.",
    Finding.USER_CODE_OVER: "Let the device show a new code, and enter that one.",
    Finding.PATH_UNKNOWN: "Check the address, or go back to the application and start again.",
    Finding.REDIRECT_URI_UNREGISTERED: _OPERATOR,
    Finding.CLIENT_UNKNOWN: _OPERATOR,
    Finding.CLIENT_DISABLED: "The application may not be used now. Ask its operator.",
}
_ADVICE_DEFAULT: Final = (
    "Go back to the application and start again. If this page comes up again, tell the application's operator "
    "the code below."
)


def gifts_of(
    scope: Sequence[str],
    resource: Sequence[str],
    claims: Sequence[str] = (),
    details: Sequence[tuple[str, str]] = (),
) -> list[Gift]:
    """What these scopes, single claims and details give, people's own data first; unknown scopes are shown as they
    are."""
    where = f"at {', '.join(resource)}" if resource else ""
    own = [Gift(_IDENTITY[name]) for name in _IDENTITY if name in scope]
    own += [Gift(_CLAIMS.get(name, f"See “{name}” of your account")) for name in claims]
    other = [Gift(_words_of(name), where) for name in scope if name not in _IDENTITY and name != "offline_access"]
    other += [Gift(title, content) for title, content in details]
    return own + other or [Gift("Know that you have signed in")]


def _words_of(scope: str) -> str:
    subject, separator, verb = scope.rpartition(":")
    if separator and verb in _VERBS and subject.replace("-", "").replace("_", "").isalnum():
        return f"{_VERBS[verb]} your {subject.replace('-', ' ').replace('_', ' ')}"
    return f"Use the permission “{scope}”"


def withheld_from(scope: Iterable[str], claims: Iterable[str] = ()) -> list[str]:
    """What the application does not get; the password first, always. Nothing of which it gets a part is named."""
    single = frozenset(claims)
    asked = frozenset(scope).union(owner for owner, names in CLAIMS_OF_SCOPE.items() if single.intersection(names))
    return ["Your password", *(text for name, text in _WITHHELD.items() if name not in asked)]


def period_of(scope: Iterable[str], refresh_seconds: int | None) -> str:
    """For how long the consent works."""
    if "offline_access" not in frozenset(scope):
        return "While you are signed in here. Signing out ends it."
    if refresh_seconds:
        return f"Also while you are away, for up to {duration(refresh_seconds)}. Then it has to ask you again."
    return "Also while you are away, until the application or its operator ends it."


def duration(seconds: int) -> str:
    """A number of seconds in words, rounded up to its largest unit."""
    for size, name in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            count = -(-seconds // size)
            return f"{count} {name}{'' if count == 1 else 's'}"
    return f"{seconds} second{'' if seconds == 1 else 's'}"


def ago(minutes: int) -> str:
    """When something happened, in words."""
    return f"{duration(60 * minutes)} ago" if minutes > 0 else "just now"


def heading_of(status: int) -> str:
    """What happened, in four words."""
    return {
        403: "This request was refused",
        404: "There is nothing here",
        405: "This request was refused",
        408: "This took too long",
        413: "This request is too large",
        429: "Too many attempts",
        500: "Something went wrong here",
        503: "Not available right now",
    }.get(status, "This sign-in cannot go on")


def happened(finding: Finding, otherwise: str) -> str:
    """What happened, for a person; the finding's own sentence is for developers."""
    return _HAPPENED.get(finding, otherwise)


def advice_for(finding: Finding, retry_after: int | None) -> str:
    """What the person can do."""
    if retry_after:
        return f"Try again in {duration(retry_after)}."
    return _ADVICE.get(finding, _ADVICE_DEFAULT)
