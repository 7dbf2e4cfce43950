"""The tool that takes rules out: every mutant is a program, and every reason is about one that is still there."""

import ast
from functools import cache

import pytest

from tests.mutation import PACKAGES, Mutant, mutants_of, read_reasons, row_plans
from tests.trace import SOURCE, read_rows


@cache
def all_mutants() -> list[Mutant]:
    files = [file for package in PACKAGES for file in sorted((SOURCE / package).rglob("*.py"))]
    return [one for file in files for one in mutants_of(file)]


def test_every_mutant_is_a_program_that_differs() -> None:
    assert len(all_mutants()) > 900
    sources = {one.file: one.file.read_text(encoding="utf-8") for one in all_mutants()}
    for mutant in all_mutants():
        changed = mutant.apply(sources[mutant.file])
        assert changed != sources[mutant.file]
        ast.parse(changed)


@pytest.mark.parametrize(
    ("function", "kinds"),
    [
        ("protocol.pkce.check_code_verifier", {"off"}),
        ("authorization_server.consent.is_consent_needed", {"always True", "always False"}),
        (
            "authorization_server.authorize.Asked.check_person",
            {"off", "no raise LoginRequired("},
        ),
        ("authorization_server.authorize.next_step", {"never sign_in is None or not met or not (fresh or"}),
    ],
)
def test_what_refuses_is_switched_off_and_the_rest_branch_by_branch(function: str, kinds: set[str]) -> None:
    found = [one.kind for one in all_mutants() if one.function == function]
    assert all(any(kind.startswith(wanted) for kind in found) for wanted in kinds), found


def test_every_plan_has_a_mutant_and_a_test() -> None:
    plans = list(row_plans())
    assert len(plans) > 100
    assert all(plan.mutants and plan.tests for plan in plans)
    (one,) = row_plans("protocol.pkce.check_code_verifier")
    assert one.row == "7636-4.2-a"


def test_every_reason_is_about_a_mutant_that_is_there() -> None:
    names = {one.name for one in all_mutants()}
    rows = {row.id for row in read_rows()}
    known = names | rows | {f"{row}: {name}" for row in rows for name in names if name.endswith(": off")}
    assert sorted(read_reasons().keys() - known) == []
