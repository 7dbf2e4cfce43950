"""The report of the benchmarks; what they measure is measured by `make bench`."""

import json
import sys
from types import ModuleType

import pytest

from benchmarks import verify
from benchmarks.__main__ import MODULES, main
from benchmarks.ratio import Ratio
from benchmarks.rounds import best_times
from proofkey.testing.tokens import NOW, TokenMaker, key_for_tests

KEPT = Ratio("kept", 1.25, 1.3, "low")
MISSED = Ratio("missed", 0.5, 0.7, "high")


@pytest.mark.parametrize(
    ("value", "bar", "better", "passed"),
    [(1.3, 1.3, "low", True), (1.31, 1.3, "low", False), (0.7, 0.7, "high", True), (0.69, 0.7, "high", False)],
)
def test_a_ratio_keeps_its_bar_or_not(value: float, bar: float, better: str, passed: bool) -> None:
    assert Ratio("x", value, bar, "low" if better == "low" else "high").passed is passed


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> None:
    planted = {"verify": [KEPT], "request": [MISSED]}
    for name in MODULES:
        ratios: list[Ratio] = planted.get(name, [])
        module = ModuleType(f"benchmarks.{name}")
        module.__dict__["run"] = lambda ratios=ratios: ratios
        monkeypatch.setitem(sys.modules, f"benchmarks.{name}", module)


@pytest.mark.usefixtures("planted")
def test_table_says_pass_or_miss_and_only_strict_fails(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[-1] for line in lines[1:]] == ["pass", "MISS"]
    assert main(["--strict"]) == 1
    assert main(["--strict", "verify"]) == 0


@pytest.mark.usefixtures("planted")
def test_json_is_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document[0] == {"name": "kept", "value": 1.25, "bar": 1.3, "better": "low", "passed": True}
    assert [ratio["passed"] for ratio in document] == [True, False]


def test_an_unknown_name_is_a_usage_error() -> None:
    with pytest.raises(SystemExit) as ended:
        main(["nothing"])
    assert ended.value.code == 2


def test_candidates_take_turns() -> None:
    calls: list[str] = []
    best = best_times(
        {"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, rounds=2, seconds_per_round=0.001
    )
    assert set(best) == {"a", "b"}
    assert min(best.values()) > 0
    assert "ba" in "".join(calls)


@pytest.mark.parametrize("name", verify.junk())
def test_the_junk_is_a_megabyte_and_refused(name: str) -> None:
    token = verify.junk()[name]
    assert len(token) >= 900_000
    verify._refusal(TokenMaker(), token)()


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "Ed25519"])
def test_the_measured_token_has_one_kilobyte(algorithm: str) -> None:
    name = {bars[0]: bars[1] for bars in verify.BARS}
    for known in ("RS256", "ES256", "Ed25519"):
        if known == algorithm:
            token = verify._token(TokenMaker(key_for_tests(known), now=NOW), name[known])
            assert 1000 <= len(token) <= 1030
