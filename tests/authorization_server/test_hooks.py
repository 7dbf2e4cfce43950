"""What an embedding application decides: more claims, consent, its own people; its faults open nothing."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from proofkey.authorization_server.answers import Json, Page, Redirect
from proofkey.authorization_server.hooks import (
    RESERVED,
    ClaimsQuestion,
    ConsentQuestion,
    Hooks,
    Person,
)
from proofkey.authorization_server.records import AuditEvent
from proofkey.errors import (
    ConfigurationError,
    InvalidGrant,
    InvalidToken,
    SignInFailed,
    Unavailable,
)
from proofkey.findings import Finding
from proofkey.protocol.text import Secret, Subject
from proofkey.runtime.hooks import build_hooks
from tests.authorization_server.device_kit import DEVICES, answer_device, ask_device, confirm, poll
from tests.authorization_server.driver import (
    API,
    PASSWORDS,
    POLICY,
    SECRET,
    Desk,
    Visitor,
    claims_of,
    client,
    credentials,
    open_desk,
    sent_back,
)


def told(question: ClaimsQuestion) -> dict[str, Any]:
    who = question.person.username if question.person else None
    return {"tenant": f"{question.place} of {who} for {question.client.client_id}", "email": "new@op.test"}


async def desk_with(**hooks: Any) -> Desk:
    users = () if "users" in hooks else POLICY.users
    return await open_desk(replace(POLICY, users=users), hooks=build_hooks(**hooks))


# --- claims ---------------------------------------------------------------------------------------------------


@pytest.mark.spec("issue 4 embedding", "OIDC Core §5.4")
async def test_the_hook_adds_claims_to_each_place() -> None:
    desk = await desk_with(claims=told)
    tokens = await Visitor(desk.core).tokens(desk)
    assert claims_of(tokens["access_token"])["tenant"] == "access_token of ann for web"
    id_token = claims_of(tokens["id_token"])
    assert (id_token["tenant"], id_token["email"]) == ("id_token of ann for web", "new@op.test")
    userinfo = await desk.userinfo(tokens["access_token"])
    assert (userinfo["tenant"], userinfo["email"]) == ("userinfo of ann for web", "new@op.test")
    again = await desk.refresh(tokens["refresh_token"])
    assert claims_of(again["access_token"])["tenant"] == "access_token of ann for web"
    robot = await desk.token("robot", grant_type="client_credentials", resource=API)
    assert claims_of(robot["access_token"])["tenant"] == "access_token of None for robot"


async def test_a_claim_of_a_scope_counts_only_where_the_scope_is_granted() -> None:
    desk = await desk_with(claims=told)
    tokens = await Visitor(desk.core).tokens(desk, scope="openid")
    for claims in (claims_of(tokens["id_token"]), claims_of(tokens["access_token"])):
        assert "email" not in claims
        assert "tenant" in claims
    assert "email" not in await desk.userinfo(tokens["access_token"])


async def test_introspection_tells_what_the_hook_added() -> None:
    desk = await open_desk(
        replace(POLICY, clients=(*POLICY.clients, client("own", access_token_format="opaque"))),
        hooks=build_hooks(claims=told),
    )
    tokens = await Visitor(desk.core).tokens(desk, "own")
    authorization, pairs = credentials("own", SECRET)
    answer = await desk.core.introspect((*pairs, ("token", tokens["access_token"])), authorization, "peer")
    assert isinstance(answer, Json)
    assert answer.body["tenant"] == "access_token of ann for own"
    assert "authorization_id" not in answer.body


class Failing(Exception):
    """A fault of the application, whose text nobody may see."""


def fail(*_: object) -> Any:
    raise Failing("password=hunter2")


async def fail_later(*_: object) -> Any:
    raise Failing("password=hunter2")


BAD_CLAIMS: Mapping[str, Any] = {
    "raises": fail,
    "raises later": fail_later,
    "no mapping": lambda _: ["a"],
    "text": lambda _: "claims",
    "no JSON": lambda _: {"a": object()},
    "not a number": lambda _: {"a": float("nan")},
    "bytes": lambda _: {"a": b"x"},
    "too large": lambda _: {"a": "x" * 5000},
    **{f"reserved {name}": lambda _, name=name: {name: "evil"} for name in sorted(RESERVED)},
}


@pytest.mark.spec("issue 4 embedding")
@pytest.mark.parametrize("hook", BAD_CLAIMS.values(), ids=BAD_CLAIMS)
async def test_a_claims_hook_that_fails_costs_a_503_and_never_the_code(hook: Any) -> None:
    """No token is issued, and the code can be redeemed once the hook works again."""
    answers = {"hook": hook}
    desk = await desk_with(claims=lambda question: answers["hook"](question))
    back = await Visitor(desk.core).walk("first")
    for _ in range(2):
        with pytest.raises(Unavailable) as refused:
            await desk.redeem(back["code"], "first")
        assert refused.value.finding in (Finding.HOOK_FAILED, Finding.HOOK_ANSWER)
        assert "hunter2" not in f"{refused.value!r} {refused.value.facts}"
    assert "code.redeemed" not in desk.event_names()
    answers["hook"] = told
    tokens = await desk.redeem(back["code"], "first")
    answers["hook"] = hook
    with pytest.raises(Unavailable):
        await desk.refresh(tokens["refresh_token"], "first")
    with pytest.raises(Unavailable):
        await desk.userinfo(tokens["access_token"])
    answers["hook"] = told
    assert (await desk.refresh(tokens["refresh_token"], "first"))["id_token"]
    assert "refresh.reused" not in desk.event_names()


async def test_a_change_of_the_answer_after_it_was_given_changes_nothing() -> None:
    mine: dict[str, Any] = {"groups": ["a"]}
    desk = await desk_with(claims=lambda _: mine)
    token = (await desk.token("robot", grant_type="client_credentials"))["access_token"]
    mine["groups"].append("b")
    assert claims_of(token)["groups"] == ["a"]


# --- consent --------------------------------------------------------------------------------------------------


async def test_without_a_word_of_the_policy_all_stays_as_it_was() -> None:
    asked: list[ConsentQuestion] = []
    desk = await desk_with(consent=asked.append)
    _, page = await Visitor(desk.core).page()
    assert page.name == "login"
    assert not asked  # nobody is known yet
    visitor = Visitor(desk.core)
    await visitor.tokens(desk)
    assert [question.person.username for question in asked] == ["ann"] * len(asked)
    assert asked[0].scope == ("openid", "profile", "email", "offline_access", "orders:read")
    assert sent_back(await visitor.authorize())["code"]
    assert desk.event_names().count("consent.given") == 1


async def test_the_policy_grants_as_for_a_first_party_and_writes_it_down() -> None:
    desk = await desk_with(consent=lambda question: "grant" if question.client.client_id == "web" else None)
    visitor = Visitor(desk.core)
    id_, _ = await visitor.page()
    back = sent_back(await visitor.log_in(id_))
    tokens = await desk.redeem(back["code"])
    given = [event for event in desk.events if event.name == "consent.given"]
    assert [event.detail["by"] for event in given] == ["policy"]
    assert sent_back(await visitor.authorize())["code"]
    assert desk.event_names().count("consent.given") == 1
    assert (await desk.refresh(tokens["refresh_token"]))["access_token"]
    _, page = await visitor.page(prompt="consent")
    assert page.name == "consent"
    _, page = await visitor.page("post")
    assert page.name == "consent"


async def test_the_policy_may_grant_silently_only_what_was_asked_of_it() -> None:
    desk = await desk_with(consent=lambda question: "grant" if question.scope == ("openid",) else "deny")
    visitor = Visitor(desk.core)
    back = await visitor.walk(scope="openid")
    assert "code" in back
    assert "code" in sent_back(await visitor.authorize(scope="openid", prompt="none"))
    assert sent_back(await visitor.authorize(scope="openid email", prompt="none"))["error"] == "access_denied"


async def test_the_policy_denies() -> None:
    desk = await desk_with(consent=lambda _: "deny")
    visitor = Visitor(desk.core)
    id_, _ = await visitor.page("first")
    answer = await visitor.log_in(id_)
    assert sent_back(answer)["error"] == "access_denied"
    assert isinstance(answer, Redirect)
    assert getattr(answer.told, "finding", None) is Finding.CONSENT_RULED_OUT
    assert "code.issued" not in desk.event_names()


async def test_a_person_cannot_allow_what_the_policy_denies_by_then() -> None:
    ruling: dict[str, Any] = {"is": "ask"}
    desk = await desk_with(consent=lambda _: ruling["is"])
    visitor = Visitor(desk.core)
    id_, _ = await visitor.page()
    await visitor.log_in(id_)
    assert (await visitor.look(id_)) is not None
    ruling["is"] = "deny"
    assert sent_back(await visitor.decide(id_))["error"] == "access_denied"


async def test_the_policy_asks_even_a_first_party() -> None:
    desk = await desk_with(consent=lambda _: "ask")
    visitor = Visitor(desk.core)
    assert "code" in await visitor.walk("first")
    _, page = await visitor.page("first")
    assert page.name == "consent"
    assert sent_back(await visitor.authorize("first", prompt="none"))["error"] == "consent_required"


@pytest.mark.spec("issue 4 embedding")
@pytest.mark.parametrize(
    "hook",
    [fail, fail_later, lambda _: "allow", lambda _: True, lambda _: 1, lambda _: ["grant"], lambda _: "GRANT"],
    ids=["raises", "raises later", "allow", "true", "1", "a list", "capitals"],
)
async def test_a_consent_hook_that_fails_grants_nothing(hook: Any) -> None:
    ruling: dict[str, Any] = {"hook": hook}
    desk = await desk_with(consent=lambda question: ruling["hook"](question))
    visitor = Visitor(desk.core)
    id_, _ = await visitor.page("first")
    with pytest.raises(Unavailable):
        await visitor.log_in(id_)
    ruling["hook"] = lambda _: None
    await visitor.log_in(id_)
    ruling["hook"] = hook
    for client_id in ("web", "first", "native"):
        with pytest.raises(Unavailable):
            await visitor.authorize(client_id)
    assert desk.event_names().count("code.issued") == 1


# --- own user store -------------------------------------------------------------------------------------------


class Directory:
    """People who are kept elsewhere."""

    def __init__(self) -> None:
        self.people = {
            "u1": Person(
                sub="u1", username="ann", roles=("admin",), claims={"name": "Ann", "email": "ann@x.test"}
            ),
            "u2": Person(sub="u2", username="bob"),
        }
        self.checked: list[Person | None] = []

    async def find_by_username(self, username: str) -> Person | None:
        return next((one for one in self.people.values() if one.username == username), None)

    def find_by_sub(self, sub: str) -> Person | None:
        return self.people.get(sub)

    def verify_password(self, person: Person | None, password: Secret) -> bool:
        self.checked.append(person)
        return person is not None and password.reveal() == PASSWORDS[person.username]

    def change(self, sub: str, **changes: Any) -> None:
        self.people[sub] = replace(self.people[sub], **changes)


async def directory_desk() -> tuple[Desk, Directory, Visitor]:
    directory = Directory()
    desk = await desk_with(users=directory)
    return desk, directory, Visitor(desk.core)


async def test_people_of_an_own_store_sign_in_and_are_known() -> None:
    desk, directory, visitor = await directory_desk()
    tokens = await visitor.tokens(desk)
    access = claims_of(tokens["access_token"])
    assert (access["sub"], access["roles"]) == ("u1", ["admin"])
    assert claims_of(tokens["id_token"])["email"] == "ann@x.test"
    directory.change("u1", claims={"name": "Ann Later"}, roles=())
    userinfo = await desk.userinfo(tokens["access_token"])
    assert (userinfo["name"], "email" in userinfo) == ("Ann Later", False)
    assert "roles" not in claims_of((await desk.refresh(tokens["refresh_token"]))["access_token"])
    assert not desk.passwords.verified


async def test_a_wrong_password_and_an_unknown_name_are_alike() -> None:
    desk, directory, visitor = await directory_desk()
    id_, _ = await visitor.page()
    pages = [await visitor.log_in(id_, name, "wrong") for name in ("ann", "nobody")]
    assert [isinstance(page, Page) and page.context["problem"] for page in pages] == [
        Finding.SIGN_IN_FAILED.sentence
    ] * 2
    assert [person and person.username for person in directory.checked] == ["ann", None]
    assert desk.event_names().count("sign_in.begun") == 0


def _gone(directory: Directory, desk: Desk) -> None:
    del directory.people["u1"]


def _disabled(directory: Directory, desk: Desk) -> None:
    directory.change("u1", disabled=True)


def _new_password(directory: Directory, desk: Desk) -> None:
    desk.clock.turn(5)
    directory.change("u1", password_changed_at=int(desk.clock.now()))


@pytest.mark.spec("issue 4 one decision", "V7-7.4.2")
@pytest.mark.parametrize("change", [_gone, _disabled, _new_password], ids=["gone", "disabled", "new password"])
async def test_the_one_decision_sees_what_the_own_store_says_now(change: Any) -> None:
    desk, directory, visitor = await directory_desk()
    tokens = await visitor.tokens(desk)
    code = (await visitor.walk())["code"]
    change(directory, desk)
    with pytest.raises(InvalidGrant):
        await desk.redeem(code)
    with pytest.raises(InvalidGrant):
        await desk.refresh(tokens["refresh_token"])
    with pytest.raises(InvalidToken):
        await desk.userinfo(tokens["access_token"])
    _, page = await visitor.page()
    assert page.name == "login"  # the sign-in of the browser is over too
    assert sent_back(await visitor.authorize(prompt="none"))["error"] == "login_required"
    authorization, pairs = credentials("web", SECRET)
    answer = await desk.core.introspect((*pairs, ("token", tokens["access_token"])), authorization, "peer")
    assert isinstance(answer, Json)
    assert answer.body == {"active": False}


async def test_what_is_done_to_the_shadow_counts_as_well() -> None:
    desk, _, visitor = await directory_desk()
    tokens = await visitor.tokens(desk)
    now = desk.clock.now()
    await desk.store.disable_user(Subject("u1"), now, AuditEvent(at=now, name="user.disabled"))
    with pytest.raises(InvalidGrant):
        await desk.refresh(tokens["refresh_token"])
    id_, _ = await visitor.page()
    assert isinstance(await visitor.log_in(id_), Page)
    await desk.store.delete_user(Subject("u1"), now, AuditEvent(at=now, name="user.deleted"))
    page = await visitor.log_in(id_)
    assert isinstance(page, Page)
    assert isinstance(page.told, SignInFailed)


@pytest.mark.parametrize(
    "sub", ["web", "", "é", "x" * 256, "a\nb"], ids=["a client's", "empty", "not ASCII", "long", "a line"]
)
async def test_a_sub_that_cannot_be_one_signs_nobody_in(sub: str) -> None:
    desk, directory, visitor = await directory_desk()
    directory.people = {sub: Person(sub=sub, username="ann")}
    id_, _ = await visitor.page()
    page = await visitor.log_in(id_)
    assert isinstance(page, Page)
    assert page.status == 400
    assert "sign_in.begun" not in desk.event_names()


JUNK: Mapping[str, tuple[str, Any]] = {
    "find_by_username raises": ("find_by_username", fail),
    "find_by_username gives a dict": ("find_by_username", lambda _: {"sub": "u1", "username": "ann"}),
    "find_by_username gives a number as sub": (
        "find_by_username",
        lambda _: Person(sub=1, username="ann"),  # type: ignore[arg-type] # what a careless store would give
    ),
    "find_by_username gives 1 for disabled": (
        "find_by_username",
        lambda _: Person(sub="u1", username="ann", disabled=0),  # type: ignore[arg-type] # as above
    ),
    "verify_password raises": ("verify_password", fail),
    "verify_password raises later": ("verify_password", fail_later),
    "verify_password gives 1": ("verify_password", lambda *_: 1),
    "verify_password gives a match": ("verify_password", lambda *_: object()),
    "verify_password gives nothing": ("verify_password", lambda *_: None),
    "find_by_sub raises": ("find_by_sub", fail),
    "find_by_sub gives another": ("find_by_sub", lambda _: Person(sub="u2", username="bob")),
    "find_by_sub gives true": ("find_by_sub", lambda _: True),
}


@pytest.mark.spec("issue 4 embedding")
@pytest.mark.parametrize(("method", "junk"), JUNK.values(), ids=JUNK)
async def test_a_user_store_that_fails_signs_nobody_in(method: str, junk: Any) -> None:
    desk, directory, visitor = await directory_desk()
    tokens = await visitor.tokens(desk)
    id_, _ = await Visitor(desk.core).page()
    setattr(directory, method, junk)
    stranger = Visitor(desk.core)
    id_, _ = await stranger.page()
    with pytest.raises(Unavailable):
        await stranger.log_in(id_)
    assert stranger.sign_in is None
    if method == "find_by_sub":
        with pytest.raises(Unavailable):
            await desk.refresh(tokens["refresh_token"])
        with pytest.raises(Unavailable):
            await desk.userinfo(tokens["access_token"])
        with pytest.raises(Unavailable):
            await visitor.authorize()


async def test_configured_users_and_an_own_store_do_not_go_together() -> None:
    with pytest.raises(ConfigurationError) as refused:
        await open_desk(hooks=build_hooks(users=Directory()))
    assert refused.value.facts["key"] == "server.users"


async def test_a_shadow_is_made_at_the_first_sign_in() -> None:
    desk, _, visitor = await directory_desk()
    assert await desk.store.find_user(Subject("u1")) is None
    await visitor.tokens(desk)
    await Visitor(desk.core).tokens(desk)
    shadow = await desk.store.find_user(Subject("u1"))
    assert shadow is not None
    assert (shadow.username, shadow.claims, shadow.roles) == ("u1", {}, ())
    assert desk.event_names().count("user.shadow_made") == 1
    assert await desk.store.find_user(Subject("u2")) is None


def test_without_hooks_nothing_is_asked() -> None:
    assert build_hooks() == Hooks()


# --- devices --------------------------------------------------------------------------------------------------


@pytest.mark.spec("8628-5.4", "issue 4 embedding")
async def test_no_policy_connects_a_device_unseen() -> None:
    """Whoever sent the code would get into the account: the page is shown whatever the policy grants."""
    desk = await open_desk(DEVICES, hooks=build_hooks(consent=lambda _: "grant", claims=told))
    visitor = Visitor(desk.core)
    asked = await ask_device(desk, "own")
    _, page = await confirm(visitor, asked["user_code"])
    assert (page.name, page.context["state"]) == ("device", "confirm")
    await answer_device(visitor, asked["user_code"])
    tokens = await poll(desk, asked["device_code"], "own")
    assert claims_of(tokens["access_token"])["tenant"] == "access_token of ann for own"


async def test_a_device_gets_nothing_for_somebody_who_has_gone_from_the_own_store() -> None:
    directory = Directory()
    desk = await open_desk(replace(DEVICES, users=()), hooks=build_hooks(users=directory))
    asked = await ask_device(desk)
    await answer_device(Visitor(desk.core), asked["user_code"])
    directory.change("u1", disabled=True)
    assert (await poll(desk, asked["device_code"]))["finding"] is Finding.GRANT_USER_DISABLED
