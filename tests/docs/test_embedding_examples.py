"""The examples of embedding are programs that work, from the browser to the tokens."""

import json
import re
import shutil
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from proofkey.authorization_server.hooks import RESERVED
from proofkey.protocol.text import Secret, decode_base64url
from proofkey.runtime.entropy import system_entropy
from proofkey.testing.headless import HeadlessBrowser, HeadlessFailed
from proofkey.testing.relying_party import Person, RelyingParty, RelyingPartyFailed
from proofkey.testing.server import free_port, serving
from proofkey.web.pages import sample_views
from tests.docs.blocks import ROOT
from tests.docs.pages import read_page
from tests.docs.test_examples import load

PASSWORD = Secret("correct horse battery")
USERS = f"""
[[server.users]]
username = "ann"
password = "{PASSWORD.reveal()}"
claims = {{ email = "ann@op.test" }}

[[server.users]]
username = "guest"
password = "{PASSWORD.reveal()}"
roles = ["guest"]
claims = {{ email = "guest@op.test" }}
"""
Running = Callable[..., Any]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy, on a free port."""
    monkeypatch.setenv("PROOFKEY_SERVER_MASTER_KEY", system_entropy())
    copy = tmp_path / "embedding"
    shutil.copytree(ROOT / "examples/embedding", copy, ignore=shutil.ignore_patterns("*.db*", "__pycache__"))
    return copy


@contextmanager
def running(folder: Path, name: str, *, users: str = USERS) -> Generator[tuple[Any, RelyingParty]]:
    port = free_port()
    config = folder / "provider.toml"
    text = config.read_text()
    assert "localhost:9000" in text
    config.write_text(text.replace("localhost:9000", f"localhost:{port}") + users)
    made = load(folder / f"{name}.py")
    party = RelyingParty(
        f"http://localhost:{port}/idp",
        "desktop",
        redirect_uri="http://127.0.0.1:50001/callback",
        scope="openid profile email",
    )
    with serving(made.app, port=port), party:
        yield made, party


@contextmanager
def at_the_browser(username: str = "ann") -> Generator[Person]:
    with HeadlessBrowser() as browser:
        yield Person(browser, username, PASSWORD)


def claims_of(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = json.loads(decode_base64url(token.split(".")[1]))
    return claims


@pytest.mark.spec("issue 4 embedding")
def test_claims_of_one_s_own(folder: Path) -> None:
    with running(folder, "claims") as (_, party), at_the_browser() as ann:
        tokens = party.sign_in(ann)
        assert tokens.id_token is not None
        assert claims_of(tokens.access_token.reveal())["department"] == "billing"
        assert claims_of(tokens.id_token.reveal())["department"] == "billing"


@pytest.mark.spec("issue 4 embedding")
def test_a_consent_policy(folder: Path) -> None:
    with running(folder, "consent") as (_, party):
        pages: list[str] = []
        with HeadlessBrowser(on_hop=lambda hop: pages.append(hop.page)) as browser:
            assert party.sign_in(Person(browser, "ann", PASSWORD)).access_token.reveal()
            assert "login" in pages
            assert "consent" not in pages
        with at_the_browser("guest") as guest:
            assert party.authorize(guest, party.start())["error"] == "access_denied"
            assert "code" in party.authorize(guest, party.start(scope="openid"))


@pytest.mark.spec("issue 4 embedding")
def test_people_of_one_s_own(folder: Path) -> None:
    with running(folder, "people", users="") as (made, party):
        salt = b"salt"
        with made.staff.open() as database:
            row = ("4711", "ann", "Ann Example", salt, made.hash_of(PASSWORD.reveal(), salt), 1)
            sql = "INSERT INTO staff (number, login, name, salt, hash, changed) VALUES (?, ?, ?, ?, ?, ?)"
            database.execute(sql, row)
        with at_the_browser() as ann:
            tokens = party.sign_in(ann)
        bearer = {"Authorization": f"Bearer {tokens.access_token.reveal()}"}
        url = party.metadata.userinfo_endpoint
        assert url
        told = party.http.get(url, headers=bearer).json()
        assert (told["sub"], told["name"], told["preferred_username"]) == ("4711", "Ann Example", "ann")
        with at_the_browser("bob") as bob, pytest.raises((HeadlessFailed, RelyingPartyFailed)):
            party.sign_in(bob)
        with made.staff.open() as database:
            database.execute("UPDATE staff SET left = 1")
        assert party.http.get(url, headers=bearer).status_code == 401
        with made.staff.open() as database:
            database.execute("DROP TABLE staff")
        answer = party.http.get(url, headers=bearer)
        assert (answer.status_code, "Retry-After" in answer.headers) == (503, True)


@pytest.mark.spec("issue 4 embedding")
def test_pages_of_one_s_own(folder: Path) -> None:
    with running(folder, "pages") as (_, party), httpx2.Client(follow_redirects=True, trust_env=False) as browser:
        page = browser.get(party.start().url)
        assert "Ring 1234" in page.text
        assert page.headers["content-security-policy"].startswith("default-src 'none'; style-src 'self'")
        style = page.text.partition('href="')[2].partition('"')[0]
        assert "acme" in style
        assert "teal" in browser.get(f"{party.issuer.removesuffix('/idp')}{style}").text
        with at_the_browser() as ann:
            assert party.sign_in(ann).access_token.reveal()


# --- embedding.md -----------------------------------------------------------------------------------------------


def test_the_page_lists_every_variable_of_every_template() -> None:
    table = read_page("embedding.md").partition("## Pages")[2]
    rows = re.findall(r"^\| `?([a-z-]+)`? \| (.*`.*`.*) \|$", table, re.MULTILINE)
    told = {name: set(re.findall(r"`(\w+)(?:\(\w+\))?`", re.sub(r"\(with .*?\)", "", row))) for name, row in rows}
    told["device"] = told["device"] - {"consent"} | told["consent"]
    ours: dict[str, set[str]] = {name: set().union(*views) for name, views in sample_views().items()}
    everywhere = told.pop("all")
    assert everywhere == {"page", "provider_host", "style_url", "icon_url", "files", "duration"}
    assert told == ours


def test_the_page_lists_every_reserved_claim() -> None:
    text = read_page("embedding.md")
    listed = text.partition("Reserved are")[2].partition("A hook that names one")[0]
    assert set(re.findall(r"`(\w+)`", listed)) == RESERVED
