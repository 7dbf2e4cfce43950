"""`proofkey jwt`: which kind of token it is, what it says, and which check it fails."""

import sys
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from proofkey.cli.jwt_view import report_document, show_report
from proofkey.cli.output import FINDINGS, Json, new_app, print_json, say
from proofkey.errors import ConfigurationError, InvalidToken, Unavailable
from proofkey.findings import Finding
from proofkey.protocol.access_token import classify
from proofkey.protocol.dialect import RFC9068, Dialect, check_verifies
from proofkey.protocol.exchange import Answer, Transport
from proofkey.protocol.jws import read_unverified_payload
from proofkey.protocol.key_set import KeySet
from proofkey.protocol.metadata import check_issuer
from proofkey.protocol.text import Issuer
from proofkey.providers.choose import DIALECTS, dialect_for, dialect_named
from proofkey.runtime.clock import system_clock
from proofkey.runtime.token_report import Expected, TokenReport, report_token

app = new_app(help="Inspect or verify a token; it comes from stdin or a file, never from the command line.")

_LARGEST: Final = 1024 * 1024
"""Bytes of input that are read; the validator has its own, smaller limit."""

Source = Annotated[str, typer.Argument(metavar="[-|FILE]", help="Where the token is; - is stdin.")]
IssuerUrl = Annotated[
    str | None, typer.Option("--issuer", metavar="URL", help="Expected issuer; its keys are found by discovery.")
]
Jwks = Annotated[
    str | None, typer.Option("--jwks", metavar="FILE|URL", help="Keys (a JWK Set) in place of discovery.")
]
_AUDIENCE: Final = typer.Option("--audience", help="Expected audience; may be given several times.")
Audience = Annotated[list[str] | None, _AUDIENCE]
DialectName = Annotated[
    str | None,
    typer.Option(
        "--dialect", metavar="NAME", help=f"Whose tokens: {', '.join(DIALECTS)}. Without it, told by the issuer."
    ),
]
_TENANT: Final = typer.Option("--tenant", help="Allowed tenant; may be given several times.")
Tenants = Annotated[list[str] | None, _TENANT]
CaFile = Annotated[Path | None, typer.Option("--ca-file", metavar="FILE", help="Further certificate authorities.")]


@dataclass(frozen=True, slots=True)
class Keys:
    """The issuer's keys, and by how many seconds its clock is ahead of ours where its answer told."""

    keys: KeySet
    ahead: int | None = None


@app.command()
def inspect(
    source: Source = "-",
    issuer: IssuerUrl = None,
    jwks: Jwks = None,
    audience: Audience = None,
    dialect: DialectName = None,
    tenant: Tenants = None,
    unverified: Annotated[
        bool, typer.Option("--unverified", help="Show the claims although nobody has checked the signature.")
    ] = False,
    ca_file: CaFile = None,
    json: Json = False,
) -> None:
    """Say what kind of token it is, verify it, show what it says and which checks fail."""
    token = _read_token(source)
    if issuer is None and jwks is None and not unverified:
        say(f"kind   {classify(token).value}")
        hint = "give --issuer or --jwks, or --unverified to look at claims that anybody can write"
        raise typer.BadParameter(f"there are no keys; {hint}", param_hint="--issuer")
    spoken = _choose_dialect(dialect, issuer or _claimed_issuer(token))
    issuers = None if issuer is None else spoken.token_issuers(issuer, tuple(tenant or ()))
    keys = None if issuer is None and jwks is None else _find_keys(issuer, jwks, ca_file, spoken)
    report = _report(token, keys, issuers, audience, spoken)
    if json:
        print_json(report_document(report, unverified=unverified, ahead=keys.ahead if keys else None))
    else:
        show_report(report, unverified=unverified, ahead=keys.ahead if keys else None)
    if report.failed:
        raise typer.Exit(FINDINGS)


@app.command()
def verify(
    issuer: Annotated[str, typer.Option("--issuer", metavar="URL", help="Expected issuer.")],
    audience: Annotated[list[str], _AUDIENCE],
    source: Source = "-",
    jwks: Jwks = None,
    dialect: DialectName = None,
    tenant: Tenants = None,
    ca_file: CaFile = None,
    json: Json = False,
) -> None:
    """Verify an access token as an API does (RFC 9068): claims on stdout and exit status 0, or 1."""
    token = _read_token(source)
    spoken = _choose_dialect(dialect, issuer)
    check_verifies(spoken)
    issuers = spoken.token_issuers(issuer, tuple(tenant or ()))
    keys = _find_keys(issuer, jwks, ca_file, spoken)
    report = _report(token, keys, issuers, audience, spoken)
    if json:
        print_json(report_document(report, unverified=False, ahead=keys.ahead))
    elif report.token is not None:
        print_json(report.token.claims)
    else:
        show_report(report, unverified=False, ahead=keys.ahead)
    if report.token is None:
        raise typer.Exit(FINDINGS)


def _choose_dialect(name: str | None, issuer: str | None) -> Dialect:
    """By name, else by the issuer. Raises: ConfigurationError."""
    if name is not None:
        return dialect_named(name)
    return RFC9068 if issuer is None else dialect_for(issuer)


def _claimed_issuer(token: str) -> str | None:
    """What the token says of itself: enough to choose whose words it is shown in, and for nothing else."""
    try:
        issuer: object = read_unverified_payload(token).get("iss")
    except InvalidToken:
        return None
    return issuer if isinstance(issuer, str) else None


def _report(
    token: str,
    keys: Keys | None,
    issuers: frozenset[str] | None,
    audience: list[str] | None,
    dialect: Dialect,
) -> TokenReport:
    expected = Expected(
        issuer=issuers,
        audience=frozenset(audience) if audience else None,
        now=system_clock().now(),
        dialect=dialect,
    )
    return report_token(token, None if keys is None else keys.keys, expected)


def _read_token(source: str) -> str:
    """The token without white space and without a leading `Bearer`."""
    if source.count(".") >= 2 and source.startswith("eyJ"):
        hint = "a token on the command line stays in the shell's history; send it to stdin"
        raise typer.BadParameter(hint, param_hint="[-|FILE]")
    if source == "-":
        if sys.stdin.isatty():
            say("Paste the token, then Enter and Ctrl-D:")
        data = sys.stdin.buffer.read(_LARGEST)
    else:
        with Path(source).open("rb") as file:
            data = file.read(_LARGEST)
    words = data.decode("utf-8", "replace").split()
    token = "".join(words[1:] if words and words[0].lower() in ("bearer", "dpop") else words)
    if not token:
        raise typer.BadParameter("there is no token", param_hint="[-|FILE]")
    return token


def _find_keys(issuer: str | None, jwks: str | None, ca_file: Path | None, dialect: Dialect) -> Keys:
    """From the file, the URL, or the issuer's metadata. Raises: ProofkeyError."""
    if issuer is not None:
        check_issuer(issuer)
    if jwks is not None and "://" not in jwks:
        return Keys(_keys_of_file(Path(jwks)))
    from proofkey.runtime.portal import Portal
    from proofkey.transport.http import HttpTransport

    transport = HttpTransport(ca_file=ca_file)
    return Portal.own().call(_fetch_keys, issuer, jwks, transport, dialect)


def _keys_of_file(path: Path) -> KeySet:
    with path.open("rb") as file:
        data = file.read(_LARGEST)
    try:
        keys = KeySet.from_document(data)
    except Unavailable as error:
        reason = "no JWK Set"
        raise ConfigurationError(Finding.CONFIG_VALUE, key="--jwks", file=str(path), reason=reason) from error
    if not len(keys):
        raise ConfigurationError(Finding.CONFIG_VALUE, key="--jwks", file=str(path), reason="no usable key")
    return keys


async def _fetch_keys(issuer: str | None, jwks: str | None, transport: Transport, dialect: Dialect) -> Keys:
    from proofkey.runtime.discovery import fetch_key_set, fetch_metadata

    if jwks is None and issuer is not None:
        published = dialect.metadata_issuer(issuer)
        jwks = (await fetch_metadata(Issuer(issuer), transport, keys_only=True, published=published)).jwks_uri
    keys, answer = await fetch_key_set(jwks or "", transport)
    return Keys(keys, _ahead(answer))


def _ahead(answer: Answer) -> int | None:
    """By how many seconds the other clock is ahead, from the Date header (RFC 9110 §6.6.1)."""
    try:
        theirs = parsedate_to_datetime(answer.headers.get("date", ""))
    except ValueError:
        return None
    return round(theirs.timestamp() - system_clock().now())
