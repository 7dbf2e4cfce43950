"""Request headers with an access token: `client.get("/orders", headers=token_for(scope="orders:read"))`."""

from collections.abc import Sequence

from proofkey.testing.issuer import LocalIssuer


class TokensFor:
    """Makes headers for tests of an API; the keywords are those of `LocalIssuer.token_for`."""

    def __init__(self, issuer: LocalIssuer) -> None:
        self.issuer = issuer

    def __call__(
        self,
        *,
        scope: str | Sequence[str] = (),
        aud: str | Sequence[str] | None = None,
        sub: str = "u1",
        client_id: str = "app",
        roles: Sequence[str] = (),
        expires_in: int = 900,
        auth_time: int | None = None,
        permissions: Sequence[str] = (),
        client_only: bool = False,
        **claims: object,
    ) -> dict[str, str]:
        """`{"Authorization": "Bearer …"}` for a new token."""
        return bearer(
            self.issuer.token_for(
                scope=scope,
                aud=aud,
                sub=sub,
                client_id=client_id,
                roles=roles,
                expires_in=expires_in,
                auth_time=auth_time,
                permissions=permissions,
                client_only=client_only,
                key=None,
                typ=None,
                **claims,
            )
        )


def bearer(token: str) -> dict[str, str]:
    """RFC 6750 §2.1."""
    return {"Authorization": f"Bearer {token}"}
