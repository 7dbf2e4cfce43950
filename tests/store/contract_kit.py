"""What the contract tests of the server's store share."""

from proofkey.authorization_server.records import Consent, SigningKeyRecord, Standing
from proofkey.authorization_server.stores import ServerStore
from proofkey.protocol.text import ClientId, Instant, Subject
from proofkey.store.sql import SqliteServerStore
from proofkey.store.sql.database import Database
from proofkey.testing.stores import START, an_authorization, an_event

ANN = Subject("sub-of-ann")
WEB = ClientId("web")
LATER = Instant(START + 10)
DAYS = Instant(START + 40 * 86_400)


async def grant(store: ServerStore, id_: str = "grant-1", **changes: object) -> None:
    await store.insert_authorization(an_authorization(id_, **changes), an_event())


async def standing(store: ServerStore, id_: str = "grant-1") -> Standing:
    found = await store.find_authorization(id_)
    assert found
    return found


def consent(*scope: str, at: Instant = START) -> Consent:
    names = frozenset(scope or {"openid"})
    return Consent(sub=ANN, client_id=WEB, scope=names, resource=frozenset({f"https://{at}.test"}), granted_at=at)


def a_key(kid: str = "key-1", created_at: Instant = START) -> SigningKeyRecord:
    return SigningKeyRecord(
        kid=kid,
        algorithm="ES256",
        sealed_private_jwk="sealed",
        public_jwk={"kty": "EC", "kid": kid, "key_ops": ["verify"]},
        created_at=created_at,
        active_from=START,
    )


def database_of(store: SqliteServerStore) -> Database:
    """What is under the store."""
    database = store._database
    assert isinstance(database, Database)
    return database
