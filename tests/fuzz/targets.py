"""What is fuzzed: each target reads octets, calls the library, and asks an oracle.

Only the error that a function names may come out of it, and its verdict is that of a slow reference. A target
raises AssertionError, or whatever escaped.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import cast

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from proofkey.errors import InvalidDpopProof, InvalidToken, MalformedCredentials, NoCredentials, Unavailable
from proofkey.protocol.access_token import AccessToken, verify_access_token
from proofkey.protocol.exchange import Answer
from proofkey.protocol.json_strict import parse_object
from proofkey.protocol.key_set import MAX_KEYS, KeySet
from proofkey.protocol.signature import ALGORITHM_OF_NAME
from proofkey.resource_server.credentials import read_credentials
from proofkey.resource_server.introspection import (
    check_active,
    read_answer_jwt,
    read_introspected,
    read_life_end,
    read_plain_answer,
    verify_signed_answer,
)
from proofkey.testing.hostile_proofs import harmless_proofs, hostile_proofs
from proofkey.testing.hostile_tokens import harmless_tokens, hostile_tokens
from proofkey.testing.personas import PERSONAS
from proofkey.testing.tokens import NOW, TokenMaker, compact_json, key_set_document, key_set_of, sign_exactly
from tests.fuzz import reference
from tests.fuzz.addresses import fuzz_request_url, fuzz_target, request_url_seeds, target_seeds
from tests.fuzz.introspection_rules import RULES, SIGNED_ANSWER
from tests.protocol import proof_differences as proofs
from tests.protocol.differential_kit import facts_of, read_document


@dataclass(frozen=True, slots=True)
class Target:
    """One function under fuzzing; `seeds` are inputs to begin with."""

    run: Callable[[bytes], None]
    seeds: Callable[[], Iterable[bytes]]


MAKERS = [TokenMaker.of(persona) for persona in PERSONAS.values()]
_KEYS = key_set_of(MAKERS[0].key)
_PUBLIC = cast("EllipticCurvePublicKey", MAKERS[0].key.verification_key.key)


# --- access tokens -----------------------------------------------------------------------------------------------


def fuzz_access_token(data: bytes) -> None:
    """The first octet says what the rest is: a token, claims, or a header; and in whose dialect."""
    kind, make, rest = data[:1], MAKERS[(data[0] if data else 0) // 4 % len(MAKERS)], data[1:]
    form = (kind[0] if kind else 0) % 4
    if form == 0:
        token = rest.decode("utf-8", "surrogateescape")
    elif form == 1:
        token = sign_exactly(make.key, compact_json(make.header()), rest)
    elif form == 2:
        token = sign_exactly(make.key, rest, compact_json(make.claims()))
    else:
        header, _, payload = rest.partition(b"\n")
        token = sign_exactly(make.key, header, payload)
    read = _verify(token, make)
    if make.persona.name in ("rfc9068", "proofkey"):
        expected = reference.accepts_rfc9068(
            facts_of(token), key=_PUBLIC, kid=make.key.kid, issuer=make.issuer, audience=make.audience, now=NOW
        )
        assert (read is not None) == expected, token[:200]
    if read is not None:
        _check_accepted(read, make, facts_of(token).payload.members)


def _verify(token: str, make: TokenMaker) -> AccessToken | None:
    dialect = make.persona.dialect
    try:
        return verify_access_token(
            token,
            _KEYS,
            issuer=dialect.token_issuers(make.issuer, ()),
            audience=frozenset({make.audience}),
            now=NOW,
            dialect=dialect,
        )
    except InvalidToken:
        return None


def _check_accepted(read: AccessToken, make: TokenMaker, claims: Mapping[str, object]) -> None:
    """What holds in every dialect."""
    texts = (read.sub, read.client_id, read.jti, *read.scope, *read.roles, *read.permissions, *read.user_key)
    assert all(isinstance(text, str) for text in texts)
    assert read.iss in make.persona.dialect.token_issuers(make.issuer, ())
    assert make.audience in read.aud
    assert read.exp + 10 > NOW
    assert read.iat <= NOW + 10
    assert read.cnf is None
    assert "cnf" not in claims
    assert claims["sub"] == read.sub != ""
    assert read.client_id


def _token_seeds() -> Iterable[bytes]:
    for number, make in enumerate(MAKERS):
        for form in (1, 2, 3):
            body = (compact_json(make.claims()), compact_json(make.header()))
            joined = body[1] + b"\n" + body[0]
            yield bytes([number * 4 + form]) + (body[0], body[1], joined)[form - 1]
    for token in (*(one.token for one in hostile_tokens()), *(one.token for one in harmless_tokens())):
        if len(token) < 20_000:
            yield b"\0" + token.encode("utf-8", "surrogatepass")


# --- DPoP proofs -------------------------------------------------------------------------------------------------


def fuzz_dpop_proof(data: bytes) -> None:
    """A proof, or claims, a header, or a key to be signed; beside joserfc, and every difference is explained."""
    form, rest = (data[0] if data else 0) % 4, data[1:]
    case = proofs.CASE
    if form == 0:
        proof = rest.decode("utf-8", "surrogateescape")
    elif form == 1:
        proof = case.key.sign(rest)
    elif form == 2:
        proof = case.key.sign(compact_json(case.claims()), rest)
    else:
        header = compact_json(case.header(jwk=0)).replace(b'"jwk":0', b'"jwk":' + rest)
        proof = case.key.sign(compact_json(case.claims()), header)
    ours, theirs = proofs.our_verdict(proof), proofs.their_verdict(proof)
    if ours != theirs:
        assert proofs.explaining(ours, theirs, facts_of(proof)), f"we: {ours}, joserfc: {theirs}"


def _proof_seeds() -> Iterable[bytes]:
    case = proofs.CASE
    yield b"\1" + compact_json(case.claims())
    yield b"\2" + compact_json(case.header())
    yield b"\3" + compact_json(case.key.jwk)
    for hostile in hostile_proofs(case):
        yield b"\0" + hostile.proof.encode("utf-8", "surrogatepass")
    for harmless in harmless_proofs(case):
        yield b"\0" + harmless.proof.encode("utf-8", "surrogatepass")


# --- credentials -------------------------------------------------------------------------------------------------


def fuzz_credentials(data: bytes) -> None:
    """Lines of `name:value`; the first line is the query, and its first octet says whether DPoP is on."""
    query, *lines = data.split(b"\n")
    dpop = query[:1] == b"D"
    query = query[1:]
    headers = [(name.lower(), value) for name, _, value in (line.partition(b":") for line in lines)]
    expected = reference.bearer_of(headers, query, dpop=dpop)
    long = any(len(value) > 16 * 1024 for _, value in headers)
    refusals = (NoCredentials, MalformedCredentials, InvalidDpopProof, *((InvalidToken,) if long else ()))
    try:
        found = read_credentials(headers, query, dpop=dpop)
    except refusals:
        assert expected is None or long, data
        return
    assert expected is not None, data
    assert found.token == expected.decode()


def _credential_seeds() -> Iterable[bytes]:
    yield b"-\nauthorization:Bearer abc.def.ghi"
    yield b"D\nauthorization:DPoP abc\ndpop:abc.def.ghi"
    yield b"D\nauthorization:DPoP abc\ndpop:a\ndpop:b"
    yield b"-access_token=x\nauthorization:Bearer abc"
    yield b"-a=%61ccess_token&%61ccess%5Ftoken=1\nauthorization:bEARER  abc=="
    yield b"-\nauthorization:Basic YTpi\nauthorization:Bearer abc"
    yield b"-\nauthorization:\nx:y"


# --- JSON and key sets -------------------------------------------------------------------------------------------


def fuzz_json(data: bytes) -> None:
    document = read_document(data)
    expected = reference.is_strict(document)
    try:
        found = parse_object(data)
    except ValueError:
        assert not expected, data
        return
    assert expected, data
    assert found == document.value


def _json_seeds() -> Iterable[bytes]:
    make = MAKERS[0]
    yield from (compact_json(make.claims()), compact_json(make.header()), b"{}", b' {"a":[1,{"b":null}]}\n')
    yield b'{"a":"\\ud83d\\ude00","b":1e3,"c":-0.0,"d":[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]}'
    yield b'{"a":1,"\\u0061":2}'
    yield b'{"x":"' + b"[" * 40 + b'"}'
    yield '{"a":1}'.encode("utf-16")


def fuzz_key_set(data: bytes) -> None:
    issuers = frozenset({"https://issuer.test"}) if data[:1] == b"I" else frozenset[str]()
    body = data[1:]
    try:
        keys = KeySet.from_document(body, issuers)
    except Unavailable:
        return
    document = read_document(body)
    assert reference.is_strict(document), body
    listed = document.members["keys"]
    assert len(keys) <= min(MAX_KEYS, len(listed))
    named = [jwk for jwk in listed if isinstance(jwk, dict)]
    assert keys.kids <= {kid for kid in (jwk.get("kid") for jwk in named) if isinstance(kid, str)}
    for kid in keys.kids:
        for alg, algorithm in ALGORITHM_OF_NAME.items():
            key = keys.find(kid, alg)
            assert key is None or (key.kid, key.algorithm) == (kid, algorithm)
    public = [jwk for jwk in named if not {"d", "k"} & jwk.keys() and jwk.get("use", "sig") == "sig"]
    assert len(keys) <= len(public)


def _key_set_seeds() -> Iterable[bytes]:
    from proofkey.testing.tokens import key_for_tests

    every = [key_for_tests(name) for name in ("ES256", "RS256", "PS256", "Ed25519")]
    yield b"-" + key_set_document(*every)
    yield b"I" + json.dumps({"keys": [every[0].public_jwk | {"issuer": "https://issuer.test"}]}).encode()
    yield b"-" + json.dumps({"keys": [every[0].private_jwk, {"kty": "oct", "k": "AA"}, 7, None]}).encode()
    yield b'-{"keys":[]}'
    yield b'-{"keys":{}}'
    for key in every:
        yield b"-" + key_set_document(key)


# --- introspection -----------------------------------------------------------------------------------------------


def fuzz_introspection(data: bytes) -> None:
    """A plain answer, or one that is signed (RFC 9701), with whatever it says of the token."""
    signed, body = data[:1] == b"S", data[1:]
    try:
        if signed:
            text = SIGNED_ANSWER.sign(body)
            answer = Answer(200, {"content-type": "application/token-introspection+jwt"}, text.encode())
            members = verify_signed_answer(read_answer_jwt(answer), SIGNED_ANSWER.keys, RULES, NOW)
        else:
            members = read_plain_answer(Answer(200, {"content-type": "application/json"}, body))
        with suppress(InvalidToken):
            check_active(members)
        end = read_life_end(members, RULES, NOW)
        token = read_introspected(members, RULES, NOW)
    except (Unavailable, InvalidToken):
        return
    assert members["active"] is True
    assert token.iss == members.get("iss", RULES.policy.issuer) == RULES.policy.issuer
    aud = members["aud"]
    assert next(iter(RULES.policy.audience)) in (aud if isinstance(aud, list) else [aud])
    assert token.exp + 10 > NOW
    assert end <= NOW + max(1, RULES.max_age)
    assert members.get("exp") is None or end <= members["exp"]
    assert all(isinstance(text, str) for text in (token.sub, token.client_id, *token.scope, *token.roles))
    assert token.is_client_only or token.sub == members["sub"]


def _introspection_seeds() -> Iterable[bytes]:
    members = {"active": True, "token_type": "Bearer", **MAKERS[0].claims()}
    yield b"-" + compact_json(members)
    yield b"-" + compact_json(members | {"active": "true", "exp": None})
    yield b'-{"active":false}'
    yield b"S" + compact_json(SIGNED_ANSWER.claims(members))
    yield b"S" + compact_json(SIGNED_ANSWER.claims(members) | {"token_introspection": []})
    yield b"-" + compact_json({"active": True, "aud": "https://api.test", "client_id": "app", "cnf": {"jkt": "x"}})


TARGETS: Mapping[str, Target] = {
    "access-token": Target(fuzz_access_token, _token_seeds),
    "dpop-proof": Target(fuzz_dpop_proof, _proof_seeds),
    "credentials": Target(fuzz_credentials, _credential_seeds),
    "json": Target(fuzz_json, _json_seeds),
    "key-set": Target(fuzz_key_set, _key_set_seeds),
    "introspection": Target(fuzz_introspection, _introspection_seeds),
    "target-uri": Target(fuzz_target, target_seeds),
    "request-url": Target(fuzz_request_url, request_url_seeds),
}
