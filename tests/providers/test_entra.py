"""Entra's issuers: one tenant, several, and the templates of its metadata."""

import pytest

from proofkey.errors import ConfigurationError
from proofkey.findings import Finding
from proofkey.providers.entra import ENTRA

HOST = "https://login.microsoftonline.com"
A = "7c1e6f4a-0b52-4c3e-9d8f-2a6b5c4d3e2f"
B = "11111111-2222-4333-8444-555555555555"
PERSONAL = "9188040d-6c67-4c5b-b112-36a304b66dad"


def both(tenant: str) -> set[str]:
    return {f"{HOST}/{tenant}/v2.0", f"https://sts.windows.net/{tenant}/"}


ISSUERS: dict[str, tuple[str, tuple[str, ...], set[str]]] = {
    "one tenant": (f"{HOST}/{A}/v2.0", (), both(A)),
    "one tenant, named again": (f"{HOST}/{A}/v2.0", (A.upper(),), both(A)),
    "one tenant in capitals": (f"{HOST}/{A.upper()}/v2.0", (), both(A)),
    "the v1 issuer": (f"https://sts.windows.net/{A}/", (), both(A)),
    "common with one": (f"{HOST}/common/v2.0", (A,), both(A)),
    "organizations with two": (f"{HOST}/organizations/v2.0", (A, B), both(A) | both(B)),
    "personal accounts": (f"{HOST}/consumers/v2.0", (), both(PERSONAL)),
    "a national cloud": (
        f"https://login.microsoftonline.us/{A}/v2.0",
        (),
        {f"https://login.microsoftonline.us/{A}/v2.0"},
    ),
    "another host, by name": ("https://stub.test", (), {"https://stub.test"}),
}


@pytest.mark.spec("8725b-3.8-a")
@pytest.mark.parametrize(("issuer", "tenants", "expected"), ISSUERS.values(), ids=ISSUERS.keys())
def test_the_closed_list_of_issuers(issuer: str, tenants: tuple[str, ...], expected: set[str]) -> None:
    assert ENTRA.token_issuers(issuer, tenants) == expected


REFUSED: dict[str, tuple[str, tuple[str, ...], str]] = {
    "common without tenants": (f"{HOST}/common/v2.0", (), "tenants="),
    "organizations without tenants": (f"{HOST}/organizations/v2.0", (), "tenants="),
    "a tenant that is no GUID": (f"{HOST}/common/v2.0", ("acme.onmicrosoft.com",), "GUID"),
    "an empty tenant": (f"{HOST}/common/v2.0", ("",), "GUID"),
    "the template": (f"{HOST}/common/v2.0", ("{tenantid}",), "GUID"),
    "a domain name as tenant": (f"{HOST}/acme.onmicrosoft.com/v2.0", (), "GUID"),
    "one tenant, and another allowed": (f"{HOST}/{A}/v2.0", (B,), "organizations"),
    "no version": (f"{HOST}/{A}", (), f"{HOST}/{A}/v2.0"),
    "a slash at the end": (f"{HOST}/{A}/v2.0/", (), f"{HOST}/{A}/v2.0"),
    "v1 without its slash": (f"https://sts.windows.net/{A}", (), f"https://sts.windows.net/{A}/"),
}


@pytest.mark.spec("X-failclosed")
@pytest.mark.parametrize(("issuer", "tenants", "fix"), REFUSED.values(), ids=REFUSED.keys())
def test_a_configuration_that_would_be_open_or_never_match_is_refused(
    issuer: str, tenants: tuple[str, ...], fix: str
) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        ENTRA.token_issuers(issuer, tenants)
    assert fix in refusal.value.facts["fix"]
    assert refusal.value.finding in {Finding.CONFIG_MISSING, Finding.CONFIG_VALUE}


PUBLISHED = {
    f"{HOST}/common/v2.0": {f"{HOST}/{{tenantid}}/v2.0"},
    f"{HOST}/organizations/v2.0": {f"{HOST}/{{tenantid}}/v2.0"},
    f"{HOST}/consumers/v2.0": {f"{HOST}/{PERSONAL}/v2.0"},
    f"{HOST}/{A}/v2.0": {f"{HOST}/{A}/v2.0"},
    f"https://sts.windows.net/{A}/": {f"https://sts.windows.net/{A}/"},
}


@pytest.mark.parametrize(("issuer", "expected"), PUBLISHED.items(), ids=PUBLISHED.keys())
def test_what_the_metadata_may_name(issuer: str, expected: set[str]) -> None:
    assert ENTRA.metadata_issuer(issuer) == expected


def test_only_entra_answers_with_a_template() -> None:
    from proofkey.providers import DIALECTS

    for dialect in DIALECTS.values():
        if dialect is not ENTRA:
            assert dialect.metadata_issuer("https://id.test") == {"https://id.test"}
