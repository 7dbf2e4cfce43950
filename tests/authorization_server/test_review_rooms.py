"""What a second review thought of: logout, authorization_details, clients that describe themselves."""

import json
from dataclasses import replace
from typing import Any

import anyio
import pytest

from proofkey.authorization_server.answers import Json, Page, Redirect
from proofkey.authorization_server.logout import RETRY_AFTER
from proofkey.authorization_server.policy import DetailType, Policy, SelfRegistration
from proofkey.authorization_server.records import AuditEvent
from proofkey.errors import InvalidClient, InvalidClientMetadata, NoLocation, Unavailable
from proofkey.findings import Finding
from proofkey.protocol.client_assertion import build_client_assertion
from proofkey.protocol.client_authentication import ASSERTION_TYPE
from proofkey.protocol.exchange import Answer, Ask
from proofkey.protocol.text import ClientId, Instant, Subject
from proofkey.runtime import logout_sender
from proofkey.runtime.foreign_documents import AT_ONCE
from proofkey.testing.clock import TurnedClock
from proofkey.testing.published import PublishedDocuments
from proofkey.testing.tokens import key_for_tests
from tests.authorization_server.driver import (
    CALLBACK,
    ISSUER,
    PEER,
    POLICY,
    VERIFIER,
    Desk,
    Visitor,
    claims_of,
    client,
    open_desk,
    sent_back,
)
from tests.authorization_server.requests_kit import EVERYTHING, JWKS, begin, finish, pushed, signed
from tests.authorization_server.test_authorization_details import text

BYE = "https://app.test/bye"
ANN = Subject("u1")

# --- clients that nobody vouches for are no redirectors ------------------------------------------------------

ID = "https://app.test/client.json"
CIMD: Policy = replace(POLICY, features=POLICY.features | {"cimd"}, acr_values={"urn:strong": ("otp",)})
DOCUMENT: dict[str, Any] = {
    "client_id": ID,
    "client_name": "App",
    "redirect_uris": [CALLBACK],
    "post_logout_redirect_uris": [BYE],
    "token_endpoint_auth_method": "none",
}


async def open_stranger(document: Any = DOCUMENT, policy: Policy = CIMD) -> Desk:
    web = PublishedDocuments()
    web.put(ID, document)
    return await open_desk(policy, foreign=web)


ESSENTIAL = '{"id_token": {"acr": {"essential": true, "values": ["urn:strong"]}}}'


@pytest.mark.spec("9700-4.11.2-b")
async def test_a_class_that_nobody_can_reach_sends_no_stranger_on_to_a_strangers_address() -> None:
    desk = await open_stranger()
    with pytest.raises(NoLocation):
        await Visitor(desk.core).authorize(ID, claims=ESSENTIAL)


@pytest.mark.spec("9700-4.11.2-b")
async def test_who_is_signed_in_is_sent_on_and_so_is_a_silent_request() -> None:
    desk = await open_stranger()
    answer = await Visitor(desk.core).authorize(ID, prompt="none", scope="openid")
    assert sent_back(answer)["error"] == "login_required"
    visitor = Visitor(desk.core)
    await visitor.walk("first", scope="openid")
    answer = await visitor.authorize(ID, claims=ESSENTIAL)
    assert sent_back(answer)["error"] == "unmet_authentication_requirements"


@pytest.mark.spec("9700-4.11.2-b")
async def test_a_hint_of_its_own_makes_no_redirector_of_a_strangers_client() -> None:
    """Whoever has an ID token of his own could send anybody to his address by the server's."""
    desk, his = await open_stranger(), {"id_token_hint": "", "post_logout_redirect_uri": BYE}
    visitor = Visitor(desk.core)
    code = (await visitor.walk(ID, scope="openid"))["code"]
    form = {"grant_type": "authorization_code", "code": code, "code_verifier": VERIFIER}
    tokens = await desk.token(ID, secret=None, **form)
    his["id_token_hint"] = tokens["id_token"]
    answer = await desk.core.end_session(tuple(his.items()), Visitor(desk.core).browser)
    assert isinstance(answer, Page), "nobody is signed in there"
    assert answer.context["return_url"] == BYE
    answer = await desk.core.end_session(tuple(his.items()), visitor.browser)
    assert isinstance(answer, Redirect), "who signed in to it goes back"
    assert answer.url == BYE


# --- authorization_details -----------------------------------------------------------------------------------

DETAILS: Policy = replace(
    EVERYTHING,
    authorization_details_types={
        "payment": DetailType(type="payment", fields=("amount", "note")),
        "account": DetailType(type="account", fields=("days",)),
    },
    clients=(client("web", authorization_details_types=("payment", "account")),),
)
PAY: dict[str, Any] = {"type": "payment", "amount": "100.00"}
LOOK: dict[str, Any] = {"type": "account", "days": 7}


async def grant(desk: Desk, *details: Any, **changes: Any) -> dict[str, Any]:
    uri = await pushed(desk, "web", authorization_details=text(*details), **changes)
    visitor = Visitor(desk.core)
    return await desk.redeem(sent_back(await finish(visitor, await begin(visitor, "web", uri)))["code"])


async def take_away(desk: Desk, *left: str) -> None:
    """The operator lets the client have these types alone."""
    web = await desk.store.find_client(ClientId("web"))
    assert web
    await desk.store.put_client(replace(web, authorization_details_types=left), desk.clock.now())


@pytest.mark.spec("9396-6", "threats §1.4")
async def test_a_type_that_was_taken_from_the_client_is_not_refreshed() -> None:
    """As a scope that was taken from it is not."""
    desk = await open_desk(DETAILS)
    issued = await grant(desk, PAY, LOOK)
    assert issued["authorization_details"] == [PAY, LOOK]
    await take_away(desk, "account")
    answer = await desk.refresh(issued["refresh_token"])
    assert answer["authorization_details"] == [LOOK]
    assert claims_of(answer["access_token"])["authorization_details"] == [LOOK]
    answer = await desk.refresh(answer["refresh_token"], authorization_details=text(PAY))
    assert "authorization_details" not in answer
    assert "authorization_details" not in claims_of(answer["access_token"])


@pytest.mark.spec("9396-6", "threats §1.4")
async def test_a_type_that_was_taken_from_the_client_is_not_redeemed() -> None:
    desk = await open_desk(DETAILS)
    uri = await pushed(desk, "web", authorization_details=text(PAY))
    visitor = Visitor(desk.core)
    code = sent_back(await finish(visitor, await begin(visitor, "web", uri)))["code"]
    await take_away(desk)
    assert "authorization_details" not in await desk.redeem(code)


@pytest.mark.spec("9396-2")
@pytest.mark.parametrize("note", ["ü" * 3000, "貨物" * 1500, "😀" * 2000], ids=["Latin", "Han", "beyond"])
async def test_the_limit_counts_the_characters_that_were_sent(note: str) -> None:
    """Not the escapes by which they are kept."""
    desk = await open_desk(DETAILS)
    asked = {**PAY, "note": note}
    uri = await pushed(desk, "web", authorization_details=json.dumps([asked], ensure_ascii=False))
    visitor = Visitor(desk.core)
    code = sent_back(await finish(visitor, await begin(visitor, "web", uri)))["code"]
    assert (await desk.redeem(code))["authorization_details"] == [asked]


@pytest.mark.spec("9396-2", "9101-4")
async def test_nor_the_escapes_of_a_signed_request() -> None:
    types = ("payment", "account")
    signs = client("signs", jwks=JWKS, authorization_details_types=types)
    desk = await open_desk(replace(DETAILS, clients=(signs,)))
    asked = {**PAY, "note": "ü" * 1500}
    visitor = Visitor(desk.core)
    uri = await pushed(desk, "signs", request=signed("signs", authorization_details=[asked]))
    back = sent_back(await finish(visitor, await begin(visitor, "signs", uri)))
    assert (await desk.redeem(back["code"], "signs"))["authorization_details"] == [asked]


# --- logout --------------------------------------------------------------------------------------------------


class Clients:
    """A transport: every client hangs until `answer` is set; how many exchanges were under way at once."""

    def __init__(self) -> None:
        self.answer = anyio.Event()
        self.asked: list[str] = []
        self.under_way = 0
        self.most = 0

    async def send(self, ask: Ask) -> Answer:
        self.asked.append(ask.url)
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await self.answer.wait()
        finally:
            self.under_way -= 1
        return Answer(200)


def told_at(client_id: str, **changes: Any) -> Any:
    return client(client_id, skip_consent=True, backchannel_logout_uri=f"https://{client_id}.test/out", **changes)


async def end(desk: Desk, sub: Subject = ANN) -> None:
    event = AuditEvent(at=desk.clock.now(), name="test")
    await desk.store.end_user_sessions(sub, event.at, event)


async def send_due(desk: Desk) -> None:
    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            await desk.core._logouts.send_due(group)


def logout_events(desk: Desk) -> list[str]:
    return [name for name in desk.event_names() if name.startswith("logout.")]


@pytest.mark.spec("BL-2.5-a")
async def test_while_nothing_can_be_signed_a_logout_is_put_off_further_and_further() -> None:
    """A signer that is away for an hour costs no client its logout."""
    clients = Clients()
    clients.answer.set()
    desk = await open_desk(replace(POLICY, clients=(told_at("web"),)), foreign=clients)
    await Visitor(desk.core).tokens(desk)
    role = desk.core._role

    async def away(key: object, typ: str, claims: object) -> str:
        raise Unavailable(Finding.SIGNER_AWAY)

    desk.core._role = replace(role, sign=away)
    await end(desk)
    for _ in range(3600):
        await send_due(desk)
        desk.clock.turn(1)
    assert clients.asked == []
    assert logout_events(desk) == [], "not given up"
    desk.core._role = role
    desk.clock.turn(RETRY_AFTER[-1])
    await send_due(desk)
    assert logout_events(desk) == ["logout.delivered"]


async def test_many_logouts_at_once_leave_places_for_other_exchanges(monkeypatch: pytest.MonkeyPatch) -> None:
    """All people who sign out together have no more places than one of them."""
    monkeypatch.setattr(logout_sender, "WAIT", 0.2)
    clients, names = Clients(), ("one", "two", "three", "four")
    desk = await open_desk(replace(POLICY, clients=tuple(map(told_at, names))), foreign=clients)
    sender = desk.core._logouts
    sender.places = anyio.Semaphore(3)
    hints: list[tuple[Visitor, str]] = []
    for username in ("ann", "bob"):
        visitor, hint = Visitor(desk.core), ""
        for name in names:
            hint = (await visitor.tokens(desk, name, username=username))["id_token"]
        hints.append((visitor, hint))
    async with anyio.create_task_group() as group:
        for visitor, hint in hints:
            group.start_soon(desk.core.end_session, (("id_token_hint", hint),), visitor.browser)
    assert clients.most == 3
    clients.answer.set()
    for seconds in (5, 30):
        desk.clock.turn(seconds)
        await send_due(desk)
    assert logout_events(desk) == ["logout.delivered"] * 8


async def test_who_was_never_asked_comes_before_those_that_never_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However many clients hang, and however long they have been due."""
    monkeypatch.setattr(logout_sender, "AT_ONCE", 2)
    clients = Clients()
    clients.answer.set()
    desk = await open_desk(replace(POLICY, clients=tuple(map(told_at, ("a", "b", "web")))), foreign=clients)
    for name in ("a", "b"):
        await Visitor(desk.core).tokens(desk, name, username="bob")
    await end(desk, Subject("u2"))
    for one in await desk.store.list_due_logouts(desk.clock.now(), most=9, per_client=9):
        now = desk.clock.now()
        assert await desk.store.claim_logout(one, now, Instant(now + 30)), "and hangs"
    desk.clock.turn(60)
    await Visitor(desk.core).tokens(desk, "web")
    await end(desk)
    await send_due(desk)
    assert "https://web.test/out" in clients.asked


# --- sectors and keys of strangers -----------------------------------------------------------------------------

SECTOR = "https://op.test/sector.json"


@pytest.mark.spec("OC-8.1-a", "threats §1.4")
@pytest.mark.parametrize("listed", [True, False])
async def test_the_operators_word_for_a_sector_is_not_for_strangers(*, listed: bool) -> None:
    """Whoever is of a sector knows its people by the same names: a stranger needs the document that lists it."""
    web = PublishedDocuments()
    if listed:
        web.put(SECTOR, [CALLBACK])
    policy = replace(
        POLICY,
        features=POLICY.features | {"registration"},
        registration=SelfRegistration(allow_insecure_open=True),
        sector_identifier_uris=frozenset({SECTOR}),
    )
    desk = await open_desk(policy, foreign=web)
    said = {"redirect_uris": [CALLBACK], "subject_type": "pairwise", "sector_identifier_uri": SECTOR}
    if listed:
        answer = await desk.core.register(said, (), PEER)
        assert isinstance(answer, Json)
        assert answer.body["sector_identifier_uri"] == SECTOR
        return
    with pytest.raises(InvalidClientMetadata):
        await desk.core.register(said, (), PEER)


@pytest.mark.spec("OC-8.1-a", "threats §1.4")
async def test_nor_for_those_that_describe_themselves() -> None:
    document = {**DOCUMENT, "subject_type": "pairwise", "sector_identifier_uri": SECTOR}
    desk = await open_stranger(document, replace(CIMD, sector_identifier_uris=frozenset({SECTOR})))
    with pytest.raises(NoLocation):
        await Visitor(desk.core).authorize(ID)


@pytest.mark.spec("threats §2.37")
async def test_strangers_whose_keys_do_not_come_keep_no_registered_client_waiting() -> None:
    """However many of their hosts hang."""
    web, clock = PublishedDocuments(), TurnedClock()
    key = key_for_tests("ES256", "app")
    web.put("https://rp.test/jwks", {"keys": [key.public_jwk]})
    keys: dict[str, Any] = {"secret_digest": None, "token_endpoint_auth_method": "private_key_jwt"}
    desk = await open_desk(
        replace(POLICY, clients=(client("ours", **keys, jwks_uri="https://rp.test/jwks"),)),
        foreign=web,
        clock=clock,
    )

    def asks(client_id: str) -> Any:
        made = build_client_assertion(
            key, client_id=ClientId(client_id), audience=ISSUER, now=clock.now(), jti="j"
        )
        form = {"grant_type": "client_credentials", "client_id": client_id, "client_assertion": made}
        return desk.core.token((*form.items(), ("client_assertion_type", ASSERTION_TYPE)), (), PEER)

    async def hangs(client_id: str) -> None:
        with pytest.raises(InvalidClient):
            await asks(client_id)

    web.gate = anyio.Event()
    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            for number in range(AT_ONCE):
                uri = f"https://s{number}.test/jwks"
                web.put(uri, {"keys": [key_for_tests("ES256", "another").public_jwk]})
                stranger = client(f"s{number}", **keys, jwks_uri=uri, self_registered=True)
                await desk.store.put_client(stranger, clock.now())
                group.start_soon(hangs, f"s{number}")
            while len(web.asked) < AT_ONCE:
                await anyio.lowlevel.checkpoint()
            gate, web.gate = web.gate, None
            answer = await asks("ours")
            gate.set()
    assert isinstance(answer, Json)
    assert answer.body["access_token"]


# --- what strangers call themselves ----------------------------------------------------------------------------


def open_policy() -> Policy:
    features = POLICY.features | {"registration"}
    return replace(POLICY, features=features, registration=SelfRegistration(allow_insecure_open=True))


@pytest.mark.spec("threats §1.4", "CIMD-6.4")
@pytest.mark.parametrize(
    "name",
    [
        " ",
        "\u3164",
        "\u115f \uffa0",
        "\u2800",
        "\u0301",
        "\ufe0f",
        "a" + "\u0301" * 9,
        "Shop\u20e3\u0301\u0302\u0303\u0304",
    ],
    ids=ascii,
)
async def test_a_name_that_nobody_can_read_is_refused(name: str) -> None:
    """The consent page would ask for nobody, or be written over by marks."""
    desk = await open_desk(open_policy())
    with pytest.raises(InvalidClientMetadata) as refused:
        await desk.core.register({"redirect_uris": [CALLBACK], "client_name": name}, (), PEER)
    assert refused.value.facts["member"] == "client_name"


@pytest.mark.parametrize(
    "name", ["", "Läden & Co. 2", "貨物", "किताबें", "ร้านน้ำ", "☕️", "e\u0301t\u00e9"], ids=ascii
)
async def test_a_name_in_any_script_is_taken(name: str) -> None:
    desk = await open_desk(open_policy())
    answer = await desk.core.register({"redirect_uris": [CALLBACK], "client_name": name}, (), PEER)
    assert isinstance(answer, Json)
    assert answer.body.get("client_name", "") == name


@pytest.mark.parametrize(
    "said",
    [
        {"post_logout_redirect_uris": [f"https://rp.test/{number}" for number in range(21)]},
        {"contacts": ["ann\u0000@op.test"]},
        {"default_acr_values": ["a\nb"]},
    ],
    ids=lambda said: next(iter(said)),
)
async def test_lists_are_short_and_can_be_shown(said: dict[str, Any]) -> None:
    desk = await open_desk(open_policy())
    with pytest.raises(InvalidClientMetadata) as refused:
        await desk.core.register({"redirect_uris": [CALLBACK], **said}, (), PEER)
    assert refused.value.facts["member"] == next(iter(said))
