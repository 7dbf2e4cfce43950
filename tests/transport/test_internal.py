import pytest

from proofkey.protocol.exchange import Answer, Ask
from proofkey.transport.internal import InternalTransport


class Echo:
    def __init__(self) -> None:
        self.asked: list[Ask] = []

    async def send(self, ask: Ask) -> Answer:
        self.asked.append(ask)
        return Answer(200)


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        ("https://id.test/realms/x/keys", "http://inside:8080/realms/x/keys"),
        ("https://ID.test:443/keys?a=https://id.test", "http://inside:8080/keys?a=https://id.test"),
        ("https://id.test", "http://inside:8080"),
        ("https://id.test?x=/y", "http://inside:8080?x=/y"),
        ("https://id.test:8443/keys", None),
        ("http://id.test/keys", None),
        ("https://id.test.evil.test/keys", None),
        ("https://keys.test/id.test/", None),
    ],
)
async def test_only_the_issuers_origin_has_another_way(url: str, sent: str | None) -> None:
    echo = Echo()
    transport = InternalTransport(echo, "https://id.test/realms/x", "http://inside:8080", allow_insecure_http=True)
    form = (("a", "b"),)
    await transport.send(Ask("POST", url, {"h": "v"}, form, 7))
    expected = Ask("POST", sent or url, {"h": "v"}, form, 7, allow_insecure_http=sent is not None)
    assert echo.asked == [expected]


async def test_without_permission_none_is_passed_on() -> None:
    echo = Echo()
    await InternalTransport(echo, "https://id.test", "https://inside").send(Ask("GET", "https://id.test/keys"))
    assert echo.asked == [Ask("GET", "https://inside/keys")]
