"""The rows of requirements: each mark names one, each rule is there, each row of the server has a test."""

from pathlib import Path

import pytest

from tests.trace import (
    MarkedTest,
    Row,
    find_rule,
    find_tests,
    is_section,
    names_in,
    read_marked_tests,
    read_rows,
    unknown_marks,
)


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return read_rows()


@pytest.fixture(scope="module")
def found(rows: list[Row]) -> dict[str, list[MarkedTest]]:
    return find_tests(rows, read_marked_tests())


def test_every_mark_names_a_row_or_a_section(rows: list[Row]) -> None:
    assert unknown_marks(rows, read_marked_tests()) == []


def test_every_rule_is_a_function_that_exists(rows: list[Row]) -> None:
    assert [f"{row.id}: {name}" for row in rows for name in row.rule if find_rule(name) is None] == []


def test_every_row_of_the_server_has_its_rule_and_its_test_over_http_or_says_why_not(
    rows: list[Row], found: dict[str, list[MarkedTest]]
) -> None:
    ours = [row for row in rows if row.is_of_the_server]
    assert len(ours) > 120
    assert [row.id for row in ours if bool(row.rule) == bool(row.unmet)] == []
    shown = {row.id for row in ours if any(test.over_http for test in found[row.id])}
    assert [row.id for row in ours if row.id not in shown and not row.unmet] == []


@pytest.mark.parametrize(
    ("mark", "section"),
    [
        ("RFC 9068 §2.2", True), ("OIDC Core §5.4", True), ("threats §1.3", True), ("issue 4 keys", True),
        ("9396-7", True), ("OC-5.5", True), ("MCP25", True), ("interfaces: demo", True),
        ("9700-2.1-z", False), ("OC-2-z", False), ("9396", True), ("X-anything", False),
        ("ST-99", False), ("", False),
    ],
)  # fmt: skip
def test_a_mark_that_looks_like_a_row_must_be_one(mark: str, section: bool) -> None:
    assert is_section(mark) is section


def test_marks_are_read_without_running_anything(tmp_path: Path) -> None:
    folder = tmp_path / "tests" / "end_to_end"
    folder.mkdir(parents=True)
    (folder / "test_a.py").write_text(
        "import absent\n"
        "pytestmark = [pytest.mark.spec('A-1 / B-2'), pytest.mark.timeout(3)]\n"
        "SETTINGS = {'workers': 2}\n"
        "@pytest.mark.spec('C-3 \u2020', 'D-4')\nasync def test_one(): ...\n"
        "def test_two():\n    run(workers=1)\n"
        "def helper(): ...\n"
    )
    one, two = read_marked_tests(tmp_path / "tests")
    assert (one.node, one.over_http) == ("tests/end_to_end/test_a.py::test_one", True)
    assert {name for mark in one.marks for name in names_in(mark)} == {"A-1", "B-2", "C-3", "D-4"}
    assert (two.name, sorted(two.marks), two.over_http) == ("test_two", ["A-1 / B-2"], False)


def test_a_wrong_mark_a_wrong_rule_and_a_row_twice_are_seen(tmp_path: Path) -> None:
    row = Row(id="A-1", part="1.1 x", level="MUST", what="x", also=("B-2",))
    marked = MarkedTest("tests/test_a.py", "test_one", frozenset({"B-2 / 9700-9-q"}), over_http=False)
    assert unknown_marks([row], [marked]) == ["9700-9-q at tests/test_a.py::test_one"]
    assert find_tests([row], [marked]) == {"A-1": [marked]}
    assert find_rule("protocol.pkce.check_nothing") is None
    assert find_rule("protocol.nothing.check_code_verifier") is None
    part = '[[part]]\ntitle = "1.1 x"\n' + '[[part.row]]\nid = "A-1"\nlevel = "MUST"\nwhat = "x"\n' * 2
    (tmp_path / "1.toml").write_text(part)
    with pytest.raises(ValueError, match="A-1"):
        read_rows(tmp_path)
