"""All the issuers of one verifier: whose rules and keys a token is held to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from proofkey.errors import ConfigurationError, InvalidToken
from proofkey.findings import Finding
from proofkey.protocol.dialect import RFC9068, Dialect
from proofkey.protocol.exchange import Transport
from proofkey.protocol.jws import verify_compact
from proofkey.protocol.refusal import explain_refusal
from proofkey.protocol.text import Instant
from proofkey.resource_server.trust import check_distinct, read_claimed_issuer
from proofkey.runtime.clock import Clock
from proofkey.runtime.introspection import Introspection
from proofkey.runtime.trust import Trust, TrustedIssuer, build_trust


@dataclass(frozen=True, slots=True)
class Trusts:
    """At least one `Trust`. Keys, kids and failures of one never count for another."""

    all: tuple[Trust, ...]
    by_iss: Mapping[str, Trust]
    only: Trust | None
    """The one issuer, where there is just one: then nothing is read from a token before its signature."""
    opaque: Trust | None
    """Who is asked about tokens that are no JWTs and therefore name nobody; None: such tokens are refused."""
    has_deadlines: bool

    def live(self, now: Instant) -> tuple[Trust, ...]:
        """Those whose deadline has not passed."""
        return tuple(t for t in self.all if t.policy.until is None or now < t.policy.until)

    def choose(self, token: str) -> Trust:
        """The issuer that the token claims, unverified. Raises: InvalidToken when it is none of these."""
        if self.only is not None:
            return self.only
        if self.opaque is not None and not is_jwt(token):
            return self.opaque
        try:
            claimed = read_claimed_issuer(token)
            trust = None if claimed is None else self.by_iss.get(claimed)
            if trust is None:
                expected, found = " ".join(sorted(self.by_iss))[:400], (claimed or "none")[:200]
                raise InvalidToken(Finding.TOKEN_ISSUER, expected=expected, found=found)
        except InvalidToken as error:
            dialect = self._dialect_nearest(token)
            raise explain_refusal(error, token, issuer=frozenset(self.by_iss), dialect=dialect) from error
        return trust

    def _dialect_nearest(self, token: str) -> Dialect:
        """For the words of a refusal: of the trusted issuers' dialects the one that knows the claimed issuer."""
        try:
            claimed = read_claimed_issuer(token) or ""
        except InvalidToken:
            return RFC9068
        own = (trust.policy.dialect for trust in self.all if trust.policy.dialect is not RFC9068)
        return next((dialect for dialect in own if dialect.matches(claimed)), RFC9068)

    def signed_by_another(self, token: str, kid: str, claimed: Trust) -> bool:
        """Whether the token, whose kid the claimed issuer does not have, was signed with another issuer's key."""
        for trust in self.all:
            keys = trust.source.usable()
            if trust is claimed or keys is None or kid not in keys.kids:
                continue
            try:
                verify_compact(token, keys, trust.policy.algorithms)
            except InvalidToken:
                continue
            return True
        return False


def read_issuers(
    issuer: str | None,
    issuers: Sequence[TrustedIssuer],
    dialect: str | Dialect | None,
    tenants: Sequence[str],
    introspection: Introspection | None,
    internal_base_url: str | None,
    allow_insecure_internal_http: bool,
) -> tuple[TrustedIssuer, ...]:
    """The two spellings as one. Raises: ConfigurationError when there is no issuer, or the two are mixed."""
    if issuer is not None and not issuers:
        one = TrustedIssuer(
            issuer=issuer,
            dialect=dialect,
            tenants=tenants,
            introspection=introspection,
            internal_base_url=internal_base_url,
            allow_insecure_internal_http=allow_insecure_internal_http,
        )
        return (one,)
    if not issuers:
        fix = 'issuer="https://id.example.com", or issuers=[TrustedIssuer(…), …]'
        raise ConfigurationError(Finding.CONFIG_MISSING, key="issuer", fix=fix)
    mixed = {
        "issuer": issuer,
        "dialect": dialect,
        "tenants": tenants,
        "introspection": introspection,
        "internal_base_url": internal_base_url,
        "allow_insecure_internal_http": allow_insecure_internal_http,
    }
    named = [key for key, value in mixed.items() if value]
    if named:
        fix = "with issuers=[…] it belongs to a TrustedIssuer"
        raise ConfigurationError(Finding.CONFIG_VALUE, key=", ".join(named), fix=fix)
    return tuple(issuers)


def build_trusts(
    issuers: Sequence[TrustedIssuer],
    audience: str | Sequence[str],
    algorithms: frozenset[str],
    leeway: int,
    transport: Transport,
    clock: Clock,
) -> Trusts:
    """`audience`, `algorithms` and `leeway` (seconds) count where an issuer has none of its own.

    Raises: ConfigurationError when two issuers claim the same `iss`, or every deadline has passed.
    """
    trusts = tuple(
        build_trust(
            replace(
                trusted,
                audience=trusted.audience or audience,
                algorithms=algorithms if trusted.algorithms is None else trusted.algorithms,
                leeway=leeway if trusted.leeway is None else trusted.leeway,
            ),
            transport,
            clock,
        )
        for trusted in issuers
    )
    check_distinct(trust.policy for trust in trusts)
    made = Trusts(
        trusts,
        {iss: trust for trust in trusts for iss in trust.policy.issuers},
        trusts[0] if len(trusts) == 1 else None,
        _for_opaque(trusts),
        any(trust.policy.until is not None for trust in trusts),
    )
    if not made.live(clock.now()):
        raise ConfigurationError(Finding.CONFIG_VALUE, key="until", fix="the deadline of every issuer has passed")
    return made


def _for_opaque(trusts: Sequence[Trust]) -> Trust | None:
    """The one issuer with introspection; among several the one that is not asked about verified JWTs only.

    A token that names no issuer is never shown to one after the other: it could be used by whoever sees it.
    Raises: ConfigurationError when there are several.
    """
    asked = [trust for trust in trusts if trust.introspector is not None]
    if len(asked) > 1:
        asked = [trust for trust in asked if trust.introspector is not None and not trust.introspector.always]
    if len(asked) > 1:
        fix = "opaque tokens name no issuer: one TrustedIssuer may have introspection, others with always=True"
        raise ConfigurationError(Finding.CONFIG_VALUE, key="introspection", fix=fix)
    return asked[0] if asked else None


def is_jwt(token: str) -> bool:
    """Whether it has the form of a signed JWT: three parts, of which the first is the start of a JSON object."""
    return token.startswith(("ey", "ew")) and token.count(".") == 2
