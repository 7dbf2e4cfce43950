"""`[server] registration`: what may stand there, and what becomes of it."""

from pathlib import Path
from typing import Any

import pytest

from proofkey.authorization_server.policy import SelfRegistration
from proofkey.errors import ConfigurationError
from proofkey.findings import Finding
from proofkey.protocol.text import digest_of
from proofkey.runtime.server_policy import server_policy
from proofkey.runtime.settings import Settings
from proofkey.runtime.settings_origin import shown_settings
from proofkey.testing.server import write_server_config

TOKEN = "Zq8Nf3Lx7Vb2Rk9Tm4Wc6Yd1Hs5Jp0Gu"
OTHER = "Pk2Rz7Mw4Xt9Bn6Lc1Vf8Qh3Ys5Dj0Ga"
ON = ["par", "registration"]


def load(folder: Path, environ: dict[str, str] | None = None, **members: Any) -> Settings:
    server = {"issuer": "https://op.test", "features": ON, **members}
    return Settings.load(write_server_config(folder, server), environ or {})


def read(folder: Path, environ: dict[str, str] | None = None, **registration: Any) -> SelfRegistration:
    further = {} if environ else {"registration": registration}
    return server_policy(load(folder, environ, **further).server).registration


def test_without_the_key_nobody_may_register(tmp_path: Path) -> None:
    rules = server_policy(load(tmp_path).server).registration
    assert rules == SelfRegistration()
    assert not rules.token_digests
    assert not rules.allow_insecure_open


def test_tokens_are_kept_as_digests_and_never_shown(tmp_path: Path) -> None:
    rules = read(tmp_path, initial_access_tokens=[TOKEN, OTHER], scope="openid orders:read", unused_days=2)
    assert rules.token_digests == {digest_of(TOKEN), digest_of(OTHER)}
    assert (rules.scope, rules.unused) == (("openid", "orders:read"), 2 * 86_400)
    settings = load(tmp_path, registration={"initial_access_tokens": [TOKEN]})
    assert TOKEN not in repr(settings)
    assert TOKEN not in repr(shown_settings(settings))


def test_tokens_may_come_from_a_file_with_one_a_line(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.touch(mode=0o600)
    file.write_text(f"{TOKEN}\n{OTHER}\n")
    assert read(tmp_path, initial_access_tokens_file="tokens").token_digests == {
        digest_of(TOKEN),
        digest_of(OTHER),
    }


def test_or_from_the_environment(tmp_path: Path) -> None:
    environ = {"PROOFKEY_SERVER_REGISTRATION": f'{{"initial_access_tokens": ["{TOKEN}"]}}'}
    assert read(tmp_path, environ).token_digests == {digest_of(TOKEN)}


@pytest.mark.spec("X-secrets", "X-failclosed")
@pytest.mark.parametrize(
    ("members", "finding"),
    [
        ({"features": ["par"], "registration": {"initial_access_tokens": [TOKEN]}}, Finding.CONFIG_VALUE),
        ({"registration": {"initial_access_tokens": ["short"]}}, Finding.SECRET_WEAK),
        ({"registration": {"initial_access_tokens": ["changeme" * 5]}}, Finding.SECRET_WEAK),
        ({"registration": {"initial_access_tokens": [TOKEN, f"{TOKEN} and blanks"]}}, Finding.CONFIG_VALUE),
        ({"registration": {"initial_access_tokens": [7]}}, Finding.CONFIG_VALUE),
        ({"registration": {"scope": "a  b"}}, Finding.CONFIG_VALUE),
        ({"registration": {"unused_days": 0}}, Finding.CONFIG_VALUE),
        ({"registration": {"open": True}}, Finding.CONFIG_UNKNOWN_KEY),
        ({"registration": {"initial_access_tokens_file": "nowhere"}}, Finding.SECRET_FILE_UNREADABLE),
    ],
    ids=["no feature", "short", "placeholder", "blanks", "a number", "scope", "no days", "unknown", "no file"],
)
def test_the_start_is_refused(tmp_path: Path, members: dict[str, Any], finding: Finding) -> None:
    with pytest.raises(ConfigurationError) as refused:
        server_policy(load(tmp_path, **members).server)
    assert refused.value.finding is finding
    assert TOKEN not in str(refused.value)
