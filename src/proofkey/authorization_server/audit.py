"""Audit events, each in one form wherever it comes from."""

from proofkey.authorization_server.records import AuditEvent, Authorization
from proofkey.protocol.text import Instant


def event_of(authorization: Authorization, name: str, now: Instant, **detail: str) -> AuditEvent:
    """What happened to an authorization; of its id no more than a name."""
    return AuditEvent(
        at=now,
        name=name,
        sub=authorization.sub,
        client_id=authorization.client_id,
        detail={"authorization": authorization.id[:8], **detail},
    )
