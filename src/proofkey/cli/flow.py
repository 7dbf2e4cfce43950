"""`proofkey flow`: a whole login against an issuer, step by step."""

import sys
import webbrowser
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final, Literal, cast
from urllib.parse import parse_qsl, urlsplit

import typer

from proofkey.cli.output import FINDINGS, Json, clean, error_line, new_app, paint, print_data, print_json, say
from proofkey.client.config import LoginConfig
from proofkey.client.session import Session
from proofkey.errors import ConfigurationError, ProofkeyError
from proofkey.findings import Finding
from proofkey.protocol.metadata import ServerMetadata
from proofkey.protocol.text import ClientId, Issuer, Pairs, Secret
from proofkey.runtime.events import configure_logging
from proofkey.runtime.loopback import LoopbackListener
from proofkey.runtime.portal import Portal
from proofkey.testing.headless import HeadlessBrowser, HeadlessFailed, Hop
from proofkey.testing.sign_in import NativeLogin, headless
from proofkey.transport.http import HttpTransport

HEADLESS_REDIRECT_URI: Final = "http://127.0.0.1/callback"
SHOWN_PARAMETERS: Final = frozenset(
    {
        "response_type",
        "client_id",
        "redirect_uri",
        "scope",
        "resource",
        "code_challenge_method",
        "prompt",
        "max_age",
    }
)
"""Of the authorization request; the values of the others are fresh secrets of this flow."""

app = new_app()
Status = Literal["ok", "FAIL", "…"]


@dataclass(slots=True)
class Report:
    """Collects the steps; each is shown as soon as it is known."""

    as_json: bool
    steps: list[dict[str, object]] = field(default_factory=list[dict[str, object]])

    def step(self, name: str, status: Status = "ok", **detail: object) -> None:
        self.steps.append({"step": name, "status": "doing" if status == "…" else status, **detail})
        if self.as_json:
            return
        colour = {"ok": "green", "FAIL": "red", "…": "dim"}[status]
        print_data(f" {paint(f'{status:<5}', colour)} {paint(name, 'bold')}")
        for key, value in _flat(detail):
            print_data(f"       {key:<22} {clean(value)}")

    def close(self, *, ok: bool) -> None:
        if self.as_json:
            print_json({"ok": ok, "steps": self.steps})


def _flat(detail: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for key, value in detail.items():
        if isinstance(value, Mapping):
            yield from _flat(cast("Mapping[str, object]", value))
        elif isinstance(value, list | tuple):
            yield key, " ".join(map(str, cast("list[object]", value)))
        else:
            yield key, str(value)


@app.command()
def flow(
    issuer: Annotated[str, typer.Argument(help="The provider's issuer URL.")],
    client_id: Annotated[str, typer.Option(help="The client's id at the provider.")],
    client_secret_file: Annotated[
        Path | None, typer.Option(help="Holds the client's secret; a public client without it.")
    ] = None,
    scope: Annotated[str, typer.Option(help="Scopes, separated by spaces.")] = "openid profile",
    resource: Annotated[str | None, typer.Option(help="The API that the token shall be for (RFC 8707).")] = None,
    redirect_uri: Annotated[
        str | None, typer.Option(help="With --headless only; by default http://127.0.0.1/callback.")
    ] = None,
    without_window: Annotated[
        bool, typer.Option("--headless", help="Sign in through the provider's own form; for Proofkey servers.")
    ] = False,
    username: Annotated[str | None, typer.Option(help="With --headless; the password comes from stdin.")] = None,
    password_file: Annotated[Path | None, typer.Option(help="Instead of stdin.")] = None,
    ca_file: Annotated[Path | None, typer.Option(help="Certificates to trust besides the system's.")] = None,
    timeout: Annotated[float, typer.Option(help="Seconds to wait for the browser.", min=1)] = 300,
    json: Json = False,
) -> None:
    """Drive a whole login: discovery, PKCE, the browser, the code, the tokens; each step is shown.

    In the browser, on a free port of 127.0.0.1: the client must be registered as native with
    http://127.0.0.1/callback. No token is printed. Exit status 1 when a step fails.
    """
    configure_logging("error", None)  # what fails is a step, told once
    if not without_window and (username or password_file or redirect_uri):
        raise typer.BadParameter("--username, --password-file and --redirect-uri belong to --headless")
    person = _person(without_window, username, password_file)
    secret = Secret(client_secret_file.read_text(encoding="utf-8").strip()) if client_secret_file else None
    report = Report(json)
    listener = nullcontext(None) if person else LoopbackListener()
    with listener as open_listener:
        config = LoginConfig(
            issuer=Issuer(issuer),
            client_id=ClientId(client_id),
            client_secret=secret,
            redirect_uri=open_listener.redirect_uri if open_listener else redirect_uri or HEADLESS_REDIRECT_URI,
            resource=(resource,) if resource else (),
            scope=tuple(scope.split()),
            userinfo=False,  # the steps show the request's parameters and the ID token's claims, each by itself
            par="off",
        )
        browser = _headless(person, config, report) if person else _window(open_listener, report, timeout)
        ok = _walk(config, browser, report, HttpTransport(ca_file=ca_file))
    report.close(ok=ok)
    raise typer.Exit(0 if ok else FINDINGS)


def _walk(config: LoginConfig, browser: Callable[[str], Pairs], report: Report, transport: HttpTransport) -> bool:
    portal = Portal.own()
    with _told(report) as outcome:
        login = NativeLogin(config, transport=transport)
        metadata = portal.call(login.core.provider.metadata)
        report.step("Discovery: the issuer matches", **_metadata_facts(metadata))
        url = portal.call(login.start)
        report.step("Authorization request: PKCE S256, state, nonce", **_request_facts(url))
        pairs = browser(url)
        report.step("Authorization response", parameters=[name for name, _ in pairs])
        session = portal.call(login.finish, pairs)
        report.step("state, iss, code, ID token: every check passed", **_session_facts(session, config))
        outcome.ok = True
    return outcome.ok


@dataclass(slots=True)
class _Outcome:
    ok: bool = False


@contextmanager
def _told(report: Report) -> Generator[_Outcome]:
    """A refusal becomes a step that says why; nothing else is caught."""
    outcome = _Outcome()
    try:
        yield outcome
    except ConfigurationError:
        raise
    except ProofkeyError as error:
        finding = error.finding
        report.step(finding.sentence, "FAIL", finding=finding.id, facts=error.facts, fix=finding.remedy)
        say(error_line(error))
    except HeadlessFailed as error:
        report.step("The pages did not lead back to the client", "FAIL", where=str(error))


def _metadata_facts(metadata: ServerMetadata) -> dict[str, Any]:
    return {
        "issuer": metadata.issuer,
        "authorization endpoint": metadata.authorization_endpoint,
        "token endpoint": metadata.token_endpoint,
        "PKCE methods": metadata.code_challenge_methods_supported,
        "iss in responses": metadata.authorization_response_iss_parameter_supported,
    }


def _request_facts(url: str) -> dict[str, Any]:
    pairs = parse_qsl(urlsplit(url).query)
    shown = {name: value for name, value in pairs if name in SHOWN_PARAMETERS}
    return {**shown, "and fresh": [name for name, _ in pairs if name not in SHOWN_PARAMETERS]}


def _session_facts(session: Session, config: LoginConfig) -> dict[str, Any]:
    tokens = session.tokens
    life = None if tokens.access_expires_at is None else tokens.access_expires_at - session.created_at
    return {
        "signed in": f"{session.name} ({session.sub})",
        "ID token claims": sorted(session.claims),
        "access token": "for " + (" ".join(config.audiences) or "the issuer"),
        "granted scope": tokens.scope,
        "expires in": "not said" if life is None else f"{life} s",
        "refresh token": "yes" if tokens.refresh_token else "no",
    }


@dataclass(frozen=True, slots=True)
class Person:
    """Who signs in without a window."""

    username: str
    password: Secret


def _person(without_window: bool, username: str | None, password_file: Path | None) -> Person | None:
    """Raises: ConfigurationError when the username or the password is missing."""
    if not without_window:
        return None
    if not username:
        raise ConfigurationError(Finding.CONFIG_MISSING, key="--username")
    text = password_file.read_text(encoding="utf-8") if password_file else _password_of_stdin()
    if not text.strip("\r\n"):
        raise ConfigurationError(Finding.CONFIG_MISSING, key="the password on stdin, or --password-file")
    return Person(username, Secret(text.strip("\r\n")))


def _password_of_stdin() -> str:
    if sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, err=True))
    return sys.stdin.readline()


def _headless(person: Person, config: LoginConfig, report: Report) -> Callable[[str], Pairs]:
    def tell(hop: Hop) -> None:
        report.step(f"{hop.method} {hop.page or hop.status}", "…", url=hop.url, http=hop.status)

    def walk(url: str) -> Pairs:
        with HeadlessBrowser(on_hop=tell) as window:
            browser = headless(
                window, redirect_uri=config.redirect_uri, username=person.username, password=person.password
            )
            return browser(url)

    return walk


def _window(listener: LoopbackListener | None, report: Report, timeout: float) -> Callable[[str], Pairs]:
    def walk(url: str) -> Pairs:
        assert listener is not None  # noqa: S101 - there is one whenever there is no person
        report.step("Waiting for the browser", "…", listening=listener.redirect_uri)
        say(f"\n  If no browser opens, open this address yourself:\n  {url}\n")
        webbrowser.open(url)
        return listener.wait(timeout)

    return walk
