"""Every fuzz target on its seeds and on some thousand altered ones, always the same: so that none of them rots.

`make fuzz` runs them under atheris, which looks for new paths.
"""

import random
from pathlib import Path

import pytest

from tests.fuzz import __main__ as runner
from tests.fuzz.targets import TARGETS, Target

pytestmark = pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
RUNS = 1500
PIECES = (
    *(bytes([octet]) for octet in b'\0\xff{}[]"\\,:.=%/ \n'),
    *(b"null", b"true", b"1e999", b"-1", b"[" * 20, b'"x":1,', b"\\ud800", b"\\u0061", b"\xc3\xa9"),
    *(b"Bearer ", b"access_token=", b"%2e%2e/"),
)


def altered(data: bytes, dice: random.Random) -> bytes:
    """One to three changes, each of a few octets."""
    for _ in range(dice.randint(1, 3)):
        at = dice.randrange(len(data) + 1)
        piece = dice.choice(PIECES) if dice.random() < 0.6 else dice.randbytes(dice.randint(0, 3))
        data = data[:at] + piece + data[at + dice.randint(0, 4) :]
    return data


@pytest.mark.parametrize("name", TARGETS)
def test_the_seeds_pass(name: str) -> None:
    seeds = list(TARGETS[name].seeds())
    assert len(seeds) >= 5
    for seed in seeds:
        TARGETS[name].run(seed)
    for empty in (b"", b"\0", b"-", b"S", b"\n\n\n"):
        TARGETS[name].run(empty)


@pytest.mark.parametrize("name", TARGETS)
def test_some_thousand_altered_seeds_pass(name: str) -> None:
    target, dice = TARGETS[name], random.Random(name)
    seeds = [seed for seed in target.seeds() if len(seed) < 4000]
    for _ in range(RUNS):
        run_one(target, altered(dice.choice(seeds), dice))


def run_one(target: Target, data: bytes) -> None:
    try:
        target.run(data)
    except Exception as error:
        raise AssertionError(f"{type(error).__name__} for {data!r}") from error


def test_without_atheris_one_line_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert runner.main([]) == 0
    assert "atheris does not install here" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["soon"], ["5", "nothing"]], ids=" ".join)
def test_an_unknown_target_is_a_usage_error(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: object())
    assert runner.main(arguments) == 2
    assert "access-token" in capsys.readouterr().err


def test_a_found_input_is_run_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = tmp_path / "json-crash-1"
    found.write_bytes(b'{"x":"\\\\ud800[[[[[[[[[[[[[[["}')
    assert runner.main(["repeat", "json", str(found)]) == 0
    assert "it passes now" in capsys.readouterr().out
