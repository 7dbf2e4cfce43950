"""The corpus in every dialect, at every door of the library: nothing wrong gets in, nothing right stays out."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from proofkey.errors import InvalidToken
from proofkey.findings import Finding
from proofkey.protocol.access_token import AccessToken, verify_access_token
from proofkey.protocol.jose import SigningAlgorithm
from proofkey.providers import DIALECTS
from proofkey.runtime.introspection import Introspection
from proofkey.runtime.verifier import Verifier
from proofkey.testing.clock import TurnedClock
from proofkey.testing.corpus import CorpusCase, corpus_of, maker_of, proof_corpus_of
from proofkey.testing.hostile_proofs import hostile_proofs
from proofkey.testing.hostile_tokens import HarmlessToken, HostileToken, harmless_tokens, hostile_tokens
from proofkey.testing.introspection_endpoint import CLIENT_ID, CLIENT_SECRET, IntrospectingIssuer
from proofkey.testing.issuer import AUDIENCE, LocalIssuer
from proofkey.testing.persona_words import WORDS
from proofkey.testing.personas import PERSONAS
from proofkey.testing.tokens import TokenMaker, key_for_tests, key_set_of

ALGORITHMS: tuple[SigningAlgorithm, ...] = ("ES256", "RS256", "PS256", "Ed25519")
KINDS = [*((name, "ES256") for name in PERSONAS), *(("rfc9068", name) for name in ALGORITHMS[1:])]
Corpus = tuple[TokenMaker, tuple[HostileToken, ...], tuple[HarmlessToken, ...]]


def corpus(name: str, algorithm: SigningAlgorithm = "ES256") -> Corpus:
    make = TokenMaker.of(PERSONAS[name], key_for_tests(algorithm))
    return make, hostile_tokens(make), harmless_tokens(make)


def verdict(verify: Callable[[str], AccessToken | None], token: str) -> Finding | str:
    """The finding; what leaves our own tree of errors fails the test."""
    try:
        proven = verify(token)
    except InvalidToken as refusal:
        constant = refusal.description == "The access token is not valid."
        return refusal.finding if constant else refusal.description
    return "accepted" if proven is not None else "needs I/O"


def wrong(verify: Callable[[str], AccessToken | None], corpus: Corpus) -> list[str]:
    _, hostile, harmless = corpus
    found = [f"{one.name}: {told}" for one in hostile if (told := verdict(verify, one.token)) is not one.finding]
    return found + [
        f"{one.name}: {told}" for one in harmless if (told := verdict(verify, one.token)) != "accepted"
    ]


@pytest.mark.parametrize("name", [name for name, dialect in DIALECTS.items() if dialect.verifies])
def test_every_dialect_that_verifies_has_a_persona_and_its_words(name: str) -> None:
    assert PERSONAS[name].dialect is DIALECTS[name]
    assert set(WORDS) == set(PERSONAS)


@pytest.mark.parametrize("name", PERSONAS)
def test_the_corpus_is_large_and_every_case_is_one_of_its_own(name: str) -> None:
    _, hostile, harmless = corpus(name)
    assert len({one.name for one in hostile} | {one.name for one in harmless}) == len(hostile) + len(harmless)
    assert len({one.token for one in hostile}) == len(hostile) >= 300
    assert len(harmless) >= 20
    assert not {one.token for one in hostile} & {one.token for one in harmless}
    assert all(one.requirement for one in hostile)
    assert all(one.requirement for one in harmless)
    assert len(hostile_proofs()) >= 60
    assert set(WORDS[name].told) <= {one.name for one in hostile} | {"no azp", "no appid", "no client_id"}


@pytest.mark.spec("9068-4-a", "8725b-3.1-b", "8725b-3.9-a", "8725b-3.8-a", "8725b-3.14-a", "V9-9.2.1")
@pytest.mark.parametrize(("name", "algorithm"), KINDS, ids=[f"{name} {algorithm}" for name, algorithm in KINDS])
def test_the_rules_refuse_each_for_its_own_reason(name: str, algorithm: SigningAlgorithm) -> None:
    known = corpus(name, algorithm)
    make = known[0]
    keys, dialect = key_set_of(make.key), make.persona.dialect
    issuers = dialect.token_issuers(make.issuer, ())

    def verify(token: str) -> AccessToken:
        return verify_access_token(
            token, keys, issuer=issuers, audience=frozenset({make.audience}), now=make.now, dialect=dialect
        )

    assert wrong(verify, known) == []


@pytest.mark.parametrize("remembered", [0, 1000], ids=["each verified", "remembered"])
@pytest.mark.parametrize("name", PERSONAS)
async def test_a_verifier_refuses_them_too(name: str, remembered: int) -> None:
    """Twice, so that the second time meets the memory; and by each of its three doors."""
    issuer = LocalIssuer(dialect=name, clock=TurnedClock())
    verifier = verifier_of(issuer, remember_tokens=remembered)
    make = maker_of(issuer)
    known = (make, hostile_tokens(make), harmless_tokens(make))
    await verifier.verify(make.access_token())
    for _ in range(2):
        assert wrong(verifier.verify_sync, known) == []
        at_once = wrong(verifier.verify_now, known)  # for a kid that is not known it may want to fetch first
        assert [line for line in at_once if not (line.startswith("kid ") and line.endswith(": needs I/O"))] == []
        assert await wrong_later(verifier.verify, known) == []


async def wrong_later(verify: Callable[[str], Awaitable[AccessToken]], known: Corpus) -> list[str]:
    found: list[str] = []
    for hostile in known[1]:
        try:
            await verify(hostile.token)
        except InvalidToken as refusal:
            if refusal.finding is hostile.finding:
                continue
        found.append(hostile.name)
    for harmless in known[2]:
        assert (await verify(harmless.token)).sub, harmless.name
    return found


def verifier_of(issuer: LocalIssuer, **options: Any) -> Verifier:
    return Verifier(
        issuer=issuer.url,
        audience=AUDIENCE,
        dialect=issuer.persona.dialect,
        transport=issuer.transport,
        clock=issuer.clock,
        **options,
    )


class Gullible(IntrospectingIssuer):
    """Whatever it is asked about is active, and all that an access token must be."""

    def _what_is_said_of(self, token: str) -> dict[str, Any]:
        return {"active": True, "token_type": "Bearer", **maker_of(self).claims()}


@pytest.mark.spec("7662-rs")
@pytest.mark.parametrize("always", [False, True], ids=["opaque tokens", "JWTs as well"])
@pytest.mark.parametrize("kind", [IntrospectingIssuer, Gullible])
@pytest.mark.parametrize("name", PERSONAS)
async def test_introspection_opens_no_door_to_a_jwt(
    name: str, kind: type[IntrospectingIssuer], always: bool
) -> None:
    """An honest issuer says what it knows; to a gullible one no JWT is shown that did not verify."""
    issuer = kind(PERSONAS[name].issuer, clock=TurnedClock())
    issuer.persona = PERSONAS[name]
    verifier = verifier_of(
        issuer,
        remember_tokens=1000,
        introspection=Introspection(client_id=CLIENT_ID, client_secret=CLIENT_SECRET, always=always, size=5000),
    )
    make = maker_of(issuer)
    for harmless in harmless_tokens(make):
        if not always or harmless.name == "plain":  # which the issuer itself may call over, by its own clock
            assert (await verifier.verify(harmless.token)).sub
    issuer.questions.clear()
    let_in: list[str] = []
    for hostile in hostile_tokens(make):
        try:
            await verifier.verify(hostile.token)
        except InvalidToken:
            continue
        let_in.append(hostile.token)
    asked = [question["token"] for question in issuer.questions]
    assert asked  # about what has another form
    assert [token for token in asked if has_the_form_of_a_jwt(token)] == []
    assert set(let_in) <= (set() if kind is IntrospectingIssuer else set(asked))


def has_the_form_of_a_jwt(token: str) -> bool:
    return token.count(".") == 2 and token.startswith(("ey", "ew"))


def test_the_cases_say_what_stands_in_the_standard() -> None:
    issuer = LocalIssuer(clock=TurnedClock())
    make = maker_of(issuer, scope="orders:read", roles=["admin"], claims={"department": "sales"})
    cases = (*corpus_of(make), *proof_corpus_of(make, "https://api.test/orders"))
    named = {case.name: case for case in cases}
    assert len(named) == len(cases)
    assert not any(case.hostile for case in (named["plain"], named["DPoP: plain"], cases[0]))
    assert answer_to(named["ID token"]) == (401, "invalid_token", "Bearer")
    assert answer_to(named["space inside"]) == (400, "invalid_request", "Bearer")
    assert answer_to(named["empty"]) == (400, "invalid_request", "Bearer")
    assert answer_to(named["DPoP: crit"]) == (401, "invalid_dpop_proof", "DPoP")
    assert answer_to(named["DPoP: honest, by another key"]) == (401, "invalid_token", "DPoP")
    assert len([case for case in cases if case.hostile and case.name.startswith("DPoP: ")]) >= 165
    assert not named["a header of 1 MB"].sendable
    assert not named["line feed"].sendable
    assert not named["non-ASCII"].sendable
    assert named["plain"].sendable


def answer_to(case: CorpusCase) -> tuple[int, str, str]:
    return case.status, case.error, case.scheme


def test_a_clock_that_goes_on_leaves_the_verdicts_alone() -> None:
    """Whatever is good stays good for a minute, and whatever is bad stays bad."""
    make = TokenMaker(slack=60)
    keys = key_set_of(make.key)
    for passed in (0, 45):
        clock = TurnedClock(make.now + passed)

        def verify(token: str, clock: TurnedClock = clock) -> AccessToken:
            return verify_access_token(
                token, keys, issuer=make.issuer, audience=frozenset({make.audience}), now=clock.now()
            )

        assert wrong(verify, (make, hostile_tokens(make), harmless_tokens(make))) == []
