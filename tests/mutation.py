"""Takes rules out, one at a time, in a copy of the tree, and runs the tests that should notice: `make mutants`.

    python -m tests.mutation rows                    the rules that docs/rows names, by the tests of their rows
    python -m tests.mutation raises protocol.pkce    every refusal below that name, by the tests that run its line

A function that only refuses returns at once; elsewhere one `raise` does nothing, one answer of yes or no is fixed,
or one branch is never taken. The survivors that are no hole stand with their reasons in `tests/mutation.toml`; any
other makes the exit status 1. It takes one processor for the better part of an hour: no part of `make test`.
"""

import argparse
import ast
import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.util import cache_from_source
from pathlib import Path
from typing import Final

from coverage import CoverageData

from tests.trace import ROOT, SOURCE, MarkedTest, find_rule, find_tests, read_marked_tests, read_rows

FOLDERS: Final = ("tests/protocol", "tests/authorization_server", "tests/web")
"""Of the tests that are quick enough; a row's others only where it has none of these."""
OTHERS: Final = (
    "tests/resource_server",
    "tests/client",
    "tests/providers",
    "tests/runtime",
    "tests/web",
    "tests/cli",
)
"""What is run for a line of which it is not known who runs it."""
SLOW: Final = ("_in_chromium", "test_differential", "fuzz")
PACKAGES: Final = ("protocol", "authorization_server")
REASONS: Final = ROOT / "tests" / "mutation.toml"
HANGS: Final = 600
"""Seconds after which a mutant counts as noticed."""
_MOST_TESTS: Final = 60
"""At first, and the nearest: a line where everybody passes is run by hundreds."""
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Mutant:
    """A change of some lines of one function. `name` is the same wherever in its file the function stands."""

    file: Path
    function: str
    kind: str
    first: int
    last: int
    text: str

    @property
    def name(self) -> str:
        return f"{self.function}: {self.kind}"

    def apply(self, source: str) -> str:
        lines = source.splitlines(keepends=True)
        indent = lines[self.first - 1][: len(lines[self.first - 1]) - len(lines[self.first - 1].lstrip())]
        return "".join([*lines[: self.first - 1], f"{indent}{self.text}\n", *lines[self.last :]])


def mutants_of(file: Path, only: str = "") -> list[Mutant]:
    """All of the functions of a file whose dotted name begins with `only`."""
    source = file.read_text(encoding="utf-8")
    module = ".".join(file.relative_to(SOURCE).with_suffix("").parts)
    functions = _functions(ast.parse(source), module)
    found = [one for name, node in functions for one in _mutants(file, name, node, source)]
    return [one for one in found if f"{one.function}.".startswith(f"{only}." if only else "")]


def _functions(tree: ast.Module | ast.ClassDef, prefix: str) -> Iterator[tuple[str, Function]]:
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            yield from _functions(node, f"{prefix}.{node.name}")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{prefix}.{node.name}", node


def _mutants(file: Path, name: str, node: Function, source: str) -> Iterator[Mutant]:
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    refuses = "check" in node.name or any(isinstance(one, ast.Raise) for one in ast.walk(node))
    answer = ast.unparse(node.returns) if node.returns else ""
    if not body or any(isinstance(one, ast.Yield) for one in ast.walk(node)):
        return
    if answer == "None" and refuses:
        yield Mutant(file, name, "off", body[0].lineno, _end(body[-1]), "return None")
    if answer == "bool":
        for value in ("True", "False"):
            yield Mutant(file, name, f"always {value}", body[0].lineno, _end(body[-1]), f"return {value}")
    for one in _within(body):
        if isinstance(one, ast.Raise) and one.exc is not None:
            yield Mutant(file, name, f"no {ast.unparse(one)}", one.lineno, _end(one), "pass")
        elif isinstance(one, ast.If) and not refuses:
            test = ast.get_source_segment(source, one.test)
            word = source.splitlines()[one.lineno - 1].split()[0]
            if test and word in ("if", "elif"):
                kind = f"never {' '.join(test.split())}"
                yield Mutant(file, name, kind, one.lineno, one.body[0].lineno - 1, f"{word} False:")


def _within(body: Iterable[ast.stmt]) -> Iterator[ast.AST]:
    """The statements, but not those of a function within."""
    for one in body:
        stack: list[ast.AST] = [one]
        while stack:
            node = stack.pop()
            yield node
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                stack += ast.iter_child_nodes(node)


def _end(node: ast.stmt | ast.expr) -> int:
    assert node.end_lineno is not None
    return node.end_lineno


# --- the copy -------------------------------------------------------------------------------------------------


class Copy:
    """The tree as it is now, elsewhere, so that nobody meets a mutant."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "tree"
        ignore = shutil.ignore_patterns("node_modules", "__pycache__", "*.db*", ".hypothesis", ".keycloak")
        for name in ("src", "tests", "docs", "examples", "benchmarks"):
            shutil.copytree(ROOT / name, self.root / name, ignore=ignore)
        for file in ("pyproject.toml", "README.md", "Makefile"):
            shutil.copy(ROOT / file, self.root / file)
        path = os.pathsep.join((str(self.root / "src"), str(self.root)))
        self.said = ""
        self._environ = {**os.environ, "PYTHONPATH": path}

    def run(self, *words: str) -> int:
        """The exit status of `python -m …` in the copy; that of a test run that hangs is 1."""
        command = [sys.executable, "-m", *words]
        try:
            done = subprocess.run(
                command, cwd=self.root, env=self._environ, capture_output=True, text=True, timeout=HANGS
            )
        except subprocess.TimeoutExpired:
            return 1
        self.said = done.stdout[-1500:] + done.stderr[-1500:]
        if done.returncode not in (0, 1, 2):
            sys.stderr.write(self.said)
        return done.returncode

    def check_green(self, tests: Iterable[str]) -> None:
        """Raises: SystemExit when one of them fails as it is."""
        if self.run("pytest", *_QUIET, *sorted(tests)) != 0:
            raise SystemExit(f"{self.said}\n{_RED_ALREADY}")

    def notices(self, mutant: Mutant, tests: Iterable[str]) -> bool:
        """True when one of the tests fails with the mutant in place."""
        file = self.root / mutant.file.relative_to(ROOT)
        source = file.read_text(encoding="utf-8")
        try:
            self._write(file, mutant.apply(source))
            return self.run("pytest", *_QUIET, *tests) != 0
        finally:
            self._write(file, source)

    def quick_files(self, folders: Iterable[str]) -> list[str]:
        """The test files in those folders, relative to the copy."""
        files = (one for folder in folders for one in sorted((self.root / folder).rglob("test_*.py")))
        names = (one.relative_to(self.root).as_posix() for one in files)
        return [name for name in names if not any(word in name for word in SLOW)]

    def tests_by_line(self, folders: Iterable[str]) -> "Lines":
        """Runs the quick tests once, and keeps which of them ran which line."""
        settings = self.root / "coverage.ini"
        settings.write_text("[run]\nsource = proofkey\ndynamic_context = test_function\n")
        command = [sys.executable, "-m", "coverage", "run", f"--rcfile={settings}", "-m", "pytest", *_QUIET[1:]]
        command += self.quick_files(folders)
        done = subprocess.run(command, cwd=self.root, env=self._environ)
        if done.returncode != 0:
            raise SystemExit(_RED_ALREADY)
        return Lines(self.root)

    def _write(self, file: Path, source: str) -> None:
        """What was compiled is thrown away: two mutants of one length within a second look alike."""
        file.write_text(source, encoding="utf-8")
        Path(cache_from_source(str(file))).unlink(missing_ok=True)


_RED_ALREADY: Final = "the tests fail without a mutant"
_QUIET: Final = ("-x", "-q", "-p", "no:randomly", "-p", "no:cacheprovider", "--no-header", "--tb=no")


class Lines:
    """Which tests ran which line."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._data = CoverageData(str(root / ".coverage"))
        self._data.read()

    def tests(self, mutant: Mutant) -> list[str]:
        file = str(self._root / mutant.file.relative_to(ROOT))
        contexts = self._data.contexts_by_lineno(file)
        lines = range(mutant.first, mutant.last + 1)
        names = {name for line in lines for name in contexts.get(line, []) if name}
        nodes = {node for name in names if (node := self._node(name))}
        package, module = mutant.function.split(".")[0], mutant.file.stem

        def distance(node: str) -> tuple[bool, bool, str]:
            return module not in node, not node.startswith(f"tests/{package}/"), node

        return sorted(nodes, key=distance)

    def _node(self, context: str) -> str | None:
        module, _, name = context.rpartition(".")
        file = Path(*module.split(".")).with_suffix(".py")
        return f"{file}::{name}" if (self._root / file).is_file() and name.startswith("test") else None


# --- what is run ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Plan:
    """A row, the mutants of its rules in the packages, its quick tests, and its others, over HTTP too."""

    row: str
    mutants: tuple[Mutant, ...]
    tests: tuple[str, ...]
    others: tuple[str, ...]


def row_plans(only: str = "") -> Iterator[Plan]:
    rows = read_rows()
    found = find_tests(rows, read_marked_tests())
    for row in rows:
        tests = found[row.id]
        here = [test for test in tests if not test.file.startswith("tests/interop/")]
        quick = tuple(test.node for test in here if _is_quick(test))
        slow = tuple(test.node for test in here if not _is_quick(test))
        rules = [rule for rule in row.rule if rule.startswith(PACKAGES) and rule.startswith(only)]
        places = [(place[0], rule) for rule in rules if (place := find_rule(rule))]
        mutants = tuple(mutant for file, rule in places for mutant in mutants_of(file, rule))
        if mutants and here:
            yield Plan(row.id, mutants, quick or slow, slow if quick else ())


def _is_quick(test: MarkedTest) -> bool:
    return test.file.startswith(FOLDERS) and not any(word in test.file for word in SLOW)


def read_reasons(file: Path = REASONS) -> dict[str, str]:
    """Why a survivor is no hole, by the name of the mutant."""
    reasons: dict[str, str] = tomllib.loads(file.read_text(encoding="utf-8"))["survivors"]
    return reasons


def run_rows(copy: Copy, only: str) -> int:
    """Each function that only refuses must be noticed when it is off; of a row's other mutants one must be."""
    reasons, run, red, holes = read_reasons(), 0, 0, list[str]()
    plans = list(row_plans(only))
    copy.check_green({test for plan in plans for test in plan.tests})
    for plan in plans:
        noticed = False
        for mutant in sorted(plan.mutants, key=lambda one: one.kind != "off"):
            if noticed and mutant.kind != "off":
                break
            seen = copy.notices(mutant, plan.tests)
            if not seen and mutant.kind == "off" and plan.others:
                seen = copy.notices(mutant, plan.others)
            run, noticed = run + 1, noticed or seen
            _tell({"row": plan.row, "mutant": mutant.name, "noticed": seen})
            holes += [f"{plan.row}: {mutant.name}"] if mutant.kind == "off" and not seen else []
        noticed = noticed or any(copy.notices(mutant, plan.others) for mutant in plan.mutants if plan.others)
        red += noticed
        holes += [] if noticed else [plan.row]
    left = [one for one in holes if one not in reasons]
    _tell({"rows": len(plans), "mutants": run, "red": red, "survivors": holes, "holes": left})
    return 1 if left else 0


def run_raises(copy: Copy, only: str) -> int:
    """Every refusal below that name."""
    files = sorted(file for package in PACKAGES for file in (SOURCE / package).rglob("*.py"))
    mutants = [one for file in files for one in mutants_of(file, only) if one.kind.startswith(("off", "no "))]
    lines, reasons = copy.tests_by_line(FOLDERS[:2]), read_reasons()
    survivors: list[str] = []
    for mutant in mutants:
        tests = lines.tests(mutant)
        beside = f"tests/{mutant.function.split('.')[0]}"
        near = tests[:_MOST_TESTS] or copy.quick_files((beside, *OTHERS))
        far = tests[_MOST_TESTS:]
        seen = copy.notices(mutant, near) or (bool(far) and copy.notices(mutant, far))
        _tell({"mutant": mutant.name, "tests": len(tests), "noticed": seen})
        survivors += [] if seen else [mutant.name]
    holes = [one for one in survivors if one not in reasons]
    noticed = len(mutants) - len(survivors)
    _tell({"mutants": len(mutants), "noticed": noticed, "survivors": survivors, "holes": holes})
    return 1 if holes else 0


def _tell(document: dict[str, object]) -> None:
    print(json.dumps(document, ensure_ascii=False), flush=True)


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Takes rules out and runs the tests that should notice.")
    parser.add_argument("what", choices=("rows", "raises"))
    parser.add_argument("only", nargs="?", default="", help="a dotted name below proofkey")
    asked = parser.parse_args(words)
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        run = run_rows if asked.what == "rows" else run_raises
        return run(Copy(Path(folder)), asked.only)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
