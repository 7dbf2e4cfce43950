"""Genuine signatures over claims that must not pass: missing, of another type, for somebody else, out of time."""

from collections.abc import Iterator
from typing import Any, Final

from proofkey.findings import Finding
from proofkey.testing.persona_words import WORDS
from proofkey.testing.token_case import HostileToken
from proofkey.testing.tokens import TokenMaker, compact_json

_RULES: Final = {"aud": "8725b-3.9-a", "iss": "8725b-3.8-a", "exp": "V9-9.2.1", "iat": "V9-9.2.1"}
Claims = dict[str, Any]
_SCOPES: Final = "V10-10.3.2"
_DATES: Final = "V9-9.2.1"


def wrong_claims(make: TokenMaker) -> Iterator[HostileToken]:
    """Missing, or of another type."""
    words = WORDS[make.persona.name]
    missing, of_type = Finding.TOKEN_CLAIM_MISSING, Finding.TOKEN_CLAIM_TYPE
    for name in words.required:
        rule = _RULES.get(name, "")
        yield HostileToken(f"no {name}", make.sign(_without(make.claims(), name)), missing, rule)
        yield HostileToken(f"{name} of null", make.sign(make.claims() | {name: None}), missing, rule)
        yield HostileToken(f"{name} of an object", make.sign(make.claims() | {name: {}}), of_type, rule)
    for name in words.texts:
        rule = _RULES.get(name, "")
        yield HostileToken(f"{name} empty", make.sign(make.claims() | {name: ""}), of_type, rule)
        yield HostileToken(f"{name} a number", make.sign(make.claims() | {name: 7}), of_type, rule)
        yield HostileToken(f"{name} a list", make.sign(make.claims() | {name: [make.issuer]}), of_type, rule)
        yield HostileToken(f"{name} true", make.sign(make.claims() | {name: True}), of_type, rule)
    for name, value in (("acr", 1), ("acr", ["1"]), ("amr", "pwd"), ("amr", ["pwd", 1])):
        token = make.sign(make.claims() | {name: value})
        yield HostileToken(f"{name} of {type(value).__name__}", token, of_type, "V10-10.3.4")


def wrong_parties(make: TokenMaker) -> Iterator[HostileToken]:
    """Another issuer, another audience."""
    issuer, audience = make.issuer, make.audience
    issuers: dict[str, object] = {
        "foreign": "https://evil.test",
        "with a slash": f"{issuer}/",
        "in capitals": issuer.upper(),
        "a prefix": issuer[:-1],
        "longer": f"{issuer}.evil.test",
        "with a query": f"{issuer}?x=1",
        "with a space": f"{issuer} ",
        "without https": issuer.replace("https", "http", 1),
        "the audience": audience,
    }
    audiences: dict[str, object] = {
        "foreign": "https://other.test",
        "with a slash": f"{audience}/",
        "foreign list": ["https://other.test"],
        "joined by a space": f"{audience} x",
        "joined by a comma": f"{audience},https://other.test",
        "a prefix": audience[:-1],
        "longer": f"{audience}.evil.test",
        "in capitals": audience.upper(),
        "a pattern": "*",
        "the issuer": issuer,
        "the client": "app",
    }
    malformed: dict[str, object] = {
        "number": 7,
        "true": True,
        "mixed list": [audience, 7],
        "list with null": [audience, None],
        "nested list": [[audience]],
        "empty list": [],
        "empty string": "",
        "object with it": {audience: audience},
    }
    for name, value in issuers.items():
        if value != issuer:  # which may be in capitals already
            yield HostileToken(f"iss {name}", make.access_token(iss=value), Finding.TOKEN_ISSUER)
    for name, value in audiences.items():
        if value != audience:
            yield HostileToken(f"aud {name}", make.access_token(aud=value), Finding.TOKEN_AUDIENCE)
    for name, value in malformed.items():
        token = make.access_token(aud=value)
        yield HostileToken(f"aud {name}", token, Finding.TOKEN_CLAIM_TYPE, "8725b-3.9-a")
    listed = make.access_token(iss=[issuer])
    yield HostileToken("iss in a list", listed, Finding.TOKEN_CLAIM_TYPE, "8725b-3.8-a")


def wrong_scopes(make: TokenMaker) -> Iterator[HostileToken]:
    """Scope and roles that one reader could take for more than another."""
    words = WORDS[make.persona.name]
    scopes = _listed_scopes(make.scope) if words.scope_is_list else _scope_texts(make.scope)
    roles: dict[str, object] = {"string": "admin", "number": 7, "true": True}
    if words.roles_are_object:
        roles |= {"list": ["admin"]}
    else:
        roles |= {"mixed list": ["admin", 1], "list with null": [None], "object": {"admin": True}}
    for name, value in scopes.items():
        changed: Claims = {words.scope: value}
        token = make.access_token(**changed)
        yield HostileToken(f"scope with {name}", token, Finding.TOKEN_CLAIM_TYPE, _SCOPES)
    for name, value in roles.items():
        token = make.access_token(**words.roles(value))
        yield HostileToken(f"roles of {name}", token, Finding.TOKEN_CLAIM_TYPE, _SCOPES)


def _scope_texts(own: tuple[str, ...]) -> dict[str, object]:
    """Where a scope is one string. Each would hold the right scope tokens for a reader who is not strict."""
    text = " ".join(own)
    return {
        "list": [*own],
        "number": 1,
        "true": True,
        "object": dict.fromkeys(own, True),
        "tab": f"{text}\tb",
        "newline": f"{text}\nb",
        "two spaces": f"{text}  b",
        "space before": f" {text}",
        "space at the end": f"{text} ",
        "quote": f'{text} "b"',
        "backslash": f"{text} a\\b",
        "non-ASCII": f"{text} é",
        "NUL": f"{text} a\0",
    }


def _listed_scopes(own: tuple[str, ...]) -> dict[str, object]:
    text = " ".join(own)
    return {
        "string": text,
        "number": 1,
        "true": True,
        "object": dict.fromkeys(own, True),
        "mixed list": [*own, 1],
        "nested list": [[*own]],
        "empty token": [*own, ""],
        "space inside": [f"{text} a"],
        "tab": [*own, "a\tb"],
        "quote": [*own, '"b"'],
        "backslash": [*own, "a\\b"],
        "non-ASCII": [*own, "é"],
        "NUL": [*own, "a\0"],
    }


def wrong_times(make: TokenMaker) -> Iterator[HostileToken]:
    """NumericDates: over, ahead, and what only looks like a number."""
    now = make.now
    expired = {
        "long past": now - 3600,
        "past by the leeway": now - 10,
        "of zero": 0,
        "past as a float": now - 60.5,
    }
    for name, exp in expired.items():
        yield HostileToken(f"exp {name}", make.access_token(exp=exp), Finding.TOKEN_EXPIRED)
    for name in ("iat", "nbf"):
        for ahead in (11, 61, 86400):
            start = now + ahead + make.slack
            token = make.sign(make.claims() | {name: start, "exp": start + 86400})
            yield HostileToken(f"{name} {ahead} s ahead", token, Finding.TOKEN_NOT_YET_VALID)
    malformed: dict[str, object] = {
        "string": str(now + 60),
        "date": "2099-01-01T00:00:00Z",
        "true": True,
        "list": [now],
        "2^53": 2**53,
        "10^400": 10**400,
        "1e20": 1e20,
        "negative": -1,
        "negative float": -0.5,
        "milliseconds and more": now * 1_000_000_000,
    }
    for name in ("exp", "iat", "nbf", "auth_time"):
        for what, value in malformed.items():
            token = make.sign(make.claims() | {name: value})
            yield HostileToken(f"{name} of {what}", token, Finding.TOKEN_CLAIM_TYPE, _DATES)
    yield from _misspelt_numbers(make)


def _misspelt_numbers(make: TokenMaker) -> Iterator[HostileToken]:
    """RFC 8259 §6."""
    for what in ("NaN", "Infinity", "-Infinity", "1e400", "1" * 5000, "0x7fffffff", "01", "+1", ".5", "5."):
        payload = compact_json(make.claims(exp=0)).replace(b'"exp":0', b'"exp":' + what.encode())
        yield HostileToken(f"exp written {what[:12]}", make.sign(payload), Finding.TOKEN_JSON)


def _without(claims: dict[str, Any], name: str) -> dict[str, Any]:
    return {other: value for other, value in claims.items() if other != name}
