"""DPoP proofs beside a check as the examples write it: joserfc verifies, then RFC 9449 §4.3 line by line.

Every class of difference has a row: why, and the section that is on our side.
"""

import base64
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from joserfc import jwk as joserfc_jwk
from joserfc import jws as joserfc_jws
from joserfc.errors import JoseError

from proofkey.errors import InvalidDpopProof, InvalidToken
from proofkey.protocol.access_token import Confirmation
from proofkey.protocol.dpop import read_dpop_proof
from proofkey.protocol.signature import ALGORITHM_NAMES
from proofkey.resource_server.sender_constraint import check_key
from proofkey.testing.dpop import DpopKey
from proofkey.testing.proof_case import ProofCase
from proofkey.testing.tokens import compact_json, key_for_tests
from tests.protocol.differential_kit import Facts

CASE = ProofCase()
RSA = DpopKey(key=key_for_tests("RS256", "dpop"), clock=CASE.key.clock)
_ATH = base64.urlsafe_b64encode(hashlib.sha256(CASE.token.encode()).digest()).rstrip(b"=").decode()
_WINDOW, _LEEWAY = 60, 10
_KEY_MEMBERS = {"kty", "crv", "x", "y", "n", "e", "d"}
_TEXTS = (*sorted(_KEY_MEMBERS), "use", "alg", "kid")


def our_verdict(proof: str, jkt: str = CASE.key.jkt) -> str:
    """Raises: whatever is no refusal of ours."""
    try:
        found = read_dpop_proof(proof, method=CASE.method, url=CASE.url, now=CASE.now, access_token=CASE.token)
        check_key(Confirmation(jkt=jkt), found.jkt)
    except (InvalidDpopProof, InvalidToken):
        return "refuses"
    return "accepts"


def their_verdict(proof: str, jkt: str = CASE.key.jkt) -> str:
    """`accepts`, `refuses`, or the name of an exception that joserfc lets out."""
    try:
        header = json.loads(base64.urlsafe_b64decode(proof.split(".")[0] + "==="))
        if not isinstance(header, dict) or not isinstance(header.get("jwk"), dict):
            return "refuses"
    except (ValueError, RecursionError):
        return "refuses"
    try:
        key = joserfc_jwk.import_key(header["jwk"])
        registry = joserfc_jws.JWSRegistry(algorithms=sorted(ALGORITHM_NAMES), strict_check_header=False)
        registry.max_header_length = registry.max_payload_length = 64 * 1024
        read = joserfc_jws.deserialize_compact(proof, key, registry=registry)
        thumbprint = key.thumbprint()
    except JoseError:
        return "refuses"
    except Exception as error:
        return type(error).__name__
    return "accepts" if thumbprint == jkt and _claims_hold(header, read.payload) else "refuses"


def _claims_hold(header: Mapping[str, Any], payload: bytes) -> bool:
    """RFC 9449 §4.3, as one would write it down."""
    try:
        claims = json.loads(payload)
    except (ValueError, RecursionError):
        return False
    if not isinstance(claims, dict) or header.get("typ") != "dpop+jwt":
        return False
    iat, htu = claims.get("iat"), claims.get("htu")
    return (
        isinstance(claims.get("jti"), str)
        and claims.get("htm") == CASE.method
        and isinstance(htu, str)
        and htu.split("?")[0].split("#")[0] == CASE.url
        and isinstance(iat, int | float)
        and CASE.now - _WINDOW <= iat <= CASE.now + _LEEWAY
        and claims.get("ath") == _ATH
    )


@dataclass(frozen=True, slots=True)
class ProofDifference:
    """One class; `ours` and `theirs` as in `differences.Difference`."""

    name: str
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


def _jwk(facts: Facts) -> Mapping[str, Any]:
    jwk = _header(facts).get("jwk")
    return jwk if isinstance(jwk, dict) else {}


def _both(facts: Facts, find: Callable[[Any], object]) -> bool:
    return bool(find(facts.header)) or bool(find(facts.payload))


def _claiming(**claims: object) -> Callable[[], str]:
    return lambda: CASE.key.sign(CASE.claims() | claims)


def _heading(**header: object) -> Callable[[], str]:
    return lambda: CASE.key.sign(CASE.claims(), CASE.header() | header)


def _in_jwk(**members: object) -> Callable[[], str]:
    return lambda: CASE.key.sign(CASE.claims(), CASE.header() | {"jwk": CASE.key.jwk | members})


def _adding(text: bytes) -> Callable[[], str]:
    return lambda: CASE.key.sign(compact_json(CASE.claims())[:-1] + text + b"}")


def _text(value: object, most: int) -> bool:
    return isinstance(value, str) and 0 < len(value) <= most


def _date(value: object) -> bool:
    return type(value) in (int, float) and 0 <= value < 2**53  # type: ignore[operator] # a number by then


def _fraction(facts: Facts) -> bool:
    iat = _claims(facts).get("iat")
    return isinstance(iat, float) and iat != int(iat)


def _other_spelling(facts: Facts) -> bool:
    """Numbers of a key that is not the client's."""
    found = {name: value for name, value in _jwk(facts).items() if name in _KEY_MEMBERS}
    return found not in (CASE.key.jwk, RSA.jwk)


DIFFERENCES = (
    # --- we refuse
    ProofDifference("crit and b64", "RFC 9449 §4.3 no. 2", "an empty crit, and b64 outside crit",
                    lambda facts: bool({"crit", "b64"} & _header(facts).keys()), _heading(crit=[])),
    ProofDifference("private key", "RFC 9449 §4.3 no. 7", "the key in the proof must not be private",
                    lambda facts: bool({"d", "p", "q", "k", "oth"} & _jwk(facts).keys()),
                    lambda: CASE.key.sign(CASE.claims(), CASE.header() | {"jwk": CASE.key.key.private_jwk})),
    ProofDifference("key_ops of a string", "RFC 7517 §4.3", "it looks for verify in the text",
                    lambda facts: not isinstance(_jwk(facts).get("key_ops", []), list), _in_jwk(key_ops="verify")),
    ProofDifference("use and alg that are none", "RFC 7517 §4.2, §4.4", "an empty value counts as absent",
                    lambda facts: _jwk(facts).get("use", "sig") != "sig" or not _jwk(facts).get("alg", "ES256"),
                    _in_jwk(use=[])),
    ProofDifference("jti", "RFC 9449 §11.1", "empty, or longer than the memory takes",
                    lambda facts: not _text(_claims(facts).get("jti"), 128), _claiming(jti="j" * 129)),
    ProofDifference("nonce", "RFC 9449 §9", "no string",
                    lambda facts: _claims(facts).get("nonce") is not None
                    and not _text(_claims(facts)["nonce"], 256), _claiming(nonce=7)),
    ProofDifference("exp and nbf", "RFC 7519 §4.1.4", "not asked, where a client adds them",
                    lambda facts: bool({"exp", "nbf"} & _claims(facts).keys()), _claiming(exp=1)),
    ProofDifference("htu that is no URI", "RFC 3986 §2", "what stands behind # and ? is cut off unseen",
                    lambda facts: re.fullmatch("[!-~]+", str(_claims(facts).get("htu"))) is None,
                    _claiming(htu=f"{CASE.url}#é")),
    ProofDifference("repeated member", "RFC 8725bis §3.14", "json.loads takes the last of two",
                    lambda facts: _both(facts, lambda part: part.repeated), _adding(b',"x":1,"x":2')),
    ProofDifference("encoding", "RFC 8259 §8.1", "json.loads guesses the encoding",
                    lambda facts: not (facts.header.is_utf8 and facts.payload.is_utf8),
                    lambda: CASE.key.sign(compact_json(CASE.claims()).decode().encode("utf-16"))),
    ProofDifference("not a number", "RFC 8259 §6", "json.loads takes NaN and 1e999",
                    lambda facts: _both(facts, lambda part: part.constants), _adding(b',"x":NaN')),
    ProofDifference("lone surrogate", "RFC 8259 §8.2", "json.loads takes half of a character",
                    lambda facts: _both(facts, lambda part: part.surrogates), _adding(b',"x":"\\ud800"')),
    ProofDifference("depth", "RFC 8259 §9", "no limit of depth",
                    lambda facts: _both(facts, lambda part: part.depth > 16),
                    _adding(b',"x":' + b"[" * 16 + b"]" * 16)),
    ProofDifference("size", "RFC 9449 §11", "no limit, or a wider one",
                    lambda facts: len(facts.token) > 8 * 1024, _claiming(x="x" * 8200)),
    # --- we accept
    ProofDifference("htu in another spelling", "RFC 9449 §4.3", "it is compared after normalisation",
                    lambda facts: str(_claims(facts).get("htu")).split("?")[0].split("#")[0] != CASE.url,
                    _claiming(htu=CASE.url.replace("api.test", "API.test:443")), theirs="refuses", ours="accepts"),
    ProofDifference("fraction of iat", "RFC 7519 §2", "we cut it off", _fraction,
                    _claiming(iat=CASE.now + _LEEWAY + 0.5), theirs="refuses", ours="accepts"),
    ProofDifference("header member of another type", "RFC 7515 §4.1.10", "what nobody needs is not looked at here",
                    lambda facts: bool(_header(facts).keys() - {"typ", "alg", "jwk"}),
                    _heading(cty=[]), theirs="refuses", ours="accepts"),
    ProofDifference("key member of another type", "RFC 7517 §4", "what nobody needs is not looked at here",
                    lambda facts: bool(_jwk(facts).keys() - {*_KEY_MEMBERS, "use", "alg", "kid", "key_ops"}),
                    _in_jwk(x5c=""), theirs="refuses", ours="accepts"),
    # --- joserfc leaves its own tree of errors
    ProofDifference("no key", "RFC 7517 §4", "what cryptography says of numbers that are no key", _other_spelling,
                    _in_jwk(crv="secp256k1"), theirs="ValueError"),
    ProofDifference("no base64url", "RFC 7515 §2", "what binascii says of its text", _other_spelling,
                    _in_jwk(x="AAAAA"), theirs="Error"),
    ProofDifference("no curve", "RFC 7518 §6.2.1.1", "it looks the name up in a table", _other_spelling,
                    _in_jwk(crv="P-1"), theirs="KeyError"),
    ProofDifference("key members of another type", "RFC 7517 §4.1", "it looks the value up in a table",
                    lambda facts: any(not isinstance(_jwk(facts).get(name, ""), str) for name in _TEXTS),
                    _in_jwk(kty=[]), theirs="TypeError"),
    ProofDifference("a proof that is no ASCII", "RFC 7515 §7.1", "it is encoded before it is looked at",
                    lambda facts: not facts.token.isascii(), lambda: f"{CASE.claiming()}\ud800",
                    theirs="UnicodeEncodeError"),
    ProofDifference("half of a character in the key", "RFC 8259 §8.2", "its text is encoded, which cannot be",
                    lambda facts: facts.header.surrogates, _in_jwk(x="\ud800"), theirs="UnicodeEncodeError"),
    ProofDifference("crit of another type", "RFC 7515 §4.1.11", "iterates over it before it asks what it is",
                    lambda facts: "crit" in _header(facts), _heading(crit=None), theirs="TypeError"),
)  # fmt: skip


def explaining(ours: str, theirs: str, facts: Facts) -> list[ProofDifference]:
    """The rows that hold for this difference."""
    return [row for row in DIFFERENCES if (row.ours, row.theirs) == (ours, theirs) and row.holds(facts)]
