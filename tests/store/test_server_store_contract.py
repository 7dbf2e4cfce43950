"""What every `ServerStore` must do about clients, people, sign-ins and consents."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from proofkey.authorization_server.records import Consent
from proofkey.authorization_server.stores import ServerStore
from proofkey.errors import ConfigurationError
from proofkey.findings import Finding
from proofkey.protocol.text import ClientId, Subject
from proofkey.testing.stores import (
    START,
    a_client,
    a_sign_in,
    a_user,
    an_event,
)
from tests.store.contract_kit import ANN, LATER, WEB, consent, grant, standing

# --- clients -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "client",
    [
        a_client("plain"),
        a_client(
            "all fields",
            token_endpoint_auth_method="client_secret_post",
            client_name="Käse ‘n’ more",
            application_type="native",
            redirect_uris=frozenset({"http://127.0.0.1/cb", "com.example:/cb?a=b c"}),
            post_logout_redirect_uris=frozenset({"https://rp.test/"}),
            grant_types=frozenset({"client_credentials"}),
            response_types=frozenset(),
            scope=("orders:read",),
            id_token_signed_response_alg="RS256",
            skip_consent=True,
            allow_insecure_without_pkce=True,
            disabled=True,
        ),
        a_client("public", secret_digest=None, token_endpoint_auth_method="none"),
    ],
    ids=lambda client: client.client_id,
)
async def test_a_client_comes_back_as_it_was_put(server_store: ServerStore, client) -> None:
    await server_store.put_client(client, START)
    assert await server_store.find_client(client.client_id) == client


async def test_a_client_is_replaced_by_its_id_and_listed_in_order(store: ServerStore) -> None:
    await store.put_client(a_client("api"), START)
    await store.put_client(a_client(client_name="New"), LATER)
    assert [client.client_name for client in await store.list_clients()] == ["", "New"]


@pytest.mark.spec("V7-7.4")
async def test_a_disabled_client_stands_disabled_everywhere(store: ServerStore) -> None:
    await grant(store)
    assert await store.disable_client(WEB, LATER, an_event())
    assert (await store.find_client(WEB)) == a_client(disabled=True)
    assert (await standing(store)).client == a_client(disabled=True)
    assert not await store.disable_client(ClientId("nobody"), LATER, an_event())
    assert await store.enable_client(WEB, LATER, an_event())
    assert await store.find_client(WEB) == a_client()
    assert not await store.enable_client(ClientId("nobody"), LATER, an_event())


async def test_an_unknown_client_is_none(server_store: ServerStore) -> None:
    assert await server_store.find_client(WEB) is None


# --- users -------------------------------------------------------------------------------------------------------


async def test_a_user_is_found_by_sub_and_by_username(store: ServerStore) -> None:
    assert await store.find_user(ANN) == a_user()
    assert await store.find_username("ann") == a_user()
    assert await store.find_username("ANN") is None
    assert await store.find_user(Subject("ann")) is None


async def test_a_user_is_replaced_by_sub_and_may_be_renamed(store: ServerStore) -> None:
    renamed = a_user(username="anna", claims={"address": {"locality": "Köln"}, "n": 1.5, "list": [None, True]})
    await store.put_user(replace(renamed, sub=ANN), LATER)
    assert await store.find_username("anna") == replace(renamed, sub=ANN)
    assert await store.find_username("ann") is None
    assert [user.username for user in await store.list_users()] == ["anna"]


async def test_a_username_belongs_to_one_user(store: ServerStore) -> None:
    with pytest.raises(ConfigurationError) as raised:
        await store.put_user(a_user(sub=Subject("another")), START)
    assert raised.value.finding is Finding.USERNAME_TAKEN
    assert await store.find_user(Subject("another")) is None


@pytest.mark.spec("N63-hash")
async def test_a_hash_is_upgraded_only_while_the_old_one_stands(store: ServerStore) -> None:
    await grant(store)
    old = a_user().password_hash
    assert await store.upgrade_password_hash(ANN, old, "new")
    assert not await store.upgrade_password_hash(ANN, old, "newer")
    assert await store.find_user(ANN) == a_user(password_hash="new")
    assert (await standing(store)).authorization.revoked_at is None
    assert not await store.upgrade_password_hash(Subject("nobody"), old, "new")


async def change_password(store: ServerStore) -> bool:
    return await store.set_password(ANN, "new hash", LATER, an_event())


async def disable(store: ServerStore) -> bool:
    return await store.disable_user(ANN, LATER, an_event())


async def delete(store: ServerStore) -> bool:
    return await store.delete_user(ANN, LATER, an_event())


async def end_sessions(store: ServerStore) -> bool:
    return await store.end_user_sessions(ANN, LATER, an_event()) == 1


@pytest.mark.spec("9700-4.14.2-d", "V7-7.4")
@pytest.mark.parametrize("change", [change_password, disable, delete, end_sessions])
async def test_sign_ins_and_grants_of_a_user_end_when_it_comes_to(
    store: ServerStore, change: Callable[[ServerStore], Awaitable[bool]]
) -> None:
    await store.put_user(a_user("bob"), START)
    await store.insert_sign_in(a_sign_in("of-bob", sub=Subject("sub-of-bob")), an_event())
    await grant(store, "of-bob", sub=Subject("sub-of-bob"), sid="of-bob")
    await grant(store, scope=("openid", "offline_access"))
    await grant(store, "dead before", revoked_at=START)

    assert await change(store)

    ended = await store.find_sign_in(a_sign_in().digest)
    assert ended
    assert ended.sign_in.ended_at == LATER
    assert (await standing(store)).authorization.revoked_at == LATER
    assert (await standing(store, "dead before")).authorization.revoked_at == START
    assert (await standing(store, "of-bob")).authorization.revoked_at is None
    of_bob = await store.find_sign_in(a_sign_in("of-bob").digest)
    assert of_bob
    assert of_bob.sign_in.ended_at is None


async def test_a_new_password_stands_with_its_time(store: ServerStore) -> None:
    await change_password(store)
    assert await store.find_user(ANN) == a_user(password_hash="new hash", password_changed_at=LATER)


async def test_a_disabled_user_stands_disabled(store: ServerStore) -> None:
    await disable(store)
    assert await store.find_user(ANN) == a_user(disabled=True)
    found = await store.find_sign_in(a_sign_in().digest)
    assert found
    assert found.user == a_user(disabled=True)
    assert await store.enable_user(ANN, LATER, an_event())
    assert await store.find_user(ANN) == a_user()
    assert not await store.enable_user(Subject("nobody"), LATER, an_event())


@pytest.mark.spec("OC-sub")
async def test_a_deleted_user_leaves_only_the_sub_which_is_never_used_again(store: ServerStore) -> None:
    await store.add_consent(consent(), an_event())
    await grant(store)
    await delete(store)

    assert await store.find_user(ANN) is None
    assert await store.find_username("ann") is None
    assert await store.list_users() == []
    assert await store.find_consent(ANN, WEB) is None
    assert (await standing(store)).user is None
    found = await store.find_sign_in(a_sign_in().digest)
    assert found
    assert found.user is None
    with pytest.raises(ConfigurationError) as raised:
        await store.put_user(a_user("somebody", sub=ANN), LATER)
    assert raised.value.finding is Finding.SUBJECT_RETIRED


async def test_the_username_of_a_deleted_user_is_free(store: ServerStore) -> None:
    await delete(store)
    again = a_user(sub=Subject("a new one"))
    await store.put_user(again, LATER)
    assert await store.find_username("ann") == again


async def test_nothing_happens_to_a_user_who_is_not_there(server_store: ServerStore) -> None:
    assert not await change_password(server_store)
    assert not await disable(server_store)
    assert not await delete(server_store)
    assert await server_store.end_user_sessions(ANN, LATER, an_event()) == 0


# --- sign-ins ----------------------------------------------------------------------------------------------------


async def test_a_sign_in_comes_back_with_its_user(store: ServerStore) -> None:
    found = await store.find_sign_in(a_sign_in().digest)
    assert found
    assert (found.sign_in, found.user) == (a_sign_in(), a_user())
    assert await store.find_sign_in("another") is None


async def test_seen_at_moves_forward_only(store: ServerStore) -> None:
    for now in (LATER, START):
        await store.touch_sign_in("sid-1", now)
        found = await store.find_sign_in(a_sign_in().digest)
        assert found
        assert found.sign_in.seen_at == LATER
    await store.touch_sign_in("nobody", LATER)


@pytest.mark.spec("V7-7.2.4")
async def test_a_renewed_sign_in_has_a_new_handle_and_the_old_one_is_dead(store: ServerStore) -> None:
    assert await store.renew_sign_in("sid-1", "new digest", LATER, an_event())
    assert await store.find_sign_in(a_sign_in().digest) is None
    found = await store.find_sign_in("new digest")
    assert found
    assert found.sign_in == a_sign_in(digest="new digest", auth_time=LATER, seen_at=LATER)


async def test_an_ended_sign_in_is_not_renewed(store: ServerStore) -> None:
    await store.end_sign_in("sid-1", LATER, an_event())
    assert not await store.renew_sign_in("sid-1", "new digest", LATER, an_event())
    assert not await store.renew_sign_in("nobody", "new digest", LATER, an_event())
    assert await store.find_sign_in("new digest") is None


@pytest.mark.spec("BL-2.7-a", "9700-4.14.2-d")
async def test_ending_a_sign_in_revokes_what_does_not_outlive_it(store: ServerStore) -> None:
    await grant(store, "online")
    await grant(store, "offline", scope=("openid", "offline_access"))
    await grant(store, "looks offline", scope=("openid", "Offline_access", "xoffline_access"))
    await grant(store, "elsewhere", sid="sid-2")

    assert await store.end_sign_in("sid-1", LATER, an_event())

    revoked = {
        id_: (await standing(store, id_)).authorization.revoked_at
        for id_ in ("online", "offline", "looks offline", "elsewhere")
    }
    assert revoked == {"online": LATER, "offline": None, "looks offline": LATER, "elsewhere": None}
    ended = (await standing(store, "offline")).sign_in
    assert ended
    assert ended.ended_at == LATER


async def test_an_authorization_that_comes_after_the_sign_out_is_born_revoked(store: ServerStore) -> None:
    await store.end_sign_in("sid-1", LATER, an_event())
    await grant(store, "online")
    await grant(store, "offline", scope=("offline_access",))
    assert (await standing(store, "online")).authorization.revoked_at == LATER
    assert (await standing(store, "offline")).authorization.revoked_at is None


# --- consents ----------------------------------------------------------------------------------------------------


async def test_consent_adds_to_what_was_allowed(store: ServerStore) -> None:
    assert await store.find_consent(ANN, WEB) is None
    await store.add_consent(consent("openid", "email"), an_event())
    await store.add_consent(consent("orders:read", at=LATER), an_event())
    both = Consent(
        sub=ANN,
        client_id=WEB,
        scope=frozenset({"openid", "email", "orders:read"}),
        resource=frozenset({f"https://{START}.test", f"https://{LATER}.test"}),
        granted_at=LATER,
    )
    assert await store.find_consent(ANN, WEB) == both
    await grant(store)
    assert (await standing(store)).consent == both
