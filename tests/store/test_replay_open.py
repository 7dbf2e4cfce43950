"""Which replay memory a URL names, what is refused, and that nothing shows a password."""

import subprocess
import sys
import traceback
from pathlib import Path

import pytest

from proofkey.errors import ConfigurationError
from proofkey.findings import Finding
from proofkey.store.address import shown_store
from proofkey.store.memory.replay import MemoryReplay
from proofkey.store.open import open_replay_memory
from proofkey.store.redis import RedisReplay
from proofkey.store.sql.replay import SqliteReplay
from proofkey.store.sql.replay_postgresql import PostgresqlReplay


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("memory:", MemoryReplay),
        ("sqlite:///replay.db", SqliteReplay),
        ("postgresql://u:p@db.test/api", PostgresqlReplay),
        ("postgres://db.test:5433", PostgresqlReplay),
        ("postgresql:///api?host=/run/postgresql&sslmode=disable", PostgresqlReplay),
        ("postgresql://one.test,two.test:5433/api?target_session_attrs=read-write", PostgresqlReplay),
        ("redis://redis.test", RedisReplay),
        ("redis://:p@redis.test:6380/3", RedisReplay),
        ("rediss://u:p@redis.test/0?ssl_ca_certs=/etc/ca.pem", RedisReplay),
    ],
)
async def test_a_url_names_its_memory(tmp_path: Path, url: str, kind: type) -> None:
    memory = open_replay_memory(url, base=tmp_path)
    assert isinstance(memory, kind)
    if kind in {MemoryReplay, SqliteReplay}:
        await memory.aclose()
    assert (tmp_path / "replay.db").exists() is (kind is SqliteReplay)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "memory",
        "memory://",
        "replay.db",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite://replay.db",
        "mysql://u:canary@db.test/api",
        "canary",
        "postgresql://u:canary@db.test:port/api",
        "postgresql://u:canary@db.test/api?canary=1",
        "postgresql://u:canary@[::1/api",
        "redis://u:canary@redis.test:port/0",
        "redis://u:canary@[::1/0",
        "rediss://u:canary@redis.test?ssl_cert_reqs=none",
        "rediss://u:canary@redis.test?ssl_check_hostname=false",
        "redis://u:canary@redis.test?retry_on_timeout=true",
    ],
)
@pytest.mark.spec("threats §2 row 24")
def test_another_url_is_refused_in_one_line_that_shows_no_password(url: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        open_replay_memory(url)
    assert raised.value.finding is Finding.CONFIG_VALUE
    assert "\n" not in str(raised.value)
    assert "u:canary" not in "".join(traceback.format_exception(raised.value))


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("memory:", "memory:"),
        ("sqlite:////var/lib/replay.db", "sqlite:////var/lib/replay.db"),
        ("postgresql://u:canary@db.test:5433/api?password=canary", "postgresql://db.test:5433/api"),
        ("postgresql://db.test/api", "postgresql://db.test/api"),
        ("redis://:canary@redis.test/0", "redis://redis.test/0"),
        ("redis://[::1]:6379/0", "redis://[::1]:6379/0"),
        ("postgresql://u:ca@nary@db.test/api", "postgresql://db.test/api"),
        ("postgresql://u:can/ary@db.test/api", "postgresql://…"),
        ("postgresql://u:canary?@db.test/api", "postgresql://…"),
        ("postgresql://u:canary#@db.test/api", "postgresql://…"),
        ("redis://[canary", "redis://…"),
        ("canary", "…"),
        ("", "…"),
    ],
)
@pytest.mark.spec("threats §2 row 24")
def test_a_url_is_shown_without_what_opens_the_store(url: str, shown: str) -> None:
    assert shown_store(url) == shown


@pytest.mark.parametrize(
    ("url", "package", "modules", "extra"),
    [
        (
            "postgresql://db.test/api",
            "psycopg",
            ("proofkey.store.sql.replay_postgresql", "proofkey.store.sql.postgresql"),
            "postgres",
        ),
        ("redis://redis.test", "redis", ("proofkey.store.redis", "proofkey.store.redis_connection"), "redis"),
    ],
)
def test_without_the_package_the_extra_is_named(
    url: str, package: str, modules: tuple[str, ...], extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in modules:
        monkeypatch.delitem(sys.modules, module, raising=False)
    loaded = [name for name in sys.modules if name == package or name.startswith(f"{package}.")]
    for name in loaded:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ConfigurationError) as raised:
        open_replay_memory(url)
    assert raised.value.finding is Finding.EXTRA_MISSING
    assert raised.value.facts == {"package": package, "install": f'pip install "proofkey[{extra}]"'}


SECOND = """
import sys
from proofkey.errors import ConfigurationError
from proofkey.store.open import open_replay_memory
try:
    open_replay_memory("memory:", name=sys.argv[1])
except ConfigurationError as error:
    print(error.finding.id)
else:
    print("opened")
"""


def second(name: str) -> str:
    command = [sys.executable, "-c", SECOND, name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.spec("X-store", "X-jti")
async def test_a_second_process_does_not_share_a_memory() -> None:
    first = open_replay_memory("memory:", name="https://api.test")
    other = open_replay_memory("memory:", name="https://api.test")
    assert second("https://api.test") == "STO-01"
    assert second("https://other.test") == "opened"
    await first.aclose()
    assert second("https://api.test") == "STO-01"
    await other.aclose()
    assert second("https://api.test") == "opened"


def test_without_a_server_no_driver_is_loaded() -> None:
    code = (
        "import sys; from proofkey.store.open import open_replay_memory as o; o('memory:');"
        "print([name for name in ('psycopg', 'redis', 'sqlalchemy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
