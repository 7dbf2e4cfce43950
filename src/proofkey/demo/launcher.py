"""One command, three processes: provider, API and Streamlit app, with a panel and three keys."""

import json
import os
import signal
import sys
import tempfile
import threading
import webbrowser
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from proofkey.demo.keyboard import has_keys, keys_of_terminal
from proofkey.demo.processes import Part, start, stop, watch
from proofkey.demo.setting_up import USERS, USUAL_PORTS, Demo, set_up
from proofkey.demo.token import fetch_token
from proofkey.errors import ConfigurationError, ProofkeyError
from proofkey.findings import Finding
from proofkey.runtime.clock import CLOCK_FILE
from proofkey.runtime.entropy import system_entropy

CLOCK_STEP = 20 * 60
"""Seconds that the key `c` moves every clock of the demonstration."""
STARTS = 3
"""How often it tries to start with ports that seemed free."""
ENDING_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")
"""Ctrl-C, a polite end, a closed terminal; by name, for not every system has all."""
ANY_PORTS: Mapping[str, int] = dict.fromkeys(USUAL_PORTS, 0)
"""For another try: two demonstrations that want the same ports would only meet again."""
MakeDemo = Callable[[Mapping[str, int]], Demo]
"""Sets up a demonstration with these ports, or free ones."""
StartPart = Callable[[Demo, str, Path | None], Part]
"""Starts the part of that role; its log goes to the file, or to our stderr."""


class Launcher:
    """Starts the parts, shows the panel, and ends everything with itself."""

    def __init__(self, make_demo: MakeDemo, *, ready_json: bool, browser: bool, start: StartPart = start) -> None:
        self._make_demo = make_demo
        self._demo = make_demo(USUAL_PORTS)
        self._start_part = start
        self._ready_json = ready_json
        self._browser = browser and not ready_json
        self._talk = Console(stderr=True, highlight=False)
        self._panel = Console(highlight=False)
        self._parts: list[Part] = []
        self._ended = threading.Event()
        self._failed: Part | None = None

    def run(self) -> int:
        """Until q, Ctrl-C or SIGTERM: 0; 2 when a part could not start, 1 when one ended by itself."""
        for name in ENDING_SIGNALS:
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), self._on_signal)
        try:
            self._start()
            if not self._ended.is_set():
                watch(self._parts, self._ended, self._on_end)
                self._serve()
        except ProofkeyError as error:
            self._report(error)
            return 2
        finally:
            self._ended.set()
            stop(self._parts)
        return self._tell_end()

    def _on_signal(self, number: int, frame: object) -> None:
        self._ended.set()

    def _start(self) -> None:
        """Starts everything, with other ports when somebody takes one between our look and the start of its part.

        Raises: ConfigurationError.
        """
        for left in reversed(range(STARTS)):
            try:
                lines = self._start_parts()
            except ConfigurationError as error:
                if error.finding is not Finding.PORT_IN_USE or not left:
                    raise
                stop(self._parts)
                self._parts, self._failed, self._demo = [], None, self._make_demo(ANY_PORTS)
            else:
                for line in lines if self._ready_json else ():
                    _print_json(line)
                return

    def _start_parts(self) -> list[dict[str, object]]:
        """The ready lines. The Streamlit app takes longest; the API looks for its issuer's keys at its start.

        Raises: ConfigurationError.
        """
        server, streamlit = self._start_one("server"), self._start_one("streamlit")
        lines = [self._line_of(server)]
        lines += [self._line_of(self._start_one("api"))] if lines[0] else []
        return [line for line in (*lines, self._line_of(streamlit)) if line is not None]

    def _start_one(self, role: str) -> Part:
        if not self._ready_json:
            self._talk.print(f"starting the {role} …", style="dim")
        log = None if self._ready_json else self._demo.folder / f"{role}.log"
        part = self._start_part(self._demo, role, log)
        self._parts.append(part)
        return part

    def _line_of(self, part: Part) -> dict[str, object] | None:
        """What it says when it is ready; None when we are to end. Raises: ConfigurationError."""
        try:
            return part.wait_until_ready(self._ended)
        except ConfigurationError:
            self._failed = part
            raise

    def _on_end(self, part: Part) -> None:
        self._failed = part
        self._ended.set()

    def _announce(self) -> None:
        demo = self._demo
        if self._ready_json:
            _print_json(_ready_line(demo))
            return
        keys = "Press [bold]t[/] for a token, [bold]c[/] to move the clock, [bold]q[/] to quit."
        names = " · ".join(
            f"{user.username} ({', '.join(user.roles)})" if user.roles else user.username for user in USERS
        )
        lines = (
            f"[bold]Identity provider[/]   {demo.issuer}     users: {names}"
            f" — password shown once: [bold]{demo.password.reveal()}[/]",
            f"[bold]API[/]                 {demo.api}/docs",
            f"[bold]Streamlit[/]           {demo.streamlit}     try: sign in as bob → the report is refused (403)",
            f"Everything is local. {keys if has_keys() else 'Ctrl-C ends it.'}",
        )
        self._panel.print("\n" + "\n".join(f"  {line}" for line in lines) + "\n", soft_wrap=True)
        if self._browser and _has_display():
            with suppress(webbrowser.Error):
                webbrowser.open(demo.streamlit)

    def _serve(self) -> None:
        actions: dict[str, Callable[[], None]] = {"t": self._token, "c": self._move_clock, "q": self._ended.set}
        with keys_of_terminal(self._ended) as keys:
            self._announce()
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
        file = self._demo.clock_file
        shift = int(float(file.read_text() or 0)) + CLOCK_STEP if file.exists() else CLOCK_STEP
        file.write_text(f"{shift}\n")
        self._panel.print(
            f"  Every clock moved: {shift // 60} minutes ahead. Watch the token refresh by itself.", style="dim"
        )

    def _report(self, error: ProofkeyError) -> None:
        message = error.facts.get("message") or str(error)
        if self._ready_json:
            _print_json({"event": "error", "finding": error.finding.id, "message": message})
        part = f"the {error.facts['part']} part: " if "part" in error.facts else ""
        known = "" if error.finding.id in message else f" ({error.finding.id})"
        self._talk.print(f"[red]error:[/] {part}{escape(message)}{known}", soft_wrap=True)
        self._show_log()

    def _tell_end(self) -> int:
        if self._failed is None:
            return 0
        status = self._failed.process.returncode
        self._talk.print(f"[red]error:[/] the {self._failed.role} part ended by itself (status {status})")
        self._show_log()
        return 1

    def _show_log(self) -> None:
        """Its folder goes with the demonstration, so the end of the log is shown while it is there."""
        lines = self._failed.last_lines() if self._failed else []
        if lines:
            self._talk.print("the last lines of its log:", style="dim")
        for line in lines:
            self._talk.print(f"  {line}", markup=False, soft_wrap=True)


def _print_json(line: Mapping[str, object]) -> None:
    print(json.dumps(line), flush=True)  # noqa: T201 - data on stdout


def _ready_line(demo: Demo) -> dict[str, object]:
    return {
        "event": "ready",
        "role": "demo",
        "issuer": demo.issuer,
        "api": demo.api,
        "streamlit": demo.streamlit,
        "users": [{"username": user.username, "password": demo.password.reveal()} for user in USERS],
    }


def _has_display() -> bool:
    return sys.platform in {"darwin", "win32"} or bool(
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )


def run_demo(*, ready_json: bool, browser: bool) -> int:
    """The whole demonstration, in a folder that goes with it; on the clock file of the environment, if any."""
    given = os.environ.get(CLOCK_FILE)
    with tempfile.TemporaryDirectory(prefix="proofkey-demo-") as folder:

        def make_demo(ports: Mapping[str, int]) -> Demo:
            place = Path(tempfile.mkdtemp(dir=folder))
            clock_file = Path(given).absolute() if given else None
            return set_up(place, system_entropy, usual_ports=ports, clock_file=clock_file)

        return Launcher(make_demo, ready_json=ready_json, browser=browser).run()
