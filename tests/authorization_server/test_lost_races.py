"""What a request is told that looked in time and came second, and one whose token outlived its API."""

from typing import Any

import pytest

from proofkey.authorization_server.records import AuditEvent, DeviceAuthorization
from proofkey.errors import InvalidToken, ServerError
from proofkey.protocol.text import ClientId, Instant
from proofkey.store.memory import MemoryServerStore
from tests.authorization_server import device_kit, test_register, tokens_kit
from tests.authorization_server.driver import API, Visitor, open_desk


class Second(MemoryServerStore):
    """Somebody else was first: with the registration, and with every device code."""

    async def replace_registered(self, *changed: Any) -> bool:
        return False

    async def delete_registered(self, client_id: ClientId, token_digest: str, now: Instant, event: Any) -> bool:
        return False

    async def insert_device_authorization(self, device: DeviceAuthorization, event: AuditEvent) -> bool:
        return False


@pytest.mark.parametrize(("method", "document"), [("PUT", test_register.WEB), ("DELETE", {})])
async def test_of_two_changes_of_a_registration_the_second_is_refused(
    method: str, document: dict[str, Any]
) -> None:
    desk = await open_desk(test_register.policy(), Second())
    made = await test_register.register(desk, **test_register.WEB)
    id_, token = made["client_id"], made["registration_access_token"]
    document = {**document, "client_id": id_} if document else {}
    with pytest.raises(InvalidToken):
        await test_register.ask(desk, method, id_, token, **document)
    assert (await test_register.ask(desk, "GET", id_, token))["client_id"] == id_


async def test_a_device_for_which_no_free_code_is_found_is_told_so() -> None:
    desk = await device_kit.open_devices(Second())
    with pytest.raises(ServerError):
        await device_kit.ask_device(desk)


async def test_an_opaque_token_is_over_when_its_api_is_gone() -> None:
    store = MemoryServerStore()
    desk = await tokens_kit.open_kit(store)
    issued = await Visitor(desk.core).tokens(desk, "opaque", scope=tokens_kit.SCOPE, resource=API)
    token = issued["access_token"]
    assert (await tokens_kit.ask(desk, token, "opaque"))["active"] is True
    left = {name: one for name, one in tokens_kit.KIT.resources.items() if name != API}
    desk = await tokens_kit.open_kit(store, resources=left)
    assert await tokens_kit.ask(desk, token, "opaque") == {"active": False}
