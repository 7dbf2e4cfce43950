"""What the pages repeat from the source is what the source says."""

from pathlib import Path
from types import ModuleType

import pytest

from proofkey.findings import Finding
from proofkey.providers import DIALECTS
from tests.docs.blocks import ROOT
from tests.docs.pages import DOCS, read_page
from tests.docs.test_examples import load


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    module: ModuleType = load(ROOT / "docs" / "generate.py")
    return module


def test_the_generated_pages_are_up_to_date(generate: ModuleType) -> None:
    stale = [path.name for path, text in generate.pages().items() if path.read_text(encoding="utf-8") != text]
    assert stale == [], "run: make docs"


def test_every_finding_has_one_entry_with_its_remedy() -> None:
    page = read_page("errors.md")
    for finding in Finding:
        assert page.count(f"\n## {finding.id}\n") == 1
        assert f"\n{finding.sentence}\n" in page
        assert f"**Fix:** {finding.remedy}\n" in page


def test_every_dialect_has_one_section(generate: ModuleType) -> None:
    named = generate.marked_dialects(read_page("providers.md"))
    assert sorted(named) == sorted(DIALECTS)


def test_a_stale_page_is_reported_and_written(
    generate: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "providers.md").write_text(read_page("providers.md").replace("| relaxed |", "| changed |"))
    monkeypatch.setattr(generate, "DOCS", tmp_path)
    assert generate.main(["--check"]) == 1
    assert "errors.md is out of date" in capsys.readouterr().err
    assert generate.main([]) == 0
    assert generate.main(["--check"]) == 0
    assert (tmp_path / "errors.md").read_text() == (DOCS / "errors.md").read_text()
