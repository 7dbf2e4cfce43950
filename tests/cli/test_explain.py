"""`proofkey explain`."""

import json

import pytest

from proofkey.findings import Finding
from tests.cli.conftest import RunCli


@pytest.mark.parametrize("finding", Finding, ids=str)
def test_every_finding_is_explained(cli: RunCli, finding: Finding):
    ran = cli("explain", finding.id.lower())
    assert ran.status == 0
    assert finding.id in ran.out
    assert finding.sentence in ran.out
    assert finding.remedy in ran.out
    document = json.loads(cli("explain", finding.id, "--json").out)
    assert document == {"id": finding.id, "sentence": finding.sentence, "fix": finding.remedy}


def test_without_an_id_all_are_listed_in_order(cli: RunCli):
    ran = cli("explain")
    ids = [line.split()[0] for line in ran.out.splitlines()]
    assert ids == sorted(finding.id for finding in Finding)
    assert [one["id"] for one in json.loads(cli("explain", "--json").out)] == ids


@pytest.mark.parametrize(("wrong", "meant"), [("PKC-15", "PKCE-15"), ("tok01", "TOK-01"), ("\x1b[31m", None)])
def test_an_unknown_id_is_a_usage_error_with_what_was_meant(cli: RunCli, wrong: str, meant: str | None):
    ran = cli("explain", wrong)
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.count("\n") == 1
    assert "\x1b" not in ran.err
    assert (f"Did you mean {meant}?" in ran.err) == (meant is not None)
