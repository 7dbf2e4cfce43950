"""Outgoing HTTP to addresses that strangers name, against real servers on loopback."""

import asyncio
import ssl
from collections.abc import Sequence
from pathlib import Path

import anyio
import pytest

from proofkey.errors import ConfigurationError, Unavailable
from proofkey.findings import Finding
from proofkey.protocol.exchange import Ask
from proofkey.transport import foreign
from proofkey.transport.address import read_private_hosts
from proofkey.transport.foreign import ForeignTransport, SystemResolver
from tests.transport.loopback_server import Handler, certificate, http, saying, serving

PUBLIC = "93.184.216.34"


class Names:
    """A resolver that says what it is told, and counts."""

    def __init__(self, *addresses: str, then: Sequence[str] = ()) -> None:
        self.addresses, self.then = addresses, then
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append((host, port))
        return self.then if self.then and len(self.asked) > 1 else self.addresses


async def refusal(transport: ForeignTransport, url: str, max_bytes: int = 1_000_000) -> Unavailable:
    with pytest.raises(Unavailable) as caught, anyio.fail_after(30):
        await transport.send(Ask("GET", url, max_bytes=max_bytes))
    return caught.value


@pytest.fixture(scope="module")
def tls(folder_of_this_module: Path) -> tuple[Path, ssl.SSLContext]:
    return certificate(folder_of_this_module, "rp.test")


def counting(answer: bytes, seen: list[bytes]) -> Handler:
    async def say(request: bytes, writer: asyncio.StreamWriter) -> None:
        seen.append(request)
        writer.write(answer)
        await writer.drain()

    return say


# --- where nothing is sent -----------------------------------------------------------------------------------


@pytest.mark.spec("CIMD-6.5-a", "threats 2 row 36")
@pytest.mark.parametrize(
    "addresses",
    [
        ("127.0.0.1",),
        ("169.254.169.254",),
        ("::ffff:10.0.0.1",),
        ("64:ff9b::7f00:1",),
        ("fe80::1%eth0",),
        (PUBLIC, "10.0.0.1"),
        ("10.0.0.1", PUBLIC),
    ],
    ids=" ".join,
)
async def test_a_name_with_a_special_address_is_not_connected_to(
    addresses: tuple[str, ...], tls: tuple[Path, ssl.SSLContext]
):
    seen: list[bytes] = []
    async with serving(counting(http(b"{}"), seen), tls[1]) as port:
        names = Names(*addresses)
        error = await refusal(ForeignTransport(ca_file=tls[0], resolve=names), f"https://rp.test:{port}/jwks")
    assert error.finding is Finding.OUTGOING_GUARDED
    assert names.asked == [("rp.test", port)]
    assert not seen


@pytest.mark.spec("CIMD-6.5-a", "threats 2 row 36")
@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "localhost", "0.0.0.0", "0", "[::1]",
        "[::]", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[2001:0:7f00:1::]",
    ],
)  # fmt: skip
async def test_this_computer_is_not_connected_to_however_its_address_is_written(host: str):
    connections = 0

    async def count(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        writer.close()

    server = await asyncio.start_server(count, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    transport = ForeignTransport()
    error = await refusal(transport, f"https://{host}:{port}/")
    await transport.aclose()
    server.close()
    assert error.finding in (Finding.OUTGOING_GUARDED, Finding.OUTGOING_FAILED)
    assert connections == 0


@pytest.mark.spec("CIMD-6.5-a")
@pytest.mark.parametrize(
    "url",
    [
        pytest.param("http://rp.test/", id="plain http"),
        pytest.param("http://127.0.0.1/", id="plain http on loopback"),
        pytest.param("ftp://rp.test/", id="another scheme"),
        pytest.param("file:///etc/passwd", id="a file"),
        pytest.param("https://ann@rp.test/", id="user information"),
        pytest.param("https://rp.test@127.0.0.1/", id="a name before the host"),
        pytest.param("https://rp.test\\@127.0.0.1/", id="a backslash"),
        pytest.param("https://rp.test./", id="a dot at the end"),
        pytest.param("https://rp.test:22/", id="port 22"),
        pytest.param("https://rp.test:80/", id="port 80"),
        pytest.param("https://rp.test:1023/", id="port 1023"),
        pytest.param("https://rp.test:0/", id="port 0"),
        pytest.param("https://rp.test:65536/", id="no port"),
        pytest.param("https://[fe80::1%25eth0]/", id="a zone"),
        pytest.param("https://rp%2etest/", id="an escape"),
        pytest.param("https://bücher.test/", id="a name that is not ASCII"),
        pytest.param("https://rp.test/#part", id="a fragment"),
        pytest.param("https:///", id="no host"),
        pytest.param("//rp.test/", id="no scheme"),
        pytest.param("", id="nothing"),
    ],
)
async def test_no_name_is_asked_for_a_url_that_may_not_be_called(url: str):
    names = Names(PUBLIC)
    assert (await refusal(ForeignTransport(resolve=names), url)).finding is Finding.OUTGOING_GUARDED
    assert not names.asked


async def test_a_name_without_an_address_is_a_failure():
    assert (
        await refusal(ForeignTransport(resolve=Names()), "https://rp.test/")
    ).finding is Finding.OUTGOING_FAILED

    async def unknown(host: str, port: int) -> Sequence[str]:
        raise OSError

    assert (
        await refusal(ForeignTransport(resolve=unknown), "https://rp.test/")
    ).finding is Finding.OUTGOING_FAILED


async def test_an_ask_cannot_allow_plain_http_here():
    with pytest.raises(Unavailable):
        await ForeignTransport(resolve=Names(PUBLIC)).send(Ask("GET", "http://rp.test/", allow_insecure_http=True))


# --- where something is sent -------------------------------------------------------------------------------


@pytest.fixture
def guard_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loopback counts as the internet, so that a real server can stand for a public one."""
    monkeypatch.setattr(foreign, "is_special_address", lambda address: address != "127.0.0.1")


@pytest.mark.spec("CIMD-6.5-a")
@pytest.mark.usefixtures("guard_off")
async def test_the_address_that_was_looked_at_is_the_one_that_is_called(tls: tuple[Path, ssl.SSLContext]):
    seen: list[bytes] = []
    names = Names("127.0.0.1", then=("10.0.0.1",))
    async with serving(counting(http(b'{"keys":[]}'), seen), tls[1]) as port:
        transport = ForeignTransport(ca_file=tls[0], resolve=names)
        answer = await transport.send(Ask("GET", f"https://RP.test:{port}/a/jwks?x=1"))
        assert (answer.status, answer.body) == (200, b'{"keys":[]}')
        assert names.asked == [("RP.test", port)]
        assert (await refusal(transport, f"https://rp.test:{port}/")).finding is Finding.OUTGOING_GUARDED
    head = seen[0].split(b"\r\n")
    assert head[0] == b"GET /a/jwks?x=1 HTTP/1.1"
    assert f"host: rp.test:{port}".encode() in [line.lower() for line in head]
    assert len(seen) == 1


@pytest.mark.usefixtures("guard_off")
async def test_the_certificate_is_that_of_the_name_and_not_of_the_address(tls: tuple[Path, ssl.SSLContext]):
    async with serving(saying(http(b"{}")), tls[1]) as port:
        transport = ForeignTransport(ca_file=tls[0], resolve=Names("127.0.0.1"))
        error = await refusal(transport, f"https://other.test:{port}/")  # the certificate names 127.0.0.1 too
        assert error.facts["reason"] == "ConnectError"
        untrusting = ForeignTransport(resolve=Names("127.0.0.1"))
        assert (await refusal(untrusting, f"https://rp.test:{port}/")).facts["reason"] == "ConnectError"


@pytest.mark.usefixtures("guard_off")
async def test_the_next_address_is_tried_where_nobody_listens(
    tls: tuple[Path, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(foreign, "is_special_address", lambda address: not address.startswith("127."))
    async with serving(saying(http(b"{}")), tls[1]) as port:
        transport = ForeignTransport(ca_file=tls[0], resolve=Names("127.0.0.2", "127.0.0.1"))
        assert (await transport.send(Ask("GET", f"https://rp.test:{port}/"))).status == 200


async def test_an_exact_host_and_port_of_the_operators_own_is_let_through(tls: tuple[Path, ssl.SSLContext]):
    async with serving(saying(http(b"{}")), tls[1]) as port:
        transport = ForeignTransport(allowed=[f"127.0.0.1:{port}"], ca_file=tls[0])
        assert (await transport.send(Ask("GET", f"https://127.0.0.1:{port}/"))).status == 200
        for other in (f"https://localhost:{port}/", f"https://127.0.0.1:{port - 1}/", f"https://127.1:{port}/"):
            assert (await refusal(transport, other)).finding is Finding.OUTGOING_GUARDED
        await transport.aclose()
        assert (await refusal(transport, f"http://127.0.0.1:{port}/")).finding is Finding.OUTGOING_GUARDED


async def test_an_allowed_name_may_have_a_private_address_and_a_low_port():
    names = Names("127.0.0.1")
    transport = ForeignTransport(allowed=["OP.internal:1"], resolve=names)
    error = await refusal(transport, "https://op.internal:1/")  # where nobody listens
    assert error.finding is Finding.OUTGOING_FAILED
    assert names.asked == [("op.internal", 1)]


@pytest.mark.parametrize(
    "written", ["127.0.0.1", "https://a.test:1", "a.test:1/x", "a.test:x", "*.test:443", "10.0.0.0/8:443", ""]
)
def test_what_is_not_exactly_host_and_port_is_refused(written: str):
    with pytest.raises(ConfigurationError) as caught:
        ForeignTransport(allowed=[written])
    assert caught.value.finding is Finding.CONFIG_VALUE


def test_private_hosts_are_read_as_urls_name_them():
    written = ["127.0.0.1:9443", "RP.Internal:443", "[::1]:9443"]
    assert read_private_hosts(written) == {"127.0.0.1:9443", "rp.internal:443", "[::1]:9443"}


# --- bounds ------------------------------------------------------------------------------------------------


@pytest.mark.spec("X-jwks-c")
@pytest.mark.usefixtures("guard_off")
async def test_a_redirect_is_an_answer_and_is_not_followed(tls: tuple[Path, ssl.SSLContext]):
    seen: list[bytes] = []
    elsewhere = http(b"", "Location: https://127.0.0.1/", "Set-Cookie: a=b", status="302 Found")
    async with serving(counting(elsewhere, seen), tls[1]) as port:
        transport = ForeignTransport(ca_file=tls[0], resolve=Names("127.0.0.1"))
        for _ in range(2):
            assert (await transport.send(Ask("GET", f"https://rp.test:{port}/"))).status == 302
    assert len(seen) == 2
    assert b"cookie" not in seen[1].lower()


@pytest.mark.spec("CIMD-6.5-a")
@pytest.mark.usefixtures("guard_off")
@pytest.mark.parametrize(("length", "passes"), [(5120, True), (5121, False)])
async def test_a_body_may_have_exactly_its_limit(length: int, passes: bool, tls: tuple[Path, ssl.SSLContext]):
    async with serving(saying(http(b"x" * length)), tls[1]) as port:
        transport, url = ForeignTransport(ca_file=tls[0], resolve=Names("127.0.0.1")), f"https://rp.test:{port}/"
        if passes:
            assert len((await transport.send(Ask("GET", url, max_bytes=5120))).body) == length
        else:
            error = await refusal(transport, url, max_bytes=5120)
            assert error.finding is Finding.OUTGOING_TOO_LARGE


@pytest.mark.spec("CIMD-6.5-a")
@pytest.mark.usefixtures("guard_off")
async def test_a_drip_feed_does_not_beat_the_deadline(tls: tuple[Path, ssl.SSLContext]):
    async def drip(_request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        for _ in range(1000):
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with serving(drip, tls[1]) as port:
        transport = ForeignTransport(ca_file=tls[0], resolve=Names("127.0.0.1"), timeout=0.4)
        assert (await refusal(transport, f"https://rp.test:{port}/")).facts["reason"] == "Timeout"


async def test_a_name_that_takes_too_long_is_given_up():
    async def slow(host: str, port: int) -> Sequence[str]:
        await anyio.sleep_forever()
        return ()

    error = await refusal(ForeignTransport(resolve=slow, timeout=0.05), "https://rp.test/")
    assert error.facts["reason"] == "Timeout"


@pytest.mark.usefixtures("guard_off")
async def test_one_address_gets_a_few_exchanges_at_once_and_the_others_wait(tls: tuple[Path, ssl.SSLContext]):
    under_way = most = 0
    full, go_on = anyio.Event(), anyio.Event()

    async def hold(_request: bytes, writer: asyncio.StreamWriter) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        if under_way == foreign.PER_ADDRESS:
            full.set()
        await go_on.wait()
        under_way -= 1
        writer.write(http(b"{}"))

    async with serving(hold, tls[1]) as port:
        transport = ForeignTransport(ca_file=tls[0], resolve=Names("127.0.0.1"), timeout=30)
        with anyio.fail_after(30):
            async with anyio.create_task_group() as group:
                for number in range(3 * foreign.PER_ADDRESS):  # under several names, too
                    name = "rp.test" if number % 2 else "RP.test"
                    group.start_soon(transport.send, Ask("GET", f"https://{name}:{port}/"))
                await full.wait()
                go_on.set()
    assert most == foreign.PER_ADDRESS
    assert not transport._gates


async def test_too_many_exchanges_at_once_are_refused():
    begun, go_on = anyio.Event(), anyio.Event()

    async def held(host: str, port: int) -> Sequence[str]:
        names.append(host)
        if len(names) == foreign.AT_ONCE:
            begun.set()
        await go_on.wait()
        return ("10.0.0.1",)

    names: list[str] = []
    transport = ForeignTransport(resolve=held, timeout=30)

    async def one(number: int) -> None:
        await refusal(transport, f"https://rp{number}.test/")

    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            for number in range(foreign.AT_ONCE):
                group.start_soon(one, number)
            await begun.wait()
            assert "at once" in (await refusal(transport, "https://late.test/")).facts["reason"]
            go_on.set()
    assert "late.test" not in names
    assert (await refusal(transport, "https://now.test/")).finding is Finding.OUTGOING_GUARDED


@pytest.mark.usefixtures("guard_off")
async def test_no_proxy_of_the_environment_is_used(
    tls: tuple[Path, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
):
    asked: list[bytes] = []
    async with serving(counting(http(b"", status="502 Bad"), asked)) as proxy:
        for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy}")
        async with serving(saying(http(b"{}")), tls[1]) as port:
            transport = ForeignTransport(ca_file=tls[0], resolve=Names("127.0.0.1"))
            assert (await transport.send(Ask("GET", f"https://rp.test:{port}/"))).status == 200
    assert not asked


async def test_a_form_can_be_sent(tls: tuple[Path, ssl.SSLContext], guard_off: None):
    seen: list[bytes] = []
    async with serving(counting(http(b""), seen), tls[1]) as port:
        transport = ForeignTransport(ca_file=tls[0], resolve=Names("127.0.0.1"))
        await transport.send(Ask("POST", f"https://rp.test:{port}/out", form=(("logout_token", "a.b.c"),)))
    assert seen[0].endswith(b"\r\n\r\nlogout_token=a.b.c")


async def test_the_systems_names_come_each_address_once():
    resolver = SystemResolver()
    assert set(await resolver("localhost", 443)) <= {"127.0.0.1", "::1"}
    resolver.close()
    assert await resolver("127.0.0.1", 443) == ["127.0.0.1"]
    resolver.close()
