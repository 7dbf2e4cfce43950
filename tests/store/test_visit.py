"""What every `ServerStore` reads at once when a browser comes from a client."""

from dataclasses import replace

import pytest

from proofkey.authorization_server.records import RegisteredClient, SignInStanding, Visit
from proofkey.authorization_server.stores import ServerStore
from proofkey.protocol.text import ClientId, digest_of
from proofkey.testing.stores import START, a_client, a_sign_in, a_user, an_event
from tests.store.contract_kit import ANN, DAYS, LATER, WEB, consent

SIGNED_IN = a_sign_in().digest
STANDING = SignInStanding(sign_in=a_sign_in(), user=a_user())
SELF = ClientId("self")


@pytest.mark.parametrize("digest", [None, "", "another", SIGNED_IN])
async def test_client_sign_in_and_consent_come_together(store: ServerStore, digest: str | None) -> None:
    await store.add_consent(consent("openid"), an_event())
    visit = await store.find_visit(WEB, digest)
    assert visit.client == a_client()
    assert visit.standing == (STANDING if digest == SIGNED_IN else None)
    assert visit.consent == (consent("openid") if digest == SIGNED_IN else None)


async def test_the_consent_is_the_persons_own_and_for_that_client(store: ServerStore) -> None:
    await store.put_client(a_client("other"), START)
    await store.add_consent(replace(consent("openid"), client_id=ClientId("other")), an_event())
    visit = await store.find_visit(WEB, SIGNED_IN)
    assert (visit.standing, visit.consent) == (STANDING, None)


async def test_a_sign_in_comes_without_a_user_who_was_deleted(store: ServerStore) -> None:
    await store.delete_user(ANN, LATER, an_event())
    visit = await store.find_visit(WEB, SIGNED_IN)
    assert visit.standing is not None
    assert visit.standing.sign_in.ended_at == LATER
    assert visit.standing.user is None


@pytest.mark.parametrize("client_id", ["nobody", "nobody\0"])
async def test_nothing_comes_with_a_client_that_does_not_exist(store: ServerStore, client_id: str) -> None:
    nothing = Visit(client=None, standing=None, consent=None)
    assert await store.find_visit(ClientId(client_id), SIGNED_IN) == nothing


async def test_a_client_that_registered_itself_is_found_before_and_after_its_first_consent(
    store: ServerStore,
) -> None:
    client = a_client(SELF, self_registered=True)
    await store.insert_registered(
        RegisteredClient(client=client, token_digest=digest_of("t"), registered_at=START, expires_at=DAYS),
        an_event(),
    )
    assert await store.find_visit(SELF, SIGNED_IN) == Visit(client=client, standing=STANDING, consent=None)
    assert await store.find_visit(SELF, None) == Visit(client=client, standing=None, consent=None)
    allowed = replace(consent("openid"), client_id=SELF)
    assert await store.keep_client(SELF, LATER)
    await store.add_consent(allowed, an_event())
    assert await store.find_visit(SELF, SIGNED_IN) == Visit(client=client, standing=STANDING, consent=allowed)
    await store.disable_client(SELF, LATER, an_event())
    found = (await store.find_visit(SELF, SIGNED_IN)).client
    assert found is not None
    assert found.disabled
