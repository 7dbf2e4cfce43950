"""`[api]` and the keywords of `Protect` are one list."""

import inspect
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from proofkey.fastapi import Protect
from proofkey.protocol.text import Secret
from proofkey.runtime.introspection import Introspection
from proofkey.runtime.settings_keywords import protect_keywords
from proofkey.runtime.settings_model import ApiSettings, IntrospectionSettings, IssuerSettings
from proofkey.runtime.trust import TrustedIssuer

SECRET = "q8Jr2b0Nn1uYxw3dZ5v7AaKkLmPpQqRrSsTtUuVvWwX"
RENAMED = {"store": "replay_store"}
SOURCES = {"store_file", "master_key", "master_key_file"}
"""Where the value of another key comes from."""


def test_every_setting_is_a_keyword_and_the_other_way_round() -> None:
    keywords = set(protect_keywords(ApiSettings(issuer="https://op.test")))
    assert keywords == {RENAMED.get(key, key) for key in ApiSettings.model_fields if key not in SOURCES}
    assert keywords <= set(inspect.signature(Protect.__init__).parameters)


def test_the_keywords_make_a_protect(tmp_path: Path) -> None:
    settings = ApiSettings(
        issuer="https://op.test",
        audience=("https://api.test", "other"),
        dpop="optional",
        store=f"sqlite:///{tmp_path}/replay.db",
        public_url="https://api.test",
        dpop_nonces=True,
        master_key=Secret(SECRET),
        mtls=True,
        trusted_proxies=("10.0.0.5/32",),
        client_certificate_header="Client-Cert",
        scope_hierarchy={"a": ("b",)},
    )
    api = Protect(**protect_keywords(settings))
    assert api.audience == ("https://api.test", "other")
    assert (api.sender.dpop, api.sender.mtls) == ("optional", True)
    assert (tmp_path / "replay.db").exists()


def test_the_secret_of_nonces_is_given_only_where_nonces_are_wanted() -> None:
    settings = ApiSettings(issuer="https://op.test", master_key=Secret(SECRET))
    assert protect_keywords(settings)["dpop_nonces"] is None


def test_issuers_and_introspection_become_their_values() -> None:
    asked = {"client_id": "api", "client_secret": Secret(SECRET), "endpoint": "https://op.test/i", "max_age": 5}
    until = datetime(2027, 1, 1, tzinfo=UTC)
    settings = ApiSettings(
        issuers=(
            IssuerSettings(issuer="https://a.test", audience="a", until=until, tenants=("t",)),
            IssuerSettings(issuer="https://b.test", introspection=IntrospectionSettings(**cast("Any", asked))),
        )
    )
    old, new = protect_keywords(settings)["issuers"]
    assert old == TrustedIssuer(issuer="https://a.test", audience="a", until=until, tenants=("t",))
    assert new.introspection == Introspection(**cast("Any", asked))


def test_every_key_of_an_issuer_and_of_introspection_is_a_field_of_its_value() -> None:
    """So that nothing of a configuration is silently left out."""
    for model, value in ((IssuerSettings, TrustedIssuer), (IntrospectionSettings, Introspection)):
        assert set(model.model_fields) <= set(inspect.signature(value).parameters)
