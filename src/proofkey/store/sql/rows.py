"""Records as rows and rows as records. The order of the columns is that of `statements`."""

from dataclasses import replace
from functools import lru_cache
from typing import Any

from proofkey.authorization_server.records import (
    AuditEvent,
    Authorization,
    Consent,
    Interaction,
    SignIn,
    SigningKeyRecord,
    SignInStanding,
    Standing,
    User,
    Visit,
)
from proofkey.protocol.messages import AuthorizationRequest
from proofkey.protocol.registration import ClientRegistration
from proofkey.protocol.text import Instant
from proofkey.store.sql.documents import from_document, from_json, strings, to_document, to_json

Row = tuple[Any, ...]


@lru_cache(maxsize=1024)
def _registration(document: str) -> ClientRegistration:
    """Remembers what a text says, never what a row holds."""
    return from_document(ClientRegistration, document)


def row_of_client(client: ClientRegistration, now: Instant) -> Row:
    return client.client_id, to_document(replace(client, disabled=False)), client.disabled, now


def client_of(row: Row) -> ClientRegistration:
    client = _registration(row[0])
    return replace(client, disabled=True) if row[1] else client


def row_of_user(user: User) -> Row:
    return (
        user.sub,
        user.username,
        user.password_hash,
        to_json(user.roles),
        to_json(dict(user.claims)),
        user.disabled,
        user.created_at,
        user.password_changed_at,
    )


def user_of(row: Row) -> User:
    sub, username, password_hash, roles, claims, disabled, created_at, password_changed_at = row
    return User(
        sub=sub,
        username=username,
        password_hash=password_hash,
        roles=strings(roles),
        claims=from_json(claims),
        disabled=bool(disabled),
        created_at=created_at,
        password_changed_at=password_changed_at,
    )


def row_of_sign_in(sign_in: SignIn) -> Row:
    return (
        sign_in.sid,
        sign_in.digest,
        sign_in.sub,
        sign_in.auth_time,
        to_json(sign_in.amr),
        sign_in.created_at,
        sign_in.seen_at,
        sign_in.absolute_expires_at,
        sign_in.ended_at,
    )


def sign_in_of(row: Row) -> SignIn:
    sid, digest, sub, auth_time, amr, created_at, seen_at, absolute_expires_at, ended_at = row
    return SignIn(
        sid=sid,
        digest=digest,
        sub=sub,
        auth_time=auth_time,
        amr=strings(amr),
        created_at=created_at,
        seen_at=seen_at,
        absolute_expires_at=absolute_expires_at,
        ended_at=ended_at,
    )


def sign_in_standing_of(row: Row) -> SignInStanding:
    """9 columns of the sign-in, 8 of the user."""
    return SignInStanding(sign_in=sign_in_of(row[:9]), user=user_of(row[9:]) if row[9] is not None else None)


def visit_of(row: Row) -> Visit:
    """2 columns of the client, 17 of the sign-in and its user, 5 of the consent."""
    return Visit(
        client=client_of(row[:2]),
        standing=sign_in_standing_of(row[2:19]) if row[2] is not None else None,
        consent=consent_of(row[19:]) if row[19] is not None else None,
    )


def row_of_consent(consent: Consent) -> Row:
    scope = " ".join(sorted(consent.scope))
    return consent.sub, consent.client_id, scope, to_json(consent.resource), consent.granted_at


def consent_of(row: Row) -> Consent:
    sub, client_id, scope, resource, granted_at = row
    return Consent(
        sub=sub,
        client_id=client_id,
        scope=frozenset(scope.split()),
        resource=frozenset(strings(resource)),
        granted_at=granted_at,
    )


def row_of_interaction(interaction: Interaction) -> Row:
    return (
        interaction.digest,
        interaction.browser_digest,
        to_document(interaction.request),
        interaction.created_at,
        interaction.expires_at,
        interaction.hint_sub,
        interaction.signed_in_since,
        interaction.shown,
        interaction.used_at,
        interaction.pushed_digest,
    )


def interaction_of(row: Row) -> Interaction:
    (
        digest,
        browser_digest,
        request,
        created_at,
        expires_at,
        hint_sub,
        signed_in_since,
        shown,
        used_at,
        pushed,
    ) = row
    return Interaction(
        digest=digest,
        browser_digest=browser_digest,
        request=from_document(AuthorizationRequest, request),
        created_at=created_at,
        expires_at=expires_at,
        hint_sub=hint_sub,
        signed_in_since=signed_in_since,
        shown=shown,
        used_at=used_at,
        pushed_digest=pushed,
    )


def row_of_authorization(grant: Authorization) -> Row:
    return (
        grant.id,
        grant.client_id,
        grant.sub,
        grant.sid,
        " ".join(grant.scope),
        to_json(grant.resource),
        grant.nonce,
        grant.auth_time,
        grant.code_digest,
        grant.code_challenge,
        grant.redirect_uri,
        grant.code_expires_at,
        grant.code_used_at,
        grant.generation,
        grant.rotated_at,
        grant.refresh_idle_expires_at,
        grant.refresh_absolute_expires_at,
        grant.created_at,
        grant.expires_at,
        grant.revoked_at,
        grant.dpop_jkt,
        grant.x5t_s256,
        grant.acr,
        grant.details,
    )


def authorization_of(row: Row) -> Authorization:
    return Authorization(
        id=row[0],
        client_id=row[1],
        sub=row[2],
        sid=row[3],
        scope=tuple(row[4].split()),
        resource=strings(row[5]),
        nonce=row[6],
        auth_time=row[7],
        code_digest=row[8],
        code_challenge=row[9],
        redirect_uri=row[10],
        code_expires_at=row[11],
        code_used_at=row[12],
        generation=row[13],
        rotated_at=row[14],
        refresh_idle_expires_at=row[15],
        refresh_absolute_expires_at=row[16],
        created_at=row[17],
        expires_at=row[18],
        revoked_at=row[19],
        dpop_jkt=row[20],
        x5t_s256=row[21],
        acr=row[22],
        details=row[23],
    )


def standing_of(row: Row) -> Standing:
    """24 columns of the authorization, 2 of the client, 8 of the user, 9 of the sign-in, 5 of the consent."""
    return Standing(
        authorization=authorization_of(row[:24]),
        client=client_of(row[24:26]) if row[24] is not None else None,
        user=user_of(row[26:34]) if row[26] is not None else None,
        sign_in=sign_in_of(row[34:43]) if row[34] is not None else None,
        consent=consent_of(row[43:48]) if row[43] is not None else None,
    )


def row_of_signing_key(key: SigningKeyRecord) -> Row:
    return (
        key.kid,
        key.algorithm,
        key.sealed_private_jwk,
        to_json(dict(key.public_jwk)),
        key.created_at,
        key.active_from,
        key.retired_at,
        key.remove_at,
    )


def signing_key_of(row: Row) -> SigningKeyRecord:
    kid, algorithm, sealed_private_jwk, public_jwk, created_at, active_from, retired_at, remove_at = row
    return SigningKeyRecord(
        kid=kid,
        algorithm=algorithm,
        sealed_private_jwk=sealed_private_jwk,
        public_jwk=from_json(public_jwk),
        created_at=created_at,
        active_from=active_from,
        retired_at=retired_at,
        remove_at=remove_at,
    )


def row_of_event(event: AuditEvent) -> Row:
    return event.at, event.name, event.sub, event.client_id, to_json(dict(event.detail))
