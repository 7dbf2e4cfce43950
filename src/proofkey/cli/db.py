"""`proofkey db`: the schema of the configured databases."""

from proofkey.cli.output import Json, new_app, print_data, print_json, say
from proofkey.cli.store_access import Config
from proofkey.runtime.settings import Settings
from proofkey.store.open import MEMORY, REDIS, prepare_store
from proofkey.store.sql.upgrade import HEAD

app = new_app(help="Bring the configured databases to this version.")


@app.command()
def upgrade(config: Config = None, json: Json = False) -> None:
    """Make the databases or upgrade their schema; all of it or nothing. The server does the same at its start."""
    results = [_upgrade(url) for url in configured_stores(Settings.load(config)) if has_schema(url)]
    if json:
        print_json(results)
        return
    for result in results:
        before = result["before"] or "new"
        change = f"{before} -> {HEAD}" if before != HEAD else f"{HEAD}, up to date"
        print_data(f"{result['path']}: {change}")
    if not results:
        say("No database is configured: memory and Redis have no schema.")


@app.callback()
def group() -> None:
    """Keeps `upgrade` a subcommand."""


def configured_stores(settings: Settings) -> list[str]:
    """The stores of [server] and [login], each once."""
    stores = [settings.server.store] if settings.has("server") else []
    stores += [settings.login.store] if settings.has("login") else []
    return list(dict.fromkeys(stores))


def has_schema(url: str) -> bool:
    """Whether it is a database with tables."""
    return url != MEMORY and not url.startswith(REDIS)


def _upgrade(url: str) -> dict[str, str | None]:
    place, before = prepare_store(url)
    return {"path": place, "before": before, "after": HEAD}
