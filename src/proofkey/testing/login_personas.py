"""How each provider treats a client that signs people in: what it announces, when it gives a refresh token, and
how it is asked to end its own session. They stand on documentation; only Keycloak is also tested for real.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qs, urlencode, urlsplit

from proofkey.protocol.text import Secret
from proofkey.runtime.clock import Clock
from proofkey.runtime.entropy import Entropy, system_entropy
from proofkey.testing.persona_claims import TENANT
from proofkey.testing.provider import ScriptedProvider

Asked = Mapping[str, list[str]]
"""The parameters of an authorization request."""
_COGNITO: Final = "https://shop.auth.eu-central-1.amazoncognito.com"


def _with_offline_access(asked: Asked) -> bool:
    return "offline_access" in asked["scope"][0].split()


def _with_consent(asked: Asked) -> bool:
    return asked.get("access_type") == ["offline"] and "consent" in asked.get("prompt", [""])[0].split()


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginPersona:
    """One provider's way with its clients."""

    issuer: str
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What its metadata have otherwise than `ScriptedProvider`'s; None takes a member out."""
    response_iss: str | None = None
    """In authorization responses, announced or not."""
    token_iss: str | None = None
    """In ID tokens, where it is not the issuer."""
    gives_refresh_token: Callable[[Asked], bool] = _with_offline_access
    way_back: str | None = "post_logout_redirect_uri"
    """The parameter of a sign-out that names it; None: there is no sign-out."""
    returns_state: bool = True


_NO_ISS: Final = {"authorization_response_iss_parameter_supported": None}
LOGIN_PERSONAS: Final[Mapping[str, LoginPersona]] = {
    "auth0": LoginPersona(issuer="https://acme.eu.auth0.com/", metadata=_NO_ISS),
    "auth0-old": LoginPersona(
        issuer="https://acme.eu.auth0.com/",
        metadata={**_NO_ISS, "end_session_endpoint": None},
        way_back="returnTo",
        returns_state=False,
    ),
    "entra": LoginPersona(
        issuer=f"https://login.microsoftonline.com/{TENANT}/v2.0",
        metadata={**_NO_ISS, "code_challenge_methods_supported": None},
    ),
    "entra-organizations": LoginPersona(
        issuer="https://login.microsoftonline.com/organizations/v2.0",
        metadata={
            **_NO_ISS,
            "issuer": "https://login.microsoftonline.com/{tenantid}/v2.0",
            "code_challenge_methods_supported": None,
        },
        token_iss=f"https://login.microsoftonline.com/{TENANT}/v2.0",
    ),
    "google": LoginPersona(
        issuer="https://accounts.google.com",
        metadata={**_NO_ISS, "end_session_endpoint": None},
        response_iss="https://accounts.google.com",
        token_iss="accounts.google.com",
        gives_refresh_token=_with_consent,
        way_back=None,
    ),
    "keycloak": LoginPersona(
        issuer="https://sso.test/realms/shop",
        response_iss="https://sso.test/realms/shop",
        gives_refresh_token=lambda asked: True,
    ),
    "okta": LoginPersona(issuer="https://acme.okta.com/oauth2/default", metadata=_NO_ISS),
    "cognito": LoginPersona(
        issuer="https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_Example1",
        metadata={
            **_NO_ISS,
            "authorization_endpoint": f"{_COGNITO}/oauth2/authorize",
            "token_endpoint": f"{_COGNITO}/oauth2/token",
            "code_challenge_methods_supported": None,
        },
        gives_refresh_token=lambda asked: True,
        way_back="logout_uri",
        returns_state=False,
    ),
}
"""By name: `auth0-old` is a tenant whose metadata name no end-session endpoint."""


class PersonaProvider(ScriptedProvider):
    """A scripted provider that behaves as one of them; its `persona` says how."""

    def __init__(
        self,
        name: str,
        *,
        client_secret: Secret | None = None,
        clock: Clock | None = None,
        entropy: Entropy = system_entropy,
    ) -> None:
        self.persona = LOGIN_PERSONAS[name]
        issuer = self.persona.issuer
        super().__init__(issuer, client_secret=client_secret, clock=clock, entropy=entropy)
        changes = {} if self.persona.token_iss is None else {"iss": self.persona.token_iss}
        self.faults.metadata = self.persona.metadata
        self.faults.authorization_response = {"iss": self.persona.response_iss}
        self.faults.id_token_claims = self.faults.refresh_id_token_claims = changes

    def token_requests(self, grant_type: str | None = None) -> list[dict[str, list[str]]]:
        """As there, wherever the token endpoint is."""
        forms = [parse_qs(urlencode(ask.form or ())) for ask in self.asked if ask.url.endswith("/token")]
        return [form for form in forms if grant_type is None or form.get("grant_type") == [grant_type]]

    def authorize(self, url: str) -> str:
        """As `ScriptedProvider.authorize`; this request decides whether a refresh token comes."""
        back = super().authorize(url)
        given = self.persona.gives_refresh_token(self.authorization_requests[-1])
        self.faults.token_response = {} if given else {"refresh_token": None}
        return back

    def sign_out(self, url: str) -> str:
        """Where a browser is sent back to that signs out here. Raises: KeyError when the request is not in the
        form that this provider reads."""
        asked = parse_qs(urlsplit(url).query)
        back = asked[self.persona.way_back or ""][0]
        return f"{back}?state={asked['state'][0]}" if self.persona.returns_state else back
