"""Our verifier beside PyJWT and joserfc: whoever differs, a row of the table says why.

Hostile tokens, harmless ones, and genuine ones that hypothesis alters on every level. `FUZZ_EXAMPLES` asks for
more than the usual number of them, and then for others each time.
"""

import os
from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proofkey.testing.hostile_tokens import harmless_tokens, hostile_tokens
from tests.protocol.differences import DIFFERENCES, Difference, explaining
from tests.protocol.differential_kit import LIBRARIES, MAKE, facts_of, our_verdict, stopped_clock, verdict_of
from tests.protocol.mutations import MUTATIONS

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "150"))
HOSTILE = {one.name: one.token for one in hostile_tokens(MAKE)}
HARMLESS = {one.name: one.token for one in harmless_tokens(MAKE)}


@pytest.fixture(scope="module", autouse=True)
def now() -> Generator[None]:
    with stopped_clock():
        yield


def check(token: str, library: str) -> None:
    """The same verdict, or a row that explains it."""
    ours, theirs = our_verdict(token), verdict_of(library, token)
    if ours != theirs:
        assert explaining(library, ours, theirs, facts_of(token)), f"we: {ours}, {library}: {theirs}"


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_every_difference_on_a_hostile_token_is_explained(name: str, library: str) -> None:
    assert our_verdict(HOSTILE[name]) == "refuses"
    check(HOSTILE[name], library)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("name", HARMLESS)
def test_every_difference_on_a_harmless_token_is_explained(name: str, library: str) -> None:
    assert our_verdict(HARMLESS[name]) == "accepts"
    check(HARMLESS[name], library)


WITNESSES = [(row, library) for row in DIFFERENCES for library in sorted(row.libraries)]


@pytest.mark.parametrize(
    ("row", "library"), WITNESSES, ids=[f"{row.name} {library}" for row, library in WITNESSES]
)
def test_every_row_is_seen_and_is_the_only_reason_for_its_token(row: Difference, library: str) -> None:
    """A row that no release shows any more must go."""
    token = row.witness()
    facts = facts_of(token)
    assert (our_verdict(token), verdict_of(library, token)) == (row.ours, row.theirs)
    assert explaining(library, row.ours, row.theirs, facts) == [row]


def test_a_plain_token_has_no_excuse() -> None:
    """The control: for a token without a peculiarity no row holds, so a difference would show."""
    facts = facts_of(MAKE.access_token())
    assert not any(row.holds(facts) for row in DIFFERENCES)
    assert our_verdict(MAKE.access_token()) == "accepts"
    assert {verdict_of(library, MAKE.access_token()) for library in LIBRARIES} == {"accepts"}


@pytest.mark.spec("8725b-3.1-b", "8725b-3.14-a", "9068-4-a")
@pytest.mark.parametrize("kind", MUTATIONS)
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="FUZZ_EXAMPLES" not in os.environ,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_every_difference_on_an_altered_token_is_explained(kind: str, data: st.DataObject) -> None:
    token = data.draw(MUTATIONS[kind], label=kind)
    for library in LIBRARIES:
        check(token, library)


@pytest.mark.spec("8725b-3.14-a")
@settings(max_examples=EXAMPLES, deadline=None, derandomize="FUZZ_EXAMPLES" not in os.environ)
@given(MUTATIONS["characters"] | MUTATIONS["signature"] | MUTATIONS["segments"])
def test_no_spelling_is_accepted_but_the_genuine_one(token: str) -> None:
    """These three never sign anew: what is accepted is a token that the issuer signed, letter by letter."""
    if our_verdict(token) == "accepts":
        header, payload, _ = token.split(".")
        genuine = MAKE.access_token().split(".")
        assert [header, payload] == genuine[:2]
