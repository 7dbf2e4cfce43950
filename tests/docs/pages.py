"""The pages in `docs/`: their blocks, and what a reader has in front of him after running them."""

import re
from pathlib import Path
from types import ModuleType
from typing import Final

from tests.docs.blocks import ROOT

DOCS: Final = ROOT / "docs"
PAGES: Final = sorted(file.name for file in DOCS.glob("*.md"))
_FENCE: Final = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def read_page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def page_blocks(name: str, language: str) -> list[tuple[int, str]]:
    """(line of its fence, text) of each block in that language."""
    text = read_page(name)
    return [
        (text.count("\n", 0, found.start()) + 1, found[2])
        for found in _FENCE.finditer(text)
        if found[1] == language
    ]


def run_page(name: str) -> ModuleType:
    """Every python block of the page, one after another in one module, as a reader types them."""
    module = ModuleType(Path(name).stem.replace("-", "_"))
    for line, code in page_blocks(name, "python"):
        exec(compile("\n" * line + code, f"docs/{name}", "exec"), module.__dict__)
    return module


def new_lines(diff: str) -> str:
    """The file that a diff leaves behind."""
    return "\n".join(line[1:] for line in diff.splitlines() if not line.startswith("-")) + "\n"
