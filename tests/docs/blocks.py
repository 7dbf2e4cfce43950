"""The code that README shows."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(language: str, heading: str | None = None) -> list[str]:
    """The fenced blocks in that language, of the section with that heading or of all."""
    text = README
    if heading is not None:
        start = README.index(f"\n## {heading}\n")
        end = README.find("\n## ", start + 1)
        text = README[start : end if end > 0 else None]
    return [code for found, code in _FENCE.findall(text) if found == language]


def the_block(language: str, heading: str, number: int = 0) -> str:
    return blocks(language, heading)[number]
