"""What a request to the API presents: the headers Authorization (RFC 6750 §2.1) and DPoP (RFC 9449 §7.1)."""

import re
from collections.abc import Collection
from typing import Final, Literal, NamedTuple

from proofkey.errors import InvalidDpopProof, InvalidToken, MalformedCredentials, NoCredentials
from proofkey.findings import Finding
from proofkey.protocol.jws import MAX_TOKEN

_TOKEN_CHARACTERS: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/"
_SCHEME_CHARACTERS: Final = (
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~"  # RFC 9110 §5.6.2
)
_TOKEN_PARAMETER: Final = re.compile(  # parsing the pairs would take 100 ms for 64 kB of a stranger's
    b"(?:^|&)" + b"".join(b"(?:%c|(?i:%%%02x))" % (octet, octet) for octet in b"access_token") + rb"(?:[=&]|\Z)"
)
_SCHEME: Final = 32
_LONGEST: Final = MAX_TOKEN + _SCHEME
"""Octets of the scheme and of the header that are looked at; junk beyond that costs nothing."""
_KNOWN_SCHEMES: Final = frozenset({b"basic", b"digest", b"dpop", b"negotiate"})

Scheme = Literal["Bearer", "DPoP"]
Headers = Collection[tuple[bytes, bytes]]
"""Header names in lower case, as ASGI gives them."""


class Credentials(NamedTuple):
    """An access token as it was presented, not yet proven. A tuple, as every request makes one.

    `scheme` is the one of the Authorization header; `proof` is the DPoP header, which says nothing by itself.
    """

    token: str
    scheme: Scheme = "Bearer"
    proof: str | None = None

    def __repr__(self) -> str:
        return f"Credentials(scheme={self.scheme!r})"


def read_credentials(headers: Headers, query: bytes = b"", *, dpop: bool = False) -> Credentials:
    """RFC 6750 §2: one Authorization header with the scheme Bearer in any case; no token in query or body.

    `query` is the raw query string. A token in the query alone counts as none (RFC 9700 §4.3.2). With `dpop` the
    scheme DPoP is taken too, and the one DPoP header beside it (RFC 9449 §7.1); without, it is a foreign scheme.
    A DPoP header beside a bearer token says nothing and is not looked at.

    Raises: NoCredentials when there is no access token, MalformedCredentials when there is more than one
    credential or the header has another form, InvalidDpopProof when there are several DPoP headers, InvalidToken
    when the header is longer than any token.
    """
    header: bytes | None = None
    for name, value in headers:
        if name == b"authorization":
            if header is not None:
                raise MalformedCredentials(Finding.CREDENTIALS_REPEATED, where="two Authorization headers")
            header = value
    in_query = bool(query) and _has_token(query)
    if header is None or len(header) > _LONGEST:
        raise _unread(header, in_query, dpop)
    scheme, _, token = header.partition(b" ")
    known = scheme.lower()
    if known != b"bearer" and not (dpop and known == b"dpop"):
        raise _other_scheme(scheme)
    if in_query:
        raise MalformedCredentials(Finding.CREDENTIALS_REPEATED, where="header and query")
    token = token.lstrip(b" ")
    check_token_syntax(token)
    if known == b"bearer":
        return Credentials(token.decode("ascii"))
    return Credentials(token.decode("ascii"), "DPoP", _read_proof(headers))


def scheme_of(headers: Headers) -> Scheme:
    """The scheme that a refusal of this request is told under: DPoP when no other was used."""
    used = {value[:_SCHEME].partition(b" ")[0].lower() for name, value in headers if name == b"authorization"}
    return "DPoP" if used == {b"dpop"} else "Bearer"


def check_token_syntax(token: bytes) -> None:
    """RFC 6750 §2.1 `b64token`: letters, digits and `-._~+/`, then any number of `=`.

    Raises: MalformedCredentials.
    """
    body = token.rstrip(b"=")
    if not body or body.translate(None, _TOKEN_CHARACTERS):
        raise MalformedCredentials(
            Finding.CREDENTIALS_MALFORMED, reason="empty" if not token else "not a bearer token's characters"
        )


def _read_proof(headers: Headers) -> str | None:
    """RFC 9449 §4.3 no. 1."""
    found: bytes | None = None
    for name, value in headers:
        if name == b"dpop":
            if found is not None:
                raise InvalidDpopProof(Finding.DPOP_PROOF_REPEATED)
            found = value
    return None if found is None else found.decode("latin-1")


def _unread(
    header: bytes | None, in_query: bool, dpop: bool
) -> InvalidToken | NoCredentials | MalformedCredentials:
    """What is said of no header, or of one that is longer than any token."""
    if header is None:
        return NoCredentials(Finding.CREDENTIALS_NONE, **({"where": "query"} if in_query else {}))
    scheme = header[:_SCHEME].partition(b" ")[0]
    if scheme.lower() == b"bearer" or (dpop and scheme.lower() == b"dpop"):
        return InvalidToken(Finding.TOKEN_TOO_LARGE, length=str(len(header)))
    return _other_scheme(scheme)


def _other_scheme(scheme: bytes) -> NoCredentials | MalformedCredentials:
    """Another scheme is no credential of ours; what is not even a scheme is malformed."""
    known = scheme.lower()
    if known in _KNOWN_SCHEMES:
        return NoCredentials(Finding.CREDENTIALS_NONE, scheme=known.decode("ascii"))
    if not scheme or scheme.translate(None, _SCHEME_CHARACTERS):
        reason = "not a scheme's characters" if scheme else "empty"
        return MalformedCredentials(Finding.CREDENTIALS_MALFORMED, reason=reason)
    return NoCredentials(Finding.CREDENTIALS_NONE, scheme="other")


def _has_token(query: bytes) -> bool:
    """True when the query has a parameter `access_token`, however its name is percent-encoded."""
    if b"access_token" not in query and b"%" not in query:
        return False
    return _TOKEN_PARAMETER.search(query) is not None
