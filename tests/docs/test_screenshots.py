"""The pictures and the page that shows them."""

import re
import struct
from pathlib import Path

import pytest

from tests.docs.blocks import README, ROOT

IMAGES = ROOT / "docs" / "images"
PAGE = (ROOT / "docs" / "screenshots.md").read_text(encoding="utf-8")
NAMES = {
    *("login-light", "login-dark", "login-narrow", "login-error", "consent", "error"),
    *("signed-out", "app", "report-refused", "token-inspector", "swagger"),
}


def size_of(file: Path) -> tuple[int, int]:
    """Width and height, from the PNG's header."""
    data = file.read_bytes()[:24]
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", data[16:24])
    return width, height


def test_every_picture_is_shown_once_with_a_text_for_those_who_do_not_see_it() -> None:
    shown = re.findall(r'<img src="images/([a-z-]+)\.png"[^>]* alt="([^"]+)">', PAGE)
    assert {file.stem for file in IMAGES.iterdir()} == NAMES == {name for name, _ in shown}
    assert len(shown) == len(NAMES)
    assert all(len(text) >= 25 for _, text in shown)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_picture_is_compact(name: str) -> None:
    file = IMAGES / f"{name}.png"
    width, height = size_of(file)
    assert 300 <= width <= 1100
    assert 400 <= height <= 1200
    assert file.stat().st_size < 120_000


def test_all_pictures_together_are_compact() -> None:
    assert sum(file.stat().st_size for file in IMAGES.iterdir()) < 900_000


def test_readme_shows_the_login_and_the_app() -> None:
    shown = re.findall(r'<img src="docs/images/([a-z-]+)\.png" width="49%" alt="[^"]{20,}">', README)
    assert shown == ["login-light", "app"]
    login, app = (size_of(IMAGES / f"{name}.png") for name in shown)
    assert login[0] / login[1] == pytest.approx(app[0] / app[1], rel=0.02)
