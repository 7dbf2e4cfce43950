"""The pages as text: what is echoed is escaped, the words are plain, the colours keep their distance."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import proofkey.web.pages
from proofkey.authorization_server.answers import Page, PageName
from proofkey.authorization_server.claims import CLAIMS_OF_SCOPE, OFFERED
from proofkey.findings import Finding
from proofkey.web import wording
from proofkey.web.pages import Pages, is_loopback
from tests.web.fake_core import consent_page, login_page

PAGES = Pages("https://op.test/idp")
TEMPLATES = Path(proofkey.web.pages.__file__).parent / "templates"
STYLE = (Path(proofkey.web.pages.__file__).parent / "static" / "proofkey.css").read_text()
HOSTILE = "\"><script>alert(1)</script><b a='&{{7*7}}"


class Elements(HTMLParser):
    """The start tags of a page, in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def html(page: Page) -> str:
    return bytes(PAGES.render(page).body).decode()


def hostile_pages(text: str) -> list[Page]:
    context = dict.fromkeys(("client_name", "client_host", "person", "username", "problem", "description"), text)
    more: dict[str, Any] = {
        "scope": (text,),
        "resource": (text,),
        "heading": text,
        "text": text,
        "return_url": text,
    }
    names: tuple[PageName, ...] = ("login", "consent", "error", "logout", "logged-out")
    device = {**context, **more, **dict.fromkeys(("user_code", "action", "asked_from"), text)}
    states = ("enter", "confirm", "allowed", "denied")
    return [
        *(Page(name=name, context={**context, **more, "correlation_id": text}) for name in names),
        *(Page(name="device", context={**device, "state": state}) for state in states),
    ]


@pytest.mark.spec("threats §1.7", "9700-4.2.4-a")
@pytest.mark.parametrize(
    "page", hostile_pages(HOSTILE), ids=lambda page: f"{page.name} {page.context.get('state', '')}".strip()
)
def test_what_is_echoed_is_text(page: Page) -> None:
    state = {"state": page.context.get("state", "")}
    told = {**page.context, **dict.fromkeys(page.context, "x"), **state}
    plain = Elements(html(Page(name=page.name, context=told)))
    hostile = Elements(html(page))
    allowed = {"html", "head", "meta", "title", "link", "body", "main", "div", "span", "h1", "h2", "p", "form"}
    allowed |= {"label", "input", "button", "strong", "footer", "dl", "dt", "dd", "ul", "li", "code", "a"}
    assert {tag for tag, _ in hostile.found} <= allowed
    assert not any(name.startswith("on") for _, attributes in hostile.found for name in attributes)
    assert "49" not in html(page)
    assert len(hostile.found) >= len([tag for tag, _ in plain.found if tag != "a"]) - 3


@given(st.text(max_size=60))
def test_no_text_breaks_a_page(text: str) -> None:
    for page in hostile_pages(text):
        assert '<body data-page="' in html(page)


@pytest.mark.parametrize("name", ["login", "consent", "error", "logout", "logged-out", "device"])
def test_a_page_needs_no_context(name: Any) -> None:
    text = html(Page(name=name))
    assert f'<body data-page="{name}">' in text
    assert '<html lang="en" dir="ltr">' in text
    assert "<strong>op.test</strong>" in text


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", "", "//evil.test", "com.acme.app:/x"])
def test_the_way_back_is_a_web_address_or_nothing(url: str) -> None:
    assert "<a " not in html(Page(name="logged-out", context={"return_url": url}))


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "JaVaScRiPt:x", "data:,x", "vbscript:x", "file:///x", "/x"]
)
def test_a_page_never_leads_on_to_what_runs(url: str) -> None:
    with pytest.raises(ValueError, match="scheme"):
        PAGES.render_continuation(url)


def test_nothing_on_a_page_is_foreign_or_a_script() -> None:
    for template in TEMPLATES.glob("*.html"):
        text = template.read_text()
        if template.name == "form-post.html":  # the one script, which the page's policy names by its digest
            text = text.replace("<script>{{ script }}</script>", "")
        assert not re.search(r"<script|javascript:|style=|https?://|\son[a-z]+=", text), template.name
        assert "|safe" not in text
    assert not re.search(r"url\(|@import|https?:", STYLE)


def test_the_error_page_says_what_happened_and_what_to_do() -> None:
    context = {"finding": Finding.BUSY, "correlation_id": "ref123"}
    text = html(Page(name="error", status=503, context=context, retry_after=90))
    for words in (
        "<title>Error: Not available right now",
        'role="alert"',
        "RL-02",
        "ref123",
        "Try again in 2 minutes.",
    ):
        assert words in text


def test_too_many_attempts_do_not_blame_the_fields() -> None:
    text = html(
        Page(name="login", status=429, context={"problem": "Too many attempts.", "invalid": False}, retry_after=30)
    )
    assert "Try again in 30 seconds." in text
    assert "aria-invalid" not in text
    assert html(login_page("Wrong.")).count('aria-invalid="true"') == 2


@pytest.mark.spec("V10-10.7.2")
@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("localhost:8501", True),
        ("app.localhost", True),
        ("127.0.0.1:5", True),
        ("127.9.9.9", True),
        ("[::1]:5", True),
        ("rp.test", False),
        ("localhost.rp.test", False),
        ("10.0.0.1", False),
        ("com.acme.app:", False),
        ("", False),
        ("[", False),
    ],
)
def test_who_runs_on_this_computer_is_warned_of(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected
    assert ("This app runs on this computer." in html(consent_page(client_host=host))) is expected


@pytest.mark.spec("CIMD-6.4-b")
def test_a_consent_page_says_whose_document_describes_the_client():
    page = consent_page(client_host="127.0.0.1:3000")
    described = replace(page, context={**page.context, "self_registered": True, "described_at": "app.test"})
    text = html(described)
    assert "<dt>It is from</dt><dd>app.test</dd>" in text
    assert "Allow it only if you know app.test." in text
    assert "This app runs on this computer." in text
    assert "It is from" not in html(page)


@pytest.mark.parametrize(
    ("scope", "texts"),
    [
        (("openid",), ["Recognise you when you come back"]),
        ((), ["Know that you have signed in"]),
        (("offline_access",), ["Know that you have signed in"]),
        (("orders:write", "email"), ["See your e-mail address", "Create and change your orders"]),
        (("weird scope:read", "x"), ["Use the permission “weird scope:read”", "Use the permission “x”"]),
        (("user_data:delete",), ["Delete your user data"]),
    ],
)
def test_scopes_are_told_in_plain_words(scope: tuple[str, ...], texts: list[str]) -> None:
    assert [gift.text for gift in wording.gifts_of(scope, ())] == texts


@pytest.mark.spec("OC-3.1.2.4-a", "V10-10.7.2")
@pytest.mark.parametrize("claim", OFFERED)
def test_every_single_claim_is_told_and_nothing_of_it_is_said_to_be_kept(claim: str) -> None:
    (line,) = wording.gifts_of((), (), (claim,))
    assert line.text.startswith("See ")
    assert f"“{claim}”" not in line.text, "it has words of its own"
    (scope,) = (scope for scope, claims in CLAIMS_OF_SCOPE.items() if claim in claims)
    assert wording.withheld_from((), (claim,)) == wording.withheld_from((scope,))


@pytest.mark.spec("OC-3.1.2.4-a")
def test_a_claim_that_has_no_words_is_shown_by_its_name() -> None:
    assert [gift.text for gift in wording.gifts_of((), (), ("shoe_size",))] == ["See “shoe_size” of your account"]


def test_details_are_shown_with_all_that_they_say() -> None:
    page = Page(name="consent", context={"scope": (), "details": (("Start <this> payment", "amount: 100.00"),)})
    html = bytes(PAGES.render(page).body).decode()
    assert "Start &lt;this&gt; payment" in html
    assert "amount: 100.00" in html
    assert "Know that you have signed in" not in html


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 seconds"),
        (1, "1 second"),
        (60, "1 minute"),
        (61, "2 minutes"),
        (28_800, "8 hours"),
        (2_592_000, "30 days"),
    ],
)
def test_a_duration_is_told_in_its_largest_unit(seconds: int, text: str) -> None:
    assert wording.duration(seconds) == text


# --- the palette ------------------------------------------------------------------------------


def colour(name: str, *, dark: bool) -> tuple[float, float, float]:
    found = re.search(rf"--{name}: light-dark\((#[0-9a-f]{{6}}), (#[0-9a-f]{{6}})\)", STYLE)
    assert found, name
    code = found[2 if dark else 1]
    red, green, blue = (int(code[start : start + 2], 16) / 255 for start in (1, 3, 5))
    return red, green, blue


def luminance(rgb: tuple[float, float, float]) -> float:
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in rgb]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.spec("providers §4.1", "WCAG 1.4.3", "WCAG 1.4.11")
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("front", "back", "least"),
    [
        ("text", "surface", 7),
        ("text", "sunken", 7),
        ("muted", "surface", 4.5),
        ("muted", "sunken", 4.5),
        ("muted", "backdrop", 4.5),
        ("muted", "glow", 4.5),
        ("on-accent", "accent", 4.5),
        ("on-accent", "accent-strong", 4.5),
        ("danger", "danger-surface", 4.5),
        ("caution", "caution-surface", 4.5),
        ("field-line", "surface", 3),
        ("accent", "surface", 3),
        ("accent", "backdrop", 3),
        ("danger", "surface", 3),
        ("good", "surface", 3),
    ],
)
def test_colours_keep_their_distance(front: str, back: str, least: float, dark: bool) -> None:
    one, other = luminance(colour(front, dark=dark)), luminance(colour(back, dark=dark))
    assert (max(one, other) + 0.05) / (min(one, other) + 0.05) >= least
