"""`proofkey config streamlit` in folders with names that git reads as patterns."""

import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import RunCli

SECRET = "Hq7vXc2Lr9Zt4Mw8Np1Sk6Fb3GyTaEuIoRiVhWnDsQj"
LOGIN = ("--issuer", "https://op.test", "--client-id", "c", "--public-url", "https://app.test")


@pytest.mark.parametrize("folder", ["p[x]", "a*b", "a?b", "back\\slash", "!first", "#first", "blank "])
def test_the_secret_is_ignored_whatever_its_folder_is_called(
    cli: RunCli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    monkeypatch.chdir(tmp_path)
    subprocess.run(["git", "init", "--quiet"], check=True)
    ran = cli("config", "streamlit", "proofkey", *LOGIN, "--output", folder, stdin=f"{SECRET}\n")
    assert ran.status == 0, ran.err
    told = ["git", "status", "--porcelain", "--untracked-files=all", "-z"]
    seen = subprocess.run(told, capture_output=True, check=True, text=True).stdout
    assert "secrets.toml" not in seen
    assert "config.toml" in seen
