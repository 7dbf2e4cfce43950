"""Every class of difference between our verifier and the libraries: who, why, and the section that is on our side.

A row holds for a token when `holds` finds its reason there; `witness` is a token that shows it.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from proofkey.testing.tokens import compact_json, sign_exactly
from tests.protocol.differential_kit import LEEWAY, MAKE, Facts

BOTH = frozenset({"PyJWT", "joserfc"})
PYJWT, JOSERFC = frozenset({"PyJWT"}), frozenset({"joserfc"})
_SCOPE = re.compile(r"[!#-\[\]-~]+( [!#-\[\]-~]+)*|")


@dataclass(frozen=True, slots=True)
class Difference:
    """One class: what the libraries do where we refuse (`theirs` is `accepts` or an exception), or, with `ours`
    of `accepts`, where we accept and they do not."""

    name: str
    libraries: frozenset[str]
    section: str
    reason: str
    holds: Callable[[Facts], bool]
    witness: Callable[[], str]
    theirs: str = "accepts"
    ours: str = "refuses"


def _claims(facts: Facts) -> Mapping[str, Any]:
    return facts.payload.members


def _header(facts: Facts) -> Mapping[str, Any]:
    return facts.header.members


def _typ(facts: Facts) -> bool:
    typ = _header(facts).get("typ")
    return not isinstance(typ, str) or typ.lower().removeprefix("application/") != "at+jwt"


def _text_is_wrong(facts: Facts, *names: str) -> bool:
    return any(not isinstance(_claims(facts).get(name), str) or not _claims(facts)[name] for name in names)


def _scope(facts: Facts) -> bool:
    scope = _claims(facts).get("scope", "")
    return not isinstance(scope, str) or not _SCOPE.fullmatch(scope)


def _texts_are_wrong(facts: Facts, name: str) -> bool:
    value = _claims(facts).get(name, [])
    return not isinstance(value, list) or not all(isinstance(item, str) for item in value)


def _date(value: object) -> bool:
    return type(value) in (int, float) and 0 <= value < 2**53  # type: ignore[operator] # a number by then


def _dates(facts: Facts) -> list[object]:
    return [_claims(facts)[name] for name in ("exp", "iat", "nbf") if name in _claims(facts)]


def _fractions(facts: Facts) -> bool:
    return any(isinstance(value, float) and value != int(value) for value in _dates(facts) if _date(value))


def _signed(header: bytes | None = None, payload: bytes | None = None) -> str:
    return sign_exactly(MAKE.key, header or compact_json(MAKE.header()), payload or compact_json(MAKE.claims()))


def _claiming(**claims: object) -> Callable[[], str]:
    return lambda: MAKE.sign(MAKE.claims() | claims)


def _heading(**header: object) -> Callable[[], str]:
    return lambda: _signed(compact_json(MAKE.header() | header))


def _adding(part: str, text: bytes) -> Callable[[], str]:
    """With more text before the end of the JSON of that part."""

    def make() -> str:
        header, claims = compact_json(MAKE.header()), compact_json(MAKE.claims())
        if part == "header":
            return _signed(header[:-1] + text + b"}", claims)
        return _signed(header, claims[:-1] + text + b"}")

    return make


def _deep(facts: Facts) -> bool:
    return max(facts.header.depth, facts.payload.depth) > 16


DIFFERENCES = (
    # --- what is no claim of RFC 7519 and RFC 7515
    Difference("typ", BOTH, "RFC 9068 §4", "neither looks at typ", _typ, _heading(typ="JWT")),
    Difference("cnf", BOTH, "RFC 9449 §7.2", "neither knows cnf: a bound token needs its proof",
               lambda facts: "cnf" in _claims(facts), _claiming(cnf={"jkt": "x"})),
    Difference("client_id", BOTH, "RFC 9068 §2.2", "client_id is no claim of RFC 7519: any type will do",
               lambda facts: _text_is_wrong(facts, "client_id"), _claiming(client_id=7)),
    Difference("scope", BOTH, "RFC 6749 §3.3", "scope is no claim of RFC 7519", _scope, _claiming(scope="a  b")),
    Difference("roles", BOTH, "RFC 9068 §2.2.3.1", "roles is no claim of RFC 7519",
               lambda facts: _texts_are_wrong(facts, "roles"), _claiming(roles="admin")),
    Difference("acr and amr", BOTH, "RFC 9068 §2.2.1", "no claims of RFC 7519",
               lambda facts: _texts_are_wrong(facts, "amr") or not isinstance(_claims(facts).get("acr", ""), str),
               _claiming(acr=1)),
    Difference("auth_time", BOTH, "RFC 9068 §2.2.1", "auth_time is no claim of RFC 7519",
               lambda facts: not _date(_claims(facts).get("auth_time", 0)), _claiming(auth_time="yesterday")),
    # --- values of registered claims
    Difference("empty claim", PYJWT, "RFC 9068 §2.2", "it asks whether a claim is there, not whether it is empty",
               lambda facts: _text_is_wrong(facts, "sub", "jti"), _claiming(sub="")),
    Difference("date by conversion", PYJWT, "RFC 7519 §2", "int() makes dates of strings and booleans",
               lambda facts: any(isinstance(value, str | bool) for value in _dates(facts)),
               _claiming(exp=str(MAKE.now + 60))),
    Difference("date out of range", BOTH, "RFC 7519 §2", "no limits: other readers lose the digits beyond 2^53",
               lambda facts: any(type(value) in (int, float) and not _date(value) for value in _dates(facts)),
               _claiming(exp=2**53)),
    Difference("fraction of exp", JOSERFC, "RFC 7519 §4.1.4", "we cut it off: a token ends with its second",
               _fractions, _claiming(exp=MAKE.now - LEEWAY + 0.5)),
    # --- header
    Difference("crit of nothing new", JOSERFC, "RFC 7515 §4.1.11", "takes an empty list and registered names",
               lambda facts: "crit" in _header(facts), _heading(crit=[])),
    Difference("b64", BOTH, "RFC 7797 §6", "ignored outside crit, where it must stand",
               lambda facts: "b64" in _header(facts), _heading(b64=True)),
    Difference("kid", BOTH, "RFC 7515 §4.1.4", "called with one key, both ignore which one is named",
               lambda facts: "kid" in _header(facts) and _header(facts)["kid"] != MAKE.key.kid,
               _heading(kid="another")),
    # --- JSON
    Difference("repeated member", BOTH, "RFC 8725bis §3.14", "json.loads takes the last of two",
               lambda facts: facts.payload.repeated or facts.header.repeated, _adding("payload", b',"x":1,"x":2')),
    Difference("encoding", BOTH, "RFC 8259 §8.1", "json.loads guesses the encoding of bytes",
               lambda facts: not facts.payload.is_utf8 or not facts.header.is_utf8,
               lambda: _signed(payload=compact_json(MAKE.claims()).decode().encode("utf-16"))),
    Difference("not a number", BOTH, "RFC 8259 §6", "json.loads takes NaN, Infinity and 1e999",
               lambda facts: facts.payload.constants or facts.header.constants, _adding("payload", b',"x":NaN')),
    Difference("lone surrogate", BOTH, "RFC 8259 §8.2", "json.loads takes half of a character",
               lambda facts: facts.payload.surrogates or facts.header.surrogates,
               _adding("payload", b',"x":"\\ud800"')),
    Difference("depth", BOTH, "RFC 8259 §9", "no limit of depth", _deep,
               _adding("payload", b',"x":' + b"[" * 16 + b"]" * 16)),
    # --- spelling and size
    Difference("padding", PYJWT, "RFC 7515 §2", "drops it: one token, two spellings",
               lambda facts: "=" in facts.token, lambda: f"{MAKE.access_token()}=="),
    Difference("size", BOTH, "RFC 8725bis §3.15", "limits that are wider, or none",
               lambda facts: len(facts.token) > 16 * 1024, lambda: MAKE.access_token(x="x" * 16_000)),
    # --- we accept, they do not
    Difference("unknown header member", JOSERFC, "RFC 7515 §4", "its strict check refuses what must be ignored",
               lambda facts: bool(_header(facts).keys() - {"alg", "kid", "typ"}),
               _heading(x=1), theirs="refuses", ours="accepts"),
    Difference("size of the header", JOSERFC, "RFC 7515 §10", "512 bytes at most, unless it is told otherwise",
               lambda facts: len(facts.header.text) > 512,
               lambda: _signed(compact_json(MAKE.header()).replace(b",", b"," + b" " * 600)),
               theirs="refuses", ours="accepts"),
    Difference("fraction of iat and nbf", JOSERFC, "RFC 7519 §2", "we cut it off: less than a second early",
               _fractions, _claiming(iat=MAKE.now + LEEWAY + 0.5), theirs="refuses", ours="accepts"),
    # --- they leave their own tree of errors
    Difference("crit of another type", JOSERFC, "RFC 7515 §4.1.11", "iterates over it before it asks what it is",
               lambda facts: "crit" in _header(facts), _heading(crit=1), theirs="TypeError"),
    Difference("depth that overflows", JOSERFC, "RFC 8259 §9", "the recursion of json.loads is not caught",
               _deep, _adding("payload", b',"x":' + b"[" * 2500 + b"]" * 2500), theirs="RecursionError"),
    Difference("a token that is no ASCII", BOTH, "RFC 7515 §7.1", "it is encoded before it is looked at",
               lambda facts: not facts.token.isascii(), lambda: f"{MAKE.access_token()}\ud800",
               theirs="UnicodeEncodeError"),
)  # fmt: skip


def explaining(library: str, ours: str, theirs: str, facts: Facts) -> list[Difference]:
    """The rows that hold for this difference."""
    return [
        row
        for row in DIFFERENCES
        if library in row.libraries and (row.ours, row.theirs) == (ours, theirs) and row.holds(facts)
    ]
