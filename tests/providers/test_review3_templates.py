"""What a name may not do: no provider's file gives it a meaning of its own."""

import json
from typing import Any

import pytest

from proofkey.errors import ConfigurationError
from proofkey.providers.registration import Registration, read_registration
from proofkey.providers.templates import TEMPLATES

CLIENT = {"client_id": "orders", "redirect_uris": ["https://app.test/auth/callback"]}


def registration(**changes: Any) -> Registration:
    return read_registration({"name": "Orders", "clients": [CLIENT], **changes})


@pytest.mark.parametrize(
    "name",
    ["${okta_app_oauth.client_orders.client_secret}", "${data.okta_group.everyone.id}"],
    ids=["a secret", "a group"],
)
def test_a_name_is_no_reference_of_terraform(name: str) -> None:
    document = json.loads(TEMPLATES["okta"](registration(clients=[{**CLIENT, "client_name": name}])).printed)
    assert document["resource"]["okta_app_oauth"]["client_orders"]["label"] == f"${name}"


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "${KC_BOOTSTRAP_ADMIN_PASSWORD}"},
        {"clients": [{**CLIENT, "client_name": "Orders ${HOME}"}]},
        {"api": {"resource": "https://api.test", "roles": ["${HOME}"]}},
    ],
    ids=["the application", "a client", "a role"],
)
def test_no_text_of_a_realm_stands_for_a_variable_of_keycloaks(changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="environment variable"):
        TEMPLATES["keycloak"](registration(**changes))


def test_an_address_with_a_dollar_is_one_to_compose() -> None:
    made = TEMPLATES["keycloak"](registration(issuer="https://id.test/a$HOME/realms/shop"))
    assert 'KC_HOSTNAME: "https://id.test/a$$HOME"' in made.files["compose.yaml"]
