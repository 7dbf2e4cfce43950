"""The authorization server when it has much: a million refresh families, two hundred people who sign in at once.

Both halves of each ratio come from the same server in the same run.
"""

import asyncio
import sys
from contextlib import ExitStack
from urllib.parse import urljoin, urlsplit

import httpx2

from benchmarks.http_load import Connection, Reply, drive, resident_bytes
from benchmarks.providers import PASSWORD, Paths, Served, authorization_path, ours
from benchmarks.ratio import Ratio
from benchmarks.server import Load
from proofkey.runtime.passwords import Argon2Cost
from proofkey.testing.headless import read_page
from proofkey.testing.postgresql_server import running_postgresql

FAMILIES = 1_000_000
REFRESHES = 2000
LOGINS = 200
POOL = 2
"""Threads that hash; the server has as many as the machine has cores."""
OTHERS = 40 * 1024 * 1024
"""Bytes for two hundred connections, their pages and buffers."""


def run() -> list[Ratio]:
    """Families on PostgreSQL; sign-ins with the store in memory."""
    return [_families(), *_logins()]


def _families() -> Ratio:
    with running_postgresql() as database, ours("ES256", database.url) as server:
        load = Load(server)
        few = asyncio.run(_late_refresh(load))
        database.sql(_MANY)
        many = asyncio.run(_late_refresh(load))
    print(f"  refresh, 95th percentile: {few * 1e3:.1f} ms, {many * 1e3:.1f} ms among a million", file=sys.stderr)
    return Ratio("server refresh p95: a million families / few, postgresql", many / few, 1.5, "low")


_MANY = f"""
    INSERT INTO authorizations (id, client_id, sub, scope, resource, code_digest, code_expires_at, code_used_at,
        generation, rotated_at, refresh_idle_expires_at, refresh_absolute_expires_at, created_at, expires_at)
    SELECT md5(n::text), a.client_id, a.sub, a.scope, a.resource, md5('code' || n), a.code_expires_at,
        a.code_used_at, 1, a.rotated_at, a.refresh_idle_expires_at, a.refresh_absolute_expires_at, a.created_at,
        a.expires_at
    FROM generate_series(1, {FAMILIES}) n, (SELECT * FROM authorizations LIMIT 1) a;
    ANALYZE authorizations
"""


async def _late_refresh(load: Load) -> float:
    """Seconds: the 95th percentile; the best of three runs."""
    load.refresh_tokens.clear()
    await drive(load.server.port, load.code, 16)
    return min([_percentile(await drive(load.server.port, load.refresh, REFRESHES)) for _ in range(3)])


def _percentile(seconds: list[float]) -> float:
    return sorted(seconds)[int(len(seconds) * 0.95)]


def _logins() -> list[Ratio]:
    with ExitStack() as stack:
        people = [{"username": name, "password": PASSWORD} for name in ("ann", *map(_name, range(LOGINS)))]
        server = stack.enter_context(ours("ES256", "memory", users=people, trusted_proxies=["127.0.0.1/32"]))
        load = Load(server)
        idle = asyncio.run(_late_refresh(load))
        before = resident_bytes(server.pid)
        replies, busy = asyncio.run(_storm(load))
        grown = resident_bytes(server.pid) - before
    entered = sum(reply.status == 303 for reply in replies)
    waiting = [reply for reply in replies if reply.status == 503]
    if entered + len(waiting) != LOGINS or not all("retry-after" in reply.headers for reply in waiting):
        raise RuntimeError(f"{[reply.status for reply in replies]}")
    print(
        f"  {LOGINS} sign-ins at once: {entered} entered, {len(waiting)} were told to come back", file=sys.stderr
    )
    allowed = POOL * Argon2Cost().memory * 1024 + OTHERS
    return [
        Ratio("server refresh p95: while 200 sign in / idle", busy / idle, 2.0, "low"),
        Ratio("server memory: growth while 200 sign in / pool × cost and 40 MiB", grown / allowed, 1.0, "low"),
    ]


async def _storm(load: Load) -> tuple[list[Reply], float]:
    """The answers to all the sign-ins, and the 95th percentile of refreshes meanwhile."""
    forms = [await asyncio.to_thread(_login_form, load.server, _name(number)) for number in range(LOGINS)]
    connections = [await Connection.open(load.server.port) for _ in forms]
    over = asyncio.Event()

    async def sign_in(connection: Connection, form: tuple[str, dict[str, str], str], number: int) -> Reply:
        path, fields, cookie = form
        address = {"x-forwarded-for": f"198.51.100.{number}", "sec-fetch-site": "same-origin"}
        return await connection.post(path, fields, cookie=cookie, **address)

    async def refresh() -> list[float]:
        seconds: list[float] = []
        while not over.is_set():
            seconds += await drive(load.server.port, load.refresh, 16)
        return seconds

    meanwhile = asyncio.create_task(refresh())
    replies = await asyncio.gather(*map(sign_in, connections, forms, range(LOGINS)))
    over.set()
    for connection in connections:
        connection.close()
    return replies, _percentile(await meanwhile)


def _name(number: int) -> str:
    return f"person{number}"


def _login_form(server: Served, username: str) -> tuple[str, dict[str, str], str]:
    """(path, fields, cookies) of a login page that waits for a person."""
    paths: Paths = server.paths
    base = f"http://127.0.0.1:{server.port}"
    with httpx2.Client(trust_env=False, follow_redirects=True, headers={"accept": "text/html"}) as http:
        answer = http.get(base + authorization_path(paths))
        form = read_page(answer.text)[1][0]
        target = urlsplit(urljoin(str(answer.url), form.action)).path
        cookie = "; ".join(f"{one.name}={one.value}" for one in http.cookies.jar)
    return target, {**form.fields, "username": username, "password": PASSWORD}, cookie
