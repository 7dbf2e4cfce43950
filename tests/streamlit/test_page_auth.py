"""`auth` in pages that AppTest runs, and the helper that signs a person in there."""

from pathlib import Path
from threading import Thread

import pytest
from streamlit.testing.v1 import AppTest

from proofkey.errors import NotSignedIn, ProofkeyError
from proofkey.findings import Finding
from proofkey.streamlit import auth, backend
from proofkey.testing.streamlit_apptest import FakeBackend, as_anonymous, as_user

PAGE = str(Path(__file__).parent / "pages" / "apptest_page.py")


@pytest.fixture
def at() -> AppTest:
    return AppTest.from_file(PAGE, default_timeout=20)


def words(at: AppTest) -> list[str]:
    assert not at.exception, at.exception
    return [element.value for element in at.markdown]


def test_a_person_with_the_right_sees_the_page(at: AppTest) -> None:
    fake = as_user(
        at, sub="u7", name="Ann", email="ann@op.test", scopes=["orders:read"], claims={"department": "sales"}
    )
    assert words(at.run()) == [
        "signed in: True",
        "user: u7",
        "may write: False admin: False",
        "hello Ann <ann@op.test> sales",
        "token of u7 for 15 min: ('orders:read',)",
        "shown by accident: ***",
    ]
    assert fake.redirect is None


def test_an_anonymous_person_is_sent_to_the_login_and_the_page_stops(at: AppTest) -> None:
    fake = as_anonymous(at)
    assert words(at.run()) == ["signed in: False", "nobody: SES-01", "may write: False admin: False"]
    assert fake.redirect == "/auth/login?next=/"


@pytest.mark.parametrize(
    ("roles", "text"),
    [(["clerk"], "the roles `admin`, `auditor`"), (["admin"], "the role `auditor`")],
)
def test_a_missing_role_is_named(at: AppTest, roles: list[str], text: str) -> None:
    as_user(at, name="Ann *B*", roles=roles, scopes=["orders:read"])
    at.run().button[0].click().run()
    sentence = f"This page needs {text}. You are signed in as **Ann \\*B\\***, without it."
    assert [error.value for error in at.error] == [sentence]
    assert [caption.value for caption in at.caption] == [
        "Ask for it where your account is managed, then sign in again. (RS-05)"
    ]
    assert "the report" not in words(at)


def test_a_missing_scope_is_named(at: AppTest) -> None:
    as_user(at, scopes=["orders:write"])
    at.run()
    assert at.error[0].value.startswith("This page needs the scope `orders:read`.")
    assert at.caption[0].value.endswith("(RS-04)")


def test_all_rights_together_open_the_report(at: AppTest) -> None:
    as_user(at, roles=["auditor", "admin"], scopes=["orders:read", "orders:write"])
    at.run().button[0].click().run()
    assert "the report" in words(at)
    assert "may write: True admin: True" in words(at)


def test_logging_out_goes_to_the_logout_route(at: AppTest) -> None:
    fake = as_user(at, scopes=["orders:read"])
    at.run().button[1].click().run()
    assert fake.redirect == "/auth/logout"


def test_one_test_may_change_the_person(at: AppTest) -> None:
    as_user(at, sub="u1", scopes=["orders:read"])
    assert "user: u1" in words(at.run())
    as_user(at, sub="u2", scopes=["orders:read"])
    assert "user: u2" in words(at.run())
    as_anonymous(at)
    assert "signed in: False" in words(at.run())


def test_a_session_that_has_ended_is_nobody(at: AppTest) -> None:
    fake = as_user(at, scopes=["orders:read"])
    fake.sessions.clear()
    assert words(at.run())[:2] == ["signed in: False", "nobody: SES-01"]
    assert fake.redirect == "/auth/login?next=/"


def test_a_bare_string_is_no_list_of_scopes(at: AppTest) -> None:
    def page() -> None:
        from proofkey.streamlit import auth

        auth.require(scopes="orders:read")

    other = AppTest.from_function(page)
    as_user(other, scopes=["orders:read"])
    other.run()
    assert "scopes and roles are lists of names" in other.exception[0].value


def test_an_opaque_token_has_no_claims_to_show(at: AppTest) -> None:
    as_user(at, scopes=["orders:read"], token="opaque")
    assert "token of None for 15 min: ('orders:read',)" in words(at.run())


def test_the_client_carries_the_token_to_allowed_apis_in_any_thread() -> None:
    def page() -> None:
        from threading import Thread

        import streamlit as st

        from proofkey.errors import ProofkeyError
        from proofkey.streamlit import auth

        seen: list[str] = []
        api = auth.api("https://api.test/v1")
        request = api.build_request("GET", "/orders")

        def ask() -> None:
            assert api.auth is not None
            sent = next(api.auth.sync_auth_flow(request))
            seen.append(f"{sent.url} {sent.headers['authorization']}")

        thread = Thread(target=ask)
        thread.start()
        thread.join()
        st.session_state["seen"] = seen
        for url in ("https://evil.test", "https://api.test", "http://api.test/v1"):
            try:
                auth.api(url)
            except ProofkeyError as error:
                st.write(error.finding.id)

    at = AppTest.from_function(page, default_timeout=20)
    as_user(at, token="t0ken", api_urls=["https://api.test/v1"])
    at.run()
    assert at.session_state["seen"] == ["https://api.test/v1/orders Bearer t0ken"]
    assert words(at) == ["STL-10"] * 3


def test_without_a_guard_there_is_nobody_to_ask() -> None:
    before = backend.install(None)
    try:
        assert not auth.is_signed_in
        with pytest.raises(NotSignedIn) as caught:
            _ = auth.user
        assert caught.value.finding is Finding.STREAMLIT_NO_GUARD
    finally:
        backend.install(before)


def test_outside_a_page_nothing_is_redirected() -> None:
    before = backend.install(FakeBackend())
    problems: list[ProofkeyError] = []

    def ask() -> None:
        try:
            auth.access_token()
        except NotSignedIn as error:
            problems.append(error)

    try:
        thread = Thread(target=ask)
        thread.start()
        thread.join()
    finally:
        backend.install(before)
    assert [error.finding for error in problems] == [Finding.SESSION_NONE]
