"""Rich authorization requests (RFC 9396): what may be asked for, what of a grant a token gets, and its words."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, cast

from proofkey.authorization_server.policy import DetailType, Policy
from proofkey.errors import InvalidAuthorizationDetails, InvalidRequest
from proofkey.findings import Finding
from proofkey.protocol.authorization_details import (
    COMMON_LISTS,
    Detail,
    is_part_of,
    parse_authorization_details,
    write_detail,
)
from proofkey.protocol.registration import ClientRegistration
from proofkey.protocol.text import Pairs, digest_of

MEMBER: Final = "authorization_details"
_COMMON: Final = frozenset({"type", "identifier", *COMMON_LISTS})


def read_details(
    text: str | None, client: ClientRegistration, audience: tuple[str, ...], policy: Policy
) -> tuple[Detail, ...]:
    """What of a request's parameter can be granted: all of it, or nothing (RFC 9396 §5).

    Raises: InvalidAuthorizationDetails.
    """
    if text is None:
        return ()
    details = parse_authorization_details(text)
    check_details(details, client, audience, policy)
    return details


def check_details(
    details: Iterable[Detail], client: ClientRegistration, audience: tuple[str, ...], policy: Policy
) -> None:
    """§5, §10: of a type that is known and registered for the client, with the members of the type alone, and for
    the API that the token is for. Raises: InvalidAuthorizationDetails."""
    for detail in details:
        name = detail["type"]
        known = policy.authorization_details_types.get(name)
        if known is None or name not in client.authorization_details_types:
            raise InvalidAuthorizationDetails(
                Finding.DETAILS_TYPE, type=name[:64], client_id=client.client_id[:64]
            )
        wrong = _wrong_member(detail, known, audience)
        if wrong is not None:
            raise InvalidAuthorizationDetails(Finding.DETAILS_MEMBER, type=name[:64], member=wrong[:64])
        _check_by_hook(detail, known)


def narrowed_details(
    asked: tuple[Detail, ...], granted: tuple[Detail, ...], client: ClientRegistration, policy: Policy
) -> tuple[Detail, ...]:
    """§6: all that was granted, or what is asked of it; each must be part of one that was granted. A type that the
    operator has taken away since, from the server or from the client, gives nothing any more.

    Raises: InvalidAuthorizationDetails.
    """
    for one in asked:
        if not any(is_part_of(one, each) for each in granted):
            raise InvalidAuthorizationDetails(Finding.DETAILS_WIDER, type=str(one["type"])[:64])
    left = set(client.authorization_details_types).intersection(policy.authorization_details_types)
    return tuple(one for one in asked or granted if one["type"] in left)


def check_details_way(pairs: Pairs, client: ClientRegistration, *, signed: bool) -> None:
    """§12: whoever has the browser cannot change what a client with a credential asks for. Such a client pushes
    its details, or signs them. Raises: InvalidRequest."""
    if signed or client.is_public:
        return
    if any(name == MEMBER and value for name, value in pairs):
        raise InvalidRequest(Finding.DETAILS_IN_FRONT, client_id=client.client_id)


def consent_items_of(details: Iterable[Detail]) -> tuple[str, ...]:
    """As a consent holds them: by value, with a quotation mark, which no scope can have (RFC 6749 §3.3)."""
    return tuple(f'"{MEMBER}:{digest_of(write_detail(one))}"' for one in details)


def asks_again(details: Iterable[Detail], policy: Policy) -> bool:
    """Whether one of them is of a type for which an older consent to the same value does not count."""
    return any(policy.authorization_details_types[one["type"]].ask_again for one in details)


def words_of_details(details: Iterable[Detail], policy: Policy) -> tuple[tuple[str, str], ...]:
    """For the consent page: what each gives, and all that it says, a line for each value. No value has a line
    break, so none can pass for another line."""
    return tuple(_words_of(one, policy) for one in details)


def _words_of(detail: Detail, policy: Policy) -> tuple[str, str]:
    known = policy.authorization_details_types.get(detail["type"])
    title = (known.title if known else "") or f"Use the permission “{detail['type']}”"
    lines = (line for name, value in detail.items() if name != "type" for line in _lines_of(_name_of(name), value))
    return title, "\n".join(lines)


def _name_of(member: str) -> str:
    """`instructedAmount`, `instructed_amount`: instructed amount."""
    spaced = "".join(f" {sign.lower()}" if sign.isupper() else sign for sign in member)
    return spaced.replace("_", " ").strip()


def _lines_of(name: str, value: object) -> Iterator[str]:
    leaf = value
    if isinstance(value, dict) and value:
        for member, inner in cast("Mapping[str, Any]", value).items():
            yield from _lines_of(f"{name}, {_name_of(member)}", inner)
    elif isinstance(value, list) and value:
        for inner in cast("list[object]", value):
            yield from _lines_of(name, inner)
    else:
        yield f"{name}: {_value_of(leaf)}"


def _value_of(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None or value in ({}, []) else str(value)


def _wrong_member(detail: Detail, known: DetailType, audience: tuple[str, ...]) -> str | None:
    """The first member that is missing, unknown or of the wrong form (§2.2)."""
    for name in known.required:
        if name not in detail:
            return name
    for name, value in detail.items():
        if name not in _COMMON and name not in known.fields and name not in known.required:
            return name
        if name in COMMON_LISTS and not _is_text_list(value):
            return name
    if not isinstance(detail.get("identifier", ""), str):
        return "identifier"
    if not set(cast("list[str]", detail.get("locations", []))) <= set(audience):
        return "locations"
    wanted = set(cast("list[str]", detail.get("actions", [])))
    return "actions" if known.actions and not wanted <= set(known.actions) else None


def _is_text_list(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in cast("list[object]", value))


def _check_by_hook(detail: Detail, known: DetailType) -> None:
    if known.check is None:
        return
    try:
        known.check(detail)
    except ValueError as error:
        raise InvalidAuthorizationDetails(Finding.DETAILS_MEMBER, type=known.type[:64], member="rule") from error
