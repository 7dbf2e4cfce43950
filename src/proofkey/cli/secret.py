"""`proofkey secret`: what master keys and client secrets are made of."""

from enum import StrEnum
from typing import Annotated

import typer

from proofkey.cli.output import Json, new_app, print_data, print_json
from proofkey.protocol.text import encode_base64url
from proofkey.runtime.entropy import system_bytes

app = new_app()


class Format(StrEnum):
    """How the secret is written."""

    BASE64URL = "base64url"
    HEX = "hex"
    ENV = "env"
    TOML = "toml"


@app.command()
def secret(
    format_: Annotated[
        Format, typer.Option("--format", help="env and toml write a line for the server's master key.")
    ] = Format.BASE64URL,
    count: Annotated[int, typer.Option("--bytes", min=32, max=1024, help="Random bytes.")] = 32,
    json: Json = False,
) -> None:
    """Make a secret of 256 bits from the operating system's randomness."""
    data = system_bytes(count)
    value = data.hex() if format_ is Format.HEX else encode_base64url(data)
    if json:
        print_json({"secret": value, "bytes": count, "format": "hex" if format_ is Format.HEX else "base64url"})
    elif format_ is Format.ENV:
        print_data(f"PROOFKEY_SERVER_MASTER_KEY={value}")
    elif format_ is Format.TOML:
        print_data(f'master_key = "{value}"')
    else:
        print_data(value)
