"""UserInfo, pushed requests and the kind of sign-in: what a login asks for, and when it gives up."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from proofkey.client.config import LoginConfig
from proofkey.errors import ConfigurationError, LoginFailed, Unavailable
from proofkey.findings import Finding
from proofkey.protocol.exchange import Answer
from proofkey.testing.provider_faults import ProviderFaults
from proofkey.testing.tokens import key_for_tests
from tests.client.login_kit import API, ISSUER, World, config_for, pairs_of

PAR = {"pushed_authorization_request_endpoint": f"{ISSUER}/par"}


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


def world_of(**changes: Any) -> World:
    return World(config=config_for(**changes))


def paths(world: World) -> list[str]:
    return [ask.url.removeprefix(ISSUER) for ask in world.provider.asked]


# --- UserInfo ------------------------------------------------------------------------------------------------
@pytest.mark.spec("OC-5.3.2-a")
@pytest.mark.parametrize("signed", [False, True], ids=["JSON", "signed"])
async def test_userinfo_adds_what_the_id_token_does_not_say_and_changes_nothing_that_it_says(signed: bool) -> None:
    world = world_of()
    world.provider.faults.userinfo_signed = signed
    world.provider.userinfo = {
        **{
            "name": "Another Name",
            "email": "ann@op.test",
            "acr": "gold",
            "auth_time": 1,
            "sid": "s1",
            "amr": ["x"],
        },
        **{"aud": "web", "nonce": "n"},
    }
    session = (await world.sign_in()).session
    assert (session.claims["name"], session.claims["email"]) == ("Ann Arbor", "ann@op.test")
    assert not {"acr", "amr", "sid"} & set(session.claims)
    assert session.claims["auth_time"] == world.clock.now()
    assert session.sid is None
    ask = next(ask for ask in world.provider.asked if ask.url.endswith("/userinfo"))
    assert ask.headers["authorization"] == f"Bearer {session.tokens.access_token.reveal()}"


async def test_the_access_token_stands_in_no_repr_of_what_was_sent() -> None:
    world = world_of()
    session = (await world.sign_in()).session
    ask = next(ask for ask in world.provider.asked if ask.url.endswith("/userinfo"))
    assert session.tokens.access_token.reveal() not in repr(ask)


@pytest.mark.spec("9700-4.5.3.2-a")
async def test_no_token_is_used_before_the_id_token_is_believed() -> None:
    world = world_of()
    world.provider.faults.id_token_claims = {"nonce": "other"}
    with pytest.raises(LoginFailed):
        await world.sign_in()
    assert "/userinfo" not in paths(world)


async def test_userinfo_is_not_asked_when_it_is_switched_off_or_not_there() -> None:
    off, absent = world_of(userinfo=False), world_of()
    absent.provider.faults.metadata = {"userinfo_endpoint": None}
    for world in (off, absent):
        await world.sign_in()
        assert "/userinfo" not in paths(world)


def down(faults: ProviderFaults) -> None:
    faults.down = {"userinfo"}


def status(code: int) -> Callable[[ProviderFaults], None]:
    def switch(faults: ProviderFaults) -> None:
        faults.overrides = {"userinfo": Answer(code, {}, b"")}

    return switch


@pytest.mark.parametrize(
    "switch",
    [
        pytest.param(down, id="down"),
        *(pytest.param(status(code), id=str(code)) for code in (401, 403, 404, 429, 503)),
    ],
)
async def test_without_an_answer_the_id_token_is_enough_unless_the_application_insists(
    switch: Callable[[ProviderFaults], None],
) -> None:
    world, strict = world_of(), world_of(userinfo=True)
    for each in (world, strict):
        each.provider.userinfo = {"email": "ann@op.test"}
        switch(each.provider.faults)
    session = (await world.sign_in()).session
    assert (session.sub, "email" in session.claims) == ("u1", False)
    with pytest.raises(Unavailable):
        await strict.sign_in()
    assert strict.session_count() == 0


@pytest.mark.parametrize(
    ("mode", "switch", "finding"),
    [
        (True, {"metadata": {"userinfo_endpoint": None}}, Finding.USERINFO_NOT_OFFERED),
        ("signed", {}, Finding.USERINFO_MALFORMED),
        ("signed", {"userinfo_signed": True, "userinfo": {"exp": 1}}, Finding.TOKEN_EXPIRED),
        (
            "auto",
            {"userinfo_signed": True, "metadata": {"userinfo_signing_alg_values_supported": ["RS256"]}},
            Finding.TOKEN_ALGORITHM,
        ),
    ],
    ids=["no endpoint", "unsigned", "over", "another algorithm"],
)
async def test_no_session_is_made_with_userinfo_as(mode: Any, switch: dict[str, Any], finding: Finding) -> None:
    world = world_of(userinfo=mode)
    for name, value in switch.items():
        setattr(world.provider.faults, name, value)
    with pytest.raises(LoginFailed) as refused:
        await world.sign_in()
    assert refused.value.finding is finding
    assert world.session_count() == 0


async def test_a_signed_answer_is_taken_where_one_must_come() -> None:
    world = world_of(userinfo="signed")
    world.provider.faults.userinfo_signed = True
    world.provider.userinfo = {"email": "ann@op.test"}
    assert (await world.sign_in()).session.claims["email"] == "ann@op.test"


# --- pushed authorization requests ---------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["basic", "post", "key", "public"])
async def test_the_browser_carries_nothing_but_two_names_where_the_provider_takes_pushed_requests(
    name: str,
) -> None:
    key = key_for_tests("ES256", "client-key")
    changes: dict[str, dict[str, Any]] = {
        "basic": {},
        "post": {"auth_method": "client_secret_post"},
        "key": {"client_secret": None, "client_key": key},
        "public": {"client_secret": None},
    }
    world = world_of(**changes[name])
    if name == "key":
        world.provider.desk.keys["web"] = key.verification_key
    world.provider.faults.metadata = PAR
    url = await world.start("/orders")
    assert {parameter for parameter, _ in pairs_of(url)} == {"client_id", "request_uri"}
    form = [each for ask in world.provider.asked if ask.url.endswith("/par") for each in ask.form or ()]
    sent = dict(form)
    assert (sent["client_id"], sent["resource"], sent["code_challenge_method"]) == ("web", API, "S256")
    assert [parameter for parameter, _ in form].count("client_id") == 1
    finished = await world.core.finish(pairs_of(world.provider.authorize(url)), world.cookies)
    assert (finished.session.sub, finished.next_path) == ("u1", "/orders")


@pytest.mark.parametrize(
    ("par", "metadata", "pushed"),
    [
        ("auto", {}, False),
        ("auto", PAR, True),
        ("required", PAR, True),
        ("off", PAR, False),
        ("off", {**PAR, "require_pushed_authorization_requests": True}, True),
    ],
    ids=["not announced", "announced", "required", "off", "off, but the provider requires it"],
)
async def test_a_request_is_pushed(par: Any, metadata: dict[str, Any], pushed: bool) -> None:
    world = world_of(par=par)
    world.provider.faults.metadata = metadata
    await world.sign_in()
    assert ("/par" in paths(world)) is pushed


@pytest.mark.parametrize(
    ("par", "faults", "finding"),
    [
        ("required", {}, Finding.PUSH_NOT_OFFERED),
        ("off", {"metadata": {"require_pushed_authorization_requests": True}}, Finding.PUSH_NOT_OFFERED),
        ("auto", {"metadata": PAR, "pushed": {"request_uri": None}}, Finding.PUSH_MALFORMED),
        ("auto", {"metadata": PAR, "pushed": {"request_uri": 7}}, Finding.PUSH_MALFORMED),
        ("auto", {"metadata": PAR, "pushed": {"request_uri": "u" * 2049}}, Finding.PUSH_MALFORMED),
        ("auto", {"metadata": PAR, "pushed": {"request_uri": "a\nb"}}, Finding.PUSH_MALFORMED),
        ("auto", {"metadata": PAR, "overrides": {"par": Answer(201, {}, b"<html>")}}, Finding.PUSH_MALFORMED),
        ("auto", {"metadata": PAR, "overrides": {"par": Answer(307, {}, b"")}}, Finding.OUTGOING_REDIRECT),
        (
            "auto",
            {"metadata": PAR, "overrides": {"par": Answer(400, {}, b'{"error":"invalid_request"}')}},
            Finding.LOGIN_REFUSED,
        ),
        ("auto", {"metadata": PAR, "overrides": {"par": Answer(429, {}, b"")}}, Finding.OUTGOING_STATUS),
        ("auto", {"metadata": PAR, "overrides": {"par": Answer(503, {}, b"")}}, Finding.OUTGOING_STATUS),
        ("auto", {"metadata": PAR, "down": {"par"}}, Finding.OUTGOING_FAILED),
    ],
    ids=[
        *("none offered", "required by a provider without one", "no name", "a number", "a long name", "two lines"),
        *("HTML", "redirect", "refused", "too many", "broken", "down"),
    ],
)
async def test_a_login_does_not_begin_when_the_pushed_request_meets(
    par: Any, faults: dict[str, Any], finding: Finding
) -> None:
    """Nor does the request go with the browser instead: who stands between would only have to block the push."""
    world = world_of(par=par)
    for name, value in faults.items():
        setattr(world.provider.faults, name, value)
    with pytest.raises((LoginFailed, Unavailable)) as refused:
        await world.start()
    assert refused.value.finding is finding
    assert world.cookies == {}


# --- acr -----------------------------------------------------------------------------------------------------
@pytest.mark.spec("OC-3.1.3.7-b")
@pytest.mark.parametrize(
    ("acr", "enough"),
    [("gold", True), ("silver", True), ("bronze", False), ("Gold", False), (None, False), ("gold silver", False)],
)
async def test_a_session_is_made_for_the_kinds_of_sign_in_that_were_asked_for_alone(
    acr: str | None, enough: bool
) -> None:
    world = world_of(acr_values=("gold", "silver"))
    world.provider.faults.metadata = {"claims_parameter_supported": True}
    world.provider.faults.id_token_claims = {"acr": acr}
    world.provider.userinfo = {"acr": "gold"}
    if enough:
        assert (await world.sign_in()).session.claims["acr"] == acr
    else:
        with pytest.raises(LoginFailed) as refused:
            await world.sign_in()
        assert refused.value.finding is Finding.ID_TOKEN_ACR
        assert world.session_count() == 0
    asked = world.provider.authorization_requests[0]
    assert asked["acr_values"] == ["gold silver"]
    assert json.loads(asked["claims"][0])["id_token"]["acr"] == {"essential": True, "values": ["gold", "silver"]}


async def test_the_claims_parameter_goes_only_to_a_provider_that_reads_it() -> None:
    world = world_of(acr_values=("gold",))
    world.provider.faults.id_token_claims = {"acr": "gold"}
    await world.sign_in()
    assert "claims" not in world.provider.authorization_requests[0]


# --- auth_time -----------------------------------------------------------------------------------------------
@pytest.mark.spec("OC-3.1.3.7-b")
@pytest.mark.parametrize(
    ("age", "finding"),
    [(0, None), (70, None), (71, Finding.ID_TOKEN_AUTH_TIME), (None, Finding.TOKEN_CLAIM_MISSING)],
    ids=["just now", "at the limit", "too old", "not said"],
)
async def test_a_sign_in_is_as_young_as_was_asked(age: int | None, finding: Finding | None) -> None:
    world = world_of()
    auth_time = None if age is None else world.clock.now() - age
    world.provider.faults.id_token_claims = {"auth_time": auth_time}
    back = world.provider.authorize(await world.start(max_age=60))
    if finding is None:
        await world.core.finish(pairs_of(back), world.cookies)
    else:
        with pytest.raises(LoginFailed) as refused:
            await world.core.finish(pairs_of(back), world.cookies)
        assert refused.value.finding is finding
    assert world.session_count() == (finding is None)


# --- keys ----------------------------------------------------------------------------------------------------
@pytest.mark.spec("OC-10.1.1-b")
async def test_a_key_that_came_during_a_login_is_fetched_within_it() -> None:
    world = world_of()
    await world.sign_in()
    url = await world.start()
    world.clock.turn(60)
    world.provider.rotate_key()
    finished = await world.core.finish(pairs_of(world.provider.authorize(url)), world.cookies)
    assert finished.session.sub == "u1"
    assert paths(world).count("/jwks") == 2


# --- configuration -------------------------------------------------------------------------------------------
@pytest.mark.parametrize("changes", [{"par": "yes"}, {"userinfo": "yes"}, {"userinfo": None}], ids=str)
def test_an_unknown_mode_ends_the_start(changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError) as refused:
        world_of(**changes)
    assert refused.value.facts["key"] in changes


def test_the_least_that_a_login_does_is_safe() -> None:
    config: LoginConfig = config_for()
    assert (config.userinfo, config.par, config.acr_values) == ("auto", "auto", ())
