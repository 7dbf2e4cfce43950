"""How attempts to sign in are counted: by account, device and address, and all failures together."""

from dataclasses import dataclass

from proofkey.authorization_server.role import AuthorizationServer
from proofkey.authorization_server.throttles import (
    SIGN_IN_ALARM,
    SIGN_IN_BY_ACCOUNT,
    SIGN_IN_BY_ADDRESS,
    SIGN_IN_BY_DEVICE,
    SIGN_IN_FIRST_FAILURE,
    SIGN_IN_IN_ALARM,
    SIGN_IN_KNOWN,
    SIGN_IN_SPRAYED,
    check_attempt,
    count_failure,
    forget_attempts,
    is_alarmed,
    take_attempt,
)
from proofkey.protocol.text import Instant, decode_base64url


@dataclass(frozen=True, slots=True)
class SignInAttempt:
    """Keys of the throttles. `device` is None for a browser that is not known for this account."""

    account: str
    address: str
    device: str | None

    @property
    def part(self) -> str:
        """One of sixteen parts of all accounts, so that one row is not everybody's."""
        return str(decode_base64url(self.account)[0] >> 4)

    async def begin(self, server: AuthorizationServer, now: Instant) -> None:
        """Counts it before the password is looked at. Raises: TooManyRequests."""
        if self.device is not None:
            await take_attempt(server, SIGN_IN_KNOWN, self.account, now)
            await take_attempt(server, SIGN_IN_BY_DEVICE, f"{self.account} {self.device}", now)
            return
        await take_attempt(server, SIGN_IN_BY_ADDRESS, self.address, now)
        await check_attempt(server, SIGN_IN_SPRAYED, self.address, now)
        if await is_alarmed(server, SIGN_IN_ALARM, self.part, now):
            await take_attempt(server, SIGN_IN_IN_ALARM, self.address, now)
        await take_attempt(server, SIGN_IN_BY_ACCOUNT, self.account, now)

    async def fail(self, server: AuthorizationServer, now: Instant) -> dict[str, str]:
        """Counts a stranger's failure; facts for the log when it belongs to many."""
        if self.device is not None:
            return {"device": "known"}
        alarms: list[str] = []
        first = await count_failure(server, SIGN_IN_FIRST_FAILURE, f"{self.address} {self.account}", now)
        if first and not await count_failure(server, SIGN_IN_SPRAYED, self.address, now):
            alarms.append(SIGN_IN_SPRAYED.name)
        if not await count_failure(server, SIGN_IN_ALARM, self.part, now):
            alarms.append(SIGN_IN_ALARM.name)
        return {"alarm": ", ".join(alarms)} if alarms else {}

    async def succeed(self, server: AuthorizationServer) -> None:
        """Forgets the failures of this device, or of the account; what strangers did elsewhere stays counted, so
        that they gain nothing when the owner signs in."""
        if self.device is None:
            await forget_attempts(server, SIGN_IN_BY_ACCOUNT, self.account)
        else:
            await forget_attempts(server, SIGN_IN_BY_DEVICE, f"{self.account} {self.device}")
