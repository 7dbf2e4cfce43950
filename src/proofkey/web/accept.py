"""Which form of an answer a request asks for (RFC 9110 §12.5.1)."""

from collections.abc import Iterable


def is_accepted(headers: Iterable[str], media_type: str) -> bool:
    """Whether an Accept header names that type itself, and not with the weight zero; ranges do not count."""
    items = (item for header in headers for item in header.split(","))
    return any(_names(item, media_type) for item in items)


def _names(item: str, media_type: str) -> bool:
    name, *parameters = (part.strip().lower() for part in item.split(";"))
    return name == media_type and not any(_is_zero(one) for one in parameters)


def _is_zero(parameter: str) -> bool:
    name, _, weight = parameter.partition("=")
    return name.strip() == "q" and weight.strip().rstrip("0").rstrip(".") in ("", "0")
