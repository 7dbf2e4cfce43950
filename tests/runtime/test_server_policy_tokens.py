"""What the configuration says about tokens reaches the policy, and what it must not say ends the start."""

from pathlib import Path

import pytest

from proofkey.errors import ConfigurationError
from proofkey.runtime.server_policy import server_policy
from proofkey.runtime.settings import Settings

KEY = "a master key for tests that is long enough"
TOML = """
[server]
issuer = "https://op.test"
store = "memory:"
master_key_file = "master.key"
resources = [{{ identifier = "https://api.test", clients = ["api"], access_token_format = "{resource}" }}]

[[server.clients]]
client_id = "web"
redirect_uris = ["https://rp.test/cb"]
access_token_format = "{client}"
introspection_signed_response_alg = "PS256"
"""


def load(folder: Path, text: str) -> Settings:
    (folder / "master.key").write_text(KEY)
    (folder / "proofkey.toml").write_text(text)
    return Settings.load(folder / "proofkey.toml", {})


@pytest.mark.parametrize(("client", "resource"), [("opaque", "jwt"), ("jwt", "opaque")])
def test_the_format_of_access_tokens_is_read(tmp_path: Path, client: str, resource: str) -> None:
    policy = server_policy(load(tmp_path, TOML.format(client=client, resource=resource)).server)
    (web,) = policy.clients
    assert (web.access_token_format, web.introspection_signed_response_alg) == (client, "PS256")
    assert policy.resources["https://api.test"].access_token_format == resource


@pytest.mark.parametrize(("client", "resource"), [("reference", "jwt"), ("jwt", "JWT")])
def test_another_format_ends_the_start(tmp_path: Path, client: str, resource: str) -> None:
    with pytest.raises(ConfigurationError):
        load(tmp_path, TOML.format(client=client, resource=resource))


def test_pages_of_the_operator_are_read_and_have_to_be_addresses(tmp_path: Path) -> None:
    pages = 'service_documentation = "https://op.test/docs"\nop_tos_uri = "{}"\n[[server.clients]]'
    text = TOML.format(client="jwt", resource="jwt")
    good = text.replace("[[server.clients]]", pages.format("https://op.test/terms"))
    policy = server_policy(load(tmp_path, good).server)
    assert (policy.service_documentation, policy.op_policy_uri) == ("https://op.test/docs", None)
    assert policy.op_tos_uri == "https://op.test/terms"
    with pytest.raises(ConfigurationError, match="op_tos_uri"):
        load(tmp_path, text.replace("[[server.clients]]", pages.format("javascript:alert(1)")))
