"""Pushed authorization requests in memory."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

from proofkey.authorization_server.records import PushedRequest
from proofkey.errors import ServerError
from proofkey.findings import Finding
from proofkey.protocol.text import Instant
from proofkey.store.memory.grants import MemoryGrants
from proofkey.store.memory.tables import make_room


class MemoryPushedRequests(MemoryGrants):
    """The `PushedRequests` of a `ServerStore`."""

    async def insert_pushed_request(self, pushed: PushedRequest) -> None:
        with self._lock:
            if pushed.digest in self._pushed:
                raise ServerError(Finding.STORE_CONFLICT, table="pushed_requests")
            make_room(self._pushed, pushed.created_at)
            self._pushed[pushed.digest] = pushed

    async def find_pushed_request(self, digest: str) -> PushedRequest | None:
        return self._pushed.get(digest)

    async def use_pushed_request(self, digest: str, now: Instant) -> bool:
        with self._lock:
            pushed = self._pushed.get(digest)
            if pushed is None or pushed.used_at is not None:
                return False
            self._pushed[digest] = replace(pushed, used_at=now)
            return True

    def _over(self, now: Instant) -> Iterator[Callable[[], object]]:
        yield from super()._over(now)
        yield from (
            partial(self._pushed.pop, one.digest) for one in self._pushed.values() if one.expires_at <= now
        )
