"""The listener that takes one authorization response."""

import socket
from collections.abc import Iterator
from contextlib import suppress
from threading import Thread
from urllib.parse import urlsplit

import httpx2
import pytest

from proofkey.errors import LoginFailed
from proofkey.findings import Finding
from proofkey.runtime.loopback import MAX_TARGET, LoopbackListener


@pytest.fixture
def listener() -> Iterator[LoopbackListener]:
    with LoopbackListener() as opened:
        yield opened


def get(url: str, method: str = "GET") -> httpx2.Response:
    with httpx2.Client(trust_env=False, timeout=10) as client:
        return client.request(method, url)


def port_of(listener: LoopbackListener) -> int:
    port = urlsplit(listener.redirect_uri).port
    assert port
    return port


@pytest.mark.spec("8252-6-a")
def test_the_redirect_uri_is_an_address_of_the_loopback_interface_with_a_free_port(
    listener: LoopbackListener,
) -> None:
    parts = urlsplit(listener.redirect_uri)
    assert (parts.scheme, parts.hostname, parts.path) == ("http", "127.0.0.1", "/callback")
    with LoopbackListener() as other:
        assert port_of(other) != port_of(listener)


@pytest.mark.spec("8252-6-a")
@pytest.mark.parametrize("address", ["127.0.0.2", "::1"])
def test_it_listens_on_127_0_0_1_alone(listener: LoopbackListener, address: str) -> None:
    with pytest.raises(OSError, match=r"refused|[Cc]annot assign|unreachable"):
        socket.create_connection((address, port_of(listener)), timeout=2)


@pytest.mark.spec("8252-6-a")
def test_the_answer_is_what_came(listener: LoopbackListener) -> None:
    page = get(f"{listener.redirect_uri}?code=a%20b&state=&iss=http%3A%2F%2Fop.test&code=again")
    assert listener.wait(5) == (("code", "a b"), ("state", ""), ("iss", "http://op.test"), ("code", "again"))
    assert page.status_code == 200
    assert "You may close this window" in page.text


@pytest.mark.spec("9700-4.2.4-a", "V16-16.2.5")
def test_the_page_shows_nothing_of_the_answer_and_passes_nothing_on(
    listener: LoopbackListener, capfd: pytest.CaptureFixture[str]
) -> None:
    page = get(f"{listener.redirect_uri}?code=canary-of-a-code&error=<b>")
    assert "canary" not in page.text
    assert "<b>" not in page.text
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert "Python" not in page.headers["server"]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "target",
    ["", "/", "/callback/", "/Callback", "/favicon.ico", "//evil.test/callback", "/callback?" + "x" * MAX_TARGET],
)
def test_everything_else_is_404_and_no_answer(listener: LoopbackListener, target: str) -> None:
    origin = listener.redirect_uri.removesuffix("/callback")
    assert get(origin + target).status_code == 404
    assert get(f"{listener.redirect_uri}?code=one").status_code == 200
    assert listener.wait(5) == (("code", "one"),)


@pytest.mark.parametrize("method", ["POST", "PUT", "HEAD", "OPTIONS"])
def test_only_get_is_an_answer(listener: LoopbackListener, method: str) -> None:
    assert get(f"{listener.redirect_uri}?code=one", method).status_code >= 400
    with pytest.raises(LoginFailed):
        listener.wait(0.05)


@pytest.mark.spec("9700-4.2.4-b")
def test_a_second_answer_is_refused(listener: LoopbackListener) -> None:
    assert get(f"{listener.redirect_uri}?code=first").status_code == 200
    assert get(f"{listener.redirect_uri}?code=second").status_code == 404
    assert listener.wait(5) == (("code", "first"),)
    assert get(f"{listener.redirect_uri}?code=third").status_code == 404


def test_one_of_many_answers_at_once_is_taken(listener: LoopbackListener) -> None:
    statuses: list[int] = []
    url = f"{listener.redirect_uri}?code="
    threads = [Thread(target=lambda n=n: statuses.append(get(f"{url}{n}").status_code)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200] + [404] * 11
    assert len(listener.wait(5)) == 1


def test_a_connection_that_says_nothing_keeps_nobody_waiting(listener: LoopbackListener) -> None:
    with socket.create_connection(("127.0.0.1", port_of(listener))):
        with httpx2.Client(trust_env=False, timeout=2) as client:
            assert client.get(f"{listener.redirect_uri}?code=one").status_code == 200
        assert listener.wait(2) == (("code", "one"),)


def test_no_answer_is_a_finding(listener: LoopbackListener) -> None:
    with pytest.raises(LoginFailed) as failed:
        listener.wait(0.05)
    assert failed.value.finding is Finding.LOGIN_EXPIRED


@pytest.mark.spec("8252-6-a")
def test_the_port_is_closed_afterwards() -> None:
    with LoopbackListener() as opened:
        port = port_of(opened)
        get(f"{opened.redirect_uri}?code=one")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=2)


def test_the_port_is_closed_too_when_something_fails() -> None:
    port = 0
    with suppress(RuntimeError), LoopbackListener() as opened:
        port = port_of(opened)
        raise RuntimeError("inside")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=2)
