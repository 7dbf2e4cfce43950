"""What an endpoint of the authorization server answers: a closed union that `web` renders."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from proofkey.authorization_server.records import AuditEvent
from proofkey.errors import ProofkeyError
from proofkey.protocol.text import Pairs, Secret

PageName = Literal["login", "consent", "error", "logout", "logged-out", "device"]


Told = AuditEvent | ProofkeyError | None
"""For the log: what happened, or why a refusal was answered with a page or a redirect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Browser:
    """What a request brings of the browser: its cookies of this server, and the peer's address.

    `interactions` holds the browser secrets by the short public name of their flow.
    """

    sign_in: Secret | None = None
    interactions: Mapping[str, Secret] = field(default_factory=dict[str, Secret])
    device: Secret | None = None
    """By which people who have signed in here before are not counted among strangers; it proves nothing."""
    peer: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cookies:
    """What the browser shall hold from now on. None leaves a cookie as it is."""

    sign_in: Secret | None = None
    """The handle of a new sign-in (session cookie)."""
    clear_sign_in: bool = False
    interaction: tuple[str, Secret] | None = None
    """(short public name of the flow, browser secret): one cookie per flow, 10 minutes."""
    clear_interaction: str | None = None
    device: Secret | None = None
    """Kept for 400 days, which is as long as browsers keep any."""


NO_COOKIES = Cookies()


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirect:
    """303 to `url` (RFC 9700 §4.12)."""

    url: str
    cookies: Cookies = NO_COOKIES
    told: Told = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class FormPost:
    """A page whose form posts `fields` to `url`, by itself or by its button (OAuth Form Post §2)."""

    url: str
    fields: Pairs = field(repr=False)
    cookies: Cookies = NO_COOKIES
    told: Told = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """An HTML page. `form_targets` are further origins (scheme://host:port) to which its form may lead on."""

    name: PageName
    status: int = 200
    context: Mapping[str, Any] = field(default_factory=dict[str, Any])
    form_targets: tuple[str, ...] = ()
    cookies: Cookies = NO_COOKIES
    retry_after: int | None = None
    told: Told = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Json:
    """A JSON document; `no_store` for whatever holds tokens or secrets."""

    body: Mapping[str, Any]
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    no_store: bool = True
    told: Told = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Jwt:
    """A signed document as the whole body; never stored by whoever passes it on."""

    token: str = field(repr=False)
    media_type: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    told: Told = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Empty:
    """204: it is done, and there is nothing to say."""

    told: Told = field(default=None, repr=False, compare=False)


Answer = Redirect | FormPost | Page | Json | Jwt | Empty
