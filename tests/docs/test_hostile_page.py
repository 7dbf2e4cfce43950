"""`docs/hostile-tokens.md`: its tests pass and fail as it says."""

import re

import pytest

from proofkey.testing.api_check import HostileTokens
from proofkey.testing.corpus_issuer import CorpusIssuer
from proofkey.testing.hostile_proofs import hostile_proofs
from proofkey.testing.hostile_tokens import harmless_tokens, hostile_tokens
from proofkey.testing.issuer import LocalIssuer
from tests.docs.pages import page_blocks, read_page, run_page

PAGE = "hostile-tokens.md"


def test_our_own_api_passes(issuer: LocalIssuer) -> None:
    run_page(PAGE).test_no_hostile_token_gets_in(issuer, HostileTokens(issuer))


def test_the_other_one_fails_with_what_the_page_shows(corpus_issuer: CorpusIssuer) -> None:
    with pytest.raises(AssertionError) as failed:
        run_page(PAGE).test_the_old_api(corpus_issuer)
    told = _without_numbers(str(failed.value))
    ((_, shown),) = page_blocks(PAGE, "text")
    for line in _without_numbers(shown).splitlines():
        assert line in told


def _without_numbers(text: str) -> str:
    """Counts differ with the other library's release, and columns with the longest name."""
    return re.sub(r" +", " ", re.sub(r"\b\d+ (?=requests|wrong|faults|cases|×)", "N ", text))


def test_the_numbers_are_those_of_the_corpus() -> None:
    page = read_page(PAGE)
    assert re.search(r"some (\d+) access tokens", page)
    assert abs(int(re.findall(r"some (\d+) access tokens", page)[0]) - len(hostile_tokens())) < 20
    assert abs(int(re.findall(r"some (\d+) odd ones", page)[0]) - len(harmless_tokens())) < 5
    assert int(re.findall(r"(\d+) DPoP proofs", page)[0]) == len(hostile_proofs())
