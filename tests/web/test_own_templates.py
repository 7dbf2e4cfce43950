"""Pages that an application writes itself: what is refused at the start; policy and escaping stay."""

from collections.abc import Callable
from pathlib import Path

import pytest

from proofkey.authorization_server.answers import Page
from proofkey.errors import ConfigurationError
from proofkey.findings import Finding
from proofkey.web.pages import Pages, sample_views
from tests.web.fake_core import consent_page, login_page
from tests.web.test_pages import HOSTILE, PAGES, Elements

ISSUER = "https://op.test/idp"
LOGIN = """{% extends "base.html" %}
{% block title %}Acme{% endblock %}
{% block content %}
<h1>Acme {{ client_name }}</h1><p>{{ problem }}</p>
{% if signed_in_as %}<form method="post"><button name="account" value="current">{{ signed_in_as }}</button></form>
{% endif %}
<form method="post"><input name="username" value="{{ username }}"><input name="password" type="password">
<button>Go</button></form>
{% endblock %}
"""
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def into(**files: str) -> Path:
        for name, text in files.items():
            (tmp_path / f"{name}.html").write_text(text)
        return tmp_path

    return into


def html(pages: Pages, page: Page) -> str:
    return bytes(pages.render(page).body).decode()


def test_a_template_of_the_folder_stands_before_ours(write: Write) -> None:
    pages = Pages(ISSUER, write(login=LOGIN))
    assert "Acme" in html(pages, login_page())
    assert 'data-page="login"' in html(pages, login_page())
    assert html(pages, consent_page()) == html(PAGES, consent_page())


def test_a_template_may_go_on_from_ours(write: Write) -> None:
    child = '{% extends "proofkey/login.html" %}{% block footer %}<p>Acme, Bern</p>{% endblock %}'
    pages = Pages(ISSUER, write(login=child))
    text = html(pages, login_page())
    assert "Acme, Bern" in text
    assert 'autocomplete="current-password"' in text


def test_the_frame_of_all_pages_and_files_beside_it(write: Write) -> None:
    folder = write(
        base='{% include "_head.html" %}<body data-page="{{ page }}">{% block brand %}{% endblock %}'
        "{% block content %}{% endblock %}{% block footer %}{% endblock %}</body>",
        _head="<title>{% block title %}{{ provider_host }}{% endblock %}</title>"
        '<link rel="stylesheet" href="{{ files["acme.css"] }}">',
    )
    (folder / "static").mkdir()
    (folder / "static" / "acme.css").write_text("h1 { color: teal }")
    (folder / "static" / "notes.txt").write_text("not for the web")
    pages = Pages(ISSUER, folder)
    text = html(pages, consent_page())
    url = next(values["href"] for tag, values in Elements(text).found if tag == "link")
    assert url is not None
    found = pages.static(url.rpartition("/")[2])
    assert found is not None
    assert (found.body, found.media_type) == (b"h1 { color: teal }", "text/css; charset=utf-8")
    assert pages.static("notes.txt") is None


@pytest.mark.spec("threats §1.7", "9700-4.2.4-a", "issue 4 embedding")
def test_escaping_and_policy_stay(write: Write) -> None:
    pages = Pages(ISSUER, write(login=LOGIN))
    page = Page(name="login", context={"client_name": HOSTILE, "username": HOSTILE, "person": HOSTILE})
    assert not [tag for tag, _ in Elements(html(pages, page)).found if tag in ("script", "b")]
    assert pages.render(page).headers["content-security-policy"] == PAGES.render(page).headers[
        "content-security-policy"
    ]  # fmt: skip


REFUSED = {
    "unknown variable": ("login", LOGIN.replace("{{ client_name }}", "{{ customer }}"), "customer"),
    "unknown in one branch": ("login", LOGIN.replace("<h1>", "{% if problem %}{{ oops }}{% endif %}<h1>"), "oops"),
    "unknown in a part": ("_part", "{{ nothing_of_ours }}", "nothing_of_ours"),
    "of another page": ("login", LOGIN.replace("{{ client_name }}", "{{ gives }}"), "gives"),
    "unknown member": ("login", LOGIN.replace("{{ problem }}", "{{ problem.of.mine }}"), "of"),
    "syntax": ("login", "{% if %}", "line"),
    "a part that is not there": ("login", LOGIN.replace("<h1>", '{% include "_gone.html" %}<h1>'), "_gone.html"),
    "safe": ("login", LOGIN.replace("{{ client_name }}", "{{ client_name|safe }}"), "safe"),
    "autoescape": (
        "login",
        LOGIN.replace("Acme {{", "{% autoescape false %}{{").replace("</h1>", "{% endautoescape %}</h1>"),
        "autoescape",
    ),
    "no password field": ("login", LOGIN.replace('name="password"', 'name="secret"'), 'name="password"'),
    "no way to deny": (
        "consent",
        '{% extends "base.html" %}{% block content %}<form method="post">'
        '<button name="decision" value="allow">Yes</button></form>{% endblock %}',
        'value="deny"',
    ),
    "no way to deny a device": (
        "device",
        '{% extends "proofkey/device.html" %}{% block content %}{% if state == "enter" %}{{ super() }}{% endif %}'
        "{% endblock %}",
        'name="decision"',
    ),
    "by GET": ("login", LOGIN.replace('method="post"', 'method="get"'), 'method="post"'),
    "no name of the page": ("base", "<body>{% block content %}{% endblock %}</body>", "data-page"),
    "no way back": ("logged-out", '{% extends "base.html" %}{% block content %}Bye{% endblock %}', "href"),
    "form-post loses a field": (
        "form-post",
        '{% extends "base.html" %}{% block content %}<form method="post" action="{{ url }}"></form>'
        "<script>{{ script }}</script>{% endblock %}",
        'name="code"',
    ),
    "a script": ("login", LOGIN.replace("<h1>", "<script>alert(1)</script><h1>"), "<script>"),
    "a style": ("login", LOGIN.replace("<h1>", '<h1 style="color: red">'), "style"),
    "a handler": ("login", LOGIN.replace("<h1>", '<h1 onclick="go()">'), "onclick"),
    "a name that is no page": ("logn", LOGIN, "consent"),
    "a fault": ("login", LOGIN.replace("{{ problem }}", "{{ 1 // 0 }}"), "ZeroDivisionError"),
}


@pytest.mark.spec("issue 4 embedding")
@pytest.mark.parametrize(("name", "text", "says"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_used_ends_the_start(write: Write, name: str, text: str, says: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        Pages(ISSUER, write(**{name: text}))
    assert refused.value.finding is Finding.TEMPLATE_WRONG
    assert says in str(refused.value.facts)


def test_a_folder_that_is_not_there_ends_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as refused:
        Pages(ISSUER, tmp_path / "gone")
    assert refused.value.finding is Finding.TEMPLATE_WRONG


def test_a_template_that_breaks_later_gives_way_to_ours(write: Write, caplog: pytest.LogCaptureFixture) -> None:
    breaks = "{{ 1 // (0 if username == 'zero' else 1) }}"
    pages = Pages(ISSUER, write(login=LOGIN.replace("<h1>", f"{breaks}<h1>")))
    page = Page(name="login", context={"username": "zero"})
    with caplog.at_level("INFO", "proofkey"):
        assert html(pages, page) == html(PAGES, page)
    assert "template.failed" in caplog.text
    assert "Acme" in html(pages, login_page())


@pytest.mark.parametrize("name", sorted(sample_views()))
def test_each_page_of_ours_would_pass_as_an_own_one(write: Write, name: str) -> None:
    """So that a copy of ours is a good beginning."""
    templates = Path(__file__).parents[2] / "src/proofkey/web/templates"
    Pages(ISSUER, write(**{name: (templates / f"{name}.html").read_text()}))
