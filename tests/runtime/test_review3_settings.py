"""`[api]` from the environment, and what `config show` may say of it."""

import json
from pathlib import Path
from typing import Any

import pytest

from proofkey.errors import ConfigurationError
from proofkey.findings import Finding
from proofkey.runtime.settings import Settings

SECRET = "q8Jr2b0Nn1uYxw3dZ5v7AaKkLmPpQqRrSsTtUuVvWwX"
API = {"PROOFKEY_API_ISSUER": "https://op.test", "PROOFKEY_API_AUDIENCE": "https://api.test"}


def load(folder: Path, **environ: str) -> Settings:
    (folder / "proofkey.toml").touch()
    return Settings.load(folder / "proofkey.toml", API | environ)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("69629026806489455", ("69629026806489455",)),
        ('["69629026806489455", "a"]', ("69629026806489455", "a")),
        ("https://api.test", ("https://api.test",)),
    ],
    ids=["digits", "a list", "a URL"],
)
def test_an_audience_of_digits_is_a_name(tmp_path: Path, text: str, names: tuple[str, ...]) -> None:
    assert load(tmp_path, PROOFKEY_API_AUDIENCE=text).api.names == names


@pytest.mark.parametrize("text", ["true", "1.5", '{"a": 1}', "[1]", "null"])
def test_what_is_no_name_is_no_audience(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, PROOFKEY_API_AUDIENCE=text)
    assert caught.value.facts["key"] == "api.audience"


@pytest.mark.parametrize(
    ("change", "finding", "key"),
    [
        ({"client_secret": "short"}, Finding.SECRET_WEAK, "api.introspection.client_secret"),
        ({"endpoint": "https://ann:canary@op.test/i"}, Finding.CONFIG_VALUE, "api.introspection.endpoint"),
        ({"endpoint": "http://op.test/i"}, Finding.CONFIG_VALUE, "api.introspection.endpoint"),
    ],
    ids=["a short secret", "a password in the address", "plain http"],
)
def test_introspection_that_could_not_start_is_told_with_its_place(
    tmp_path: Path, change: dict[str, Any], finding: Finding, key: str
) -> None:
    asked = {"client_id": "api", "client_secret": SECRET, "endpoint": "https://op.test/introspect", **change}
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, PROOFKEY_API_INTROSPECTION=json.dumps(asked))
    assert (caught.value.finding, caught.value.facts["key"]) == (finding, key)
    assert "canary" not in str(caught.value)
