"""`proofkey keys`: the keys that sign tokens."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from anyio import to_thread

from proofkey.authorization_server.keys import build_key_record, build_key_ring, first_algorithms, signing_record
from proofkey.authorization_server.records import AuditEvent, SigningKeyRecord
from proofkey.authorization_server.stores import ServerStore
from proofkey.cli.output import Json, new_app, print_json, say
from proofkey.cli.store_access import Config, on_store, print_table, shown_instant
from proofkey.errors import ConfigurationError
from proofkey.findings import Finding
from proofkey.protocol.jose import SigningAlgorithm, generate_signing_key
from proofkey.protocol.text import Instant
from proofkey.runtime.clock import system_clock
from proofkey.runtime.master_key import MasterKey
from proofkey.runtime.server_core import server_sealer
from proofkey.runtime.server_policy import server_policy
from proofkey.runtime.server_upkeep import announce_key, rotate_keys
from proofkey.runtime.settings import ServerSettings
from proofkey.store.sealed import Sealer

app = new_app(help="List, add or rotate signing keys; also while the server runs.")


Only = Annotated[SigningAlgorithm | None, typer.Option("--algorithm", help="This algorithm only.")]
Now = Annotated[bool, typer.Option("--now", help="Sign with it at once: APIs fetch it when they first see it.")]


@app.command("list")
def list_(config: Config = None, json: Json = False) -> None:
    """List the signing keys."""

    async def work(store: ServerStore, _settings: ServerSettings, _now: Instant) -> list[SigningKeyRecord]:
        return list(await store.list_signing_keys())

    records = on_store(config, work)
    _print_records(records, system_clock().now(), as_json=json)
    if not records:
        say("There are no keys yet: the server makes them at its first start.")


@app.command()
def add(
    algorithm: Annotated[SigningAlgorithm, typer.Option("--algorithm", help="What it signs with.")] = "ES256",
    now: Now = False,
    config: Config = None,
    json: Json = False,
) -> None:
    """Add a key: published now, signing when everybody has had time to fetch it."""
    _announce(config, (algorithm,), at_once=now, again=True, as_json=json)


@app.command()
def rotate(algorithm: Only = None, now: Now = False, config: Config = None, json: Json = False) -> None:
    """Announce the next key of each algorithm; when it signs, the one before is retired, and removed later."""
    _announce(config, (algorithm,) if algorithm else None, at_once=now, again=now, as_json=json)


def _announce(
    config: Path | None,
    algorithms: Sequence[SigningAlgorithm] | None,
    *,
    at_once: bool,
    again: bool,
    as_json: bool,
) -> None:
    """`algorithms` None stands for all that have a key; `again`: even where a key is announced already."""

    async def work(store: ServerStore, settings: ServerSettings, now: Instant) -> list[SigningKeyRecord]:
        if settings.signer is not None:
            reason = "a signer has the keys: name the next one there, with its active_from"
            raise ConfigurationError(Finding.CONFIG_VALUE, key="server.signer", reason=reason)
        policy = server_policy(settings)
        lifetimes = policy.lifetimes
        sealer = server_sealer(MasterKey(settings.master_key))
        records = await store.list_signing_keys()
        if not records:
            return await _first_keys(store, sealer, now, first_algorithms(policy))
        ring = build_key_ring(records, now, sealer)  # the master key is the one that sealed the others
        active_from = now if at_once else Instant(now + lifetimes.key_announcement)
        made: list[SigningKeyRecord] = []
        for algorithm in algorithms or ring.algorithms:
            announced = None if again else _announced(records, algorithm, now)
            made.append(announced or await announce_key(store, sealer, algorithm, now, active_from))
        if at_once:
            await rotate_keys(store, sealer, now, lifetimes)
        return made

    made = on_store(config, work)
    _print_records(made, system_clock().now(), as_json=as_json)


def _announced(
    records: Sequence[SigningKeyRecord], algorithm: SigningAlgorithm, now: Instant
) -> SigningKeyRecord | None:
    """The next key, where it is announced already."""
    coming = (record for record in records if record.algorithm == algorithm and record.active_from > now)
    return next((record for record in coming if record.retired_at is None), None)


async def _first_keys(
    store: ServerStore, sealer: Sealer, now: Instant, algorithms: Sequence[SigningAlgorithm]
) -> list[SigningKeyRecord]:
    """One of each of these algorithms, as the server's first start makes them."""
    keys = [await to_thread.run_sync(generate_signing_key, algorithm) for algorithm in algorithms]
    records = [build_key_record(key, now, now, sealer) for key in keys]
    event = AuditEvent(at=now, name="keys.made", detail={"kids": " ".join(key.kid for key in keys)})
    await store.insert_first_signing_keys(records, event)
    return list(await store.list_signing_keys())


def _state(record: SigningKeyRecord, records: Sequence[SigningKeyRecord], now: Instant) -> str:
    if record.remove_at is not None and record.remove_at <= now:
        return "removed"
    if record.retired_at is not None and record.retired_at <= now:
        return "retired"
    if record.active_from > now:
        return "announced"
    current = signing_record(records, record.algorithm, now)
    return "signing" if current is record else "superseded"


def _print_records(records: Sequence[SigningKeyRecord], now: Instant, *, as_json: bool) -> None:
    if as_json:
        print_json([_document(record, records, now) for record in records])
        return
    rows = [
        (
            record.kid,
            record.algorithm,
            _state(record, records, now),
            shown_instant(record.active_from),
            shown_instant(record.retired_at),
            shown_instant(record.remove_at),
        )
        for record in records
    ]
    print_table(("KID", "ALGORITHM", "STATE", "SIGNS FROM", "RETIRED", "REMOVED"), rows)


def _document(record: SigningKeyRecord, records: Sequence[SigningKeyRecord], now: Instant) -> dict[str, object]:
    return {
        "kid": record.kid,
        "algorithm": record.algorithm,
        "state": _state(record, records, now),
        "created_at": shown_instant(record.created_at),
        "active_from": shown_instant(record.active_from),
        "retired_at": shown_instant(record.retired_at) if record.retired_at is not None else None,
        "remove_at": shown_instant(record.remove_at) if record.remove_at is not None else None,
        "public_jwk": dict(record.public_jwk),
    }
