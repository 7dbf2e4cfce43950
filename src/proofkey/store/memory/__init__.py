"""Stores in the memory of one process: for demonstrations, tests and single-process servers.

Each method holds one lock from its first look to its last write and never awaits, so what the SQL stores decide
by a conditional write is decided here by the lock. `proofkey.store.open` makes sure that there is one process.
"""

from proofkey.store.memory.devices import MemoryDeviceAuthorizations
from proofkey.store.memory.logouts import MemoryLogouts
from proofkey.store.memory.opaque_tokens import MemoryOpaqueTokens
from proofkey.store.memory.pushed import MemoryPushedRequests
from proofkey.store.memory.registered import MemoryRegisteredClients
from proofkey.store.memory.sessions import MemorySessionStore


class MemoryServerStore(
    MemoryRegisteredClients,
    MemoryPushedRequests,
    MemoryDeviceAuthorizations,
    MemoryOpaqueTokens,
    MemoryLogouts,
):
    """`ServerStore` in memory. `events` holds the last audit events, oldest first."""


__all__ = ["MemoryServerStore", "MemorySessionStore"]
