"""Client authentication: one method, its registered one, and the right secret."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofkey.errors import InvalidClient, InvalidRequest, OAuthError
from proofkey.findings import Finding
from proofkey.protocol.client_authentication import (
    ASSERTION_TYPE,
    ClientCredentials,
    build_basic,
    check_client_authentication,
    check_client_secret,
    parse_client_authentication,
)
from proofkey.protocol.registration import AuthMethod, ClientRegistration
from proofkey.protocol.text import ClientId, Pairs, Secret

SECRET = Secret("correct horse battery staple 0123")


def basic(text: str | bytes) -> str:
    return "Basic " + base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


def client(method: AuthMethod = "client_secret_basic", *, disabled: bool = False) -> ClientRegistration:
    return ClientRegistration(
        client_id=ClientId("web"),
        secret_digest=None if method == "none" else SECRET.digest(),
        token_endpoint_auth_method=method,
        disabled=disabled,
    )


@pytest.mark.spec("6749-2.3.1-a", "O21-2.4.1-a")
@given(
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=20),
    st.text(st.characters(codec="utf-8"), max_size=20),
)
def test_basic_is_read_as_it_was_built(client_id: str, secret: str) -> None:
    header = build_basic(client_id, Secret(secret))
    assert header.isascii()
    credentials = parse_client_authentication((header,), ())
    assert credentials == ClientCredentials(ClientId(client_id), Secret(secret), "client_secret_basic")


@pytest.mark.spec("6749-2.3.1-a")
@pytest.mark.parametrize(
    ("header", "client_id", "secret"),
    [
        (basic("web:secret"), "web", "secret"),
        (basic("web:a:b:c"), "web", "a:b:c"),
        (basic("web:%3A%2B%25%26%C3%A9"), "web", ":+%&é"),
        (basic("a+b%3Ac:d+e"), "a b:c", "d e"),
        (basic("web:"), "web", ""),
        (basic("web:s").replace("Basic", "bAsIc"), "web", "s"),
        (basic("web:s").replace(" ", "   "), "web", "s"),
    ],
)
def test_basic_is_split_at_the_first_colon_and_form_decoded(header: str, client_id: str, secret: str) -> None:
    credentials = parse_client_authentication((header,), ())
    assert credentials.secret
    assert (credentials.client_id, credentials.secret.reveal()) == (client_id, secret)


@pytest.mark.spec("6749-5.2-b")
@pytest.mark.parametrize(
    "header",
    [
        "",
        "Basic",
        "Basic ",
        "Bearer abc",
        "Digest x",
        "Basic !!!!",
        "Basic d2Vi",
        "Basic d2ViOnM",
        "Basic d2ViOnM=x",
        basic(":secret"),
        basic(b"web:\xff"),
        basic("web:%ff"),
        basic("%ff:s"),
        "Basic d2ViOnM= d2ViOnM=",
        "Basic é",
        "Basic \ud800",
        basic("web:" + "s" * 5000),
        "Basicd2ViOnM=",
    ],
    ids=lambda header: ascii(header[:24]),
)
def test_malformed_basic_is_invalid_client(header: str) -> None:
    with pytest.raises(InvalidClient) as refusal:
        parse_client_authentication((header,), ())
    assert refusal.value.description == "Client authentication failed."


@pytest.mark.parametrize(
    ("pairs", "credentials"),
    [
        ((("client_id", "spa"),), ClientCredentials(ClientId("spa"))),
        ((("client_id", "spa"), ("client_secret", "")), ClientCredentials(ClientId("spa"))),
        (
            (("client_id", "web"), ("client_secret", ":+%&é")),
            ClientCredentials(ClientId("web"), Secret(":+%&é"), "client_secret_post"),
        ),
        (
            (("client_id", "web"), ("resource", "a"), ("resource", "b"), ("client_secret", "s")),
            ClientCredentials(ClientId("web"), Secret("s"), "client_secret_post"),
        ),
    ],
    ids=["public", "empty secret", "post", "repeated resource"],
)
def test_body_credentials(pairs: Pairs, credentials: ClientCredentials) -> None:
    assert parse_client_authentication((), pairs) == credentials


def test_basic_with_the_same_client_id_in_the_body_is_one_method() -> None:
    assert parse_client_authentication((basic("web:s"),), (("client_id", "web"),)).method == "client_secret_basic"


@pytest.mark.spec("6749-2.3-a", "6749-3.1-a")
@pytest.mark.parametrize(
    ("headers", "pairs"),
    [
        ((basic("web:s"),), (("client_secret", "s"),)),
        ((basic("web:s"),), (("client_id", "web"), ("client_secret", "s"))),
        ((basic("web:s"),), (("client_assertion", "a.b.c"),)),
        ((basic("web:s"),), (("client_id", "other"),)),
        ((basic("web:s"), basic("web:s")), ()),
        (("Bearer x", basic("web:s")), ()),
        ((), (("client_id", "web"), ("client_secret", "s"), ("client_assertion", "a.b.c"))),
        ((), (("client_id", "web"), ("client_id", "web"))),
        ((), (("client_id", "web"), ("client_secret", "s"), ("client_secret", "s"))),
    ],
)
def test_two_methods_are_an_invalid_request(headers: tuple[str, ...], pairs: Pairs) -> None:
    with pytest.raises(InvalidRequest):
        parse_client_authentication(headers, pairs)


@pytest.mark.spec("6749-3.2.1-b", "V10-10.4.10")
@pytest.mark.parametrize(
    "pairs",
    [(), (("client_id", ""),), (("client_secret", "s"),), (("client_id", "web"), ("client_assertion", "a.b.c"))],
)
def test_no_method_that_is_offered_is_invalid_client(pairs: Pairs) -> None:
    with pytest.raises(InvalidClient):
        parse_client_authentication((), pairs)


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_right_secret_by_the_registered_method_passes(method: AuthMethod) -> None:
    check_client_authentication(ClientCredentials(ClientId("web"), SECRET, method), client(method))


def test_public_client_passes_without_a_secret() -> None:
    check_client_authentication(ClientCredentials(ClientId("web")), client("none"))


@pytest.mark.spec("6749-5.2-b", "6749-3.2.1-b")
@pytest.mark.parametrize(
    ("credentials", "registration", "finding"),
    [
        (ClientCredentials(ClientId("x"), SECRET, "client_secret_basic"), None, Finding.CLIENT_UNKNOWN),
        (ClientCredentials(ClientId("x")), None, Finding.CLIENT_UNKNOWN),
        (
            ClientCredentials(ClientId("web"), Secret("x"), "client_secret_basic"),
            client(),
            Finding.CLIENT_SECRET_WRONG,
        ),
        (
            ClientCredentials(ClientId("web"), Secret(""), "client_secret_basic"),
            client(),
            Finding.CLIENT_SECRET_WRONG,
        ),
        (ClientCredentials(ClientId("web"), None, "client_secret_basic"), client(), Finding.CLIENT_SECRET_WRONG),
        (ClientCredentials(ClientId("web")), client(), Finding.CLIENT_NOT_AUTHENTICATED),
        (ClientCredentials(ClientId("web"), SECRET, "client_secret_post"), client(), Finding.CLIENT_METHOD_WRONG),
        (
            ClientCredentials(ClientId("web"), SECRET, "client_secret_basic"),
            client("none"),
            Finding.CLIENT_METHOD_WRONG,
        ),
        (
            ClientCredentials(ClientId("web"), SECRET, "client_secret_basic"),
            client(disabled=True),
            Finding.CLIENT_DISABLED,
        ),
    ],
)
def test_every_other_case_is_one_and_the_same_to_the_caller(
    credentials: ClientCredentials, registration: ClientRegistration | None, finding: Finding
) -> None:
    with pytest.raises(InvalidClient) as refusal:
        check_client_authentication(credentials, registration)
    assert refusal.value.finding is finding
    assert (refusal.value.error, refusal.value.description) == ("invalid_client", "Client authentication failed.")
    assert SECRET.reveal() not in str(refusal.value)


def test_a_client_without_a_stored_secret_has_none() -> None:
    for presented in (None, Secret(""), SECRET):
        with pytest.raises(InvalidClient):
            check_client_secret(presented, client("none"))


@given(
    st.lists(
        st.text(max_size=30) | st.text(max_size=12).map(lambda text: basic(text.encode("utf-8", "replace"))),
        max_size=2,
    ).map(tuple),
    st.lists(
        st.tuples(st.sampled_from(["client_id", "client_secret", "client_assertion", "x"]), st.text(max_size=5)),
        max_size=4,
    ).map(tuple),
)
def test_anything_is_read_or_refused(headers: tuple[str, ...], pairs: Pairs) -> None:
    try:
        credentials = parse_client_authentication(headers, pairs)
    except OAuthError:
        return
    assert credentials.client_id


def assertion_of(payload: str) -> str:
    parts = (base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in ('{"alg":"ES256"}', payload))
    return ".".join((*parts, "AA"))


@pytest.mark.spec("7523-3-a / OC-9-a")
@pytest.mark.parametrize(
    ("payload", "sent"),
    [("{}", {}), ('{"sub":7}', {}), ('{"sub":""}', {}), ('{"sub":"web"}', {"client_id": "other"})],
    ids=["no sub", "a number", "empty", "another client beside it"],
)
def test_an_assertion_that_does_not_name_its_client_is_refused(payload: str, sent: dict[str, str]) -> None:
    form = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion_of(payload), **sent}
    with pytest.raises(InvalidClient) as refused:
        parse_client_authentication((), tuple(form.items()))
    assert refused.value.finding is Finding.ASSERTION_CLIENT


@pytest.mark.spec("6749-2.3.1-a")
def test_another_scheme_is_refused_though_what_follows_would_do_for_basic() -> None:
    with pytest.raises(InvalidClient) as refused:
        parse_client_authentication((basic("web:secret").replace("Basic", "Digest"),), ())
    assert refused.value.finding is Finding.CLIENT_METHOD_WRONG
