"""What the sections of the configuration are made of."""

from ipaddress import ip_network
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator

from proofkey.protocol.text import Secret


def _secret(value: object) -> Secret:
    if isinstance(value, Secret):
        return value
    if not isinstance(value, str):
        raise ValueError("text is expected")
    return Secret(value)


def lines(value: object) -> object:
    """A file's text has one a line."""
    return value.split() if isinstance(value, str) else value


def _network(value: str) -> str:
    return str(ip_network(value, strict=False))


SecretText = Annotated[Secret, PlainValidator(_secret)]
Network = Annotated[str, AfterValidator(_network)]
LogLevel = Annotated[
    Literal["debug", "info", "warning", "error"],
    BeforeValidator(lambda value: value.lower() if isinstance(value, str) else value),
]
Seconds = Annotated[int, Field(ge=0)]
Feature = Literal["par", "device", "jar", "jarm", "registration", "cimd"]
Names = str | tuple[str, ...]
"""One name, or several."""


def listed(names: Names | None) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else names or ()


class Section(BaseModel):
    """Frozen; unknown keys are errors; a secret never shows in an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
