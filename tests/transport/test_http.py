"""Outgoing HTTP against real servers on loopback."""

import asyncio
import gzip
import ssl
import threading
from pathlib import Path

import httpx2
import pytest

from proofkey.errors import ConfigurationError, Unavailable
from proofkey.findings import Finding
from proofkey.protocol.exchange import Ask
from proofkey.transport.http import HttpTransport
from proofkey.transport.tls import tls_context
from tests.transport.loopback_server import certificate, http, saying, serving


async def refusal(ask: Ask, transport: HttpTransport | None = None) -> Unavailable:
    with pytest.raises(Unavailable) as caught:
        await (transport or HttpTransport(timeout=5)).send(ask)
    return caught.value


async def test_an_answer_comes_back_with_status_lower_case_headers_and_body():
    async with serving(saying(http(b'{"keys":[]}', "X-Some: Thing", status="404 Not Found"))) as port:
        answer = await HttpTransport().send(Ask("GET", f"http://127.0.0.1:{port}/jwks"))
    assert (answer.status, answer.headers["x-some"], answer.body) == (404, "Thing", b'{"keys":[]}')


async def test_a_form_is_sent_url_encoded_in_the_order_of_its_pairs():
    seen: list[bytes] = []

    async def keep(request: bytes, writer: asyncio.StreamWriter) -> None:
        seen.append(request)
        writer.write(http(b"{}"))

    async with serving(keep) as port:
        form = (("grant_type", "authorization_code"), ("code", "a+b &=é"), ("resource", "x"), ("resource", "y"))
        url = f"http://127.0.0.1:{port}/token"
        await HttpTransport().send(Ask("POST", url, {"Authorization": "Basic eDp5"}, form))
    head, _, body = seen[0].partition(b"\r\n\r\n")
    assert body == b"grant_type=authorization_code&code=a%2Bb+%26%3D%C3%A9&resource=x&resource=y"
    lines = head.lower().split(b"\r\n")
    assert b"content-type: application/x-www-form-urlencoded" in lines
    assert b"authorization: basic edp5" in lines
    assert b"accept-encoding: identity" in lines


@pytest.mark.spec("threats 2 row 4")
async def test_a_drip_feed_does_not_beat_the_deadline():
    async def drip(_request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        for _ in range(1000):
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with serving(drip) as port:
        error = await refusal(Ask("GET", f"http://127.0.0.1:{port}/"), HttpTransport(timeout=0.4))
    assert error.finding is Finding.OUTGOING_FAILED
    assert error.facts["reason"] == "Timeout"


@pytest.mark.spec("threats 2 row 4")
@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nX: "], ids=["silence", "an endless header"])
async def test_a_server_that_does_not_finish_its_head_is_given_up(head: bytes):
    async def hang(_request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        await asyncio.sleep(5)

    async with serving(hang) as port:
        error = await refusal(Ask("GET", f"http://127.0.0.1:{port}/"), HttpTransport(timeout=0.3))
    assert error.facts["reason"] == "Timeout"


@pytest.mark.spec("threats 2 row 5")
async def test_a_body_is_not_read_beyond_its_limit_when_it_has_no_length():
    sent = 0

    async def flood(_request: bytes, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(2000):
            writer.write(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
            await writer.drain()
            sent += 0x10000

    async with serving(flood) as port:
        error = await refusal(Ask("GET", f"http://127.0.0.1:{port}/", max_bytes=100_000))
    assert error.finding is Finding.OUTGOING_TOO_LARGE
    assert sent < 20_000_000


@pytest.mark.spec("threats 2 row 5")
@pytest.mark.parametrize(("length", "passes"), [(100, True), (101, False)])
async def test_a_body_may_have_exactly_its_limit(length: int, passes: bool):
    async with serving(saying(http(b"x" * length))) as port:
        ask = Ask("GET", f"http://127.0.0.1:{port}/", max_bytes=100)
        if passes:
            assert len((await HttpTransport().send(ask)).body) == 100
        else:
            assert (await refusal(ask)).finding is Finding.OUTGOING_TOO_LARGE


async def test_a_compressed_body_is_refused_for_it_would_beat_the_limit():
    bomb = gzip.compress(b"0" * 1_000_000)
    async with serving(saying(http(bomb, "Content-Encoding: gzip"))) as port:
        error = await refusal(Ask("GET", f"http://127.0.0.1:{port}/"))
    assert error.facts["reason"] == "ContentEncoding"


@pytest.mark.spec("threats 2 row 5")
@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
async def test_a_redirect_is_an_answer_and_is_not_followed(status: str):
    asked: list[bytes] = []

    async def redirect(request: bytes, writer: asyncio.StreamWriter) -> None:
        asked.append(request)
        writer.write(http(b"", "Location: /elsewhere", status=status))

    async with serving(redirect) as port:
        answer = await HttpTransport().send(Ask("GET", f"http://127.0.0.1:{port}/"))
    assert answer.status == int(status[:3])
    assert len(asked) == 1


@pytest.mark.spec("9700-2.6-d")
@pytest.mark.parametrize(
    "url",
    [
        "http://op.test/token",
        "http://127.0.0.1.evil.test/",
        "http://localhost@evil.test/",
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "//127.0.0.1/",
        "",
        "https://",
        "http://[::1/",
    ],
)
async def test_only_https_and_loopback_addresses_are_called(url: str):
    assert (await refusal(Ask("GET", url))).finding is Finding.OUTGOING_INSECURE


async def test_the_error_shows_the_address_without_path_query_or_user():
    error = await refusal(Ask("GET", "https://127.0.0.1:1/path?code=SECRET"))
    assert error.finding is Finding.OUTGOING_FAILED
    assert error.facts["address"] == "https://127.0.0.1:1"
    assert "SECRET" not in str(error)


@pytest.mark.parametrize(
    "answer",
    [b"", b"not http at all\r\n\r\n", http(b"short")[:-2], b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n"],
    ids=["nothing", "garbage", "cut off", "negative length"],
)
async def test_a_broken_answer_is_unavailable_and_nothing_else(answer: bytes):
    async with serving(saying(answer)) as port:
        assert (await refusal(Ask("GET", f"http://127.0.0.1:{port}/"))).finding is Finding.OUTGOING_FAILED


@pytest.mark.spec("9700-2.6-d")
async def test_a_certificate_is_verified_and_ca_file_adds_an_authority(tmp_path: Path):
    ca_file, context = certificate(tmp_path)
    async with serving(saying(http(b"{}")), context) as port:
        ask = Ask("GET", f"https://127.0.0.1:{port}/")
        assert (await refusal(ask)).finding is Finding.OUTGOING_FAILED
        assert (await HttpTransport(ca_file=ca_file).send(ask)).status == 200


@pytest.mark.spec("threats 2 row 45")
async def test_the_authorities_are_read_off_the_event_loop_and_once(monkeypatch: pytest.MonkeyPatch):
    threads: list[int] = []
    made = httpx2.create_ssl_context

    def watched() -> ssl.SSLContext:
        threads.append(threading.get_ident())
        return made()

    tls_context.cache_clear()
    monkeypatch.setattr("proofkey.transport.tls.httpx2.create_ssl_context", watched)
    for _ in range(2):
        await refusal(Ask("GET", "https://127.0.0.1:1/"))
    assert len(threads) == 1
    assert threads[0] != threading.get_ident()


async def test_a_ca_file_that_is_none_is_a_configuration_error(tmp_path: Path):
    with pytest.raises(ConfigurationError):
        await HttpTransport(ca_file=tmp_path / "none.pem").send(Ask("GET", "https://127.0.0.1:1/"))


async def test_a_proxy_of_the_environment_never_sees_loopback(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    async with serving(saying(http(b"{}"))) as port:
        assert (await HttpTransport().send(Ask("GET", f"http://127.0.0.1:{port}/"))).status == 200
        assert (await HttpTransport().send(Ask("GET", f"http://localhost:{port}/"))).status == 200


async def test_one_transport_serves_several_event_loops():
    transport = HttpTransport()

    async def ask_own_server() -> int:
        async with serving(saying(http(b"{}"))) as port:
            return (await transport.send(Ask("GET", f"http://127.0.0.1:{port}/"))).status

    assert await ask_own_server() == 200
    assert await asyncio.to_thread(asyncio.run, ask_own_server()) == 200
    assert await ask_own_server() == 200
    await transport.aclose()
