"""Why a token was refused, as plainly as can be said: for the log and the inspector, never for the wire."""

from typing import Final

from proofkey.errors import InvalidToken
from proofkey.findings import Finding
from proofkey.protocol.dialect import RFC9068, Dialect, remedy_for
from proofkey.protocol.jws import read_unverified_header, read_unverified_payload
from proofkey.protocol.token_kind import TokenKind, classify

_TOLD_BY_KIND: Final = frozenset({Finding.TOKEN_IS_OPAQUE, Finding.TOKEN_NOT_COMPACT, Finding.TOKEN_TYPE})
_ABOUT_KEYS: Final = frozenset({Finding.TOKEN_ALGORITHM, Finding.TOKEN_KID, Finding.TOKEN_KEY_UNKNOWN})
# Microsoft signs another header than the one that it sends, so that these never verify
_GRAPH_FAILS: Final = frozenset({Finding.TOKEN_SIGNATURE, Finding.TOKEN_ISSUER, Finding.TOKEN_AUDIENCE})


def explain_refusal(
    error: InvalidToken, token: str, *, issuer: str | frozenset[str], dialect: Dialect = RFC9068
) -> InvalidToken:
    """The same refusal, told by its cause: the kind of token, the foreign tenant, the shared secret.

    Facts gain `looks_like`; `check`, the check that failed, where the cause is another; and `fix`, what to set at
    this provider. A key that is not known stays that while the token names our issuer, as keys are then fetched.
    Raises nothing.
    """
    kind = classify(token)
    finding = _cause(error.finding, kind, token, issuer, dialect)
    facts = error.facts | {"looks_like": kind.value}
    if finding is not error.finding:
        facts["check"] = error.finding.id
    fix = remedy_for(finding, dialect)
    if fix is not finding.remedy:
        facts["fix"] = fix
    return InvalidToken(finding, **facts)


def _cause(found: Finding, kind: TokenKind, token: str, issuer: str | frozenset[str], dialect: Dialect) -> Finding:
    named = dialect.kinds.get(kind, kind.finding)
    if named is not None and (
        found in _TOLD_BY_KIND
        or kind.is_certain
        or (kind is TokenKind.ENCRYPTED and found is Finding.TOKEN_ENCRYPTED)
        or (kind is TokenKind.GRAPH_TOKEN and found in _GRAPH_FAILS)
    ):
        return named
    if found in _ABOUT_KEYS and _is_symmetric(token):  # a provider signs refresh tokens so, for itself alone
        told = named if kind is TokenKind.REFRESH_TOKEN else None
        return told or Finding.TOKEN_SYMMETRIC
    if found is Finding.TOKEN_KEY_UNKNOWN or found is Finding.TOKEN_ISSUER:
        return _foreign(found, token, issuer, dialect)
    return found


def _is_symmetric(token: str) -> bool:
    try:
        alg: object = read_unverified_header(token).get("alg")
    except InvalidToken:
        return False
    return isinstance(alg, str) and alg.startswith("HS")


def _foreign(found: Finding, token: str, issuer: str | frozenset[str], dialect: Dialect) -> Finding:
    """Another tenant of the same provider, another issuer, or what was found."""
    try:
        iss: object = read_unverified_payload(token).get("iss")
    except InvalidToken:
        return found
    ours = frozenset({issuer}) if isinstance(issuer, str) else issuer
    if not isinstance(iss, str) or not iss or iss in ours:
        return found
    if dialect.tenant_of is not None:
        tenant = dialect.tenant_of(iss)
        if tenant is not None and tenant not in {dialect.tenant_of(name) for name in ours}:
            return Finding.TOKEN_TENANT
    return Finding.TOKEN_ISSUER
