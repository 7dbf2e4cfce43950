"""The statements of the server's store, by hand; `rows` knows the order of the columns."""

from typing import Final

# --- clients, users ----------------------------------------------------------------------------------------------
FIND_CLIENT: Final = "SELECT registration, disabled FROM clients WHERE client_id = ?"
LIST_CLIENTS: Final = "SELECT registration, disabled FROM clients ORDER BY client_id"
PUT_CLIENT: Final = """
    INSERT INTO clients (client_id, registration, disabled, updated_at) VALUES (?, ?, ?, ?)
    ON CONFLICT (client_id) DO UPDATE SET
        registration = excluded.registration, disabled = excluded.disabled, updated_at = excluded.updated_at
"""
DISABLE_CLIENT: Final = "UPDATE clients SET disabled = 1, updated_at = ? WHERE client_id = ?"
ENABLE_CLIENT: Final = "UPDATE clients SET disabled = 0, updated_at = ? WHERE client_id = ?"

FIND_USER: Final = """
    SELECT sub, username, password_hash, roles, claims, disabled, created_at, password_changed_at
    FROM users WHERE sub = ? AND deleted_at IS NULL
"""
FIND_USERNAME: Final = """
    SELECT sub, username, password_hash, roles, claims, disabled, created_at, password_changed_at
    FROM users WHERE username = ?
"""
LIST_USERS: Final = """
    SELECT sub, username, password_hash, roles, claims, disabled, created_at, password_changed_at
    FROM users WHERE deleted_at IS NULL ORDER BY username
"""
IS_TOMBSTONE: Final = "SELECT 1 FROM users WHERE sub = ? AND deleted_at IS NOT NULL"
OTHER_OF_USERNAME: Final = "SELECT 1 FROM users WHERE username = ? AND sub <> ?"
PUT_USER: Final = """
    INSERT INTO users (sub, username, password_hash, roles, claims, disabled, created_at, password_changed_at)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (sub) DO UPDATE SET
        username = excluded.username, password_hash = excluded.password_hash, roles = excluded.roles,
        claims = excluded.claims, disabled = excluded.disabled, created_at = excluded.created_at,
        password_changed_at = excluded.password_changed_at
"""
SET_PASSWORD: Final = """
    UPDATE users SET password_hash = ?, password_changed_at = ? WHERE sub = ? AND deleted_at IS NULL
"""
UPGRADE_PASSWORD_HASH: Final = """
    UPDATE users SET password_hash = ? WHERE sub = ? AND password_hash = ? AND deleted_at IS NULL
"""
DISABLE_USER: Final = "UPDATE users SET disabled = 1 WHERE sub = ? AND deleted_at IS NULL"
ENABLE_USER: Final = "UPDATE users SET disabled = 0 WHERE sub = ? AND deleted_at IS NULL"
DELETE_USER: Final = """
    UPDATE users SET deleted_at = ?, username = NULL, password_hash = '', roles = '[]', claims = '{}', disabled = 1
    WHERE sub = ? AND deleted_at IS NULL
"""
DELETE_CONSENTS: Final = "DELETE FROM consents WHERE sub = ?"
END_SIGN_INS_OF_USER: Final = "UPDATE sign_ins SET ended_at = ? WHERE sub = ? AND ended_at IS NULL"
REVOKE_OF_USER: Final = "UPDATE authorizations SET revoked_at = ? WHERE sub = ? AND revoked_at IS NULL"

# --- sign-ins, consents ------------------------------------------------------------------------------------------
INSERT_SIGN_IN: Final = """
    INSERT INTO sign_ins
        (sid, digest, sub, auth_time, amr, created_at, seen_at, absolute_expires_at, ended_at)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
FIND_SIGN_IN: Final = """
    SELECT s.sid, s.digest, s.sub, s.auth_time, s.amr, s.created_at, s.seen_at, s.absolute_expires_at, s.ended_at,
        u.sub, u.username, u.password_hash, u.roles, u.claims, u.disabled, u.created_at, u.password_changed_at
    FROM sign_ins s LEFT JOIN users u ON u.sub = s.sub AND u.deleted_at IS NULL
    WHERE s.digest = ?
"""
FIND_VISIT: Final = """
    SELECT c.registration, c.disabled,
        s.sid, s.digest, s.sub, s.auth_time, s.amr, s.created_at, s.seen_at, s.absolute_expires_at, s.ended_at,
        u.sub, u.username, u.password_hash, u.roles, u.claims, u.disabled, u.created_at, u.password_changed_at,
        k.sub, k.client_id, k.scope, k.resource, k.granted_at
    FROM clients c
        LEFT JOIN sign_ins s ON s.digest = ?2
        LEFT JOIN users u ON u.sub = s.sub AND u.deleted_at IS NULL
        LEFT JOIN consents k ON k.sub = s.sub AND k.client_id = c.client_id
    WHERE c.client_id = ?1
"""
TOUCH_SIGN_IN: Final = "UPDATE sign_ins SET seen_at = ? WHERE sid = ? AND seen_at < ?"
RENEW_SIGN_IN: Final = """
    UPDATE sign_ins SET digest = ?, auth_time = ?, seen_at = ? WHERE sid = ? AND ended_at IS NULL
"""
END_SIGN_IN: Final = "UPDATE sign_ins SET ended_at = ? WHERE sid = ? AND ended_at IS NULL"
REVOKE_OF_SIGN_IN: Final = """
    UPDATE authorizations SET revoked_at = ?
    WHERE sid = ? AND revoked_at IS NULL AND instr(' ' || scope || ' ', ' offline_access ') = 0
"""
FIND_CONSENT: Final = """
    SELECT sub, client_id, scope, resource, granted_at FROM consents WHERE sub = ? AND client_id = ?
"""
PUT_CONSENT: Final = """
    INSERT INTO consents (sub, client_id, scope, resource, granted_at) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (sub, client_id) DO UPDATE SET
        scope = excluded.scope, resource = excluded.resource, granted_at = excluded.granted_at
"""

# --- interactions, authorizations --------------------------------------------------------------------------------
INSERT_INTERACTION: Final = """
    INSERT INTO interactions
        (digest, browser_digest, request, created_at, expires_at, hint_sub, signed_in_since, shown, used_at,
        pushed_digest)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
FIND_INTERACTION: Final = """
    SELECT digest, browser_digest, request, created_at, expires_at, hint_sub, signed_in_since, shown, used_at,
        pushed_digest
    FROM interactions WHERE digest = ?
"""
MARK_SIGNED_IN: Final = "UPDATE interactions SET signed_in_since = ? WHERE digest = ? AND used_at IS NULL"
MARK_SHOWN: Final = "UPDATE interactions SET shown = ? WHERE digest = ? AND used_at IS NULL"
USE_INTERACTION: Final = "UPDATE interactions SET used_at = ? WHERE digest = ? AND used_at IS NULL"

INSERT_PUSHED_REQUEST: Final = """
    INSERT INTO pushed_requests (digest, client_id, request, dpop_jkt, hint_sub, created_at, expires_at, used_at)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""
FIND_PUSHED_REQUEST: Final = """
    SELECT digest, client_id, request, dpop_jkt, hint_sub, created_at, expires_at, used_at
    FROM pushed_requests WHERE digest = ?
"""
USE_PUSHED_REQUEST: Final = "UPDATE pushed_requests SET used_at = ? WHERE digest = ? AND used_at IS NULL"

INSERT_AUTHORIZATION: Final = """
    INSERT INTO authorizations
        (id, client_id, sub, sid, scope, resource, nonce, auth_time, code_digest, code_challenge, redirect_uri,
        code_expires_at, code_used_at, generation, rotated_at, refresh_idle_expires_at,
        refresh_absolute_expires_at, created_at, expires_at, revoked_at, dpop_jkt, x5t_s256, acr, details)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19,
        coalesce(?20, (
            SELECT ended_at FROM sign_ins
            WHERE sid = ?4 AND instr(' ' || ?5 || ' ', ' offline_access ') = 0
        )),
        ?21, ?22, ?23, ?24
    )
"""
"""Revoked from the start when its sign-in ended a moment ago: `end_sign_in` could not see it."""

_STANDING_COLUMNS: Final = """
        a.id, a.client_id, a.sub, a.sid, a.scope, a.resource, a.nonce, a.auth_time, a.code_digest,
        a.code_challenge, a.redirect_uri, a.code_expires_at, a.code_used_at, a.generation,
        a.rotated_at, a.refresh_idle_expires_at, a.refresh_absolute_expires_at, a.created_at, a.expires_at,
        a.revoked_at, a.dpop_jkt, a.x5t_s256, a.acr, a.details,
        c.registration, c.disabled,
        u.sub, u.username, u.password_hash, u.roles, u.claims, u.disabled, u.created_at, u.password_changed_at,
        s.sid, s.digest, s.sub, s.auth_time, s.amr, s.created_at, s.seen_at, s.absolute_expires_at, s.ended_at,
        k.sub, k.client_id, k.scope, k.resource, k.granted_at
"""
_STANDING_JOINS: Final = """
        LEFT JOIN clients c ON c.client_id = a.client_id
        LEFT JOIN users u ON u.sub = a.sub AND u.deleted_at IS NULL
        LEFT JOIN sign_ins s ON s.sid = a.sid
        LEFT JOIN consents k ON k.sub = a.sub AND k.client_id = a.client_id
"""
_STANDING: Final = f"SELECT {_STANDING_COLUMNS} FROM authorizations a {_STANDING_JOINS}"  # noqa: S608 - our own names
FIND_CODE: Final = _STANDING + "WHERE a.code_digest = ?"
FIND_AUTHORIZATION: Final = _STANDING + "WHERE a.id = ?"
USE_CODE: Final = """
    UPDATE authorizations
    SET code_used_at = ?, generation = 1, dpop_jkt = coalesce(dpop_jkt, ?), x5t_s256 = coalesce(x5t_s256, ?)
    WHERE id = ? AND code_used_at IS NULL AND revoked_at IS NULL
"""
ROTATE: Final = """
    UPDATE authorizations
    SET generation = generation + 1, rotated_at = ?, refresh_idle_expires_at = ?, expires_at = ?,
        dpop_jkt = coalesce(dpop_jkt, ?), x5t_s256 = coalesce(x5t_s256, ?)
    WHERE id = ? AND generation = ? AND revoked_at IS NULL
"""
PROLONG: Final = """
    UPDATE authorizations
    SET refresh_idle_expires_at = ?, expires_at = ?,
        dpop_jkt = coalesce(dpop_jkt, ?), x5t_s256 = coalesce(x5t_s256, ?)
    WHERE id = ? AND generation = ? AND revoked_at IS NULL
"""
REVOKE: Final = "UPDATE authorizations SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL"

# --- clients that registered themselves --------------------------------------------------------------------------
INSERT_REGISTERED: Final = """
    INSERT INTO registered_clients (client_id, registration, token_digest, registered_at, expires_at)
    VALUES (?, ?, ?, ?, ?)
"""
PUT_DOCUMENT_CLIENT: Final = f"""
    {INSERT_REGISTERED}
    ON CONFLICT (client_id) DO UPDATE SET registration = excluded.registration, expires_at =
        CASE WHEN registered_clients.expires_at IS NULL THEN NULL ELSE excluded.expires_at END
"""
FIND_REGISTERED: Final = """
    SELECT r.registration, coalesce(c.disabled, 0), r.token_digest, r.registered_at, r.expires_at
    FROM registered_clients r LEFT JOIN clients c ON c.client_id = r.client_id
    WHERE r.client_id = ?
"""
FIND_UNUSED_CLIENT: Final = "SELECT registration, 0 FROM registered_clients WHERE client_id = ?"
LIST_UNUSED_CLIENTS: Final = """
    SELECT registration, 0 FROM registered_clients WHERE expires_at IS NOT NULL ORDER BY client_id
"""
REPLACE_REGISTERED: Final = """
    UPDATE registered_clients SET registration = ?, token_digest = ? WHERE client_id = ? AND token_digest = ?
"""
REPLACE_USED_CLIENT: Final = "UPDATE clients SET registration = ?, updated_at = ? WHERE client_id = ?"
DELETE_REGISTERED: Final = "DELETE FROM registered_clients WHERE client_id = ? AND token_digest = ?"
EMPTY_USED_CLIENT: Final = """
    UPDATE clients SET registration = ?, disabled = 1, updated_at = ? WHERE client_id = ?
"""
KEEP_REGISTERED: Final = "UPDATE registered_clients SET expires_at = NULL WHERE client_id = ?"
INSERT_USED_CLIENT: Final = """
    INSERT INTO clients (client_id, registration, disabled, updated_at)
    SELECT client_id, registration, 0, ? FROM registered_clients WHERE client_id = ?
    ON CONFLICT (client_id) DO NOTHING
"""

# --- opaque access tokens ----------------------------------------------------------------------------------------
INSERT_OPAQUE_TOKEN: Final = """
    INSERT INTO opaque_tokens
        (digest, authorization_id, client_id, sub, claims, created_at, expires_at, revoked_at)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""
REVOKE_OPAQUE_TOKEN: Final = f"""
    {INSERT_OPAQUE_TOKEN}
    ON CONFLICT (digest) DO UPDATE SET revoked_at = excluded.revoked_at WHERE opaque_tokens.revoked_at IS NULL
"""
FIND_OPAQUE_TOKEN: Final = f"""
    SELECT o.digest, o.authorization_id, o.client_id, o.sub, o.claims, o.created_at, o.expires_at, o.revoked_at,
        h.registration, h.disabled, {_STANDING_COLUMNS}
    FROM opaque_tokens o
        LEFT JOIN clients h ON h.client_id = o.client_id
        LEFT JOIN authorizations a ON a.id = o.authorization_id
        {_STANDING_JOINS}
    WHERE o.digest = ?
"""  # noqa: S608 - our own names

# --- device authorizations ---------------------------------------------------------------------------------------
_DEVICE_COLUMNS: Final = """
        d.digest, d.user_code_digest, d.client_id, d.request, d.peer, d.interval_seconds, d.created_at,
        d.code_expires_at, d.expires_at, d.polled_at, d.decided_at, d.authorization_id
"""
INSERT_DEVICE: Final = """
    INSERT INTO device_authorizations
        (digest, user_code_digest, client_id, request, peer, interval_seconds, created_at, code_expires_at,
        expires_at, polled_at, decided_at, authorization_id)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (user_code_digest) DO NOTHING
"""
FIND_DEVICE: Final = f"""
    SELECT {_DEVICE_COLUMNS}, h.registration, h.disabled, {_STANDING_COLUMNS}
    FROM device_authorizations d
        LEFT JOIN clients h ON h.client_id = d.client_id
        LEFT JOIN authorizations a ON a.id = d.authorization_id
        {_STANDING_JOINS}
    WHERE d.digest = ?
"""  # noqa: S608 - our own names
FIND_USER_CODE: Final = f"SELECT {_DEVICE_COLUMNS} FROM device_authorizations d WHERE d.user_code_digest = ?"  # noqa: S608 - our own names
POLL_DEVICE: Final = """
    UPDATE device_authorizations SET polled_at = ?1
    WHERE digest = ?2 AND (polled_at IS NULL OR polled_at + interval_seconds <= ?1 + 1)
"""
"""A second is for clocks that count whole ones, and for the network."""
SLOW_DEVICE_DOWN: Final = """
    UPDATE device_authorizations SET polled_at = ?, interval_seconds = interval_seconds + 5 WHERE digest = ?
"""
DECIDE_DEVICE: Final = """
    UPDATE device_authorizations SET decided_at = ?1, authorization_id = ?2
    WHERE digest = ?3 AND decided_at IS NULL AND code_expires_at > ?1
"""

# --- signing keys, throttles, audit ------------------------------------------------------------------------------
LIST_SIGNING_KEYS: Final = """
    SELECT kid, algorithm, sealed_private_jwk, public_jwk, created_at, active_from, retired_at, remove_at
    FROM signing_keys ORDER BY created_at, kid
"""
ANY_SIGNING_KEY: Final = "SELECT 1 FROM signing_keys LIMIT 1"
INSERT_SIGNING_KEY: Final = """
    INSERT INTO signing_keys
        (kid, algorithm, sealed_private_jwk, public_jwk, created_at, active_from, retired_at, remove_at)
    SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8
    WHERE NOT EXISTS (
        SELECT 1 FROM signing_keys WHERE algorithm = ?2 AND active_from > ?9 AND retired_at IS NULL
    )
"""
# --- logout deliveries -------------------------------------------------------------------------------------------
INSERT_LOGOUT: Final = """
    INSERT INTO logout_deliveries (sid, client_id, sub, created_at, expires_at, next_at, attempts)
    VALUES (?1, ?2, ?3, ?4, ?5, (SELECT ended_at FROM sign_ins WHERE sid = ?1), 0)
    ON CONFLICT (sid, client_id) DO UPDATE SET expires_at =
        CASE WHEN excluded.expires_at > logout_deliveries.expires_at
        THEN excluded.expires_at ELSE logout_deliveries.expires_at END
"""
LOGOUTS_OF_SIGN_IN_ARE_DUE: Final = """
    UPDATE logout_deliveries SET next_at = ?, attempts = ?, expires_at = ? WHERE sid = ? AND next_at IS NULL
"""
LOGOUTS_OF_USER_ARE_DUE: Final = """
    UPDATE logout_deliveries SET next_at = ?, expires_at = ? WHERE sub = ? AND next_at IS NULL
"""
LIST_LOGOUTS: Final = """
    SELECT sid, client_id, sub, created_at, expires_at, next_at, attempts
    FROM logout_deliveries WHERE sid = ? AND next_at IS NOT NULL ORDER BY client_id
"""
LIST_DUE_LOGOUTS: Final = """
    SELECT sid, client_id, sub, created_at, expires_at, next_at, attempts
    FROM (
        SELECT sid, client_id, sub, created_at, expires_at, next_at, attempts,
            row_number() OVER (PARTITION BY client_id ORDER BY next_at, sid) AS place
        FROM logout_deliveries WHERE next_at <= ?
    ) AS due
    WHERE place <= ? ORDER BY attempts, next_at, sid, client_id LIMIT ?
"""
CLAIM_LOGOUT: Final = """
    UPDATE logout_deliveries SET next_at = ?, attempts = attempts + 1
    WHERE sid = ? AND client_id = ? AND attempts = ? AND next_at <= ?
"""
POSTPONE_LOGOUT: Final = """
    UPDATE logout_deliveries SET next_at = ? WHERE sid = ? AND client_id = ? AND attempts = ?
"""
FINISH_LOGOUT: Final = "DELETE FROM logout_deliveries WHERE sid = ? AND client_id = ? AND attempts = ?"

RETIRE_SIGNING_KEY: Final = "UPDATE signing_keys SET retired_at = ?, remove_at = ? WHERE kid = ?"

FIND_ATTEMPTS: Final = "SELECT next_at, count FROM throttles WHERE rule = ? AND key_digest = ?"
PUT_ATTEMPTS: Final = """
    INSERT INTO throttles (rule, key_digest, next_at, count, forget_at) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (rule, key_digest) DO UPDATE SET
        next_at = excluded.next_at, count = excluded.count, forget_at = excluded.forget_at
"""
LIST_COUNTED: Final = "SELECT key_digest FROM throttles WHERE rule = ? AND next_at > ? LIMIT ?"
FORGET_ATTEMPTS: Final = "DELETE FROM throttles WHERE rule = ? AND key_digest = ?"
INSERT_EVENT: Final = "INSERT INTO audit_events (at, name, sub, client_id, detail) VALUES (?, ?, ?, ?, ?)"

# --- purge: each takes the instant and the most rows -------------------------------------------------------------
PURGED: Final = (
    ("interactions", "expires_at"),
    ("authorizations", "expires_at"),
    ("sign_ins", "absolute_expires_at"),
    ("throttles", "forget_at"),
    ("pushed_requests", "expires_at"),
    ("device_authorizations", "expires_at"),
    ("opaque_tokens", "expires_at"),
    ("registered_clients", "expires_at"),
    ("logout_deliveries", "expires_at"),
    ("signing_keys", "remove_at"),
)
"""Tables and the column that says when a row's time is over."""
PURGED_SESSIONS: Final = (
    ("pending_logins", "expires_at"),
    ("sessions", "absolute_expires_at"),
    ("logout_tokens", "expires_at"),
)


def purge_statement(table: str, column: str) -> str:
    """SQLite's delete of rows whose time is over."""
    return f"DELETE FROM {table} WHERE rowid IN (SELECT rowid FROM {table} WHERE {column} <= ? LIMIT ?)"  # noqa: S608  # our own names


PURGE: Final = tuple(purge_statement(*one) for one in PURGED)
PURGE_SESSIONS: Final = tuple(purge_statement(*one) for one in PURGED_SESSIONS)

# --- a client's sessions -----------------------------------------------------------------------------------------
INSERT_PENDING: Final = """
    INSERT INTO pending_logins
        (state_digest, browser_digest, issuer, sealed, redirect_uri, next_path, resource, scope, max_age,
        created_at, expires_at)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
FIND_PENDING: Final = """
    SELECT state_digest, browser_digest, issuer, sealed, redirect_uri, next_path, resource, scope, max_age,
        created_at, expires_at
    FROM pending_logins WHERE state_digest = ?
"""
DELETE_PENDING: Final = "DELETE FROM pending_logins WHERE state_digest = ?"
INSERT_SESSION: Final = """
    INSERT INTO sessions
        (id, issuer, sub, claims, sid, created_at, seen_at, absolute_expires_at, sealed_tokens, version)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
FIND_SESSION: Final = """
    SELECT id, issuer, sub, claims, sid, created_at, seen_at, absolute_expires_at, sealed_tokens, version
    FROM sessions WHERE id = ?
"""
TOUCH_SESSION: Final = "UPDATE sessions SET seen_at = ? WHERE id = ? AND seen_at < ?"
REPLACE_TOKENS: Final = """
    UPDATE sessions SET sealed_tokens = ?, version = version + 1
    WHERE id = ? AND version = ? AND absolute_expires_at > ?
"""
SESSIONS_OF_SUB: Final = """
    SELECT id, issuer, sub, claims, sid, created_at, seen_at, absolute_expires_at, sealed_tokens, version
    FROM sessions WHERE sub = ? AND issuer = ? ORDER BY created_at, id
"""
SESSIONS_OF_SID: Final = """
    SELECT id, issuer, sub, claims, sid, created_at, seen_at, absolute_expires_at, sealed_tokens, version
    FROM sessions WHERE sid = ? AND issuer = ? ORDER BY created_at, id
"""
END_SESSION: Final = "DELETE FROM sessions WHERE id = ?"
FIND_LOGOUT_TOKEN: Final = "SELECT 1 FROM logout_tokens WHERE digest = ?"
INSERT_LOGOUT_TOKEN: Final = """
    INSERT INTO logout_tokens (digest, expires_at) VALUES (?, ?) ON CONFLICT (digest) DO NOTHING
"""
ACQUIRE_REFRESH: Final = """
    UPDATE sessions SET refresh_holder = ?, refresh_until = ?
    WHERE id = ? AND (refresh_until IS NULL OR refresh_until <= ?)
"""
RELEASE_REFRESH: Final = """
    UPDATE sessions SET refresh_holder = NULL, refresh_until = NULL WHERE id = ? AND refresh_holder = ?
"""
