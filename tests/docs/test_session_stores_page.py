"""The page about session stores: its program opens the store that it names, and the table names every kind."""

from pathlib import Path

import pytest

from proofkey.runtime.entropy import system_entropy
from proofkey.store.open import MEMORY, POSTGRESQL, REDIS
from proofkey.store.redis_sessions import RedisSessionStore
from tests.docs.pages import read_page, run_page


def test_the_program_of_the_page_has_its_sessions_in_redis(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "web.secret").write_text(system_entropy() + "\n")
    monkeypatch.chdir(tmp_path)
    assert isinstance(run_page("session-stores.md").login.core.store, RedisSessionStore)


def test_the_table_names_every_kind_of_store() -> None:
    page = read_page("session-stores.md")
    assert [url for url in (MEMORY, POSTGRESQL[0], *REDIS) if f"`{url}" not in page] == []
