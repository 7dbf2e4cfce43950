"""Interactions: a request that waits for a page, bound to one browser, used once when it ends."""

from dataclasses import dataclass, replace

from proofkey.authorization_server.answers import Browser, Cookies, Redirect
from proofkey.authorization_server.authorize import Asked
from proofkey.authorization_server.records import Interaction
from proofkey.authorization_server.role import AuthorizationServer
from proofkey.errors import InteractionClosed
from proofkey.findings import Finding
from proofkey.protocol.messages import AuthorizationRequest
from proofkey.protocol.text import Instant, Secret, Subject, digest_of

_SHORT = 8


@dataclass(frozen=True, slots=True)
class OpenInteraction:
    """An interaction that is open, in the browser that it belongs to."""

    id: str
    record: Interaction

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
) -> tuple[OpenInteraction, Secret]:
    """Stores the request under the digest of a random id; the browser is to hold the secret."""
    id_, secret = server.entropy(), Secret(server.entropy())
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
    return OpenInteraction(id_, record), secret


async def begin_page(
    server: AuthorizationServer, asked: Asked, now: Instant, pushed_digest: str | None = None
) -> Redirect:
    """303 to the interaction's page, with the cookie that binds it to this browser."""
    opened, secret = await begin_interaction(server, asked.request, now, asked.hint_sub, pushed_digest)
    return Redirect(url=page_url(server, opened), cookies=Cookies(interaction=(opened.short, secret)))


def page_url(server: AuthorizationServer, opened: OpenInteraction) -> str:
    return server.policy.url(f"/interaction/{opened.id}")


async def open_interaction(
    server: AuthorizationServer, id_: str, browser: Browser, now: Instant, *, response_type: str = "code"
) -> OpenInteraction:
    """Finds it open, for this purpose, and in its own browser (RFC 6749 §10.12).

    Raises: InteractionClosed.
    """
    record = await server.store.find_interaction(digest_of(id_))
    if record is None or record.request.response_type != response_type:
        raise InteractionClosed(Finding.INTERACTION_UNKNOWN, reason="unknown")
    opened = OpenInteraction(id_, record)
    secret = browser.interactions.get(opened.short)
    if secret is None or not Secret(secret.digest()).matches(Secret(record.browser_digest)):
        raise InteractionClosed(Finding.INTERACTION_FOREIGN_BROWSER)
    if record.used_at is not None or now >= record.expires_at:
        reason = "expired" if record.used_at is None else "finished"
        raise InteractionClosed(Finding.INTERACTION_UNKNOWN, reason=reason)
    return opened


async def use_interaction(server: AuthorizationServer, opened: OpenInteraction, now: Instant) -> None:
    """Ends it; one caller wins. Raises: InteractionClosed for all others (double submit, Back button)."""
    if not await server.store.use_interaction(opened.record.digest, now):
        raise InteractionClosed(Finding.INTERACTION_UNKNOWN, reason="finished")
