"""Which requirement is kept by which function and shown by which test: the rows in `docs/rows`, and the `spec`
marks of the tests. Nothing is imported or run: source files are read as trees.
"""

import ast
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
SOURCE: Final = ROOT / "src" / "proofkey"
ROWS: Final = ROOT / "docs" / "rows"
_DOCUMENT: Final = re.compile(
    r"(RFC \d+|(OIDC|RP-)[A-Za-z -]+|threats|design|interfaces|requirements|providers|streamlit|issue \d+|WCAG"
    r"|MCP2[56]|\d{4,5}|(OC|OD|OR|RL|BL|FP|F2|F2M|O21|CIMD|N63|V\d+)(?=-\d))"
    r"([ :§-].*)?"
)
"""A mark that names a section, not a row: `RFC 9068 §2.2`, `9396-7`, `OC-5.5`, `threats §1.3`, `issue 4 keys`."""
_ROW_LIKE: Final = re.compile(r"\d{4,5}b?-.*-[a-z]+|(OC|OD|OR|RL|BL|FP|F2|F2M|O21|CIMD)-.*-[a-z]")
"""A mark that can only be a row: the letter at its end is not of the section."""
_KITS: Final = ("tests.end_to_end.provider_kit", "tests.end_to_end.workers_kit", "tests.end_to_end.logout_kit")


@dataclass(frozen=True, slots=True)
class Row:
    """One requirement. `also` are further names of it, `rule` the functions that keep it, by their names below
    `proofkey`; `unmet` is why it is not kept."""

    id: str
    part: str
    level: str
    what: str
    rule: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    unmet: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        return (self.id, *self.also)

    @property
    def is_of_the_server(self) -> bool:
        """Section 1: the authorization server."""
        return self.part.startswith("1.")


@dataclass(frozen=True, slots=True, order=True)
class MarkedTest:
    """A test function with its marks; `over_http`: it asks a `proofkey serve` that has two workers."""

    file: str
    name: str
    marks: frozenset[str]
    over_http: bool

    @property
    def node(self) -> str:
        return f"{self.file}::{self.name}"


def read_rows(folder: Path = ROWS) -> list[Row]:
    """All of them, in the order of the files.

    Raises: ValueError when one is written twice, KeyError or TypeError when a member is missing or unknown.
    """
    rows: list[Row] = []
    for file in sorted(folder.glob("*.toml")):
        for part in tomllib.loads(file.read_text(encoding="utf-8"))["part"]:
            rows += [_row(part["title"], members) for members in part["row"]]
    twice = {row.id for row in rows if [one.id for one in rows].count(row.id) > 1}
    if twice:
        raise ValueError(f"written twice: {sorted(twice)}")
    return rows


def read_marked_tests(folder: Path = ROOT / "tests") -> list[MarkedTest]:
    """Every test below the folder that has a `spec` mark, its own or its module's."""
    files = sorted(file for file in folder.rglob("test_*.py") if "node_modules" not in file.parts)
    return [test for file in files for test in _marked_in(file, folder.parent)]


def names_in(mark: str) -> list[str]:
    """`9701 † / F2M-5.5` names two rows; the signs say how sure somebody was of a text."""
    return [name for part in mark.split(" / ") if (name := part.strip(" †‡"))]


def is_section(name: str) -> bool:
    """True for the name of a section or document, which is a mark too, but names no row."""
    return _DOCUMENT.fullmatch(name) is not None and _ROW_LIKE.fullmatch(name) is None


def find_tests(rows: list[Row], tests: list[MarkedTest]) -> dict[str, list[MarkedTest]]:
    """The tests of each row, by its id."""
    by_name: dict[str, list[MarkedTest]] = {}
    for test in tests:
        for name in {name for mark in test.marks for name in names_in(mark)}:
            by_name.setdefault(name, []).append(test)
    return {row.id: sorted({test for name in row.names for test in by_name.get(name, [])}) for row in rows}


def unknown_marks(rows: list[Row], tests: list[MarkedTest]) -> list[str]:
    """Marks that name neither a row nor a section, with one test that has each."""
    known = {name for row in rows for name in row.names}
    return sorted(
        f"{name} at {test.node}"
        for test in tests
        for mark in test.marks
        for name in names_in(mark)
        if name not in known and not is_section(name)
    )


def find_rule(name: str) -> tuple[Path, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef] | None:
    """The file and the definition of `protocol.pkce.check_code_verifier`, of a class, or of its method."""
    words = name.split(".")
    for length in range(len(words) - 1, 0, -1):
        place = SOURCE.joinpath(*words[:length])
        file = place.with_suffix(".py")
        if not file.is_file():
            continue
        found = _definition(_tree_of(file), words[length:])
        return (file, found) if found else None
    return None


@cache
def _tree_of(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def _definition(
    tree: ast.Module | ast.ClassDef, words: list[str]
) -> ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | None:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and node.name == words[0]:
            if len(words) == 1:
                return node
            return _definition(node, words[1:]) if isinstance(node, ast.ClassDef) else None
    return None


def _row(part: str, members: dict[str, Any]) -> Row:
    lists = {name: tuple(members.get(name, ())) for name in ("rule", "also")}
    return Row(part=part, **{**members, **lists})


def _marked_in(file: Path, root: Path) -> Iterator[MarkedTest]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    place = file.relative_to(root).as_posix()
    of_module = {mark for node in tree.body if isinstance(node, ast.Assign) for mark in _marks_in(node)}
    served = place.startswith("tests/end_to_end/") and _serves_with_two_workers(tree)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test"):
            marks = of_module.union(*(_marks_in(one) for one in node.decorator_list))
            if marks:
                yield MarkedTest(place, node.name, frozenset(marks), served and not _says_workers(node, {1}))


def _marks_in(node: ast.AST) -> set[str]:
    calls = (one for one in ast.walk(node) if isinstance(one, ast.Call))
    marks = (call for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr == "spec")
    return {str(ast.literal_eval(argument)) for call in marks for argument in call.args}


def _serves_with_two_workers(tree: ast.Module) -> bool:
    imported = {node.module for node in tree.body if isinstance(node, ast.ImportFrom)}
    return bool(imported.intersection(_KITS)) or _says_workers(tree, {2})


def _says_workers(tree: ast.AST, numbers: set[int]) -> bool:
    """`workers=2` of a call, or `"workers": 2` of a table."""
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "workers" and _is_number(node.value, numbers):
            return True
        if isinstance(node, ast.Dict):
            pairs = zip(node.keys, node.values, strict=True)
            if any(_is_word(key) and _is_number(value, numbers) for key, value in pairs):
                return True
    return False


def _is_word(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and node.value == "workers"


def _is_number(node: ast.expr, numbers: set[int]) -> bool:
    return isinstance(node, ast.Constant) and node.value in numbers
