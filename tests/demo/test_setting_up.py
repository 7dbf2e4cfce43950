"""The folder of one demonstration."""

import socket
import stat
from pathlib import Path

import pytest

from proofkey.demo.passphrase import WORDS, passphrase
from proofkey.demo.setting_up import HOSTS, USERS, USUAL_PORTS, free_ports, set_up
from proofkey.runtime.settings import Settings
from proofkey.testing.entropy import CountingEntropy

ANY = dict.fromkeys(USUAL_PORTS, 0)


def test_the_configuration_is_one_that_every_part_takes(tmp_path: Path) -> None:
    demo = set_up(tmp_path, CountingEntropy(), usual_ports=ANY)
    settings = Settings.load(demo.config, {})

    assert settings.server.issuer == settings.api.issuer == settings.login.issuer == demo.issuer
    assert settings.api.audience == settings.login.audience == settings.login.api_url == demo.api
    assert settings.login.public_url == demo.streamlit
    assert [client.client_id for client in settings.server.clients] == ["streamlit", "docs", "cli"]
    assert [(user.username, user.roles) for user in settings.server.users] == [("ann", ("admin",)), ("bob", ())]
    assert {user.password.reveal() for user in settings.server.users} == {demo.password.reveal()}
    assert settings.login.client_secret == settings.server.clients[0].client_secret
    assert len(USERS) == 2


def test_provider_and_applications_are_two_sites(tmp_path: Path) -> None:
    demo = set_up(tmp_path, CountingEntropy(), usual_ports=ANY)
    assert demo.issuer.startswith("http://localhost:")
    assert demo.api.startswith("http://127.0.0.1:")
    assert demo.streamlit.startswith("http://127.0.0.1:")


@pytest.mark.spec("V13-13.3.1")
def test_every_file_is_for_its_owner_only(tmp_path: Path) -> None:
    set_up(tmp_path, CountingEntropy(), usual_ports=ANY)
    files = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
    assert files == dict.fromkeys(["proofkey.toml", "master.key", "streamlit.secret", "clock"], 0o600)


def test_each_demonstration_has_secrets_of_its_own(tmp_path: Path) -> None:
    texts: list[str] = []
    for seed in ("one", "two"):
        folder = tmp_path / seed
        folder.mkdir()
        demo = set_up(folder, CountingEntropy(seed), usual_ports=ANY)
        texts += [(folder / name).read_text() for name in ("master.key", "streamlit.secret")]
        texts.append(demo.password.reveal())
    assert len(set(texts)) == 6


def test_a_clock_file_of_somebody_else_is_used_and_left_as_it_is(tmp_path: Path) -> None:
    clock = tmp_path / "their.clock"
    clock.write_text("1200")
    folder = tmp_path / "demo"
    folder.mkdir()
    demo = set_up(folder, CountingEntropy(), usual_ports=ANY, clock_file=clock)
    assert demo.clock_file == clock
    assert clock.read_text() == "1200"
    assert not (folder / "clock").exists()


# --- ports -------------------------------------------------------------------------------------------------------


def test_the_usual_port_is_taken_when_nobody_has_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    assert free_ports({"api": port}) == {"api": port}


@pytest.mark.parametrize("role", ["server", "api", "streamlit"])
def test_another_port_is_taken_when_somebody_has_the_usual_one(role: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        usual = taken.getsockname()[1]
        found = free_ports({role: usual})[role]
        assert found != usual
        with socket.create_server((HOSTS[role], found)):
            pass


def test_the_provider_needs_its_port_on_every_address_of_localhost() -> None:
    for family, kind, _, _, address in socket.getaddrinfo("localhost", 0, type=socket.SOCK_STREAM):
        with socket.socket(family, kind) as taken:
            taken.bind(address)
            taken.listen()
            usual = taken.getsockname()[1]
            assert free_ports({"server": usual})["server"] != usual


def test_all_ports_are_different_when_all_usual_ones_are_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        usual = taken.getsockname()[1]
        found = free_ports(dict.fromkeys(HOSTS, usual))
    assert len({*found.values(), usual}) == 4


# --- passphrases -------------------------------------------------------------------------------------------------


def test_a_passphrase_is_words_and_a_number_that_anybody_can_type() -> None:
    entropy = CountingEntropy()
    for _ in range(200):
        *words, number = passphrase(entropy).split("-")
        assert len(words) == 4
        assert set(words) <= set(WORDS)
        assert 10 <= int(number) <= 99


def test_the_words_are_plain_and_none_stands_twice() -> None:
    assert len(set(WORDS)) == len(WORDS) >= 128
    assert all(word.isascii() and word.islower() and word.isalpha() and 3 <= len(word) <= 9 for word in WORDS)


def test_passphrases_differ() -> None:
    entropy = CountingEntropy()
    assert len({passphrase(entropy) for _ in range(500)}) == 500
