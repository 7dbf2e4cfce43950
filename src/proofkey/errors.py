"""The one exception tree.

An error speaks to three readers: `error` is the registered code for the machine, `description` is the constant
sentence for the caller, and the finding with its facts is for the log alone. Status and headers belong to the
face that renders it.
"""

from typing import ClassVar

from proofkey.findings import Finding


class ProofkeyError(Exception):
    """Base of everything that this package raises on purpose.

    `facts` are values for the log: never a token, a code, a secret or a password.
    """

    __slots__ = ("facts", "finding")

    def __init__(self, finding: Finding, **facts: str) -> None:
        super().__init__(finding.sentence)
        self.finding = finding
        self.facts = facts

    def __str__(self) -> str:
        detail = " ".join(f"{name}={value!r}" for name, value in self.facts.items())
        return f"{self.finding.id} {self.finding.sentence}" + (f" ({detail})" if detail else "")


class ConfigurationError(ProofkeyError):
    """The start is refused; the message is one line that names the fix."""


def missing_extra(extra: str, package: str | None) -> ConfigurationError:
    """What to raise when `package` cannot be imported: the line names what to install."""
    name = (package or "unknown").partition(".")[0]
    install = f'pip install "proofkey[{extra}]"' if extra else f"pip install {name}"
    return ConfigurationError(Finding.EXTRA_MISSING, package=name, install=install)


class Unavailable(ProofkeyError):
    """Something that this needs cannot be had now: 503 with Retry-After, never open and never 401.

    `retry_after` is in seconds.
    """

    __slots__ = ("retry_after",)

    def __init__(self, finding: Finding, *, retry_after: int = 5, **facts: str) -> None:
        super().__init__(finding, **facts)
        self.retry_after = retry_after


class TooManyRequests(ProofkeyError):
    """A throttle said no: 429 with Retry-After (seconds)."""

    __slots__ = ("retry_after",)

    def __init__(self, finding: Finding = Finding.THROTTLED, *, retry_after: int, **facts: str) -> None:
        super().__init__(finding, **facts)
        self.retry_after = retry_after


class OAuthError(ProofkeyError):
    """A refusal with a registered error code (RFC 6749 §4.1.2.1, §5.2; OIDC Core §3.1.2.6; RFC 8707 §2)."""

    error: ClassVar[str] = "server_error"
    public: ClassVar[str | None] = None
    """A constant that replaces the finding's sentence where the sentence would be an oracle."""

    @property
    def description(self) -> str:
        return self.public or self.finding.sentence


class InvalidRequest(OAuthError):
    error = "invalid_request"


class SubjectTokenRefused(InvalidRequest):
    """RFC 8693 §2.2.2: one text for every cause, so that nobody learns what a token is that is not his."""

    public = "The subject_token is not accepted."


class InvalidClient(OAuthError):
    """One text for every cause: unknown, disabled, wrong secret, wrong method."""

    error = "invalid_client"
    public = "Client authentication failed."


class InvalidGrant(OAuthError):
    error = "invalid_grant"
    public = "The grant is not valid, has expired or was revoked."


class UnauthorizedClient(OAuthError):
    error = "unauthorized_client"


class UnsupportedGrantType(OAuthError):
    error = "unsupported_grant_type"


class UnsupportedResponseType(OAuthError):
    error = "unsupported_response_type"


class InvalidScope(OAuthError):
    error = "invalid_scope"


class InvalidClientMetadata(OAuthError):
    """RFC 7591 §3.2.2: what a client says of itself is not valid, or not offered here."""

    error = "invalid_client_metadata"


class InvalidRedirectUri(InvalidClientMetadata):
    """RFC 7591 §3.2.2."""

    error = "invalid_redirect_uri"


class InvalidTarget(OAuthError):
    error = "invalid_target"


class InvalidAuthorizationDetails(OAuthError):
    error = "invalid_authorization_details"


class AccessDenied(OAuthError):
    error = "access_denied"


class AuthorizationPending(OAuthError):
    """RFC 8628 §3.5: nobody has decided yet."""

    error = "authorization_pending"


class SlowDown(AuthorizationPending):
    """RFC 8628 §3.5: nobody has decided yet, and the device asks too often: 5 s more between its questions."""

    error = "slow_down"


class ExpiredToken(OAuthError):
    """RFC 8628 §3.5: the device code is over."""

    error = "expired_token"


class DeviceDenied(OAuthError):
    """RFC 8628 §3.5: the person said no; at the token endpoint, so 400."""

    error = "access_denied"


class LoginRequired(OAuthError):
    error = "login_required"


class UnmetAuthenticationRequirements(OAuthError):
    error = "unmet_authentication_requirements"


class ConsentRequired(OAuthError):
    error = "consent_required"


class InteractionRequired(OAuthError):
    error = "interaction_required"


class RequestNotSupported(OAuthError):
    error = "request_not_supported"


class RequestUriNotSupported(OAuthError):
    error = "request_uri_not_supported"


class ServerError(OAuthError):
    error = "server_error"


class TemporarilyUnavailable(OAuthError):
    error = "temporarily_unavailable"


class NoLocation(OAuthError):
    """A fault of an authorization or logout request that must never redirect (RFC 6749 §4.1.2.1): a page, 400."""

    error = "invalid_request"


class InvalidRequestUri(NoLocation):
    """RFC 9101 §7: a request_uri that is not known, over, used up or another client's: a page, 400."""

    error = "invalid_request_uri"


class InvalidRequestObject(OAuthError):
    """RFC 9101 §7: one text for every cause; the reason goes to the log."""

    error = "invalid_request_object"
    public = "The request object is not valid."


class InteractionClosed(AccessDenied):
    """A page of a flow that is over, expired or another browser's: a page, 403, and nothing happens."""


class SignInFailed(ProofkeyError):
    """The username or the password is not right; one text for every cause."""


class NoCredentials(OAuthError):
    """The request to the API has no access token: 401 with a challenge without `error` (RFC 6750 §3.1)."""

    error = "invalid_request"


class MalformedCredentials(OAuthError):
    """400 `invalid_request` (RFC 6750 §3.1)."""

    error = "invalid_request"
    public = "The request is malformed."


class InvalidToken(OAuthError):
    """401 `invalid_token`; the text is constant, the reason goes to the log (RFC 6750 §3.1)."""

    error = "invalid_token"
    public = "The access token is not valid."


class InsufficientScope(OAuthError):
    """403 `insufficient_scope` (RFC 6750 §3.1). `scope` is what the operation needs."""

    error = "insufficient_scope"
    public: ClassVar[str | None] = "The access token does not allow this."

    __slots__ = ("scope",)

    def __init__(self, finding: Finding, *, scope: tuple[str, ...] = (), **facts: str) -> None:
        super().__init__(finding, **facts)
        self.scope = scope


class InsufficientRole(InsufficientScope):
    """403 `insufficient_scope`: the user has none of `roles`, or with `every` not all; the answer names them."""

    __slots__ = ("every", "roles")

    def __init__(self, finding: Finding, *, roles: tuple[str, ...], every: bool = False, **facts: str) -> None:
        super().__init__(finding, scope=(), **facts)
        self.roles = roles
        self.every = every

    @property
    def description(self) -> str:
        return f"{self.finding.sentence[:-1]}: {(' and ' if self.every else ' or ').join(self.roles)}."


class InsufficientPermission(InsufficientScope):
    """403 `insufficient_scope`: the token has not all of `permissions`, which the answer names."""

    __slots__ = ("permissions",)

    def __init__(self, finding: Finding, *, permissions: tuple[str, ...], **facts: str) -> None:
        super().__init__(finding, scope=(), **facts)
        self.permissions = permissions

    @property
    def description(self) -> str:
        return f"{self.finding.sentence[:-1]}: {' and '.join(self.permissions)}."


class UserNeeded(InsufficientScope):
    """403 `insufficient_scope`: the token is a client's own and the operation is for people."""

    public = None


class ClientNeeded(InsufficientScope):
    """403 `insufficient_scope`: a person stands behind the token and the operation is for clients."""

    public = None


class InsufficientUserAuthentication(OAuthError):
    """401 `insufficient_user_authentication`: sign in anew or more strongly (RFC 9470 §3).

    `acr_values` are the classes that would do, `max_age` the seconds since sign-in that are allowed.
    """

    error = "insufficient_user_authentication"
    public = "The sign-in is too old or too weak for this."

    __slots__ = ("acr_values", "max_age")

    def __init__(
        self, finding: Finding, *, acr_values: tuple[str, ...] = (), max_age: int | None = None, **facts: str
    ) -> None:
        super().__init__(finding, **facts)
        self.acr_values = acr_values
        self.max_age = max_age


class InvalidDpopProof(OAuthError):
    """401 `invalid_dpop_proof`; the text is constant, the reason goes to the log (RFC 9449 §7.1)."""

    error = "invalid_dpop_proof"
    public = "The DPoP proof is not valid."


class UseDpopNonce(InvalidDpopProof):
    """401 `use_dpop_nonce`: the proof must carry the nonce that the answer brings (RFC 9449 §9)."""

    error = "use_dpop_nonce"
    public = "The DPoP proof needs the nonce of this answer."

    __slots__ = ("nonce",)

    def __init__(self, finding: Finding, *, nonce: str, **facts: str) -> None:
        super().__init__(finding, **facts)
        self.nonce = nonce


class PasswordRefused(ProofkeyError):
    """A new password may not be taken; the person may read the finding's sentence and remedy."""


class LoginFailed(ProofkeyError):
    """A login at a client did not finish; the browser gets a page, never a session.

    `next_path` is where the person wanted to go, for the link that starts again.
    """

    __slots__ = ("next_path",)

    def __init__(self, finding: Finding, *, next_path: str = "/", **facts: str) -> None:
        super().__init__(finding, **facts)
        self.next_path = next_path


class RefreshFailed(ProofkeyError):
    """The provider refused to refresh; `final` says that the grant is dead (`invalid_grant`)."""

    __slots__ = ("final",)

    def __init__(self, finding: Finding = Finding.REFRESH_FAILED, *, final: bool, **facts: str) -> None:
        super().__init__(finding, **facts)
        self.final = final


class ExchangeFailed(ProofkeyError):
    """A received token was not exchanged for one that a downstream API takes (RFC 8693 §2.2.2).

    `error` is the server's code. `claims` is the claims request of a server that wants more of the person (OIDC
    Core §5.5, as Microsoft sends it), for the application that signs the person in; None when there is none.
    """

    __slots__ = ("claims", "error")

    def __init__(self, finding: Finding, *, error: str, claims: str | None = None, **facts: str) -> None:
        super().__init__(finding, error=error, **facts)
        self.error = error
        self.claims = claims


class NotSignedIn(ProofkeyError):
    """There is no live session: 401 for a program, a login redirect for a navigating browser."""
