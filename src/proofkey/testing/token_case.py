"""One token of the corpus: what it is called, what a resource server must make of it, and which rule says so."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from proofkey.findings import Finding

_REQUIREMENTS: Final[Mapping[Finding, str]] = {
    Finding.TOKEN_TOO_LARGE: "8725b-3.13",
    Finding.TOKEN_NOT_COMPACT: "8725b-3.14-a",
    Finding.TOKEN_IS_OPAQUE: "8725b-3.14-a",
    Finding.TOKEN_IS_AUTH0_OPAQUE: "8725b-3.14-a",
    Finding.TOKEN_ENCRYPTED: "8725b-3.3-a",
    Finding.TOKEN_ENCODING: "8725b-3.14-a",
    Finding.TOKEN_JSON: "8725b-3.14-a",
    Finding.TOKEN_ALGORITHM: "8725b-3.1-b",
    Finding.TOKEN_SYMMETRIC: "8725b-3.1-b",
    Finding.TOKEN_CRIT: "7515-4.1.11",
    Finding.TOKEN_KID: "8725b-3.10-a",
    Finding.TOKEN_KEY_UNKNOWN: "8725b-3.10-a",
    Finding.TOKEN_SIGNATURE: "7515-5.2",
    Finding.TOKEN_TYPE: "9068-4-a",
    Finding.TOKEN_IS_ID_TOKEN: "8725b-3.11",
    Finding.TOKEN_IS_LOGOUT_TOKEN: "8725b-3.11",
    Finding.TOKEN_IS_CLIENT_ASSERTION: "8725b-3.11",
    Finding.TOKEN_IS_DPOP_PROOF: "8725b-3.11",
    Finding.TOKEN_IS_REFRESH_TOKEN: "8725b-3.11",
    Finding.TOKEN_IS_GRAPH: "8725b-3.9-a",
    Finding.TOKEN_IS_OKTA_ORG: "8725b-3.11",
    Finding.TOKEN_PERMITS_NOTHING: "8725b-3.11",
    Finding.TOKEN_ISSUER: "8725b-3.8-a",
    Finding.TOKEN_TENANT: "X-entra",
    Finding.TOKEN_AUDIENCE: "8725b-3.9-a",
    Finding.TOKEN_CLAIM_MISSING: "9068-2.2",
    Finding.TOKEN_CLAIM_TYPE: "9068-2.2",
    Finding.TOKEN_EXPIRED: "V9-9.2.1",
    Finding.TOKEN_NOT_YET_VALID: "F2-5.3.2.1-13-rs",
    Finding.TOKEN_BOUND: "9449-7.2-a",
}


@dataclass(frozen=True, slots=True)
class HostileToken:
    """A token that a resource server must refuse: the finding of Proofkey's log, and the requirement.

    `requirement` is a row such as `8725b-3.9-a` (RFC 8725bis §3.9); "" at the start stands for the finding's own.
    """

    name: str
    token: str = field(repr=False)
    finding: Finding
    requirement: str = ""

    def __post_init__(self) -> None:
        if not self.requirement:
            object.__setattr__(self, "requirement", _REQUIREMENTS[self.finding])


@dataclass(frozen=True, slots=True)
class HarmlessToken:
    """An unusual token that a resource server must accept.

    `full` is False where it has fewer rights than an ordinary one, so that an operation may still want more.
    """

    name: str
    token: str = field(repr=False)
    requirement: str = "9068-4-b"
    full: bool = True
