"""Back-channel logout from outside: `proofkey serve` with two workers, and clients' addresses behind TLS."""

import os
import signal
import ssl
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from proofkey.runtime.clock import CLOCK_FILE
from proofkey.testing.relying_party import Person, RelyingParty
from proofkey.testing.server import free_port, running_server, write_server_config
from proofkey.testing.toml import toml_document
from tests.end_to_end.logout_kit import Receivers, receiving
from tests.end_to_end.provider_kit import (
    BYE,
    CLIENTS,
    PEOPLE,
    Provider,
    check_log,
    claims_of,
    server_settings,
    wait_until,
)
from tests.transport.loopback_server import certificate

pytestmark = [pytest.mark.timeout(180)]
PATIENCE = 60
LEASE = 31
HUGO = {"hugo": PEOPLE["hugo"]}
FIRST, RSA, SHOP = "/first", "/rsa", "/shop"


@dataclass
class World:
    """A server's folder, its clients' receivers, and what was sent that no log may hold."""

    folder: Path
    receivers: Receivers
    context: ssl.SSLContext
    receiver_port: int
    port: int

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def configure(self, people: Mapping[str, str] = PEOPLE, only: str = "") -> Path:
        """With all clients and people of the kit, or with a few, which starts sooner."""
        told = {path[1:]: f"https://127.0.0.1:{self.receiver_port}{path}" for path in (FIRST, RSA, SHOP)}
        clients = [
            {**one, "backchannel_logout_uri": told[one["client_id"]]} if one["client_id"] in told else one
            for one in CLIENTS
            if one["client_id"].startswith(only)
        ]
        config = write_server_config(self.folder, server_settings(self.issuer, people, clients=clients))
        outgoing = {
            "ca_file": "ca.pem",
            "allow_insecure_private_hosts": [f"127.0.0.1:{self.receiver_port}"],
        }
        with config.open("a") as file:
            file.write(toml_document({"outgoing": outgoing, "log": {"level": "debug"}}))
        (self.folder / "clock").write_text("0")
        return config

    def receiving(self) -> Any:
        return receiving(self.receivers, self.context, self.receiver_port)

    @contextmanager
    def serving(self, config: Path) -> Generator[Provider]:
        clock = self.folder / "clock"
        with running_server(config, port=self.port, environ={CLOCK_FILE: str(clock)}) as server:
            provider = Provider(server, self.issuer, config, clock)
            provider.seen.update(PEOPLE.values())
            try:
                yield provider
            finally:
                provider.close()
        provider.seen.update(token for _, token in self.receivers.came)
        check_log(provider)


def new_world(folder: Path) -> World:
    _, context = certificate(folder)
    return World(folder, Receivers(), context, free_port(), free_port())


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return new_world(tmp_path_factory.mktemp("logout"))


@pytest.fixture(scope="module")
def op(world: World) -> Generator[Provider]:
    """A server that runs for the whole module, and so do its clients' receivers."""
    with world.receiving(), world.serving(world.configure()) as provider:
        yield provider


@pytest.fixture
def receivers(world: World) -> Receivers:
    """As at the beginning."""
    world.receivers.status.clear()
    world.receivers.silent.clear()
    return world.receivers


SignedIn = tuple[httpx2.Client, dict[str, dict[str, Any]], str]


def signed_in(op: Provider, username: str, *client_ids: str) -> SignedIn:
    """A browser whose person has signed in at those clients; what their ID tokens say, and the first as a hint."""
    client = op.http()
    person: Person = op.stranger(username, client)
    parties: list[RelyingParty] = [op.party(client_id) for client_id in client_ids]
    tokens = [party.sign_in(person).id_token for party in parties]
    assert tokens[0] is not None
    claims = {name: claims_of(token) for name, token in zip(client_ids, tokens, strict=True)}
    return client, claims, tokens[0].reveal()


def log_out(op: Provider, client: httpx2.Client, hint: str) -> httpx2.Response:
    query = {"id_token_hint": hint, "post_logout_redirect_uri": BYE}
    return client.get(op.url("/end-session"), params=query)


def of_session(receivers: Receivers, path: str, known: dict[str, Any]) -> list[dict[str, Any]]:
    """What was said there of that session."""
    return [one for one in receivers.told(path) if one["sid"] == known["sid"]]


@pytest.mark.spec("BL-2.1", "OD-4.2-a")
def test_it_is_announced(op: Provider) -> None:
    document: dict[str, Any] = op.ask("GET", "/.well-known/openid-configuration").json()
    assert document["backchannel_logout_supported"] is True
    assert document["backchannel_logout_session_supported"] is True


@pytest.mark.spec("BL-2.3-a", "BL-2.4-a", "BL-2.5-a")
def test_who_logs_out_at_one_client_is_logged_out_at_all_before_the_redirect(
    op: Provider, receivers: Receivers
) -> None:
    client, known, hint = signed_in(op, "hugo", "first", "rsa", "shop")
    answer = log_out(op, client, hint)
    assert (answer.status_code, answer.headers["location"]) == (303, BYE)
    for path in (FIRST, RSA, SHOP):
        (said,) = of_session(receivers, path, known[path[1:]])
        assert (said["iss"], said["aud"], said["sub"]) == (op.issuer, path[1:], known[path[1:]]["sub"])
        assert said["exp"] - said["iat"] <= 120
        assert "nonce" not in said
        assert said["events"] == {"http://schemas.openid.net/event/backchannel-logout": {}}


@pytest.mark.spec("BL-2.3-a", "9700-4.14.2-d")
@pytest.mark.parametrize(
    ("words", "username"), [(("sign-out",), "gus"), (("disable",), "eve"), (("delete",), "fred")]
)
def test_commands_beside_the_server_log_people_out_at_their_clients(
    op: Provider, receivers: Receivers, words: tuple[str, ...], username: str
) -> None:
    _, known, _ = signed_in(op, username, "first", "shop")
    assert op.run("user", *words, username).returncode == 0
    wait_until(lambda: bool(of_session(receivers, FIRST, known["first"])), PATIENCE)
    wait_until(lambda: bool(of_session(receivers, SHOP, known["shop"])), PATIENCE)


@pytest.mark.spec("BL-2.3-a")
def test_a_new_password_logs_a_person_out_at_their_clients(op: Provider, receivers: Receivers) -> None:
    _, known, _ = signed_in(op, "dora", "rsa")
    assert op.run("user", "password", "dora", stdin="another-otter-river-77 of dora").returncode == 0
    wait_until(lambda: bool(of_session(receivers, RSA, known["rsa"])), PATIENCE)


@pytest.mark.spec("BL-2.5-a")
def test_a_client_that_is_down_for_a_moment_is_told_again(op: Provider, receivers: Receivers) -> None:
    receivers.status[FIRST] = 503
    client, known, hint = signed_in(op, "ida", "first")
    assert log_out(op, client, hint).headers["location"] == BYE
    assert len(of_session(receivers, FIRST, known["first"])) == 1
    receivers.status.clear()
    op.turn(6)
    wait_until(lambda: len(of_session(receivers, FIRST, known["first"])) == 2, PATIENCE)
    first, second = of_session(receivers, FIRST, known["first"])
    assert first["jti"] != second["jti"]


@pytest.mark.spec("BL-2.3-a")
def test_a_client_that_hangs_holds_nobody_up(op: Provider, receivers: Receivers) -> None:
    """The answer comes while the client still hangs: it is let go only afterwards."""
    release = receivers.silent[RSA] = threading.Event()
    client, known, hint = signed_in(op, "hugo", "rsa", "first")
    answer = log_out(op, client, hint)
    assert answer.headers["location"] == BYE
    assert not release.is_set()
    assert len(of_session(receivers, FIRST, known["first"])) == 1
    before = receivers.asked(RSA)
    release.set()
    receivers.silent.clear()
    op.turn(6)
    wait_until(lambda: receivers.asked(RSA) > before, PATIENCE)


@pytest.mark.spec("BL-2.5-a")
def test_two_workers_send_each_delivery_once(op: Provider, receivers: Receivers) -> None:
    known = [signed_in(op, "cleo", "first", "rsa", "shop")[1] for _ in range(4)]
    since = op.log_size()
    assert op.run("user", "sign-out", "cleo").returncode == 0
    wanted = [(f"/{name}", claims) for session in known for name, claims in session.items()]
    wait_until(lambda: all(of_session(receivers, path, claims) for path, claims in wanted), PATIENCE)

    def count(name: str) -> int:
        return sum(one.get("event") == name for one in op.events(since))

    wait_until(lambda: count("logout.delivered") == len(wanted), PATIENCE)
    assert [len(of_session(receivers, path, claims)) for path, claims in wanted] == [1] * len(wanted)
    assert count("logout.overtaken") == 0


@pytest.mark.spec("BL-2.5-a")
def test_what_could_not_be_delivered_is_after_a_restart(tmp_path: Path) -> None:
    world = new_world(tmp_path)
    config = world.configure(HUGO, "first")
    with world.serving(config) as op:
        client, known, hint = signed_in(op, "hugo", "first")
        assert log_out(op, client, hint).headers["location"] == BYE, "nobody listens at the client"
    assert world.receivers.came == []
    (tmp_path / "clock").write_text("600")
    with world.receiving(), world.serving(config):
        wait_until(lambda: bool(of_session(world.receivers, FIRST, known["first"])), PATIENCE)


@pytest.mark.spec("BL-2.5-a")
def test_workers_that_are_killed_in_the_middle_are_taken_over_from(tmp_path: Path) -> None:
    world = new_world(tmp_path)
    receivers = world.receivers
    with world.receiving(), world.serving(world.configure(HUGO, "first")) as op:
        _, known, _ = signed_in(op, "hugo", "first")
        release = receivers.silent[FIRST] = threading.Event()
        assert op.run("user", "sign-out", "hugo").returncode == 0
        wait_until(lambda: receivers.asked(FIRST) == 1, PATIENCE)
        for worker in children_of(op.server.pid):
            os.kill(worker, signal.SIGKILL)
        receivers.silent.clear()
        release.set()
        wait_until(lambda: len(op_events(op, "worker.died")) == 2, PATIENCE)
        op.turn(LEASE)
        wait_until(lambda: len(of_session(receivers, FIRST, known["first"])) == 2, PATIENCE)


def children_of(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def op_events(op: Provider, name: str) -> list[dict[str, Any]]:
    return [one for one in op.events() if one.get("event") == name]
