"""Statements of the version before schema 0002, word for word: workers of it go on beside the new version."""

from typing import Final

INSERT_SIGN_IN: Final = """
    INSERT INTO sign_ins
        (sid, digest, sub, auth_time, amr, created_at, seen_at, absolute_expires_at, ended_at)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
INSERT_INTERACTION: Final = """
    INSERT INTO interactions
        (digest, browser_digest, request, created_at, expires_at, hint_sub, signed_in_since, shown, used_at)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
FIND_INTERACTION: Final = """
    SELECT digest, browser_digest, request, created_at, expires_at, hint_sub, signed_in_since, shown, used_at
    FROM interactions WHERE digest = ?
"""
USE_INTERACTION: Final = """
    UPDATE interactions SET used_at = ? WHERE digest = ? AND used_at IS NULL
"""
INSERT_AUTHORIZATION: Final = """
    INSERT INTO authorizations
        (id, client_id, sub, sid, scope, resource, nonce, auth_time, code_digest, code_challenge, redirect_uri,
        code_expires_at, code_used_at, generation, rotated_at, refresh_idle_expires_at,
        refresh_absolute_expires_at, created_at, expires_at, revoked_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19,
        coalesce(?20, (
            SELECT ended_at FROM sign_ins
            WHERE sid = ?4 AND instr(' ' || ?5 || ' ', ' offline_access ') = 0
        ))
    )
"""
FIND_CODE: Final = """
    SELECT a.id, a.client_id, a.sub, a.sid, a.scope, a.resource, a.nonce, a.auth_time, a.code_digest,
        a.code_challenge, a.redirect_uri, a.code_expires_at, a.code_used_at, a.generation,
        a.rotated_at, a.refresh_idle_expires_at, a.refresh_absolute_expires_at, a.created_at, a.expires_at,
        a.revoked_at,
        c.registration, c.disabled,
        u.sub, u.username, u.password_hash, u.roles, u.claims, u.disabled, u.created_at, u.password_changed_at,
        s.sid, s.digest, s.sub, s.auth_time, s.amr, s.created_at, s.seen_at, s.absolute_expires_at, s.ended_at,
        k.sub, k.client_id, k.scope, k.resource, k.granted_at
    FROM authorizations a
        LEFT JOIN clients c ON c.client_id = a.client_id
        LEFT JOIN users u ON u.sub = a.sub AND u.deleted_at IS NULL
        LEFT JOIN sign_ins s ON s.sid = a.sid
        LEFT JOIN consents k ON k.sub = a.sub AND k.client_id = a.client_id
WHERE a.code_digest = ?"""
USE_CODE: Final = """
    UPDATE authorizations SET code_used_at = ?, generation = 1
    WHERE id = ? AND code_used_at IS NULL AND revoked_at IS NULL
"""
ROTATE: Final = """
    UPDATE authorizations
    SET generation = generation + 1, rotated_at = ?, refresh_idle_expires_at = ?, expires_at = ?
    WHERE id = ? AND generation = ? AND revoked_at IS NULL
"""
REVOKE: Final = """
    UPDATE authorizations SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL
"""
INSERT_EVENT: Final = """
    INSERT INTO audit_events (at, name, sub, client_id, detail) VALUES (?, ?, ?, ?, ?)
"""
