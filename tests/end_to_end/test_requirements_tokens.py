"""requirements.md §1.4 from outside: what tokens say, how long they live, and how they end."""

from typing import Any

import jwt
import pytest

from proofkey.protocol.text import Secret
from proofkey.testing.relying_party import Value
from tests.end_to_end.provider_kit import (
    API,
    MAIL,
    Provider,
    claims_of,
    error_of,
    fresh,
    header_of,
    run_here,
)

pytestmark = [pytest.mark.timeout(180)]

DAY = 86_400


def verified(op: Provider, token: Secret, audience: str) -> dict[str, Any]:
    """By another library, with the published keys."""
    keys = jwt.PyJWKSet.from_dict(op.ask("GET", "/jwks").json())
    key = keys[header_of(token)["kid"]]
    return jwt.decode(
        token.reveal(),
        key.key,
        algorithms=[key.algorithm_name],
        audience=audience,
        issuer=op.issuer,
        options={"require": ["exp", "iat", "sub"]},
    )


@pytest.mark.spec("9068-2.1-a", "9700-2.3-a", "V9-9.2.4", "OC-2-b")
def test_an_access_token_is_what_rfc_9068_says(op: Provider) -> None:
    tokens = op.party("first").sign_in(op.person())
    header = header_of(tokens.access_token)
    assert set(header) == {"typ", "alg", "kid"}
    assert (header["typ"], header["alg"]) == ("at+jwt", "ES256")
    claims = verified(op, tokens.access_token, API)
    assert set(claims) == {
        *("iss", "sub", "aud", "client_id", "iat", "exp", "jti", "scope", "roles", "auth_time", "acr"),
        "authorization_id",
    }
    assert claims["aud"] == API
    assert claims["sub"] == "sub-of-ann"
    assert claims["client_id"] == "first"
    assert claims["scope"] == "openid profile email offline_access orders:read"
    assert claims["roles"] == ["admin", "clerk"]
    assert claims["exp"] - claims["iat"] == tokens.expires_in == 900
    assert len(claims["jti"]) >= 22
    other = claims_of(op.party("first").sign_in(op.person()).access_token)
    assert other["jti"] != claims["jti"]
    assert other["auth_time"] == claims["auth_time"], "one sign-in, two grants"


@pytest.mark.spec("9068-3-a", "8707-2-a", "8707-2.2-a")
def test_every_token_has_one_audience(op: Provider, later: Provider) -> None:
    for provider, resource, audience in (
        (op, API, API),
        (op, None, op.issuer),
        (op, op.issuer, op.issuer),
        (op, MAIL, MAIL),
        (later, None, API),
        (later, MAIL, MAIL),
    ):
        party = provider.party("first")
        tokens = party.sign_in(provider.person(), resource=resource)
        assert claims_of(tokens.access_token)["aud"] == audience
        again = party.tokens(party.refresh(tokens.refresh_token))
        assert claims_of(again.access_token)["aud"] == audience


@pytest.mark.spec("8707-2-a")
@pytest.mark.parametrize(
    "resource", [MAIL, "https://unknown.test", "relative", f"{API}#x", f"{API}/", [API, MAIL]]
)
def test_the_token_endpoint_gives_no_other_audience_than_was_granted(op: Provider, resource: Value) -> None:
    party = op.party("first")
    code, started = party.code(op.person())
    assert error_of(party.redeem(code, started, resource=resource)) == (400, "invalid_target")
    tokens = party.tokens(party.redeem(code, started, resource=API))
    assert error_of(party.refresh(tokens.refresh_token, resource=resource)) == (400, "invalid_target")
    assert party.refresh(tokens.refresh_token, resource=API).status_code == 200


@pytest.mark.spec("9700-4.15-a", "F2-6.7")
@pytest.mark.parametrize("client_id", ["sub-of-ann", "https://client.test/id", "", "x" * 256, "\u00e9", "a\nb"])
def test_a_client_cannot_be_named_like_a_person_or_a_document(op: Provider, client_id: str) -> None:
    done = op.run("client", "add", "--redirect-uri", "https://x.test/cb", "--", client_id)
    assert done.returncode == 2, done.stdout
    assert "Traceback" not in done.stderr


# --- refresh tokens --------------------------------------------------------------------------------------------


@pytest.mark.spec("9700-2.2.2-a", "9700-4.14.2-a", "X-rot-a")
@pytest.mark.parametrize("client", ["first", "spa"])
def test_a_retry_gets_the_same_successor_and_reuse_after_the_grace_ends_the_family(
    later: Provider, client: str
) -> None:
    party = later.party(client)
    first = party.sign_in(later.person("bob"))
    second = party.tokens(party.refresh(first.refresh_token))
    assert second.refresh_token != first.refresh_token
    later.turn(9)
    assert party.tokens(party.refresh(first.refresh_token)).refresh_token == second.refresh_token
    later.turn(2)
    assert error_of(party.refresh(first.refresh_token)) == (400, "invalid_grant")
    assert error_of(party.refresh(second.refresh_token)) == (400, "invalid_grant")
    for tokens in (first, second):
        assert party.userinfo(tokens.access_token).status_code == 401


@pytest.mark.spec("9700-4.14.2-a", "X-rot-a")
def test_an_older_token_than_the_one_before_ends_the_family_at_once(op: Provider) -> None:
    party = op.party("first")
    first = party.sign_in(op.person())
    second = party.tokens(party.refresh(first.refresh_token))
    third = party.tokens(party.refresh(second.refresh_token))
    assert error_of(party.refresh(first.refresh_token)) == (400, "invalid_grant")
    assert error_of(party.refresh(third.refresh_token)) == (400, "invalid_grant")


@pytest.mark.spec("9700-4.14.2-e")
def test_a_token_that_was_touched_names_no_family(op: Provider) -> None:
    party = op.party("first")
    tokens = party.sign_in(op.person())
    assert tokens.refresh_token is not None
    text = tokens.refresh_token.reveal()
    id_, generation, mac = text.split(".")
    spoilt = [
        text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1 :] for place in range(len(text))
    ]
    spoilt += [
        text[:-1],
        text + "A",
        text + ".",
        f"{id_}.{int(generation) + 1}.{mac}",
        f"{id_}.0.{mac}",
        text.upper(),
    ]
    for one in spoilt:
        assert error_of(party.refresh(Secret(one))) == (400, "invalid_grant")
    assert party.refresh(tokens.refresh_token).status_code == 200


@pytest.mark.spec("9700-4.14.2-c", "V10-10.4.8")
def test_a_family_ends_when_it_lies_idle(later: Provider) -> None:
    party = later.party("first")
    tokens = party.sign_in(later.person())
    later.turn(14 * DAY + 1)
    assert error_of(party.refresh(tokens.refresh_token)) == (400, "invalid_grant")


@pytest.mark.spec("9700-4.14.2-c", "V10-10.4.8")
def test_a_family_in_use_ends_after_thirty_days(later: Provider) -> None:
    party = later.party("first")
    tokens = party.sign_in(later.person())
    for _ in range(2):
        later.turn(13 * DAY)
        tokens = party.tokens(party.refresh(tokens.refresh_token))
    later.turn(4 * DAY + 1)
    assert error_of(party.refresh(tokens.refresh_token)) == (400, "invalid_grant")


@pytest.mark.spec("10017-6.3.2.3-a", "9700-4.14.2-c")
def test_a_browser_clients_family_ends_after_eight_hours_however_it_is_used(later: Provider) -> None:
    party = later.party("spa")
    tokens = party.sign_in(later.person("bob"))
    for _ in range(3):
        later.turn(2 * 3600)
        tokens = party.tokens(party.refresh(tokens.refresh_token))
    later.turn(2 * 3600 + 1)
    assert error_of(party.refresh(tokens.refresh_token)) == (400, "invalid_grant")


@pytest.mark.spec("OC-11-a", "9700-4.14.2-b")
@pytest.mark.parametrize(
    ("client", "scope", "given"),
    [
        ("web", "openid offline_access", True),
        ("web", "openid", False),
        ("first", "offline_access", True),
        ("first", "orders:read", False),
        ("once", "openid offline_access", False),
    ],
)
def test_a_refresh_token_comes_only_with_offline_access(
    op: Provider, client: str, scope: str, given: bool
) -> None:
    tokens = op.party(client).sign_in(op.person(), scope=scope)
    assert (tokens.refresh_token is not None) is given


@pytest.mark.spec("9700-2.3-a")
def test_an_access_token_dies_after_fifteen_minutes(later: Provider) -> None:
    party = later.party("first")
    tokens = party.sign_in(later.person())
    later.turn(895)
    assert party.userinfo(tokens.access_token).status_code == 200
    later.turn(20)
    answer = party.userinfo(tokens.access_token)
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


# --- revocation ------------------------------------------------------------------------------------------------


@pytest.mark.spec("7009-2-a", "7009-2.1-a")
@pytest.mark.parametrize("hint", [None, "access_token", "refresh_token", "id_token", "nonsense"])
@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_revoking_one_token_ends_all_of_its_grant(op: Provider, kind: str, hint: str | None) -> None:
    party = op.party("first")
    tokens = party.sign_in(op.person())
    bystander = party.sign_in(op.person())
    answer = party.revoke(getattr(tokens, kind), token_type_hint=hint)
    assert (answer.status_code, answer.json()) == (200, {})
    assert party.userinfo(tokens.access_token).status_code == 401
    assert error_of(party.refresh(tokens.refresh_token)) == (400, "invalid_grant")
    assert party.userinfo(bystander.access_token).status_code == 200
    assert party.revoke(getattr(tokens, kind)).status_code == 200, "again is no error"


@pytest.mark.spec("7009-2-a", "V10-10.4.10")
@pytest.mark.parametrize("thief", ["other", "spa"])
def test_another_clients_token_is_not_revoked(op: Provider, thief: str) -> None:
    party = op.party("first")
    tokens = party.sign_in(op.person())
    for token in (tokens.access_token, tokens.refresh_token):
        assert op.party(thief).revoke(token).json() == {}
    assert party.userinfo(tokens.access_token).status_code == 200
    assert party.refresh(tokens.refresh_token).status_code == 200


@pytest.mark.spec("7009-2-a")
@pytest.mark.parametrize("token", ["x", "a.b.c", "x" * 5000, "\u00e9", "eyJhbGciOiJub25lIn0.e30."])
def test_an_unknown_token_is_revoked_already(op: Provider, token: str) -> None:
    answer = op.party("first").revoke(Secret(token))
    assert (answer.status_code, answer.json()) == (200, {})


@pytest.mark.spec("7009-2-a")
def test_a_request_that_names_no_token_or_two_is_refused(op: Provider) -> None:
    party = op.party("machine")
    token = Secret(party.client_token().json()["access_token"])
    assert error_of(party.post(op.url("/revoke"), {})) == (400, "invalid_request")
    assert error_of(party.post(op.url("/revoke"), {"token": ["a", "b"]})) == (400, "invalid_request")
    wrong = op.ask("POST", "/revoke", data={"token": token.reveal(), "client_id": "machine"})
    assert error_of(wrong) == (401, "invalid_client")


@pytest.mark.spec("7009-2-a")
def test_a_public_client_revokes_its_own(op: Provider) -> None:
    party = op.party("spa")
    tokens = party.sign_in(op.person())
    assert party.revoke(tokens.refresh_token).status_code == 200
    assert party.userinfo(tokens.access_token).status_code == 401


@pytest.mark.spec("7009-2-a")
def test_an_expired_access_token_still_ends_nothing_else(later: Provider) -> None:
    party = later.party("first")
    tokens = party.sign_in(later.person())
    later.turn(1000)
    assert party.revoke(tokens.access_token).status_code == 200
    assert party.refresh(tokens.refresh_token).status_code == 200


def test_a_fresh_install_knows_nobody(tmp_path: Any) -> None:
    config = tmp_path / "proofkey.toml"
    config.write_text(f'[server]\nissuer = "https://op.test"\nmaster_key = "{fresh()}"\n')
    for kind in ("user", "client"):
        done = run_here(kind, "list", "--json", "--config", str(config))
        assert (done.returncode, done.stdout.strip()) == (0, "[]")
