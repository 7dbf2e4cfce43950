"""Clients that describe themselves (CIMD): which documents are taken, when they are read, what a change does."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from proofkey.authorization_server.answers import Json, Page, Redirect
from proofkey.authorization_server.client_document import check_document_url, read_client_document
from proofkey.authorization_server.policy import ClientDocuments, Policy, SelfRegistration
from proofkey.authorization_server.throttles import ALL_CLIENT_DOCUMENTS, CLIENT_DOCUMENT
from proofkey.errors import InvalidClient, InvalidGrant, NoLocation, TooManyRequests, Unavailable
from proofkey.findings import Finding
from proofkey.protocol.client_assertion import build_client_assertion
from proofkey.protocol.client_authentication import ASSERTION_TYPE
from proofkey.protocol.text import ClientId, Instant, Pairs
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
    interaction_of,
    open_desk,
    request,
    sent_back,
)

ID = "https://app.test/client.json"
KEY = key_for_tests("ES256", "app")
NOW = Instant(1_800_000_000)
CIMD = replace(POLICY, features=POLICY.features | {"cimd", "jar"})
DOCUMENT: dict[str, Any] = {
    "client_id": ID,
    "client_name": "App",
    "redirect_uris": [CALLBACK],
    "grant_types": ["authorization_code", "refresh_token"],
    "token_endpoint_auth_method": "none",
}
SIGNING = {**DOCUMENT, "token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [KEY.public_jwk]}}


class Bench:
    def __init__(self, desk: Desk, web: PublishedDocuments, clock: TurnedClock) -> None:
        self.desk, self.web, self.clock = desk, web, clock
        self._jti = 0

    def visitor(self, peer: str = PEER) -> Visitor:
        return Visitor(self.desk.core, peer=peer)

    async def code(self, visitor: Visitor) -> str:
        """From the request to a code, through whatever page is due."""
        answer = await visitor.authorize(ID)
        if not sent_to_client(answer):
            id_ = interaction_of(answer)
            answer = await visitor.look(id_)
            if isinstance(answer, Page) and answer.name == "login":
                answer = await visitor.log_in(id_)
            if not sent_to_client(answer):
                await visitor.look(id_)
                answer = await visitor.decide(id_)
        return sent_back(answer)["code"]

    async def token(self, form: dict[str, str], *, signed: bool = False, peer: str = PEER) -> dict[str, Any]:
        pairs: Pairs = (*form.items(), ("client_id", ID))
        if signed:
            self._jti += 1
            made = build_client_assertion(
                KEY, client_id=ClientId(ID), audience=ISSUER, now=self.clock.now(), jti=f"j{self._jti}"
            )
            pairs = (*pairs, ("client_assertion_type", ASSERTION_TYPE), ("client_assertion", made))
        answer = await self.desk.core.token(pairs, (), peer)
        assert isinstance(answer, Json)
        return dict(answer.body)

    async def redeem(self, code: str, *, signed: bool = False) -> dict[str, Any]:
        form = {"grant_type": "authorization_code", "code": code, "code_verifier": VERIFIER}
        return await self.token({**form, "redirect_uri": CALLBACK}, signed=signed)

    async def refresh(self, token: str, *, signed: bool = False) -> dict[str, Any]:
        return await self.token({"grant_type": "refresh_token", "refresh_token": token}, signed=signed)


def sent_to_client(answer: object) -> bool:
    return isinstance(answer, Redirect) and answer.url.startswith(CALLBACK)


async def a_bench(policy: Policy = CIMD, document: Any = DOCUMENT) -> Bench:
    web, clock = PublishedDocuments(), TurnedClock()
    web.put(ID, document)
    return Bench(await open_desk(policy, clock=clock, foreign=web), web, clock)


@pytest.fixture
async def bench() -> Bench:
    return await a_bench()


# --- the URL -------------------------------------------------------------------------------------------------


@pytest.mark.spec("CIMD-3-a")
@pytest.mark.parametrize(
    "url",
    [
        "https://app.test", "https://app.test?x=1", "https://app.test/a/../b", "https://app.test/./b",
        "https://app.test/%2e%2E/b", "https://app.test/%2e", "https://app.test/..", "https://app.test/a#b",
        "https://ann@app.test/a", "https://ann:pw@app.test/a", "https://app.test/a?b=c", "https://app.test/a?",
        "HTTPS://app.test/a", "https://App.test/a", "https://app.test:0/a", "https://app.test\\a", "https:///a",
        "https://app.test/ä", "https://app.test/" + "a" * 255, "https://op.test/client.json",
    ],
)  # fmt: skip
async def test_a_url_that_is_no_documents_is_shown_on_a_page_and_never_fetched(url: str, bench: Bench) -> None:
    bench.web.put(url, {**DOCUMENT, "client_id": url})
    with pytest.raises(NoLocation):
        await bench.visitor().authorize(url)
    with pytest.raises(InvalidClient) as refused:
        check_document_url(url, CIMD)
    assert refused.value.finding is Finding.CLIENT_DOCUMENT_URL
    assert not bench.web.asked


@pytest.mark.parametrize("url", [ID, "https://app.test/", "https://app.test:8443/a/b.json", "https://1.2.3.4/c"])
def test_a_url_with_a_path_may_be_a_documents(url: str) -> None:
    check_document_url(url, CIMD)


def test_where_hosts_are_listed_no_other_is_taken() -> None:
    policy = replace(CIMD, client_documents=ClientDocuments(hosts=frozenset({"app.test", "b.test:8443"})))
    for url in (ID, "https://b.test:8443/c"):
        check_document_url(url, policy)
    for url in (
        "https://evil.app.test/c",
        "https://app.test.evil/c",
        "https://b.test/c",
        "https://app.test:444/c",
    ):
        with pytest.raises(InvalidClient):
            check_document_url(url, policy)


async def test_a_host_that_the_operator_takes_off_the_list_is_out_at_once(bench: Bench) -> None:
    tokens = await bench.redeem(await bench.code(bench.visitor()))
    listed = replace(CIMD, client_documents=ClientDocuments(hosts=frozenset({"b.test"})))
    bench.desk = await open_desk(listed, bench.desk.store, bench.clock, foreign=bench.web)
    with pytest.raises(NoLocation):
        await bench.visitor().authorize(ID)
    with pytest.raises(InvalidClient):
        await bench.refresh(tokens["refresh_token"])


# --- the document ----------------------------------------------------------------------------------------------


@pytest.mark.spec("CIMD-4-a")
@pytest.mark.parametrize(
    ("changes", "member"),
    [
        ({"client_id": "https://app.test/other.json"}, "client_id"),
        ({"client_id": ID + "/"}, "client_id"),
        ({"client_id": None}, "client_id"),
        ({"client_secret": "a secret of thirty-two characters"}, "client_secret"),
        ({"client_secret_expires_at": 0}, "client_secret_expires_at"),
        ({"token_endpoint_auth_method": "client_secret_basic"}, "token_endpoint_auth_method"),
        ({"token_endpoint_auth_method": "client_secret_post"}, "token_endpoint_auth_method"),
        ({"token_endpoint_auth_method": "client_secret_jwt"}, "token_endpoint_auth_method"),
        ({"token_endpoint_auth_method": "tls_client_auth"}, "token_endpoint_auth_method"),
        ({"token_endpoint_auth_method": ["none"]}, "token_endpoint_auth_method"),
        ({"token_endpoint_auth_method": "private_key_jwt"}, "jwks"),
        ({"jwks": {"keys": [{**KEY.public_jwk, "d": "AA"}]}}, "jwks"),
        ({"redirect_uris": None}, None),
        ({"redirect_uris": []}, None),
        ({"redirect_uris": CALLBACK}, None),
        ({"redirect_uris": ["http://rp.test/cb"]}, None),
        ({"redirect_uris": ["javascript:alert(1)"]}, None),
        ({"redirect_uris": [f"https://rp.test/{n}" for n in range(100)]}, None),
        ({"application_type": "web", "redirect_uris": ["http://127.0.0.1/cb"]}, None),
        ({"grant_types": ["client_credentials"]}, None),
        ({"response_types": ["token"]}, None),
        ({"scope": "unknown"}, None),
        ({"client_name": "x" * 1000}, None),
        ({"client_name": 7}, None),
    ],
)
def test_a_document_that_cannot_be_the_clients_is_refused(changes: dict[str, Any], member: str | None) -> None:
    with pytest.raises(InvalidClient) as refused:
        read(DOCUMENT | changes)
    assert refused.value.finding is Finding.CLIENT_DOCUMENT_WRONG
    assert member is None or refused.value.facts["member"] == member


def read(document: dict[str, Any], policy: Policy = CIMD) -> Any:
    return read_client_document(json.dumps(document), ClientId(ID), policy, NOW, None)


def test_what_would_loosen_a_rule_is_not_read() -> None:
    client = read({**DOCUMENT, "skip_consent": True, "allow_insecure_without_pkce": True, "disabled": False})
    assert (client.skip_consent, client.allow_insecure_without_pkce, client.self_registered) == (
        False,
        False,
        True,
    )


@pytest.mark.parametrize(
    ("document", "method", "kind"),
    [
        ({**DOCUMENT, "token_endpoint_auth_method": None}, "none", "web"),
        ({**SIGNING, "token_endpoint_auth_method": None}, "private_key_jwt", "web"),
        ({**DOCUMENT, "redirect_uris": ["http://127.0.0.1:3000/cb", "http://localhost/cb"]}, "none", "native"),
        ({**DOCUMENT, "redirect_uris": ["test.app:/cb"]}, "none", "native"),
        (
            {**DOCUMENT, "token_endpoint_auth_method": None, "jwks_uri": "https://app.test/jwks"},
            "private_key_jwt",
            "web",
        ),
    ],
    ids=["nothing said", "keys", "loopback", "a private scheme", "an address of keys"],
)
def test_what_a_document_leaves_out_is_told_by_the_rest(document: dict[str, Any], method: str, kind: str) -> None:
    client = read(document)
    assert (client.token_endpoint_auth_method, client.application_type) == (method, kind)


@pytest.mark.spec("O21-7.9-a")
@pytest.mark.parametrize(
    ("documents", "expected"),
    [
        (ClientDocuments(scope=("openid", "orders:read")), ("openid", "orders:read")),
        (ClientDocuments(), ("openid", "email")),
    ],
    ids=["of its own", "of all that register themselves"],
)
def test_the_operator_says_what_such_clients_may_have(
    documents: ClientDocuments, expected: tuple[str, ...]
) -> None:
    rules = SelfRegistration(scope=("openid", "email"))
    policy = replace(CIMD, client_documents=documents, registration=rules)
    assert read(DOCUMENT, policy).scope == expected
    assert read({**DOCUMENT, "scope": "openid bills:read"}, policy).scope == ("openid",)


# --- the flow --------------------------------------------------------------------------------------------------


@pytest.mark.spec("MCP26-reg")
async def test_a_client_that_was_never_seen_goes_from_its_url_to_tokens(bench: Bench) -> None:
    tokens = await bench.redeem(await bench.code(bench.visitor()))
    again = await bench.refresh(tokens["refresh_token"])
    assert again["token_type"] == "Bearer"
    assert bench.web.asked == [ID]
    assert bench.desk.core.metadata()["client_id_metadata_document_supported"] is True


async def test_without_the_feature_nothing_is_fetched_and_nothing_announced() -> None:
    bench = await a_bench(POLICY)
    with pytest.raises(NoLocation) as refused:
        await bench.visitor().authorize(ID)
    assert refused.value.finding is Finding.CLIENT_UNKNOWN
    assert not bench.web.asked
    assert "client_id_metadata_document_supported" not in bench.desk.core.metadata()


async def test_where_the_feature_was_turned_off_a_client_acts_no_longer(bench: Bench) -> None:
    tokens = await bench.redeem(await bench.code(bench.visitor()))
    bench.desk = await open_desk(POLICY, bench.desk.store, bench.clock, foreign=bench.web)
    with pytest.raises(InvalidClient):
        await bench.refresh(tokens["refresh_token"])
    with pytest.raises(NoLocation):
        await bench.visitor().authorize(ID)


@pytest.mark.spec("CIMD-6.4-b")
async def test_the_person_sees_whose_document_it_is(bench: Bench) -> None:
    bench.web.put(ID, {**DOCUMENT, "client_name": "Your bank", "logo_uri": "https://app.test/logo.png"})
    visitor = bench.visitor()
    id_ = interaction_of(await visitor.authorize(ID))
    await visitor.log_in(id_)
    page = await visitor.look(id_)
    assert isinstance(page, Page)
    assert (page.name, page.context["described_at"], page.context["self_registered"]) == (
        "consent",
        "app.test",
        True,
    )
    assert bench.web.asked == [ID]  # the logo is nobody's business


@pytest.mark.parametrize(
    "changes",
    [
        {"redirect_uri": None},
        {"response_type": None},
        {"code_challenge": None},
        {"code_challenge_method": "plain"},
        {"scope": 'a"b'},
        {"request_uri": "urn:ietf:params:oauth:request_uri:x"},
        {"request": "a.b.c"},
        {"request": "x.y.z"},
    ],
    ids=str,
)
async def test_nothing_is_fetched_for_a_request_that_could_not_be_answered(
    changes: dict[str, str | None], bench: Bench
) -> None:
    with pytest.raises(NoLocation):
        await bench.visitor().authorize(ID, **changes)
    assert not bench.web.asked


@pytest.mark.spec("9700-4.11.2-b")
async def test_a_stranger_is_no_redirector(bench: Bench) -> None:
    with pytest.raises(NoLocation):
        await bench.visitor().authorize(ID, scope="unknown")
    with pytest.raises(NoLocation):
        await bench.visitor().authorize(ID, redirect_uri="https://evil.test/cb")


async def test_nobody_learns_of_it_at_the_token_endpoint(bench: Bench) -> None:
    with pytest.raises(InvalidClient):
        await bench.redeem("invented")
    assert not bench.web.asked


async def test_a_request_can_be_pushed_by_a_client_that_was_never_seen(bench: Bench) -> None:
    answer = await bench.desk.core.push(tuple(request(ID).items()), (), PEER)
    assert isinstance(answer, Json)
    visitor = bench.visitor()
    pairs = (("client_id", ID), ("request_uri", str(answer.body["request_uri"])))
    interaction_of(visitor.keep(await bench.desk.core.authorize(pairs, visitor.browser)))
    assert bench.web.asked == [ID]


async def test_a_client_that_signs_proves_itself(bench: Bench) -> None:
    bench.web.put(ID, SIGNING)
    code = await bench.code(bench.visitor())
    with pytest.raises(InvalidClient):
        await bench.redeem(code)
    assert (await bench.redeem(code, signed=True))["token_type"] == "Bearer"


async def test_its_keys_may_be_elsewhere(bench: Bench) -> None:
    document = {**SIGNING, "jwks": None, "jwks_uri": "https://app.test/jwks"}
    bench.web.put(ID, document)
    bench.web.put("https://app.test/jwks", {"keys": [KEY.public_jwk]})
    assert await bench.redeem(await bench.code(bench.visitor()), signed=True)
    assert bench.web.asked == [ID, "https://app.test/jwks"]


async def test_its_sector_is_proven_by_the_document_there(bench: Bench) -> None:
    sector = "https://sector.test/uris"
    bench.web.put(ID, {**DOCUMENT, "subject_type": "pairwise", "sector_identifier_uri": sector})
    bench.web.put(sector, ["https://other.test/cb"])
    with pytest.raises(NoLocation):
        await bench.visitor().authorize(ID)
    bench.web.put(sector, [CALLBACK])
    bench.clock.turn(300)
    assert await bench.code(bench.visitor())


# --- when it is read -------------------------------------------------------------------------------------------


@pytest.mark.spec("CIMD-4.4-a")
@pytest.mark.parametrize(
    ("control", "seconds"),
    [("", 3600), ("max-age=1", 300), ("no-store", 300), ("max-age=7200", 7200), ("max-age=9999999", 86400)],
)
async def test_it_is_read_anew_when_its_time_is_over(control: str, seconds: int, bench: Bench) -> None:
    bench.web.put(ID, DOCUMENT, cache_control=control)
    await bench.visitor().authorize(ID)
    bench.clock.turn(seconds - 1)
    await bench.visitor().authorize(ID)
    assert bench.web.count(ID) == 1
    bench.clock.turn(1)
    await bench.visitor().authorize(ID)
    assert bench.web.count(ID) == 2


@pytest.mark.spec("CIMD-4.4-a")
@pytest.mark.parametrize("fault", ["500", "404", "302", "malformed", "wrong", "down", "too large"])
async def test_no_failure_is_remembered(fault: str, bench: Bench) -> None:
    spoil(bench.web, fault)
    with pytest.raises((NoLocation, Unavailable)):
        await bench.visitor().authorize(ID)
    bench.web.down.clear()
    bench.web.put(ID, DOCUMENT)
    if fault == "wrong":  # it was a document, and serves as one for a while
        bench.clock.turn(3600)
    assert isinstance(await bench.visitor().authorize(ID), Redirect)


def spoil(web: PublishedDocuments, fault: str) -> None:
    match fault:
        case "down":
            web.down.add("app.test")
        case "malformed":
            web.put(ID, b"{")
        case "wrong":
            web.put(ID, {**DOCUMENT, "client_id": "https://evil.test/c"})
        case "too large":
            web.put(ID, {**DOCUMENT, "more": "x" * 5 * 1024})
        case "404":
            web.remove(ID)
        case _:
            web.put(ID, DOCUMENT, status=int(fault))


@pytest.mark.parametrize("fault", ["down", "500"])
async def test_the_last_document_serves_for_two_days_while_its_host_does_not_answer(
    fault: str, bench: Bench
) -> None:
    tokens = await bench.redeem(await bench.code(bench.visitor()))
    spoil(bench.web, fault)
    bench.clock.turn(3600)
    for _ in range(3):
        tokens = await bench.refresh(tokens["refresh_token"])
    assert bench.web.count(ID) == 2  # and is left alone for a while
    bench.clock.turn(47 * 3600 - 1)
    interaction_of(await bench.visitor().authorize(ID))
    assert bench.web.count(ID) == 3
    bench.clock.turn(60)
    with pytest.raises(Unavailable):
        await bench.visitor().authorize(ID)
    bench.web.down.clear()
    bench.web.put(ID, DOCUMENT)
    interaction_of(await bench.visitor().authorize(ID))


@pytest.mark.parametrize("fault", ["404", "302", "malformed", "wrong", "too large"])
async def test_a_document_that_is_withdrawn_ends_the_client(fault: str, bench: Bench) -> None:
    tokens = await bench.redeem(await bench.code(bench.visitor()))
    spoil(bench.web, fault)
    bench.clock.turn(3600)
    with pytest.raises(NoLocation):
        await bench.visitor().authorize(ID)
    with pytest.raises(InvalidClient):
        await bench.refresh(tokens["refresh_token"])


@pytest.mark.spec("threats 2 row 36")
async def test_an_address_cannot_have_documents_fetched_endlessly(bench: Bench) -> None:
    for number in range(CLIENT_DOCUMENT.burst):
        with pytest.raises(NoLocation):
            await bench.visitor().authorize(f"https://victim.test/{number}")
    with pytest.raises(TooManyRequests):
        await bench.visitor().authorize("https://victim.test/last")
    assert len(bench.web.asked) == CLIENT_DOCUMENT.burst
    assert isinstance(await bench.visitor("198.51.100.9").authorize(ID), Redirect)


async def test_all_addresses_together_cannot_either(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    few = replace(ALL_CLIENT_DOCUMENTS, burst=2)
    monkeypatch.setattr("proofkey.authorization_server.known_client.ALL_CLIENT_DOCUMENTS", few)
    await bench.visitor().authorize(ID)
    for number in range(1, 3):
        with pytest.raises(TooManyRequests if number > 1 else NoLocation):
            await bench.visitor(f"198.51.100.{number}").authorize(f"https://victim.test/{number}")
    assert isinstance(await bench.visitor().authorize(ID), Redirect)  # whom we know goes on


# --- what a change does ----------------------------------------------------------------------------------------


async def change(bench: Bench, document: dict[str, Any]) -> None:
    bench.web.put(ID, document)
    bench.clock.turn(3600)


async def test_a_redirect_uri_that_is_withdrawn_is_dead(bench: Bench) -> None:
    await bench.visitor().authorize(ID)
    await change(bench, {**DOCUMENT, "redirect_uris": ["https://rp.test/new"]})
    with pytest.raises(NoLocation):
        await bench.visitor().authorize(ID)
    assert isinstance(await bench.visitor().authorize(ID, redirect_uri="https://rp.test/new"), Redirect)


@pytest.mark.spec("CIMD-6.3-c")
@pytest.mark.parametrize(
    "changes",
    [
        {"redirect_uris": [CALLBACK, "https://rp.test/new"]},
        {"jwks": {"keys": [KEY.public_jwk, key_for_tests("ES256", "more").public_jwk]}},
        {"client_name": "Another"},
    ],
    ids=["redirect URIs", "keys", "the name"],
)
async def test_the_person_is_asked_again_after_a_change_and_only_then(changes: dict[str, Any]) -> None:
    bench = await a_bench(document=SIGNING)
    visitor = bench.visitor()
    await bench.code(visitor)
    bench.clock.turn(1)
    assert sent_to_client(await visitor.authorize(ID))
    bench.web.put(ID, SIGNING | changes)
    bench.clock.turn(3598)
    assert sent_to_client(await visitor.authorize(ID))
    bench.clock.turn(1)
    asked = await visitor.look(interaction_of(await visitor.authorize(ID)))
    assert isinstance(asked, Page)
    assert asked.name == "consent"


async def test_a_key_that_is_withdrawn_proves_nobody() -> None:
    bench = await a_bench(document=SIGNING)
    tokens = await bench.redeem(await bench.code(bench.visitor()), signed=True)
    other = key_for_tests("ES256", "other")
    await change(bench, {**SIGNING, "jwks": {"keys": [other.public_jwk]}})
    with pytest.raises(InvalidClient):
        await bench.refresh(tokens["refresh_token"], signed=True)


@pytest.mark.spec("CIMD-6.3-c")
@pytest.mark.parametrize("read_by", ["the token request itself", "another request before"])
async def test_what_a_client_that_signed_was_granted_is_not_for_one_that_does_not(read_by: str) -> None:
    bench = await a_bench(document=SIGNING)
    tokens = await bench.redeem(await bench.code(bench.visitor()), signed=True)
    await change(bench, DOCUMENT)
    if read_by == "another request before":
        await bench.visitor().authorize(ID)
    with pytest.raises(InvalidGrant):
        await bench.refresh(tokens["refresh_token"])
    assert await bench.redeem(await bench.code(bench.visitor()))


async def test_a_client_that_the_operator_disabled_stays_so_whatever_its_document_says(bench: Bench) -> None:
    await bench.visitor().authorize(ID)
    event = bench.desk.store.events[-1]  # type: ignore[attr-defined]  # the memory store of the desk keeps them
    assert event.name == "client.document_read"
    assert await bench.desk.store.disable_client(ClientId(ID), bench.clock.now(), event)
    await change(bench, {**DOCUMENT, "client_name": "Another"})
    with pytest.raises(NoLocation) as refused:
        await bench.visitor().authorize(ID)
    assert refused.value.finding is Finding.CLIENT_DISABLED
    assert bench.web.count(ID) == 1


async def test_who_was_allowed_nothing_is_forgotten_and_who_was_is_kept(bench: Bench) -> None:
    await bench.visitor().authorize(ID)
    bench.clock.turn(24 * 3600)
    await bench.desk.core.upkeep()
    assert await bench.desk.store.find_client(ClientId(ID)) is None
    await bench.code(bench.visitor())
    bench.clock.turn(40 * 24 * 3600)
    await bench.desk.core.upkeep()
    assert await bench.desk.store.find_client(ClientId(ID)) is not None


async def test_other_clients_cost_nothing_more(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[str] = []
    find: Callable[[ClientId], Any] = bench.desk.store.find_client

    async def counted(client_id: ClientId) -> Any:
        reads.append(client_id)
        return await find(client_id)

    monkeypatch.setattr(bench.desk.store, "find_client", counted, raising=False)
    await bench.visitor().authorize("web")
    assert reads == ["web"]
    assert not bench.web.asked
