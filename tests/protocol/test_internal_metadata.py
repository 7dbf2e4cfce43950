"""Metadata of a provider that is reached by another address, or serves many tenants with one document."""

import json
from typing import Any

import pytest

from proofkey.errors import Unavailable
from proofkey.findings import Finding
from proofkey.protocol.metadata import ServerMetadata, parse_server_metadata
from proofkey.protocol.uri import is_http_url, move_origin

ISSUER = "https://id.test/realms/x"
INSIDE = "http://keycloak:8080"


def read(published: frozenset[str] = frozenset(), internal: str | None = INSIDE, **members: Any) -> ServerMetadata:
    document = {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/keys"} | members
    return parse_server_metadata(
        json.dumps(document).encode(), ISSUER, keys_only=True, published=published, internal_base_url=internal
    )


@pytest.mark.parametrize(
    ("stated", "read_as"),
    [
        (f"{ISSUER}/keys", f"{ISSUER}/keys"),
        (f"{INSIDE}/realms/x/keys", f"{ISSUER}/keys"),
        ("HTTP://Keycloak:8080/a?b=c", "https://id.test/a?b=c"),
        ("https://elsewhere.test/keys", "https://elsewhere.test/keys"),
        ("http://keycloak/keys", None),
        ("http://keycloak:8081/keys", None),
        ("http://keycloak:8080@evil.test/keys", None),
        ("http://elsewhere.test/keys", None),
        ("keycloak:8080/keys", None),
        (5, None),
    ],
)
def test_internal_endpoints_are_read_as_the_issuers_own(stated: object, read_as: str | None) -> None:
    if read_as is None:
        with pytest.raises(Unavailable) as caught:
            read(jwks_uri=stated)
        assert caught.value.finding is Finding.METADATA_MALFORMED
    else:
        assert read(jwks_uri=stated).jwks_uri == read_as


def test_without_an_internal_address_plain_http_stays_refused() -> None:
    with pytest.raises(Unavailable):
        read(internal=None, jwks_uri=f"{INSIDE}/keys")


@pytest.mark.spec("RFC 8414 §3.3")
@pytest.mark.parametrize(
    ("published", "stated", "believed"),
    [
        (frozenset[str](), ISSUER, True),
        (frozenset[str](), "https://id.test/{tenant}", False),
        (frozenset({"https://id.test/{tenant}"}), "https://id.test/{tenant}", True),
        (frozenset({"https://id.test/{tenant}"}), ISSUER, False),
        (frozenset({ISSUER, "https://other.test"}), "https://other.test", True),
        (frozenset({ISSUER}), [ISSUER], False),
        (frozenset({ISSUER}), None, False),
        (frozenset({ISSUER}), INSIDE + "/realms/x", False),
    ],
)
def test_the_document_states_one_of_the_expected_issuers(
    published: frozenset[str], stated: object, believed: bool
) -> None:
    if believed:
        assert read(published, issuer=stated).issuer == ISSUER
    else:
        with pytest.raises(Unavailable) as caught:
            read(published, issuer=stated)
        assert caught.value.finding is Finding.METADATA_ISSUER


def test_an_origin_is_moved_and_nothing_else() -> None:
    assert move_origin("http://a.test/b?c=http://a.test/", "http://a.test", "https://x.test:1") == (
        "https://x.test:1/b?c=http://a.test/"
    )
    assert move_origin("http://a.test.b/c", "http://a.test", "https://x.test") == "http://a.test.b/c"
    assert [is_http_url(url) for url in ("http://a", "HTTPS://a", "ftp://a", "a", "http://")] == [
        True, True, False, False, False,
    ]  # fmt: skip
