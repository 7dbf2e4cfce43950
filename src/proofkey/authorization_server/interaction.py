"""Interactions: a request that waits for a page, bound to one browser, used once when it ends."""

from dataclasses import dataclass, field, replace

from proofkey.authorization_server.answers import Browser, Cookies, Redirect
from proofkey.authorization_server.authorize import Asked
from proofkey.authorization_server.records import Interaction
from proofkey.authorization_server.role import AuthorizationServer
from proofkey.errors import InteractionClosed
from proofkey.findings import Finding
from proofkey.protocol.device_authorization import DEVICE
from proofkey.protocol.messages import AuthorizationRequest
from proofkey.protocol.text import Instant, Secret, Subject, digest_of

_SHORT = 8
_CARRIES = "."
"""Between the secret and what it carries; it stands in no secret."""
PAGES = ("code", DEVICE)
"""What sign-in and consent pages are for."""


@dataclass(frozen=True, slots=True)
class OpenInteraction:
    """An interaction that is open, in the browser that it belongs to."""

    id: str
    record: Interaction
    carried: str = field(default="", repr=False)
    """What the browser brings back beside its secret: the user code of a device."""

    @property
    def is_device(self) -> bool:
        """A device waits, and no client's address (RFC 8628)."""
        return self.record.request.response_type == DEVICE

    @property
    def short(self) -> str:
        """The flow's public name, which its cookie carries."""
        return self.record.digest[:_SHORT]

    def signed_in(self, now: Instant) -> "OpenInteraction":
        return replace(self, record=replace(self.record, signed_in_since=now))


async def begin_interaction(
    server: AuthorizationServer,
    request: AuthorizationRequest,
    now: Instant,
    hint_sub: Subject | None = None,
    pushed_digest: str | None = None,
    carried: str = "",
) -> tuple[OpenInteraction, Secret]:
    """Stores the request under the digest of a random id; the browser is to hold the secret, and what is `carried`
    in it, of which the store has no more than the digest of both."""
    id_, secret = server.entropy(), Secret(f"{server.entropy()}{_CARRIES if carried else ''}{carried}")
    record = Interaction(
        digest=digest_of(id_),
        browser_digest=secret.digest(),
        request=request,
        created_at=now,
        expires_at=Instant(now + server.policy.lifetimes.interaction),
        hint_sub=hint_sub,
        pushed_digest=pushed_digest,
    )
    await server.store.insert_interaction(record)
    return OpenInteraction(id_, record, carried), secret


async def begin_page(
    server: AuthorizationServer, asked: Asked, now: Instant, pushed_digest: str | None = None
) -> Redirect:
    """303 to the interaction's page, with the cookie that binds it to this browser."""
    opened, secret = await begin_interaction(server, asked.request, now, asked.hint_sub, pushed_digest)
    return Redirect(url=page_url(server, opened), cookies=Cookies(interaction=(opened.short, secret)))


def page_url(server: AuthorizationServer, opened: OpenInteraction) -> str:
    return server.policy.url(f"/interaction/{opened.id}")


async def open_interaction(
    server: AuthorizationServer, id_: str, browser: Browser, now: Instant, *, response_type: str | None = None
) -> OpenInteraction:
    """Finds it open, for this purpose (by default one of `PAGES`), and in its own browser (RFC 6749 §10.12).

    Raises: InteractionClosed.
    """
    record = await server.store.find_interaction(digest_of(id_))
    wanted = PAGES if response_type is None else (response_type,)
    if record is None or record.request.response_type not in wanted:
        raise InteractionClosed(Finding.INTERACTION_UNKNOWN, reason="unknown")
    secret = browser.interactions.get(record.digest[:_SHORT])
    if secret is None or not Secret(secret.digest()).matches(Secret(record.browser_digest)):
        raise InteractionClosed(Finding.INTERACTION_FOREIGN_BROWSER)
    if record.used_at is not None or now >= record.expires_at:
        reason = "expired" if record.used_at is None else "finished"
        raise InteractionClosed(Finding.INTERACTION_UNKNOWN, reason=reason)
    return OpenInteraction(id_, record, secret.reveal().partition(_CARRIES)[2])


async def use_interaction(server: AuthorizationServer, opened: OpenInteraction, now: Instant) -> None:
    """Ends it; one caller wins. Raises: InteractionClosed for all others (double submit, Back button)."""
    if not await server.store.use_interaction(opened.record.digest, now):
        raise InteractionClosed(Finding.INTERACTION_UNKNOWN, reason="finished")
