from datetime import UTC, datetime, timedelta, timezone

import pytest

from proofkey.errors import ConfigurationError, InvalidToken
from proofkey.findings import Finding
from proofkey.protocol.text import Instant
from proofkey.resource_server.protected_resource import build_policy
from proofkey.resource_server.trust import (
    check_distinct,
    check_internal_base_url,
    check_trusted_until,
    read_claimed_issuer,
    read_deadline,
)
from proofkey.testing.issuer import LocalIssuer

NOON = datetime(2027, 3, 1, 12, tzinfo=UTC)


def test_a_deadline_is_an_instant() -> None:
    assert read_deadline(None) is None
    assert read_deadline(NOON) == NOON.timestamp()
    assert read_deadline(NOON.astimezone(timezone(timedelta(hours=-5)))) == NOON.timestamp()
    with pytest.raises(ConfigurationError, match="time zone"):
        read_deadline(NOON.replace(tzinfo=None))


@pytest.mark.parametrize(("now", "trusted"), [(99, True), (100, False), (101, False)])
def test_trust_ends_at_its_deadline(now: int, trusted: bool) -> None:
    policy = build_policy("https://old.test", "api", until=Instant(100))
    if trusted:
        check_trusted_until(policy, Instant(now))
    else:
        with pytest.raises(InvalidToken) as caught:
            check_trusted_until(policy, Instant(now))
        assert caught.value.finding is Finding.ISSUER_RETIRED
    check_trusted_until(build_policy("https://old.test", "api"), Instant(now))


@pytest.mark.spec("8725b-3.8-a")
def test_an_iss_has_one_owner() -> None:
    one, two = build_policy("https://one.test", "api"), build_policy("https://two.test", "api")
    check_distinct([one, two])
    with pytest.raises(ConfigurationError, match=r"https://one\.test"):
        check_distinct([one, two, build_policy("https://one.test", "other")])


@pytest.mark.parametrize(
    ("url", "allowed", "good"),
    [
        ("https://inside", False, True),
        ("https://inside:8443/", False, True),
        ("http://localhost:8080", False, True),
        ("http://[::1]:8080", False, True),
        ("http://inside:8080", True, True),
        ("http://inside:8080", False, False),
        ("https://inside/path", True, False),
        ("https://inside?q", True, False),
        ("https://inside#f", True, False),
        ("https://u:p@inside", True, False),
        ("ftp://inside", True, False),
        ("inside", True, False),
    ],
)
def test_an_internal_address_is_an_origin(url: str, allowed: bool, good: bool) -> None:
    if good:
        check_internal_base_url(url, allow_insecure_http=allowed)
    else:
        with pytest.raises(ConfigurationError):
            check_internal_base_url(url, allow_insecure_http=allowed)


def test_the_claimed_issuer_is_a_string_or_none() -> None:
    issuer = LocalIssuer()
    assert read_claimed_issuer(issuer.token_for()) == issuer.url
    assert read_claimed_issuer(issuer.token_for(iss=None)) is None
    assert read_claimed_issuer(issuer.token_for(iss=[issuer.url])) is None
    with pytest.raises(InvalidToken):
        read_claimed_issuer("opaque")
