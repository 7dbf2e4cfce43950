"""One decision for all: every grant against all that can happen to its user, client, consent and sign-in."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from proofkey.authorization_server.decision import check_may_act
from proofkey.authorization_server.records import (
    AuditEvent,
    Consent,
    DeviceStanding,
    SignInStanding,
    Standing,
    TokenStanding,
)
from proofkey.errors import InvalidGrant, InvalidToken, NoLocation, SubjectTokenRefused
from proofkey.findings import Finding
from proofkey.protocol.registration import ACCESS_TOKEN_FORMATS
from proofkey.protocol.text import ClientId, Instant, Subject, digest_of
from proofkey.protocol.token_messages import DEVICE_CODE
from proofkey.store.memory import MemoryServerStore
from tests.authorization_server.device_kit import answer_device, ask_device, poll
from tests.authorization_server.driver import API, Desk, Visitor, client, sent_back
from tests.authorization_server.tokens_kit import KIT, ask, exchange, open_kit

OFFLINE = "openid offline_access"
ONLINE = "openid"


class WithdrawingStore(MemoryServerStore):
    """Can forget every consent, as an account page will."""

    withdrawn = False

    async def find_consent(self, sub: Subject, client_id: ClientId) -> Consent | None:
        return None if self.withdrawn else await super().find_consent(sub, client_id)

    async def find_code(self, code_digest: str) -> Standing | None:
        return self._seen(await super().find_code(code_digest))

    async def find_authorization(self, id_: str) -> Standing | None:
        return self._seen(await super().find_authorization(id_))

    async def find_opaque_token(self, digest: str) -> TokenStanding | None:
        found = await super().find_opaque_token(digest)
        return replace(found, grant=self._seen(found.grant)) if found else None

    async def find_device_code(self, digest: str) -> DeviceStanding | None:
        found = await super().find_device_code(digest)
        return replace(found, grant=self._seen(found.grant)) if found else None

    def _seen(self, standing: Standing | None) -> Standing | None:
        return replace(standing, consent=None) if standing and self.withdrawn else standing


@pytest.fixture(params=ACCESS_TOKEN_FORMATS)
async def desk(request: pytest.FixtureRequest) -> Desk:
    grants = frozenset({"authorization_code", "refresh_token", "client_credentials", DEVICE_CODE})
    web = client("web", access_token_format=request.param, grant_types=grants)
    features = frozenset({"par", "device"})
    return await open_kit(WithdrawingStore(), clients=(web, *KIT.clients[1:]), features=features)


def _event(desk: Desk) -> AuditEvent:
    return AuditEvent(at=desk.clock.now(), name="of the test")


async def _nothing(desk: Desk, visitor: Visitor, tokens: dict[str, Any]) -> None:
    return None


async def _user_disabled(desk: Desk, visitor: Visitor, tokens: dict[str, Any]) -> None:
    assert await desk.store.disable_user(Subject("u1"), desk.clock.now(), _event(desk))


async def _user_deleted(desk: Desk, visitor: Visitor, tokens: dict[str, Any]) -> None:
    assert await desk.store.delete_user(Subject("u1"), desk.clock.now(), _event(desk))


async def _password_changed(desk: Desk, visitor: Visitor, tokens: dict[str, Any]) -> None:
    assert await desk.store.set_password(Subject("u1"), "v1$new", desk.clock.now(), _event(desk))


async def _consent_withdrawn(desk: Desk, visitor: Visitor, tokens: dict[str, Any]) -> None:
    assert isinstance(desk.store, WithdrawingStore)
    desk.store.withdrawn = True


async def _client_disabled(desk: Desk, visitor: Visitor, tokens: dict[str, Any]) -> None:
    assert await desk.store.disable_client(ClientId("web"), desk.clock.now(), _event(desk))


async def _client_of_another_kind(desk: Desk, visitor: Visitor, tokens: dict[str, Any]) -> None:
    web, now = await desk.store.find_client(ClientId("web")), desk.clock.now()
    assert web is not None
    await desk.store.put_client(replace(web, grants_since=int(now)), now)


async def _signed_out(desk: Desk, visitor: Visitor, tokens: dict[str, Any]) -> None:
    assert visitor.sign_in is not None
    standing = await desk.store.find_sign_in(visitor.sign_in.digest())
    assert standing is not None
    assert await desk.store.end_sign_in(standing.sign_in.sid, desk.clock.now(), _event(desk))


async def _revoked(desk: Desk, visitor: Visitor, tokens: dict[str, Any]) -> None:
    await desk.revoke(tokens["access_token"])


HAPPENINGS: dict[str, Callable[[Desk, Visitor, dict[str, Any]], Awaitable[None]]] = {
    "nothing": _nothing,
    "user disabled": _user_disabled,
    "user deleted": _user_deleted,
    "password changed": _password_changed,
    "consent withdrawn": _consent_withdrawn,
    "client disabled": _client_disabled,
    "client of another kind": _client_of_another_kind,
    "signed out": _signed_out,
    "revoked": _revoked,
}


async def _use_code(desk: Desk, visitor: Visitor, code: str, tokens: dict[str, Any]) -> str:
    from proofkey.errors import InvalidClient

    try:
        await desk.redeem(code)
    except (InvalidGrant, InvalidClient) as error:
        return error.error
    return "acts"


async def _use_device_code(desk: Desk, visitor: Visitor, code: str, tokens: dict[str, Any]) -> str:
    from proofkey.errors import InvalidClient

    try:
        return str((await poll(desk, tokens["device_code"], "web")).get("error", "acts"))
    except InvalidClient as error:
        return error.error


async def _use_refresh_token(desk: Desk, visitor: Visitor, code: str, tokens: dict[str, Any]) -> str:
    from proofkey.errors import InvalidClient

    try:
        await desk.refresh(tokens["refresh_token"])
    except (InvalidGrant, InvalidClient) as error:
        return error.error
    return "acts"


async def _use_userinfo(desk: Desk, visitor: Visitor, code: str, tokens: dict[str, Any]) -> str:
    try:
        await desk.userinfo(tokens["access_token"])
    except InvalidToken as error:
        return error.error
    return "acts"


async def _use_sign_in(desk: Desk, visitor: Visitor, code: str, tokens: dict[str, Any]) -> str:
    try:
        return sent_back(await visitor.authorize(prompt="none", scope=OFFLINE)).get("error", "acts")
    except NoLocation:
        return "no location"


async def _ask(desk: Desk, token: str, asks: str) -> str:
    return "acts" if (await ask(desk, token, asks))["active"] else "not active"


async def _introspect(desk: Desk, visitor: Visitor, code: str, tokens: dict[str, Any]) -> str:
    return await _ask(desk, tokens["access_token"], "api")


async def _introspect_refresh_token(desk: Desk, visitor: Visitor, code: str, tokens: dict[str, Any]) -> str:
    from proofkey.errors import InvalidClient

    try:
        return await _ask(desk, tokens["refresh_token"], "web")
    except InvalidClient as error:
        return error.error


async def _exchange(desk: Desk, visitor: Visitor, code: str, tokens: dict[str, Any]) -> str:
    try:
        await exchange(desk, tokens["access_token"])
    except SubjectTokenRefused as error:
        return error.error
    return "acts"


async def _use_exchanged(desk: Desk, visitor: Visitor, code: str, tokens: dict[str, Any]) -> str:
    return await _ask(desk, tokens["exchanged"], "stock")


GRANTS: dict[str, Callable[[Desk, Visitor, str, dict[str, Any]], Awaitable[str]]] = {
    "code": _use_code,
    "device code": _use_device_code,
    "refresh token": _use_refresh_token,
    "userinfo": _use_userinfo,
    "sign-in": _use_sign_in,
    "introspection": _introspect,
    "introspection of a refresh token": _introspect_refresh_token,
    "token exchange": _exchange,
    "exchanged token": _use_exchanged,
}
EXPECTED = {
    "code": {"consent withdrawn": "invalid_grant", "client disabled": "invalid_client", "revoked": "acts"},
    "device code": {"client disabled": "invalid_client", "revoked": "acts"},
    "refresh token": {"client disabled": "invalid_client", "signed out": "acts"},  # offline_access: OIDC Core §11
    "userinfo": {"signed out": "acts"},
    "sign-in": {
        "consent withdrawn": "consent_required",
        "client disabled": "no location",
        "client of another kind": "acts",
        "revoked": "acts",
    },
    "introspection": {"signed out": "acts"},
    "introspection of a refresh token": {"client disabled": "invalid_client", "signed out": "acts"},
    "token exchange": {"signed out": "acts"},
    "exchanged token": {"signed out": "acts"},
}
ELSE = {
    "code": "invalid_grant",
    "device code": "invalid_grant",
    "refresh token": "invalid_grant",
    "userinfo": "invalid_token",
    "sign-in": "login_required",
    "introspection": "not active",
    "introspection of a refresh token": "not active",
    "token exchange": "invalid_request",
    "exchanged token": "not active",
}


@pytest.mark.spec("9700-4.14.2-d", "V7-7.4.*", "BL-2.7-a", "V7-7.4.3")
@pytest.mark.parametrize("happening", HAPPENINGS)
@pytest.mark.parametrize("grant", GRANTS)
async def test_the_matrix(desk: Desk, visitor: Visitor, grant: str, happening: str) -> None:
    tokens = await visitor.tokens(desk, scope=f"{OFFLINE} orders:read", resource=API)
    tokens["exchanged"] = (await exchange(desk, tokens["access_token"]))["access_token"]
    code = (await visitor.walk(scope=OFFLINE))["code"]  # of another authorization, not redeemed yet
    asked = await ask_device(desk, "web", scope=OFFLINE)
    await answer_device(visitor, asked["user_code"])
    tokens["device_code"] = asked["device_code"]
    desk.clock.turn(1)
    await HAPPENINGS[happening](desk, visitor, tokens)
    expected = "acts" if happening == "nothing" else EXPECTED[grant].get(happening, ELSE[grant])
    assert await GRANTS[grant](desk, visitor, code, tokens) == expected


@pytest.mark.spec("BL-2.7-a")
async def test_without_offline_access_signing_out_ends_userinfo(desk: Desk, visitor: Visitor) -> None:
    tokens = await visitor.tokens(desk, scope=f"{ONLINE} orders:read", resource=API)
    assert "refresh_token" not in tokens
    tokens["exchanged"] = (await exchange(desk, tokens["access_token"]))["access_token"]
    await _signed_out(desk, visitor, tokens)
    assert await _use_userinfo(desk, visitor, "", tokens) == "invalid_token"
    assert await _introspect(desk, visitor, "", tokens) == "not active"
    assert await _exchange(desk, visitor, "", tokens) == "invalid_request"
    assert await _use_exchanged(desk, visitor, "", tokens) == "not active"


@pytest.mark.spec("9700-4.14.2-d")
async def test_the_client_that_exchanged_a_token_ends_it_when_it_is_disabled(desk: Desk, visitor: Visitor) -> None:
    tokens = await visitor.tokens(desk, scope=f"{ONLINE} orders:read", resource=API)
    tokens["exchanged"] = (await exchange(desk, tokens["access_token"]))["access_token"]
    await desk.store.disable_client(ClientId("api"), desk.clock.now(), _event(desk))
    assert await _use_exchanged(desk, visitor, "", tokens) == "not active"
    assert await _use_userinfo(desk, visitor, "", tokens) == "acts"


async def _standing(desk: Desk, visitor: Visitor, scope: str) -> Standing:
    back = await visitor.walk(scope=scope)
    await desk.redeem(back["code"])
    standing = await desk.store.find_code(digest_of(back["code"]))
    assert standing is not None
    assert standing.user is not None
    assert standing.client is not None
    assert standing.sign_in is not None
    return standing


def _changed(standing: Standing, name: str, **changes: object) -> Standing:
    return replace(standing, **{name: replace(getattr(standing, name), **changes)})


LATER = Instant(1_800_000_100)
FAULTS: dict[str, tuple[Callable[[Standing], Standing], Finding]] = {
    "revoked": (lambda s: _changed(s, "authorization", revoked_at=LATER), Finding.GRANT_REVOKED),
    "no client": (lambda s: replace(s, client=None), Finding.GRANT_CLIENT_DISABLED),
    "client disabled": (lambda s: _changed(s, "client", disabled=True), Finding.GRANT_CLIENT_DISABLED),
    "no user": (lambda s: replace(s, user=None), Finding.GRANT_USER_DISABLED),
    "user disabled": (lambda s: _changed(s, "user", disabled=True), Finding.GRANT_USER_DISABLED),
    "password changed": (
        lambda s: _changed(s, "user", password_changed_at=LATER),
        Finding.GRANT_PASSWORD_CHANGED,
    ),
    "no consent": (lambda s: replace(s, consent=None), Finding.GRANT_CONSENT_WITHDRAWN),
    "consent to less": (lambda s: _changed(s, "consent", scope=frozenset()), Finding.GRANT_CONSENT_WITHDRAWN),
    "consent for another resource": (
        lambda s: _changed(s, "consent", resource=frozenset({"https://other.test"})),
        Finding.GRANT_CONSENT_WITHDRAWN,
    ),
    "signed out": (lambda s: _changed(s, "sign_in", ended_at=LATER), Finding.GRANT_SIGNED_OUT),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_every_part_of_a_standing_can_say_no_alone(desk: Desk, visitor: Visitor, fault: str) -> None:
    """The store revokes rows as well; here each part stands for itself."""
    standing = await _standing(desk, visitor, ONLINE)
    check_may_act(standing, LATER)
    spoil, finding = FAULTS[fault]
    with pytest.raises(InvalidGrant) as refused:
        check_may_act(spoil(standing), LATER)
    assert refused.value.finding is finding


async def test_first_party_clients_need_no_consent_on_record(desk: Desk, visitor: Visitor) -> None:
    standing = await _standing(desk, visitor, ONLINE)
    check_may_act(replace(_changed(standing, "client", skip_consent=True), consent=None), LATER)


async def test_a_sign_in_that_was_purged_takes_nothing_along(desk: Desk, visitor: Visitor) -> None:
    check_may_act(replace(await _standing(desk, visitor, ONLINE), sign_in=None), LATER)


@pytest.mark.parametrize(
    ("changes", "finding"),
    [
        pytest.param({"ended_at": LATER}, Finding.GRANT_SIGNED_OUT, id="ended"),
        pytest.param({"absolute_expires_at": LATER}, Finding.GRANT_SIGNED_OUT, id="absolute end"),
        pytest.param({"auth_time": Instant(1)}, Finding.GRANT_PASSWORD_CHANGED, id="older than the password"),
    ],
)
async def test_a_sign_in_alone_is_judged_alike(
    desk: Desk, visitor: Visitor, changes: dict[str, Any], finding: Finding
) -> None:
    whole = await _standing(desk, visitor, ONLINE)
    assert whole.sign_in is not None
    check_may_act(SignInStanding(sign_in=whole.sign_in, user=whole.user), LATER)
    with pytest.raises(InvalidGrant) as refused:
        check_may_act(SignInStanding(sign_in=replace(whole.sign_in, **changes), user=whole.user), LATER)
    assert refused.value.finding is finding


async def test_a_device_is_judged_by_what_was_allowed(desk: Desk, visitor: Visitor) -> None:
    asked = await ask_device(desk, "web", scope=ONLINE)
    await answer_device(visitor, asked["user_code"])
    whole = await desk.store.find_device_code(digest_of(asked["device_code"]))
    assert whole is not None
    assert whole.grant is not None
    assert whole.grant.authorization.id == whole.device.authorization_id
    check_may_act(whole, LATER)
    waiting = replace(whole, device=replace(whole.device, authorization_id=None), grant=None)
    check_may_act(waiting, LATER)
    for spoilt, finding in (
        (replace(waiting, client=None), Finding.GRANT_CLIENT_DISABLED),
        (replace(whole, grant=None), Finding.GRANT_REVOKED),
        (replace(whole, grant=_changed(whole.grant, "user", disabled=True)), Finding.GRANT_USER_DISABLED),
    ):
        with pytest.raises(InvalidGrant) as refused:
            check_may_act(spoilt, LATER)
        assert refused.value.finding is finding
