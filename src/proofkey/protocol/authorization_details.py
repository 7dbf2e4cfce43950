"""The parameter `authorization_details`: what is asked for in more words than a scope has (RFC 9396)."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

from proofkey.errors import InvalidAuthorizationDetails
from proofkey.findings import Finding
from proofkey.protocol.json_strict import parse_object

Detail = Mapping[str, Any]
"""One object of the list; its member `type` says what the others mean (§2)."""

MAX_LENGTH: Final = 8192
"""Characters of the parameter."""
MAX_DETAILS: Final = 20
_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
COMMON_LISTS: Final = ("locations", "actions", "datatypes", "privileges")
"""Members of any type that hold a list of strings (§2.2)."""


def parse_authorization_details(text: str) -> tuple[Detail, ...]:
    """§2: a list of objects with a `type`, each value once. People read it, so all text in it is
    printable, and members have plain names: letters, digits, `_`, `-` and `.`.

    Raises: InvalidAuthorizationDetails.
    """
    if len(text) > MAX_LENGTH:
        raise _malformed("too long")
    try:
        members = parse_object(f'{{"list":{text}}}'.encode())
    except ValueError as error:
        raise _malformed("not strict JSON") from error
    listed: object = members["list"]
    if len(members) > 1 or not is_details(listed):
        raise _malformed("not a list of objects with a type")
    details = cast("list[Detail]", listed)
    if not 1 <= len(details) <= MAX_DETAILS:
        raise _malformed("empty, or too many")
    for detail in details:
        _check_readable(detail)
    return tuple({write_detail(detail): detail for detail in details}.values())


def is_details(value: object) -> bool:
    """Whether it is a list of objects, each with a `type` (§2)."""
    if not isinstance(value, list):
        return False
    return all(isinstance(one, dict) and _has_type(cast("Detail", one)) for one in cast("list[object]", value))


def write_detail(detail: Detail) -> str:
    """The same text for the same value, whatever the order of its members."""
    return json.dumps(detail, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def write_authorization_details(details: Iterable[Detail]) -> str:
    """As the parameter's value."""
    return f"[{','.join(write_detail(one) for one in details)}]"


def is_part_of(asked: Detail, granted: Detail) -> bool:
    """§6.1: the same object, or one whose lists of §2.2 hold less. What the other members mean is for the API to
    say, so they must be the same."""
    if asked.keys() != granted.keys():
        return False
    return all(_is_part(name, asked[name], granted[name]) for name in asked)


def _is_part(name: str, asked: object, granted: object) -> bool:
    if name in COMMON_LISTS and isinstance(asked, list) and isinstance(granted, list):
        some, every = cast("list[object]", asked), cast("list[object]", granted)
        return bool(some) and all(one in every for one in some)
    return json.dumps(asked, sort_keys=True) == json.dumps(granted, sort_keys=True)


def _has_type(detail: Detail) -> bool:
    named: object = detail.get("type")
    return isinstance(named, str) and bool(named)


def _check_readable(value: object) -> None:
    """A name cannot pass for a value, nor one value for several lines. Raises: InvalidAuthorizationDetails."""
    if isinstance(value, str) and not value.isprintable():
        raise _malformed("characters that cannot be shown")
    if isinstance(value, dict):
        for name, inner in cast("dict[str, object]", value).items():
            if not _NAME.fullmatch(name):
                raise _malformed("a member's name")
            _check_readable(inner)
    elif isinstance(value, list):
        for inner in cast("list[object]", value):
            _check_readable(inner)


def _malformed(reason: str) -> InvalidAuthorizationDetails:
    return InvalidAuthorizationDetails(Finding.DETAILS_MALFORMED, reason=reason)
