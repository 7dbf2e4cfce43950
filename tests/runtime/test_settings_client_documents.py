"""`[server] cimd`: what it may say."""

from pathlib import Path

import pytest

from proofkey.errors import ConfigurationError
from proofkey.findings import Finding
from proofkey.runtime.server_policy import server_policy
from proofkey.runtime.settings import Settings

SERVER = """
[server]
issuer = "https://op.test"
master_key = "q8Jr2b0Nn1uYxw3dZ5v7AaKkLmPpQqRrSsTtUuVvWwX"
"""
ON = SERVER + 'features = ["par", "cimd"]\n'


def load(folder: Path, text: str) -> Settings:
    file = folder / "proofkey.toml"
    file.write_text(text)
    return Settings.load(file, {})


def test_it_becomes_policy(tmp_path: Path):
    text = ON + 'cimd = { hosts = ["App.test", "b.test:8443"], scope = "openid orders:read" }'
    policy = server_policy(load(tmp_path, text).server)
    assert policy.client_documents.hosts == {"app.test", "b.test:8443"}
    assert policy.client_documents.scope == ("openid", "orders:read")
    assert policy.offers("cimd")


def test_it_may_be_left_out(tmp_path: Path):
    policy = server_policy(load(tmp_path, ON).server)
    assert not policy.client_documents.hosts
    assert policy.client_documents.scope is None


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (SERVER + "cimd = {}", "server.cimd"),
        (ON + 'cimd = { hosts = ["https://app.test"] }', "server.cimd.hosts"),
        (ON + 'cimd = { hosts = ["app.test/c"] }', "server.cimd.hosts"),
        (ON + 'cimd = { hosts = ["app.test:443"] }', "server.cimd.hosts"),
        (ON + 'cimd = { hosts = ["*.app.test"] }', "server.cimd.hosts"),
        (ON + 'cimd = { hosts = [""] }', "server.cimd.hosts"),
        (ON + "cimd = { scope = 'a\"b' }", "server.cimd.scope"),
        (ON + 'cimd = { host = ["app.test"] }', "server.cimd.host"),
    ],
    ids=[
        "without the feature", "a URL", "a path", "the usual port", "a pattern", "no host", "no scope",
        "an unknown key",
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused(tmp_path: Path, text: str, key: str):
    with pytest.raises(ConfigurationError) as refused:
        server_policy(load(tmp_path, text).server)
    assert refused.value.facts["key"] == key
    assert refused.value.finding in (Finding.CONFIG_VALUE, Finding.CONFIG_UNKNOWN_KEY)


@pytest.mark.spec("CIMD-6.5-a")
@pytest.mark.parametrize("host", ["127.0.0.1", "https://127.0.0.1:9443", "10.0.0.0/8:443"])
def test_a_private_host_is_named_with_its_port(tmp_path: Path, host: str):
    with pytest.raises(ConfigurationError) as refused:
        load(tmp_path, SERVER + f'[outgoing]\nallow_insecure_private_hosts = ["{host}"]')
    assert refused.value.facts["key"] == "outgoing.allow_insecure_private_hosts"


def test_a_private_host_that_is_allowed_is_shown_as_a_weakening(tmp_path: Path):
    from proofkey.runtime.settings_origin import shown_settings

    text = SERVER + '[outgoing]\nallow_insecure_private_hosts = ["127.0.0.1:9443"]'
    shown = {one.key: one for one in shown_settings(load(tmp_path, text))}
    assert shown["outgoing.allow_insecure_private_hosts"].insecure
