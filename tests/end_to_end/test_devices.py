"""Devices over HTTP: two workers share what a device may do, and of fifty redemptions one wins."""

from collections.abc import Generator
from typing import Any
from urllib.parse import urlencode

import httpx2
import pytest

from proofkey.protocol.token_messages import DEVICE_CODE
from proofkey.testing.headless import read_page
from tests.end_to_end.provider_kit import CLIENTS, Provider, running_provider
from tests.end_to_end.test_races import COMPETITORS, Racing, check_then_set, children, outcomes, race

pytestmark = [pytest.mark.timeout(180)]

TELEVISION = {
    "client_id": "tv",
    "client_name": "Acme Television",
    "grant_types": [DEVICE_CODE, "refresh_token"],
    "response_types": [],
    "scope": "openid profile offline_access orders:read",
}
CHANGES: dict[str, Any] = {"features": ["par", "device"], "clients": [*CLIENTS, TELEVISION]}


@pytest.fixture(scope="module")
def op(tmp_path_factory: pytest.TempPathFactory) -> Generator[Provider]:
    """With devices; its clock is turned."""
    with running_provider(tmp_path_factory.mktemp("devices"), **CHANGES) as provider:
        yield provider


@pytest.fixture
def right(op: Provider) -> Racing:
    return Racing(op, children(op.server.pid))


@pytest.fixture(scope="module")
def wrong(tmp_path_factory: pytest.TempPathFactory) -> Generator[Racing]:
    with check_then_set(tmp_path_factory.mktemp("devices-check-then-set"), **CHANGES) as racing:
        yield racing


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def ask_device(op: Provider) -> dict[str, Any]:
    answer = op.ask("POST", "/device-authorization", data={"client_id": "tv", "scope": TELEVISION["scope"]})
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    op.seen.update((document["device_code"], document["user_code"], document["user_code"].replace("-", "")))
    return document


def question(asked: dict[str, Any]) -> dict[str, str]:
    return {"client_id": "tv", "grant_type": DEVICE_CODE, "device_code": asked["device_code"]}


def poll(op: Provider, asked: dict[str, Any]) -> httpx2.Response:
    """On a connection of its own, so that either worker may get it."""
    return op.ask("POST", "/token", data=question(asked))


def answer_device(op: Provider, asked: dict[str, Any], decision: str = "allow") -> httpx2.Response:
    """What a person who is new here sees at the end."""
    person = op.stranger()
    client = person.browser.client
    headers = {"sec-fetch-site": "same-origin"}
    begun = client.post(op.url("/device"), data={"user_code": asked["user_code"]}, headers=headers)
    assert begun.status_code == 303, begun.text
    place = begun.headers["location"]
    assert read_page(client.get(place).text)[0] == "login"
    form = {"username": person.username, "password": person.password.reveal()}
    assert client.post(place, data=form, headers=headers).status_code == 303
    page = client.get(place)
    assert read_page(page.text)[0] == "device"
    assert asked["user_code"] in page.text
    return client.post(place, data={"decision": decision}, headers=headers)


@pytest.mark.spec("8628-3.1..3.5")
def test_a_device_is_connected_over_two_workers(op: Provider) -> None:
    asked = ask_device(op)
    assert poll(op, asked).json()["error"] == "authorization_pending"
    assert answer_device(op, asked).status_code == 200
    answer = poll(op, asked)
    assert answer.status_code == 200, answer.text
    tokens = answer.json()
    assert {"access_token", "refresh_token", "id_token"} <= tokens.keys()
    renewed = op.ask(
        "POST",
        "/token",
        data={"client_id": "tv", "grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]},
    )
    assert renewed.status_code == 200
    bearer = {"authorization": f"Bearer {renewed.json()['access_token']}"}
    assert op.ask("GET", "/userinfo", headers=bearer).json()["sub"] == "sub-of-ann"


@pytest.mark.spec("8628-3.1..3.5")
def test_questions_are_counted_for_both_workers(op: Provider) -> None:
    asked = ask_device(op)
    told = [poll(op, asked).json()["error"] for _ in range(8)]
    assert told == ["authorization_pending", *["slow_down"] * 7]
    op.turn(5 + 7 * 5)
    assert poll(op, asked).json()["error"] == "authorization_pending"


@pytest.mark.spec("8628-3.1..3.5")
def test_a_device_that_nobody_answers_is_told_when_it_is_over(op: Provider) -> None:
    asked, denied = ask_device(op), ask_device(op)
    answer_device(op, denied, "deny")
    assert poll(op, denied).json()["error"] == "access_denied"
    op.turn(601)
    assert poll(op, asked).json()["error"] == "expired_token"


@pytest.mark.spec("threats §3 row 10")
def test_a_person_who_is_disabled_gives_nothing(op: Provider) -> None:
    asked = ask_device(op)
    answer_device(op, asked)
    assert op.run("user", "disable", "ann").returncode == 0
    assert poll(op, asked).json()["error"] == "invalid_grant"
    assert op.run("user", "enable", "ann").returncode == 0


async def redeem_at_once(racing: Racing) -> list[httpx2.Response]:
    asked = ask_device(racing.provider)
    assert answer_device(racing.provider, asked).status_code == 200
    headers = {"content-type": "application/x-www-form-urlencoded"}
    body = (headers, urlencode(question(asked)))
    return await race(racing, racing.provider.url("/token"), [body] * COMPETITORS)


@pytest.mark.spec("8628-3.1..3.5", "threats §0.3")
async def test_of_fifty_redemptions_one_wins_and_its_tokens_stand(right: Racing, anyio_backend: str) -> None:
    answers = await redeem_at_once(right)
    assert outcomes(answers) == {"won": 1, "invalid_grant": COMPETITORS - 1}
    token = next(one.json()["access_token"] for one in answers if one.status_code == 200)
    bearer = {"authorization": f"Bearer {token}"}
    assert right.provider.ask("GET", "/userinfo", headers=bearer).status_code == 200


async def test_many_win_where_the_store_checks_then_sets(wrong: Racing, anyio_backend: str) -> None:
    assert outcomes(await redeem_at_once(wrong))["won"] > 1


@pytest.mark.spec("8628-5.1-a")
def test_a_code_may_be_typed_carelessly_but_not_guessed(op: Provider) -> None:
    asked = ask_device(op)
    code, same = asked["user_code"], {"sec-fetch-site": "same-origin"}
    assert not set(code) & set("AEIOUY")
    with op.http() as client:
        for typed in (code.lower(), code.replace("-", " ")):
            assert client.post(op.url("/device"), data={"user_code": typed}, headers=same).status_code == 303
        for _ in range(3):
            wrong = client.post(op.url("/device"), data={"user_code": "BBBB-BBBB"}, headers=same)
            assert (wrong.status_code, read_page(wrong.text)[0]) == (400, "device")
        refused = client.post(op.url("/device"), data={"user_code": code}, headers=same)
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) > 0
        op.turn(int(refused.headers["retry-after"]))
        assert client.post(op.url("/device"), data={"user_code": code}, headers=same).status_code == 303


@pytest.mark.spec("8628-5.4 / 10027-6.1")
def test_who_entered_the_code_is_who_allows_it_and_a_code_serves_once(op: Provider) -> None:
    asked, same = ask_device(op), {"sec-fetch-site": "same-origin"}
    ann, bob = op.stranger("ann").browser.client, op.stranger("bob").browser.client
    place = ann.post(op.url("/device"), data={"user_code": asked["user_code"]}, headers=same).headers["location"]
    for client, name in ((ann, "ann"), (bob, "bob")):
        form = {"username": name, "password": op.stranger(name).password.reveal()}
        signed_in = client.post(place, data=form, headers=same)
        assert (signed_in.status_code == 303) is (client is ann)
    page = ann.get(place).text
    assert "Acme Television" in page
    assert bob.post(place, data={"decision": "allow"}, headers=same).status_code in (400, 403)
    assert poll(op, asked).json()["error"] == "authorization_pending"
    assert ann.post(place, data={"decision": "allow"}, headers=same).status_code == 200
    assert poll(op, asked).status_code == 200
    again = ann.post(op.url("/device"), data={"user_code": asked["user_code"]}, headers=same)
    assert (again.status_code, read_page(again.text)[0]) == (400, "device")
    assert poll(op, asked).json()["error"] == "invalid_grant"
