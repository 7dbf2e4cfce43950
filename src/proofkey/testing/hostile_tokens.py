"""A corpus of hostile tokens, and of unusual ones that are harmless, in every provider's dialect.

Every hostile token is signed with the issuer's own key unless its name says otherwise: what refuses it is a rule
of the verifier, not the signature.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Final

from proofkey.testing.hostile_claims import wrong_claims, wrong_parties, wrong_scopes, wrong_times
from proofkey.testing.hostile_forms import (
    wrong_forms,
    wrong_headers,
    wrong_json,
    wrong_signatures,
    wrong_spellings,
)
from proofkey.testing.hostile_kinds import bound_tokens, other_kinds, wrong_types
from proofkey.testing.hostile_secrets import shared_secrets
from proofkey.testing.persona_words import WORDS
from proofkey.testing.personas import persona_named
from proofkey.testing.provider_traps import provider_oddities, provider_traps
from proofkey.testing.token_case import HarmlessToken, HostileToken
from proofkey.testing.tokens import TokenMaker

__all__ = ["HarmlessToken", "HostileToken", "harmless_tokens", "hostile_tokens"]

_GROUPS: Final[tuple[Callable[[TokenMaker], Iterator[HostileToken]], ...]] = (
    other_kinds,
    wrong_types,
    bound_tokens,
    wrong_claims,
    wrong_parties,
    wrong_scopes,
    wrong_times,
    wrong_headers,
    wrong_signatures,
    shared_secrets,
    wrong_json,
    wrong_spellings,
    wrong_forms,
    provider_traps,
)

_RULES: Final = {
    "a list of audiences with ours": "8725b-3.9-a",
    "iat and nbf 10 s ahead": "F2-5.3.2.1-13-rs",
    "unknown header parameters": "RFC 7515 §4",
    "keys named in the header, unused": "8725b-3.10-a",
    "no kid, one fitting key": "OC-10.1-a",
    "the older name EdDSA": "8725b-3.2-b",
}


def hostile_tokens(maker: TokenMaker | None = None, *, dialect: str | None = None) -> tuple[HostileToken, ...]:
    """The whole corpus for one issuer, audience and time, in the words of the maker's persona; names are unique.

    `dialect` names a persona (`entra`, `keycloak`, …) and stands for a maker of its tokens.
    Raises: ConfigurationError when there is no persona of that name.
    """
    make = _maker(maker, dialect)
    told = WORDS[make.persona.name].told
    made = (token for group in _GROUPS for token in group(make))
    return tuple(replace(token, finding=told[token.name]) if token.name in told else token for token in made)


def harmless_tokens(maker: TokenMaker | None = None, *, dialect: str | None = None) -> tuple[HarmlessToken, ...]:
    """What strictness must not refuse; `dialect` as for `hostile_tokens`."""
    make = _maker(maker, dialect)
    now = make.now
    every_type = make.claims() | {"a": None, "b": [1, {"c": True}], "d": 1e3}
    aud: Any = make.claims().get("aud", [])
    audiences: list[Any] = ["https://other.test", *(aud if isinstance(aud, list) else [aud])]
    found = {
        "plain": make.access_token(),
        "a list of audiences with ours": make.access_token(
            aud=audiences if aud else ["https://other.test", make.audience]
        ),
        "exp as a finite float": make.access_token(exp=now + 60.5 + make.slack),
        "exp passed within the leeway": make.access_token(exp=now - 9 + make.slack),
        "iat and nbf 10 s ahead": make.access_token(iat=now + 10, nbf=now + 10),
        "typ as a media type in capitals": make.access_token({"typ": "application/AT+JWT"}),
        "unknown header parameters": make.access_token({"x": {"y": [1]}, "cty": "JWT"}),
        "keys named in the header, unused": make.access_token({"jku": "https://evil.test/jwks"}),
        "no kid, one fitting key": make.access_token({"kid": None}),
        "claims of every JSON type": make.sign(every_type),
        "escaped characters beyond ASCII": make.access_token(name="é\U0001f600"),
        "characters beyond ASCII as they are": make.sign(_unescaped(make, name="é\U0001f600 ñ")),
        "an escaped slash": make.sign(json.dumps(make.claims()).replace("/", "\\/").encode()),
        "nested 16 deep": make.access_token(deep=_nested(15)),
        "white space in the JSON": make.sign(json.dumps(make.claims(), indent=2).encode()),
        "white space around the JSON": make.sign(b" \t\r\n" + json.dumps(make.claims()).encode() + b"\n"),
        "15 kB": make.access_token(x="x" * (11_000 - len(make.access_token()))),
        "a header of 2 kB": make.access_token({"x": "x" * 1500}),
        "exp in many years": make.access_token(exp=now + 10**9),
        "times as floats": make.access_token(exp=now + 600.0, iat=now - 0.25, nbf=now - 1.5),
    }
    if make.key.algorithm == "Ed25519":
        found["the older name EdDSA"] = make.access_token({"alg": "EdDSA"})
    found |= _types(make)
    usual = (HarmlessToken(name, token, _RULES.get(name, "9068-4-b")) for name, token in found.items())
    return (*usual, *_weak(make), *provider_oddities(make))


def _maker(maker: TokenMaker | None, dialect: str | None) -> TokenMaker:
    if dialect is not None:
        persona = persona_named(dialect)
        return TokenMaker.of(persona) if maker is None else replace(maker, persona=persona)
    return maker or TokenMaker()


def _types(make: TokenMaker) -> dict[str, str]:
    """Every `typ` that this provider may write."""
    types = WORDS[make.persona.name].types
    found = {f"typ {typ}": make.access_token({"typ": typ}) for typ in sorted(types) if typ}
    if "jwt" in types:
        found["typ JWT in capitals"] = make.access_token({"typ": "JWT"})
    if "" in types:
        found["no typ"] = make.access_token({"typ": None})
    return found


def _weak(make: TokenMaker) -> Iterator[HarmlessToken]:
    """Good, and yet with fewer rights than the plain one."""
    words = WORDS[make.persona.name]
    yield HarmlessToken("no scope", make.access_token(**words.no_scope()), full=False)
    if words.scope == "scope":
        yield HarmlessToken("an empty scope", make.access_token(scope=""), full=False)
    yield HarmlessToken("a client's own token", make.client_token(), "9068-2.2", full=False)


def _unescaped(make: TokenMaker, **claims: object) -> bytes:
    return json.dumps(make.claims(**claims), ensure_ascii=False).encode()


def _nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth - 1):
        value = [value]
    return value
