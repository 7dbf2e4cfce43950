"""The pages about providers, issuers and bound tokens: what their programs trust and ask for."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from fastapi import FastAPI, Security
from fastapi.testclient import TestClient

from proofkey.cli.config_template import Provider
from proofkey.errors import ConfigurationError
from proofkey.fastapi import Protect
from proofkey.providers import DIALECTS, dialect_for
from proofkey.runtime.entropy import system_entropy
from proofkey.testing.clock import TurnedClock
from proofkey.testing.dpop import DpopKey
from proofkey.testing.issuer import LocalIssuer
from proofkey.testing.tokens_for import TokensFor
from tests.docs.pages import read_page, run_page


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "nonces.key").write_text(system_entropy() + "\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


# --- providers.md ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "dialect"),
    [
        ("api", "rfc9068"),
        *((name, name) for name in ("keycloak", "auth0", "entra", "okta", "cognito", "zitadel", "authentik")),
        ("several_tenants", "entra"),
        ("google", "google-id-token"),
    ],
)
def test_each_provider_s_example_gets_its_dialect(name: str, dialect: str) -> None:
    api: Protect = vars(run_page("providers.md"))[name]
    assert api.verifier.policy.dialect.name == dialect


def test_every_dialect_has_an_example_or_is_for_logins_only() -> None:
    page = run_page("providers.md")
    shown = {api.verifier.policy.dialect.name for api in vars(page).values() if isinstance(api, Protect)}
    verifying = {dialect.name for dialect in DIALECTS.values() if dialect.verifies}
    assert verifying - shown == {"proofkey"}  # whose issuer may be anywhere, and which relaxes nothing


def test_every_template_has_its_command() -> None:
    page = read_page("providers.md")
    for provider in Provider:
        assert f"proofkey config template {provider.value} " in page


@pytest.mark.parametrize("name", ["google", "okta_org", "github"])
def test_a_provider_for_logins_only_is_refused_with_what_to_do_instead(name: str) -> None:
    issuers = {"google": "https://accounts.google.com", "okta_org": "https://acme.okta.com"}
    issuer = issuers.get(name, "https://github.com")
    assert dialect_for(issuer).name == name
    with pytest.raises(ConfigurationError):
        Protect(issuer=issuer, audience="https://api.example.com")


# --- several-issuers.md ------------------------------------------------------------------------------------------


def test_the_old_issuer_has_a_deadline() -> None:
    page = run_page("several-issuers.md")
    old, new = page.api.verifier.trusts
    assert old.policy.until == int(datetime(2027, 3, 31, tzinfo=UTC).timestamp())
    assert new.policy.until is None
    assert page.inside.verifier.issuers == ("https://sso.example.com/realms/shop",)


# --- dpop.md -----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("folder")
def test_the_programs_ask_for_what_the_page_says() -> None:
    page = run_page("dpop.md")
    assert page.api.sender.dpop == "optional"
    assert page.strict.sender.dpop == "required"
    assert page.behind_nginx.sender.mtls


@pytest.mark.usefixtures("folder")
def test_the_test_of_the_page_passes(issuer: LocalIssuer, clock: TurnedClock) -> None:
    run_page("dpop.md").test_a_bound_token(issuer, clock)


@pytest.mark.spec("9449-7.1")
@pytest.mark.parametrize(
    ("mode", "bearer", "bound", "bound_without_proof"),
    [("off", 200, 401, 401), ("optional", 200, 200, 401), ("required", 401, 200, 401)],
)
def test_the_table_of_modes(
    issuer: LocalIssuer,
    token_for: TokensFor,
    clock: TurnedClock,
    mode: str,
    bearer: int,
    bound: int,
    bound_without_proof: int,
) -> None:
    """As the page's table has it."""
    row = {"off": "taken | refused", "optional": "taken | taken with its proof"}
    row["required"] = "refused | taken with its proof"
    assert f"| `{mode}` | {row[mode]} |" in read_page("dpop.md")
    address = "https://api.test"
    api = Protect(
        issuer=issuer.url,
        audience=issuer.audience,
        public_url=address,
        dpop=mode,  # type: ignore[arg-type] # one of three
        transport=issuer.transport,
        clock=clock,
    )
    app = FastAPI()
    app.add_api_route("/orders", lambda: "ok", dependencies=[Security(api)])
    client = TestClient(app, base_url=address)
    key = DpopKey(clock=clock)
    token = issuer.token_for(cnf=key.cnf)
    proven = key.dpop_headers(token, "GET", f"{address}/orders")
    assert client.get("/orders", headers=token_for()).status_code == bearer
    assert client.get("/orders", headers=proven).status_code == bound
    assert client.get("/orders", headers={"authorization": f"Bearer {token}"}).status_code == bound_without_proof
