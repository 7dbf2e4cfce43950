"""Running an application under uvicorn: the socket first, a word when it serves, drained at the end."""

import errno
import gc
import logging
import signal
import socket
import sys
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Final

import anyio
import uvicorn
from starlette.types import ASGIApp

from proofkey.errors import ConfigurationError
from proofkey.findings import Finding
from proofkey.runtime.events import UVICORN
from proofkey.web.one_write import OneWrite

BACKLOG: Final = 2048
DRAIN_SECONDS: Final = 10
_HEAR_OUT_SECONDS: Final = 1.0
"""How long the end waits for the first request of a connection that was accepted before it."""
_LOOK_SECONDS: Final = 0.02
MAX_CONNECTIONS: Final = 1000
"""Per process; beyond it uvicorn answers 503 (slow or idle connections cannot take the machine)."""

_TRIES: Final = 8


@dataclass(frozen=True, slots=True)
class Listener:
    """Bound sockets, one per address of the host, all on one port."""

    host: str
    port: int
    sockets: tuple[socket.socket, ...]

    @property
    def url(self) -> str:
        """Where to reach it from this computer."""
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.host, self.host)  # noqa: S104 - only compared
        return f"http://{f'[{host}]' if ':' in host and not host.startswith('[') else host}:{self.port}"

    def close(self) -> None:
        for one in self.sockets:
            one.close()


def bind(host: str, port: int) -> Listener:
    """Takes the port on every address of `host`; 0 is any free one.

    Raises: ConfigurationError when the port is in use, or the host is not one of this computer.
    """
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        raise ConfigurationError(Finding.CONFIG_VALUE, key="--host", value=host[:64]) from error
    addresses = list(dict.fromkeys((family, str(address[0])) for family, _, _, _, address in found))
    for attempt in range(_TRIES):
        try:
            sockets = _bind_all(addresses, port)
        except OSError as error:
            if port == 0 and error.errno == errno.EADDRINUSE and attempt + 1 < _TRIES:
                continue  # the port that one family had free is taken in the other
            finding = Finding.PORT_IN_USE if error.errno == errno.EADDRINUSE else Finding.CONFIG_VALUE
            raise ConfigurationError(
                finding, host=host[:64], port=str(port), reason=error.strerror or ""
            ) from error
        return Listener(host.strip("[]"), sockets[0].getsockname()[1], sockets)
    raise ConfigurationError(Finding.PORT_IN_USE, host=host[:64], port=str(port))


def _bind_all(addresses: Sequence[tuple[socket.AddressFamily, str]], port: int) -> tuple[socket.socket, ...]:
    bound: list[socket.socket] = []
    missing: OSError | None = None
    try:
        for family, address in addresses:
            try:
                one = _bind_one(family, address, bound[0].getsockname()[1] if bound else port)
            except OSError as error:
                if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                    raise
                missing = error  # a computer without that family
            else:
                bound.append(one)
        if not bound and missing:
            raise missing
    except OSError:
        for one in bound:
            one.close()
        raise
    return tuple(bound)


def _bind_one(family: socket.AddressFamily, address: str, port: int) -> socket.socket:
    one = socket.socket(family, socket.SOCK_STREAM)
    try:
        if sys.platform != "win32":
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.bind((address, port))
        one.listen(BACKLOG)
    except OSError:
        one.close()
        raise
    return one


class DrainingServer(uvicorn.Server):
    """uvicorn's server with a word when it serves, and an end by signal that counts as an end (exit 0).

    `lifespan` runs the application's own; leave it to a caller that wants to see what goes wrong there.
    """

    def __init__(
        self, app: ASGIApp, on_ready: Callable[[], None], *, lifespan: bool = False, websockets: bool = False
    ) -> None:
        settings: dict[str, Any] = {**UVICORN}
        config = uvicorn.Config(
            app,
            http=OneWrite,
            ws="websockets-sansio" if websockets else "none",
            lifespan="on" if lifespan else "off",
            proxy_headers=False,
            server_header=False,
            limit_concurrency=MAX_CONNECTIONS,
            timeout_graceful_shutdown=DRAIN_SECONDS,
            **settings,
        )
        super().__init__(config)
        logging.getLogger("uvicorn.error").setLevel(logging.WARNING)  # start and end are told by the caller
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Nothing is accepted any more; whoever was accepted gets an answer."""
        for server in self.servers:
            server.close()
        await self._hear_out()
        await super().shutdown(sockets)

    async def _hear_out(self) -> None:
        """The first request of a new connection is on its way: uvicorn would close it and fail a client that has
        done nothing wrong."""
        for _ in range(round(_HEAR_OUT_SECONDS / _LOOK_SECONDS)):
            await anyio.sleep(_LOOK_SECONDS)
            waiting = [one for one in self.server_state.connections if getattr(one, "cycle", one) is None]
            if self.force_exit or not waiting:
                return

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """SIGTERM and SIGINT ask for the end; a second SIGINT does not wait for open requests."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        asked = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self.handle_exit) for number in asked}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def settle() -> None:
    """For a process that does nothing but serve: what its start made stays, so the garbage collector need not look
    at it again and again (a tenth of the CPU time of a request)."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


def run_async(main: Callable[[], Any]) -> None:
    """Runs the coroutine function to its end, on uvloop where it is installed."""
    anyio.run(main, backend_options={"use_uvloop": find_spec("uvloop") is not None})
