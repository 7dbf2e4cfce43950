"""What else is sent to the loopback listener: refused in silence, and the answer still gets through."""

import socket
from urllib.parse import urlsplit

import pytest

from proofkey.runtime.loopback import LoopbackListener


@pytest.mark.spec("8252-6-a")
@pytest.mark.parametrize(
    "line",
    [b"GET http://[/callback HTTP/1.1", b"GET http://[::1/callback?code=x HTTP/1.1", b"GET /callbackx HTTP/1.1",
     b"GET /x?/callback HTTP/1.1", b"POST /callback HTTP/1.1", b"\xff\xfe"],
)  # fmt: skip
def test_what_is_no_answer_is_refused_without_a_traceback(line: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    with LoopbackListener() as listener:
        port = urlsplit(listener.redirect_uri).port
        assert port is not None
        for sent in (line, b"GET /callback?code=a&state=b HTTP/1.1"):
            with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                connection.sendall(sent + b"\r\n\r\n")
                connection.recv(100)
        assert listener.wait(5) == (("code", "a"), ("state", "b"))
    assert capfd.readouterr().err == ""
