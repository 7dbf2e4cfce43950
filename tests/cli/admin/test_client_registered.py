"""`proofkey client` and clients that registered themselves: listed, and the operator has the last word."""

from proofkey.authorization_server.records import RegisteredClient
from proofkey.protocol.text import ClientId, Instant, digest_of
from proofkey.store.sql import SqliteServerStore
from proofkey.testing.stores import START, a_client, an_event
from tests.cli.admin.admin_kit import Proofkey

NAME = ClientId("registered")
TOKEN = digest_of("its token")


async def register(store: SqliteServerStore) -> None:
    client = a_client(NAME, self_registered=True)
    until = Instant(START + 10 * 365 * 86_400)
    registered = RegisteredClient(client=client, token_digest=TOKEN, registered_at=START, expires_at=until)
    await store.insert_registered(registered, an_event())


async def test_it_is_listed_as_what_it_is(store: SqliteServerStore, proofkey: Proofkey) -> None:
    await register(store)
    assert proofkey("client", "add", "web", "--redirect-uri", "https://rp.test/cb").status == 0
    listed = {one["client_id"]: one["self_registered"] for one in proofkey("client", "list", "--json").document}
    assert listed == {"registered": True, "web": False}


async def test_the_operator_disables_and_enables_it(store: SqliteServerStore, proofkey: Proofkey) -> None:
    await register(store)
    for word, disabled in (("disable", True), ("enable", False)):
        assert proofkey("client", word, NAME).status == 0
        found = await store.find_client(NAME)
        assert found
        assert found.disabled is disabled


async def test_what_it_has_deleted_stays_so(store: SqliteServerStore, proofkey: Proofkey) -> None:
    await register(store)
    assert await store.keep_client(NAME, START)
    assert await store.delete_registered(NAME, TOKEN, START, an_event())
    assert proofkey("client", "enable", NAME).status == 2
    found = await store.find_client(NAME)
    assert found
    assert found.disabled
