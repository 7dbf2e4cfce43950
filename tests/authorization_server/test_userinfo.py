"""UserInfo: any live token of ours with openid, in header or form, and nothing else."""

import pytest

from proofkey.errors import InsufficientScope, InvalidToken, MalformedCredentials, NoCredentials, ProofkeyError
from proofkey.protocol.text import Pairs
from tests.authorization_server.driver import API, Desk, Visitor


@pytest.mark.spec("OC-5.3-a", "OC-5.4-a")
@pytest.mark.parametrize(
    ("scope", "resource", "names"),
    [
        ("openid", None, {"sub"}),
        ("openid email", None, {"sub", "email", "email_verified"}),
        ("openid profile orders:read", API, {"sub", "name", "preferred_username", "roles"}),
    ],
)
async def test_claims_follow_the_scope(
    desk: Desk, visitor: Visitor, scope: str, resource: str | None, names: set[str]
) -> None:
    tokens = await visitor.tokens(desk, scope=scope, resource=resource)
    claims = await desk.userinfo(tokens["access_token"])
    assert set(claims) == names
    assert claims["sub"] == "u1"


@pytest.mark.spec("OC-5.3-a")
async def test_the_token_may_stand_in_the_form(desk: Desk, visitor: Visitor) -> None:
    token = (await visitor.tokens(desk))["access_token"]
    from proofkey.authorization_server.answers import Json

    answer = await desk.core.userinfo((), (("access_token", token),))
    assert isinstance(answer, Json)
    assert answer.body["sub"] == "u1"
    assert answer.no_store


@pytest.mark.parametrize(
    ("authorization", "pairs", "error"),
    [
        pytest.param((), (), NoCredentials, id="nothing"),
        pytest.param(("Basic dTpw",), (), NoCredentials, id="basic"),
        pytest.param(("Bearer ",), (), MalformedCredentials, id="empty"),
        pytest.param(("Bearer a b",), (), MalformedCredentials, id="two words"),
        pytest.param(("Bearer é",), (), MalformedCredentials, id="a foreign letter"),
        pytest.param(("Bearer \u20ac",), (), MalformedCredentials, id="beyond latin-1"),
        pytest.param(("Bearer a", "Bearer a"), (), MalformedCredentials, id="two headers"),
        pytest.param(("Bearer a",), (("access_token", "a"),), MalformedCredentials, id="header and form"),
        pytest.param((), (("access_token", "a"), ("access_token", "a")), MalformedCredentials, id="form twice"),
        pytest.param((), (("access_token", "a b"),), MalformedCredentials, id="form with a space"),
        pytest.param((), (("access_token", "é"),), MalformedCredentials, id="form with a foreign letter"),
        pytest.param(("Bearer opaque",), (), InvalidToken, id="opaque"),
        pytest.param(("Bearer e30.e30.AA",), (), InvalidToken, id="not signed by us"),
    ],
)
async def test_credentials_are_refused(
    desk: Desk, authorization: tuple[str, ...], pairs: Pairs, error: type[ProofkeyError]
) -> None:
    with pytest.raises(error):
        await desk.core.userinfo(authorization, pairs)


async def test_other_tokens_are_refused(desk: Desk, visitor: Visitor) -> None:
    tokens = await visitor.tokens(desk)
    for other in (tokens["id_token"], tokens["refresh_token"], tokens["access_token"][:-4] + "AAAA"):
        with pytest.raises(InvalidToken):
            await desk.userinfo(other)
    desk.clock.turn(911)
    with pytest.raises(InvalidToken):
        await desk.userinfo(tokens["access_token"])


async def test_openid_is_needed(desk: Desk, visitor: Visitor) -> None:
    person = (await visitor.tokens(desk, scope="profile orders:read"))["access_token"]
    robot = (await desk.token("robot", grant_type="client_credentials"))["access_token"]
    for token in (person, robot):
        with pytest.raises(InsufficientScope) as refused:
            await desk.userinfo(token)
        assert refused.value.scope == ("openid",)


async def test_a_token_whose_row_is_gone_is_refused(
    desk: Desk, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = (await visitor.tokens(desk))["access_token"]

    async def nothing(store: object, id_: str) -> None:
        return None

    monkeypatch.setattr(type(desk.store), "find_authorization", nothing)
    with pytest.raises(InvalidToken):
        await desk.userinfo(token)


async def test_the_row_outlives_its_last_access_token(desk: Desk, visitor: Visitor) -> None:
    code = (await visitor.walk(scope="openid"))["code"]
    desk.clock.turn(59)
    token = (await desk.redeem(code))["access_token"]
    desk.clock.turn(909)  # its 900 seconds and most of the leeway
    await desk.core.upkeep()
    assert await desk.userinfo(token)
