"""Our check of DPoP proofs beside one on joserfc: whoever differs, a row of the table says why."""

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proofkey.testing.hostile_proofs import harmless_proofs, hostile_proofs
from tests.protocol.differential_kit import facts_of
from tests.protocol.proof_differences import (
    CASE,
    DIFFERENCES,
    RSA,
    ProofDifference,
    explaining,
    our_verdict,
    their_verdict,
)
from tests.protocol.proof_mutations import MUTATIONS

pytestmark = pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "100"))
HOSTILE = {one.name: one.proof for one in hostile_proofs(CASE)}
HARMLESS = {one.name: (one.proof, one.jkt) for one in harmless_proofs(CASE)}


def check(proof: str, jkt: str = CASE.key.jkt) -> None:
    ours, theirs = our_verdict(proof, jkt), their_verdict(proof, jkt)
    if ours != theirs:
        assert explaining(ours, theirs, facts_of(proof)), f"we: {ours}, joserfc: {theirs}"


@pytest.mark.parametrize("name", HOSTILE)
def test_every_difference_on_a_hostile_proof_is_explained(name: str) -> None:
    assert our_verdict(HOSTILE[name]) == "refuses"
    check(HOSTILE[name])


@pytest.mark.parametrize("name", HARMLESS)
def test_every_difference_on_a_harmless_proof_is_explained(name: str) -> None:
    proof, jkt = HARMLESS[name]
    assert our_verdict(proof, jkt) == "accepts"
    check(proof, jkt)


@pytest.mark.parametrize("row", DIFFERENCES, ids=[row.name for row in DIFFERENCES])
def test_every_row_is_seen_and_is_the_only_reason_for_its_proof(row: ProofDifference) -> None:
    proof = row.witness()
    assert (our_verdict(proof), their_verdict(proof)) == (row.ours, row.theirs)
    assert explaining(row.ours, row.theirs, facts_of(proof)) == [row]


def test_a_plain_proof_has_no_excuse() -> None:
    proof = CASE.claiming()
    assert not any(row.holds(facts_of(proof)) for row in DIFFERENCES)
    assert (our_verdict(proof), their_verdict(proof)) == ("accepts", "accepts")
    assert (our_verdict(proof, RSA.jkt), their_verdict(proof, RSA.jkt)) == ("refuses", "refuses")


@pytest.mark.spec("9449-4.3-a", "9449-7.1-a", "X-htu")
@pytest.mark.parametrize("jkt", [CASE.key.jkt, RSA.jkt], ids=["EC", "RSA"])
@pytest.mark.parametrize("kind", MUTATIONS)
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="FUZZ_EXAMPLES" not in os.environ,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_every_difference_on_an_altered_proof_is_explained(kind: str, jkt: str, data: st.DataObject) -> None:
    check(data.draw(MUTATIONS[kind], label=kind), jkt)
