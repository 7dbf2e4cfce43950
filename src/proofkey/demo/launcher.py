"""One command, three processes: provider, API and Streamlit app, with a panel and three keys."""

import json
import os
import signal
import sys
import tempfile
import threading
import webbrowser
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from rich.console import Console

from proofkey.demo.keyboard import keys_of_terminal
from proofkey.demo.processes import Part, start, stop, watch
from proofkey.demo.setting_up import USERS, Demo, set_up
from proofkey.demo.token import fetch_token
from proofkey.errors import ProofkeyError
from proofkey.runtime.entropy import system_entropy

CLOCK_STEP = 20 * 60
"""Seconds that the key `c` moves every clock of the demonstration."""


class Launcher:
    """Starts the parts, shows the panel, and ends everything with itself."""

    def __init__(self, folder: Path, *, ready_json: bool, browser: bool) -> None:
        self._demo = set_up(folder, system_entropy)
        self._ready_json = ready_json
        self._browser = browser and not ready_json
        self._talk = Console(stderr=True, highlight=False)
        self._panel = Console(highlight=False)
        self._parts: list[Part] = []
        self._ended = threading.Event()
        self._failed: str | None = None

    def run(self) -> int:
        """Until q, Ctrl-C or SIGTERM: 0; 2 when a part could not start, 1 when one ended by itself."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)
        try:
            self._start_parts()
            self._announce()
            watch(self._parts, self._on_end)
            self._listen()
        except ProofkeyError as error:
            self._report(error)
            return 2
        finally:
            parts, self._parts = self._parts, []
            stop(parts)
        if self._failed:
            self._talk.print(
                f"The {self._failed} ended by itself; its log is above, or in the folder's .log file."
            )
            return 1
        return 0

    def _on_signal(self, number: int, frame: object) -> None:
        self._ended.set()

    def _start_parts(self) -> None:
        for role in ("server", "api", "streamlit"):
            if self._ended.is_set():
                return
            if not self._ready_json:
                self._talk.print(f"[dim]starting the {role} …[/dim]")
            log = None if self._ready_json else self._demo.folder / f"{role}.log"
            part = start(self._demo, role, talk=log)
            self._parts.append(part)
            if self._ready_json:
                print(json.dumps(part.ready), flush=True)  # noqa: T201 - data on stdout

    def _on_end(self, part: Part) -> None:
        if part in self._parts and not self._ended.is_set():
            self._failed = part.role
            self._ended.set()

    def _announce(self) -> None:
        demo = self._demo
        if self._ready_json:
            print(json.dumps(_ready_line(demo)), flush=True)  # noqa: T201 - data on stdout
            return
        names = " · ".join(
            f"{user.username} (admin)" if "admin" in user.roles else user.username for user in USERS
        )
        lines = (
            f"[bold]Identity provider[/]   {demo.issuer}     users: {names}"
            f" — password shown once: [bold]{demo.password.reveal()}[/]",
            f"[bold]API[/]                 {demo.api}/docs",
            f"[bold]Streamlit[/]           {demo.streamlit}     try: sign in as bob → the report is refused (403)",
            "Everything is local. Press [bold]t[/] for a token, [bold]c[/] to move the clock, [bold]q[/] to quit.",
        )
        self._panel.print("\n" + "\n".join(f"  {line}" for line in lines) + "\n", soft_wrap=True)
        if self._browser and _has_display():
            with suppress(webbrowser.Error):
                webbrowser.open(demo.streamlit)

    def _listen(self) -> None:
        actions: dict[str, Callable[[], None]] = {"t": self._token, "c": self._move_clock, "q": self._ended.set}
        with keys_of_terminal(self._ended) as keys:
            for key in keys:
                if action := actions.get(key.lower()):
                    action()
        self._ended.wait()

    def _token(self) -> None:
        try:
            token = fetch_token(self._demo)
        except ProofkeyError as error:
            self._report(error)
            return
        self._panel.print(f"  A token of ann for the API, good for {token.minutes} minutes:", style="dim")
        self._panel.print(
            f"  curl -H 'Authorization: Bearer {token.value.reveal()}' {self._demo.api}/orders", soft_wrap=True
        )

    def _move_clock(self) -> None:
        shift = int(float(self._demo.clock_file.read_text() or 0)) + CLOCK_STEP
        self._demo.clock_file.write_text(str(shift))
        self._panel.print(
            f"  Every clock moved: {shift // 60} minutes ahead. Watch the token refresh by itself.", style="dim"
        )

    def _report(self, error: ProofkeyError) -> None:
        message = error.facts.get("message") or str(error)
        if self._ready_json:
            line = {"event": "error", "finding": error.finding.id, "message": message}
            print(json.dumps(line), flush=True)  # noqa: T201 - data on stdout
        self._talk.print(f"[red]error:[/] {message}  ({error.finding.id})", markup=True)


def _ready_line(demo: Demo) -> dict[str, object]:
    return {
        "event": "ready",
        "role": "demo",
        "pid": os.getpid(),
        "issuer": demo.issuer,
        "api": demo.api,
        "streamlit": demo.streamlit,
        "clock_file": str(demo.clock_file),
        "users": [{"username": user.username, "password": demo.password.reveal()} for user in USERS],
    }


def _has_display() -> bool:
    return sys.platform in {"darwin", "win32"} or bool(
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )


def run_demo(*, ready_json: bool, browser: bool) -> int:
    """The whole demonstration, in a folder that goes with it."""
    with tempfile.TemporaryDirectory(prefix="proofkey-demo-") as folder:
        return Launcher(Path(folder), ready_json=ready_json, browser=browser).run()
