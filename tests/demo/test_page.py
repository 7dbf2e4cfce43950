"""The demo's page when the API is not as it should be; the happy path is driven in a real browser."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from streamlit.testing.v1 import AppTest

from proofkey import demo
from proofkey.testing.server import free_port, serving
from proofkey.testing.streamlit_apptest import as_anonymous, as_user

PAGE = Path(demo.__file__).with_name("page.py")
ORDER = {
    "id": 1,
    "item": "Lamp ![x](http://evil.test/x.png)",
    "quantity": 2,
    "customer": "**Ann**",
    "total": 1234.5,
}


class Api:
    """Answers as it is told; by default as the demo's."""

    def __init__(self) -> None:
        self.orders: tuple[int, Any] = (200, [ORDER])
        self.report: tuple[int, Any] = (403, {})
        self.tokens: list[str] = []

    def app(self) -> Starlette:
        async def answer(request: Request) -> Response:
            self.tokens.append(request.headers.get("authorization", ""))
            status, body = self.orders if request.url.path == "/orders" else self.report
            return JSONResponse(body, status)

        return Starlette(routes=[Route("/orders", answer), Route("/report", answer)])


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    made = Api()
    with serving(made.app()) as url:
        monkeypatch.setenv("PROOFKEY_LOGIN_API_URL", url)
        yield made


def page(**person: Any) -> AppTest:
    at = AppTest.from_file(str(PAGE), default_timeout=20)
    as_user(at, **{"name": "Bob Lind", "scopes": ["orders:read"], "token": "at-1", **person})
    at.run()
    assert not at.exception
    return at


def press(at: AppTest, label: str) -> AppTest:
    next(button for button in at.button if button.label == label).click().run()
    assert not at.exception
    return at


def test_orders_come_from_the_api_by_the_person_s_token(api: Api) -> None:
    at = page()
    assert [(metric.label, metric.value) for metric in at.metric] == [
        ("Orders", "1"),
        ("Total", "1,234.50\u00a0€"),
        ("Access token", "15 min left"),
    ]
    assert api.tokens == ["Bearer at-1"]


def test_what_others_typed_is_shown_as_they_typed_it(api: Api) -> None:
    cells = page(name="Ann *B*").table[0].value.iloc[0].tolist()
    assert cells == ["1", r"2 × Lamp \!\[x\]\(http\://evil\.test/x\.png\)", r"\*\*Ann\*\*", "1,234.50\u00a0€"]


@pytest.mark.parametrize(
    ("orders", "words"),
    [((403, {}), "The API refused the orders (403)."), ((503, {}), "The API refused the orders (503).")],
)
def test_a_refusal_is_told(api: Api, orders: tuple[int, Any], words: str) -> None:
    api.orders = orders
    assert [error.value for error in page().error] == [words]


@pytest.mark.parametrize(
    ("report", "roles", "words"),
    [
        ((403, {}), [], "Refused by the API (403): the report needs the role admin; Bob Lind has no role."),
        ((403, {}), ["clerk"], "Refused by the API (403): the report needs the role admin; Bob Lind has clerk."),
        ((500, {}), [], "The API answered 500."),
    ],
)
def test_why_there_is_no_report(api: Api, report: tuple[int, Any], roles: list[str], words: str) -> None:
    api.report = report
    assert [error.value for error in press(page(roles=roles), "Open the report").error] == [words]


def test_the_report_is_shown_to_whoever_may_see_it(api: Api) -> None:
    api.report = (200, {"orders": 1, "total": 5, "best_customer": "A_B", "by_customer": {"A_B": 5}})
    at = press(page(roles=["admin"]), "Open the report")
    assert [told.value for told in at.success] == [r"1 orders worth 5.00" + "\u00a0" + r"€; best customer: A\_B."]


def test_an_api_that_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROOFKEY_LOGIN_API_URL", f"http://127.0.0.1:{free_port()}")
    at = press(page(), "Open the report")
    assert [error.value for error in at.error] == ["The API does not answer. Is it running?"] * 2


def test_the_inspector_shows_claims_of_a_token_and_never_the_token(api: Api) -> None:
    at = page(token=None, sub="demo-bob")
    assert '"sub":"demo-bob"' in at.json[0].value.replace(" ", "")
    everything = str([element.value for element in (*at.json, *at.markdown, *at.caption, *at.metric)])
    assert api.tokens[0].removeprefix("Bearer ") not in everything


def test_nobody_sees_anything(api: Api) -> None:
    at = AppTest.from_file(str(PAGE), default_timeout=20)
    fake = as_anonymous(at)
    at.run()
    assert fake.redirect == "/auth/login?next=/"
    assert (list(at.title), api.tokens) == ([], [])
