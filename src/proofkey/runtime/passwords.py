"""Passwords: how they are hashed, and what a new one must be.

A password is normalised in one place, `password_bytes` (NFKC, NIST SP 800-63B-4 §3.1.1.2), and otherwise hashed as
it came: whole, in its own case.
"""

import asyncio
import hashlib
import os
import sys
import unicodedata
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock, get_native_id
from typing import Final, TypeVar

from proofkey.errors import ConfigurationError, PasswordRefused, Unavailable, missing_extra
from proofkey.findings import Finding
from proofkey.protocol.text import Secret
from proofkey.runtime.entropy import Entropy, system_entropy

T = TypeVar("T")

SHORTEST: Final = 15
"""Characters (code points) of a new password that is the only factor (NIST SP 800-63B-4 §3.1.1.2)."""
LONGEST: Final = 1024
"""Bytes in UTF-8; longer ones are refused, never cut."""
RETRY_AFTER: Final = 2
"""Seconds."""


@dataclass(frozen=True, slots=True)
class Argon2Cost:
    """Argon2id parameters (RFC 9106 §3.1); `memory` in KiB."""

    memory: int = 19 * 1024
    time: int = 2
    parallelism: int = 1


FLOORS: Final = (Argon2Cost(19 * 1024, 2), Argon2Cost(46 * 1024, 1), Argon2Cost(12 * 1024, 3))
"""OWASP Password Storage, ASVS 5.0 appendix C: at least one of these must be reached."""


def check_cost(cost: Argon2Cost) -> None:
    """Raises: ConfigurationError when the parameters are below every floor."""
    if not any(cost.memory >= floor.memory and cost.time >= floor.time for floor in FLOORS):
        raise ConfigurationError(
            Finding.CONFIG_VALUE,
            key="argon2",
            reason="below 19 MiB and 2 passes, or 46 MiB and 1, or 12 MiB and 3",
        )


def password_bytes(password: Secret) -> bytes:
    """NFKC, then UTF-8: what is hashed.

    Raises: PasswordRefused when it is longer than 1024 bytes before or after, or is not Unicode text.
    """
    text = password.reveal()
    try:
        if len(text) <= LONGEST and len(text.encode()) <= LONGEST:
            data = unicodedata.normalize("NFKC", text).encode()
            if len(data) <= LONGEST:
                return data
    except UnicodeEncodeError:
        pass  # a lone surrogate: it cannot have been typed
    raise PasswordRefused(Finding.PASSWORD_TOO_LONG)


NICENESS: Final = 15
"""Of the threads that hash, added to nobody else's."""


def _step_back() -> None:
    """Hashing gives way to requests, where the system tells threads apart."""
    if sys.platform == "linux":
        with suppress(OSError):  # a system that forbids it: nothing is lost but the courtesy
            os.setpriority(os.PRIO_PROCESS, get_native_id(), NICENESS)


class PasswordPool:
    """Argon2id in threads of its own: at most `workers` at once, at most `queue` waiting, then Unavailable.

    Memory is bounded by workers * cost.memory. Serves any number of event loops.
    """

    def __init__(
        self,
        *,
        workers: int | None = None,
        queue: int | None = None,
        cost: Argon2Cost | None = None,
        entropy: Entropy = system_entropy,
    ) -> None:
        """`workers` defaults to the number of cores, `queue` to 16 for each worker.

        Raises: ConfigurationError when the cost is below the floors or argon2-cffi is not installed.
        """
        self._cost = cost or Argon2Cost()
        check_cost(self._cost)
        try:
            from argon2 import PasswordHasher
        except ImportError as error:
            raise missing_extra("server", error.name) from error
        self._hasher = PasswordHasher(
            time_cost=self._cost.time, memory_cost=self._cost.memory, parallelism=self._cost.parallelism
        )
        self._workers = workers or os.cpu_count() or 1
        self._most = self._workers + (16 * self._workers if queue is None else queue)
        self._threads = ThreadPoolExecutor(
            self._workers, thread_name_prefix="proofkey password", initializer=_step_back
        )
        self._lock = Lock()
        self._busy = 0
        self.dummy_hash = self._make_dummy(entropy)
        """A hash of the same cost that no password has: verified for unknown users, so that they take as long."""

    async def hash(self, password: Secret) -> str:
        """An encoded hash with its parameters and a fresh salt.

        Raises: PasswordRefused (see `password_bytes`); Unavailable when the queue is full.
        """
        data = password_bytes(password)
        return await self._run(lambda: self._hasher.hash(data))

    async def verify(self, hash_: str, password: Secret) -> bool:
        """Whether the hash is of that password; False for a damaged hash too. Raises: Unavailable (queue full)."""
        try:
            data = password_bytes(password)
        except PasswordRefused:
            return False
        return await self._run(lambda: self._matches(hash_, data))

    def needs_rehash(self, hash_: str) -> bool:
        """True when the hash was made with other parameters than new ones are, or cannot be read."""
        from argon2.exceptions import InvalidHashError

        try:
            return self._hasher.check_needs_rehash(hash_)
        except InvalidHashError:
            return True

    def close(self) -> None:
        """Ends the threads; what waits is given up."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _matches(self, hash_: str, data: bytes) -> bool:
        from argon2.exceptions import InvalidHashError, VerificationError

        try:
            return self._hasher.verify(hash_, data)
        except (VerificationError, InvalidHashError):
            return False

    async def _run(self, work: Callable[[], T]) -> T:
        with self._lock:
            if self._busy >= self._most:
                raise Unavailable(Finding.BUSY, retry_after=RETRY_AFTER, pool="passwords")
            self._busy += 1
        try:
            future = self._threads.submit(work)
        except RuntimeError as error:  # closed
            self._done()
            raise Unavailable(Finding.STOPPING) from error
        future.add_done_callback(self._done)
        return await asyncio.wrap_future(future)

    def _done(self, _future: object = None) -> None:
        with self._lock:
            self._busy -= 1

    def _make_dummy(self, entropy: Entropy) -> str:
        cost = self._cost
        noise = hashlib.sha512(entropy().encode()).digest()
        salt, digest = (b64encode(part).decode().rstrip("=") for part in (noise[:16], noise[16:48]))
        return f"$argon2id$v=19$m={cost.memory},t={cost.time},p={cost.parallelism}${salt}${digest}"
