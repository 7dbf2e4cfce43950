"""The closed list of checks: every refusal names one.

A finding has an id that never changes, one sentence for the developer, and a remedy. Errors, logs, the
command line, the documentation and the tests all use the same ids; `proofkey explain ID` prints an entry.
"""

from enum import Enum
from typing import Final


class Finding(Enum):
    """One check that can say no: `id`, `sentence`, `remedy`."""

    def __init__(self, id_: str, sentence: str, remedy: str) -> None:
        self.id: Final = id_
        self.sentence: Final = sentence
        self.remedy: Final = remedy

    def __str__(self) -> str:
        return self.id

    # --- requests: form, size, method -------------------------------------------------------------------
    PARAMETER_REPEATED = (
        "REQ-01",
        "A request parameter was sent more than once.",
        "Send each parameter once; only `resource` may be repeated.",
    )
    PARAMETER_MISSING = (
        "REQ-02",
        "A required request parameter is missing.",
        "Add the parameter that the log names.",
    )
    PARAMETER_MALFORMED = (
        "REQ-03",
        "A request parameter has a value of the wrong form.",
        "Compare the parameter that the log names with its section of the standard.",
    )
    BODY_TOO_LARGE = (
        "REQ-04",
        "The request is larger than this endpoint takes.",
        "Send at most 64 kB and 50 parameters.",
    )
    CONTENT_TYPE_WRONG = (
        "REQ-05",
        "The request body is not a form.",
        "Send `Content-Type: application/x-www-form-urlencoded`, UTF-8.",
    )
    METHOD_WRONG = (
        "REQ-06",
        "This endpoint does not take that HTTP method.",
        "Use a method that the Allow header names.",
    )
    CROSS_SITE = (
        "REQ-07",
        "A state-changing request came from another site.",
        "Send the form from the application's own page (Origin and Sec-Fetch-Site are compared).",
    )
    BODY_TOO_SLOW = (
        "REQ-08",
        "The request body did not arrive in time.",
        "Send the whole body within 10 seconds.",
    )
    PATH_UNKNOWN = (
        "REQ-09",
        "There is nothing at this address.",
        "Take the endpoints' addresses from the metadata document.",
    )
    HEADERS_TOO_LARGE = (
        "REQ-12",
        "The request has too many or too large headers.",
        "Send at most 100 headers and 64 kB of them; clear the cookies of this site.",
    )
    SERVER_NOT_STARTED = (
        "SRV-04",
        "The authorization server is not started.",
        "Run the application with its lifespan: `server.mount` adds to it.",
    )
    THROTTLED = ("RL-01", "Too many attempts.", "Wait for the time that Retry-After names.")
    BUSY = (
        "RL-02",
        "The server has more work than it may queue.",
        "Try again after the time that Retry-After names.",
    )

    # --- clients ---------------------------------------------------------------------------------------
    CLIENT_UNKNOWN = ("CLI-10", "The client is not registered.", "Register it: `proofkey client add`.")
    CLIENT_DISABLED = ("CLI-11", "The client is disabled.", "Enable it, or use another client.")
    CLIENT_TAKEN = (
        "CLI-20",
        "A client with this client_id is registered already.",
        "Choose another client_id, or list the clients: `proofkey client list`.",
    )
    CLIENT_SECRET_WRONG = (
        "CLI-12",
        "The client secret does not match.",
        "Compare the configured secret with the server's.",
    )
    CLIENT_METHOD_WRONG = (
        "CLI-13",
        "The client authenticated by a method that is not its registered one.",
        "Use the registered token_endpoint_auth_method.",
    )
    CLIENT_METHODS_MIXED = (
        "CLI-14",
        "The request authenticates the client in two ways.",
        "Use one method only.",
    )
    CLIENT_NOT_AUTHENTICATED = (
        "CLI-15",
        "The request does not authenticate the client.",
        "Send the client's credentials.",
    )
    CLIENT_GRANT_NOT_ALLOWED = (
        "CLI-16",
        "The client may not use this grant type.",
        "Add it to the client's grant_types.",
    )
    CLIENT_METADATA_BAD = (
        "CLI-17",
        "The client's registration is not valid.",
        "Correct the member that the message names.",
    )
    CLIENT_DOCUMENT_URL = (
        "CLI-26",
        "The client_id is a URL that cannot be that of a client's own document.",
        "https, lower case, with a path, without query and dot segments, at a host that the server takes.",
    )
    CLIENT_DOCUMENT_WRONG = (
        "CLI-27",
        "The document at the client_id is not there, or cannot be that client's.",
        "Publish it there itself (200, JSON, at most 5 kB), with its URL as client_id and without a secret.",
    )
    ASSERTION_CLIENT = (
        "CLI-21",
        "The client assertion does not name this client as iss and sub.",
        "Put the client_id into both, and into the parameter client_id if it is sent.",
    )
    ASSERTION_AUDIENCE = (
        "CLI-22",
        "The client assertion is not for this server alone.",
        "Put the issuer into aud, letter for letter and nothing else; not the token endpoint's address.",
    )
    ASSERTION_TYPE = (
        "CLI-23",
        "The typ of the client assertion is that of another kind of JWT.",
        "Set typ to client-authentication+jwt, or leave it out.",
    )
    ASSERTION_TIME = (
        "CLI-24",
        "The client assertion is over, begins in the future, or lives for more than 300 seconds.",
        "Make one for each request, with an exp one minute ahead; compare the clocks.",
    )
    ASSERTION_REPLAYED = (
        "CLI-25",
        "This client assertion was used before.",
        "Make one with a new jti for each request, retries included.",
    )

    # --- redirect URIs -----------------------------------------------------------------------------------
    REDIRECT_URI_UNREGISTERED = (
        "RED-01",
        "The redirect URI is not registered for this client, compared as exact strings.",
        "Register the URI letter for letter, or send the registered one.",
    )
    REDIRECT_URI_MALFORMED = (
        "RED-02",
        "The redirect URI has a form that is never allowed.",
        "Use an absolute URI without fragment, user information, backslash, control characters or dot segments.",
    )
    REDIRECT_URI_INSECURE = (
        "RED-03",
        "The redirect URI is plain http away from the loopback interface.",
        "Use https; http is for loopback redirect URIs of native clients only.",
    )
    REDIRECT_URI_MISSING = ("RED-04", "The redirect URI is missing.", "Send redirect_uri.")
    RETURN_URL_FOREIGN = (
        "OPN-01",
        "The return URL leads away from this origin.",
        "Use a path on the same origin.",
    )
    POST_LOGOUT_URI_UNREGISTERED = (
        "OPN-02",
        "The post-logout redirect URI is not registered for this client.",
        "Register it in post_logout_redirect_uris, letter for letter.",
    )

    # --- PKCE --------------------------------------------------------------------------------------------
    PKCE_CHALLENGE_MISSING = (
        "PKCE-10",
        "The authorization request has no code_challenge.",
        "Send a S256 code_challenge.",
    )
    PKCE_METHOD_WRONG = (
        "PKCE-11",
        "The code_challenge_method is not S256.",
        "Send code_challenge_method=S256.",
    )
    PKCE_CHALLENGE_MALFORMED = (
        "PKCE-12",
        "The code_challenge is not 43 base64url characters.",
        "Hash the verifier with S256.",
    )
    PKCE_VERIFIER_MALFORMED = (
        "PKCE-13",
        "The code_verifier is not 43 to 128 unreserved characters.",
        "Make a new verifier: `proofkey pkce`.",
    )
    PKCE_VERIFIER_MISSING = (
        "PKCE-14",
        "The code_verifier is missing.",
        "Send the verifier that belongs to the challenge.",
    )
    PKCE_VERIFIER_WRONG = (
        "PKCE-15",
        "The code_verifier does not match the challenge.",
        "Send the verifier of this very request.",
    )
    PKCE_VERIFIER_UNASKED = (
        "PKCE-03",
        "A code_verifier was sent for a request that had no code_challenge.",
        "Send a code_challenge in the authorization request (downgrade defence).",
    )
    PKCE_NOT_ADVERTISED = (
        "PKCE-01",
        "The provider's metadata does not advertise PKCE with S256.",
        "Check the provider; if it supports S256 all the same, say so with its provider profile.",
    )

    # --- authorization requests ----------------------------------------------------------------------------
    RESPONSE_TYPE_WRONG = (
        "GRT-02",
        "Only response_type=code is offered.",
        "Use the authorization code flow with PKCE.",
    )
    RESPONSE_MODE_WRONG = (
        "GRT-03",
        "The response_mode is not offered, or not for this client.",
        "Leave it out: the code arrives in the query. Or add it to the client's response_modes.",
    )
    GRANT_TYPE_UNKNOWN = (
        "GRT-01",
        "The grant type is not offered.",
        "Use authorization_code, refresh_token or client_credentials.",
    )
    SCOPE_MALFORMED = (
        "SCP-01",
        "The scope has characters that a scope may not have.",
        "Separate scope tokens by single spaces.",
    )
    SCOPE_NOT_ALLOWED = (
        "SCP-02",
        "None of the scopes may be given to this client.",
        "Add them to the client's scope.",
    )
    SCOPE_WIDER = (
        "SCP-03",
        "The scope is wider than the one that was granted.",
        "Ask for a part of the granted scope.",
    )
    RESOURCE_UNKNOWN = (
        "AUD-01",
        "The resource is not known to this server.",
        "Add it under `resources`, or correct it.",
    )
    RESOURCE_MALFORMED = (
        "AUD-02",
        "The resource is not an absolute URI without fragment.",
        "Send the API's identifier.",
    )
    RESOURCE_NOT_GRANTED = (
        "AUD-04",
        "The resource is not part of the grant.",
        "Ask for it in the authorization request.",
    )
    DETAILS_MALFORMED = (
        "RAR-01",
        "The authorization_details are not a list of objects with a type.",
        "Send a JSON array of at most 20 objects (RFC 9396 §2), all of whose text can be shown.",
    )
    DETAILS_TYPE = (
        "RAR-02",
        "The type of authorization_details is not known, or not for this client.",
        "Use one of authorization_details_types_supported that the client is registered for.",
    )
    DETAILS_MEMBER = (
        "RAR-03",
        "A member of the authorization_details is missing, unknown or of the wrong form.",
        "Send what the type's description says.",
    )
    DETAILS_WIDER = (
        "RAR-04",
        "The authorization_details ask for more than was granted.",
        "Ask for a part of what was granted, or begin a new authorization.",
    )
    DETAILS_IN_FRONT = (
        "RAR-05",
        "The authorization_details of this client must not come through the browser in the open.",
        "Push the request, or sign it (RFC 9396 §12).",
    )
    PROMPT_CONFLICT = (
        "REQ-10",
        "prompt=none stands together with another prompt value.",
        "Send `none` alone.",
    )
    REQUEST_OBJECT_UNSUPPORTED = ("REQ-11", "Request objects are not offered here.", "Send plain parameters.")
    REQUEST_OBJECT_NEEDED = (
        "JAR-01",
        "The client is registered for signed request objects, and this request is none.",
        "Send `request` with a signed object; or register the client without require_signed_request_object.",
    )
    REQUEST_OBJECT_TYPE = (
        "JAR-02",
        "The JWT is not a request object by its type.",
        "Write `oauth-authz-req+jwt` into the header's typ.",
    )
    REQUEST_OBJECT_CLIENT = (
        "JAR-03",
        "The request object is not one of the client that sends it.",
        "Set iss and client_id to the client's id; leave out sub, request and request_uri.",
    )
    REQUEST_OBJECT_AUDIENCE = (
        "JAR-04",
        "The request object is for another server.",
        "Set aud to the issuer, letter for letter.",
    )
    REQUEST_OBJECT_TIME = (
        "JAR-05",
        "The request object is over, not valid yet, or valid for too long.",
        "Set nbf to now and exp to at most 60 minutes later, and compare the clocks.",
    )
    REQUEST_URI_AND_OBJECT = (
        "JAR-06",
        "The request has both request and request_uri.",
        "Send one of them.",
    )
    PUSHED_REQUEST_UNKNOWN = (
        "PAR-01",
        "The request_uri is not known, is over, is used up, or is another client's.",
        "Push the request anew; each request_uri is for one sign-in, begun within its expires_in.",
    )
    PUSHED_REQUEST_NEEDED = (
        "PAR-02",
        "This authorization request has to be pushed.",
        "Send it to the pushed_authorization_request_endpoint, and its request_uri here.",
    )
    PUSHED_BY_REFERENCE = (
        "PAR-03",
        "A pushed request has a request_uri.",
        "Push the parameters themselves, or a request object.",
    )
    LOGIN_NEEDED = (
        "SES-10",
        "The person is not signed in, and no page may be shown.",
        "Send the request without prompt=none.",
    )
    CONSENT_NEEDED = (
        "SES-11",
        "Consent is needed, and no page may be shown.",
        "Send the request without prompt=none.",
    )
    CONSENT_DENIED = (
        "SES-12",
        "The person did not consent.",
        "Ask again with a scope that the person will grant.",
    )
    INTERACTION_UNKNOWN = (
        "SES-13",
        "This sign-in page is not open, has expired or was finished already.",
        "Start again from the application.",
    )
    INTERACTION_FOREIGN_BROWSER = (
        "SES-14",
        "This sign-in page belongs to another browser.",
        "Start again from the application, in the browser that will finish.",
    )

    HINT_INVALID = (
        "OID-09",
        "The id_token_hint is not an ID token of this server for this client.",
        "Send an ID token that this server issued to the same client; it may have expired.",
    )
    CONTEXT_NOT_MET = (
        "OID-15",
        "The sign-in cannot reach any authentication context class that the request demands.",
        "Ask for a class of acr_values_supported, or do without `essential`.",
    )
    SUBJECT_OTHER = (
        "OID-16",
        "Somebody else is signed in than the claims parameter asks for.",
        "Sign out first, or send the request without a value for `sub`.",
    )
    HINT_OTHER_USER = (
        "OID-10",
        "Somebody else is signed in than the id_token_hint names.",
        "Sign out first, or send the request without id_token_hint.",
    )
    END_SESSION_CLIENT_DIFFERS = (
        "OPN-03",
        "The client_id is not the client of the id_token_hint.",
        "Send the client_id to which the ID token was issued, or none.",
    )
    TOKEN_NOT_OURS = (
        "TOK-41",
        "The access token is none of this server's, or is gone.",
        "Send an access token that this server issued, whole and before its end.",
    )
    INTROSPECTION_FOREIGN = (
        "INT-10",
        "The client asks about a token that is neither its own nor for its API; it is told that it is not active.",
        "Name the client in [server] resources[].clients of the API whose tokens it receives.",
    )
    EXCHANGE_PARAMETER = (
        "EXC-10",
        "The token exchange asks for something that is not offered here.",
        "Send an access token as subject_token, ask for an access token, and send no actor_token.",
    )
    EXCHANGE_SUBJECT = (
        "EXC-11",
        "The subject_token cannot be exchanged: it is no live access token of this server.",
        "Send the access token that was received and verified, before its end.",
    )
    EXCHANGE_FOREIGN = (
        "EXC-12",
        "The subject_token was issued to another client, for another API.",
        "Name the client in [server] resources[].clients of the API whose tokens it exchanges.",
    )
    EXCHANGE_NOBODY = (
        "EXC-13",
        "No person stands behind the subject_token, so there is nobody to act for.",
        "Take the client_credentials grant for calls that a client makes for itself.",
    )
    EXCHANGE_ACTOR = (
        "EXC-14",
        "The subject_token says who may act for its subject (may_act), and that is another client.",
        "Exchange it as the client that may_act names.",
    )
    EXCHANGE_TARGET = (
        "EXC-15",
        "The exchange does not name one API for which this client may have a scope.",
        "Ask for one resource of [server] resources of which the client's registered scope holds a scope.",
    )
    EXCHANGE_TOO_DEEP = (
        "EXC-16",
        "The token has been passed on too often.",
        "Shorten the chain of APIs that exchange each other's tokens.",
    )

    # --- codes, refresh tokens, decision -----------------------------------------------------------------
    CODE_UNKNOWN = ("CODE-10", "The authorization code is not known.", "Start a new sign-in.")
    CODE_USED = (
        "CODE-01",
        "The authorization code was used before; its tokens are revoked.",
        "Start a new sign-in.",
    )
    CODE_EXPIRED = (
        "CODE-02",
        "The authorization code has expired.",
        "Redeem the code within its 60 seconds.",
    )
    CODE_FOREIGN_CLIENT = (
        "CODE-03",
        "The authorization code was issued to another client.",
        "Redeem it as the client that asked.",
    )
    CODE_REDIRECT_URI_DIFFERS = (
        "CODE-04",
        "The redirect URI is not the one of the authorization request.",
        "Send the same redirect_uri again, or none.",
    )
    REFRESH_UNKNOWN = ("RT-10", "The refresh token is not known, or is damaged.", "Sign in again.")
    REFRESH_REUSED = (
        "RT-02",
        "A refresh token was used again after its successor; the family is revoked.",
        "Sign in again.",
    )
    REFRESH_FOREIGN_CLIENT = (
        "RT-11",
        "The refresh token belongs to another client.",
        "Use it as the client that got it.",
    )
    REFRESH_EXPIRED = ("RT-04", "The refresh token has reached its idle or absolute limit.", "Sign in again.")
    DEVICE_CODE_UNKNOWN = ("DEV-01", "The device code is not known.", "Begin a new device authorization.")
    DEVICE_CODE_FOREIGN_CLIENT = (
        "DEV-02",
        "The device code was issued to another client.",
        "Poll with the client that began the device authorization.",
    )
    DEVICE_CODE_USED = (
        "DEV-03",
        "The device code has given its tokens already.",
        "Keep the tokens; begin a new device authorization when they are lost.",
    )
    DEVICE_CODE_EXPIRED = (
        "DEV-04",
        "The device code has expired.",
        "Begin a new device authorization; show its code at once.",
    )
    DEVICE_PENDING = (
        "DEV-05",
        "Nobody has entered the user code and decided yet.",
        "Ask again after the interval.",
    )
    DEVICE_TOO_OFTEN = (
        "DEV-06",
        "The device asks more often than its interval says.",
        "Wait 5 seconds more from now on (RFC 8628 §3.5).",
    )
    DEVICE_DENIED = ("DEV-07", "The person denied access to the device.", "Respect the decision.")
    USER_CODE_UNKNOWN = (
        "DEV-08",
        "No device with this code is waiting.",
        "Type the code that the device shows now; each is for one device and a few minutes.",
    )
    USER_CODE_OVER = (
        "DEV-09",
        "The code of the device is over, or somebody has decided about it.",
        "Let the device show a new code.",
    )
    GRANT_REVOKED = ("RT-12", "The grant was revoked.", "Sign in again.")
    GRANT_USER_DISABLED = (
        "DEC-01",
        "The user is disabled or deleted.",
        "Enable the user, or sign in as another.",
    )
    GRANT_CLIENT_DISABLED = ("DEC-02", "The client of this grant is disabled.", "Enable the client.")
    GRANT_SIGNED_OUT = ("DEC-03", "The person has signed out since.", "Sign in again.")
    GRANT_PASSWORD_CHANGED = ("DEC-04", "The password was changed since.", "Sign in again.")
    GRANT_CONSENT_WITHDRAWN = ("DEC-05", "The consent was withdrawn.", "Ask for consent again.")

    # --- what an embedding application decides ---------------------------------------------------------
    HOOK_FAILED = (
        "HOK-01",
        "A hook of the embedding application failed or took too long.",
        "The log says which hook, and of what type the fault was; nothing was granted.",
    )
    HOOK_ANSWER = (
        "HOK-02",
        "A hook of the embedding application answered what cannot be used.",
        "Correct the hook: the log names it and the reason.",
    )
    CONSENT_RULED_OUT = (
        "HOK-03",
        "The consent policy of this server does not allow the client what it asks for.",
        "Ask for less, or let the operator allow it.",
    )
    TEMPLATE_WRONG = (
        "HOK-04",
        "A page template cannot be used.",
        "Correct the template that the message names; its variables are listed in docs/embedding.md.",
    )

    SIGNER_AWAY = (
        "KEY-04",
        "Whoever keeps the private keys does not sign now.",
        "Check the signer: module or service, token, PIN, and that it holds the keys of the configuration.",
    )

    # --- users, passwords ------------------------------------------------------------------------------
    SIGN_IN_FAILED = ("USR-01", "The username or the password is not right.", "Check both and try again.")
    PASSWORD_TOO_SHORT = ("USR-02", "The password is shorter than 15 characters.", "Use a longer passphrase.")
    PASSWORD_TOO_LONG = ("USR-03", "The password is longer than 1024 bytes.", "Use a shorter passphrase.")
    PASSWORD_COMMON = (
        "USR-04",
        "The password is a well-known one or easy to guess.",
        "Use several words that do not belong together.",
    )
    PASSWORD_CONTEXT = (
        "USR-05",
        "The password is made of the username or the service's name.",
        "Use other words.",
    )

    USERNAME_TAKEN = (
        "USR-10",
        "The username belongs to another user.",
        "Choose another username, or delete that user first.",
    )
    SUBJECT_RETIRED = (
        "USR-11",
        "The subject belonged to a user who was deleted; it is never used again.",
        "Give the user another `sub`, or remove the user from the configuration.",
    )
    USER_UNKNOWN = ("USR-12", "There is no such user.", "List the users: `proofkey user list`.")

    # --- tokens (JWS, JWT) -------------------------------------------------------------------------------
    TOKEN_TOO_LARGE = ("TOK-20", "The token is larger than 16 kB.", "Ask the provider for fewer claims.")
    TOKEN_NOT_COMPACT = (
        "TOK-21",
        "The token is not a compact JWS of three parts.",
        "Send a JWT access token.",
    )
    TOKEN_ENCRYPTED = ("TOK-22", "The token is encrypted (JWE).", "Ask the provider for signed tokens.")
    TOKEN_ENCODING = (
        "TOK-23",
        "A part of the token is not canonical, unpadded base64url.",
        "Send the token as it was issued.",
    )
    TOKEN_JSON = (
        "TOK-24",
        "A part of the token is not a strict JSON object in UTF-8.",
        "Report it to the issuer.",
    )
    TOKEN_ALGORITHM = (
        "AT-04",
        "The signature algorithm is not on the allowed list or not the key's.",
        "Ask the issuer to sign with an allowed algorithm.",
    )
    TOKEN_CRIT = (
        "TOK-25",
        "The token names a critical extension.",
        "No critical extension is understood here.",
    )
    TOKEN_KID = (
        "TOK-26",
        "The token's kid is missing or of the wrong type.",
        "Ask the issuer to name the key.",
    )
    TOKEN_KEY_UNKNOWN = (
        "KEY-10",
        "No key of the issuer has the token's kid.",
        "Check that the token comes from this issuer; a rotated key is fetched within the cool-down.",
    )
    TOKEN_SIGNATURE = (
        "TOK-27",
        "The signature does not verify.",
        "The token was altered, or signed by somebody else.",
    )
    TOKEN_TYPE = (
        "AT-01",
        "The token is not an access token: its typ is not at+jwt.",
        'Send the access token; if the provider types access tokens otherwise, name it: dialect="…".',
    )
    TOKEN_IS_ID_TOKEN = ("TOK-01", "This is an ID token.", "Send the access token that came with it.")
    TOKEN_IS_LOGOUT_TOKEN = ("TOK-02", "This is a logout token.", "Send an access token.")
    TOKEN_IS_GRAPH = (
        "TOK-03",
        "This is a Microsoft Graph token, not one for your API.",
        "Ask for a scope of your own API: api://<application id>/….",
    )
    TOKEN_IS_REFRESH_TOKEN = (
        "TOK-05",
        "This is a refresh token.",
        "Send the access token; a refresh token goes to the token endpoint only.",
    )
    TOKEN_IS_CLIENT_ASSERTION = (
        "TOK-06",
        "This is a client assertion.",
        "Send the access token that the token endpoint gave for it.",
    )
    TOKEN_IS_DPOP_PROOF = (
        "TOK-07",
        "This is a DPoP proof.",
        "Send it in the DPoP header, and the access token in Authorization.",
    )
    TOKEN_IS_OPAQUE = (
        "TOK-04",
        "This is an opaque token, not a JWT.",
        "Ask the provider for an audience (resource) that is your API.",
    )
    TOKEN_IS_AUTH0_OPAQUE = (
        "TOK-08",
        "This is an opaque Auth0 token: no API was named when it was asked for.",
        "Send audience=<API identifier> with the authorization request, or set the tenant's Default Audience.",
    )
    TOKEN_IS_GOOGLE = (
        "TOK-09",
        "This is a Google access token: opaque, and for Google's own APIs.",
        "Sign in with Google and call with your own session or server's token; Google's ID token is taken only "
        "by google_id_tokens(..., allow_insecure_id_tokens=True).",
    )
    TOKEN_IS_GITHUB = (
        "TOK-10",
        "This is a GitHub token: opaque, and for GitHub's own API.",
        "Use GitHub for login only, and call with your own session or server's token.",
    )
    TOKEN_IS_OKTA_ORG = (
        "TOK-11",
        "This token comes from Okta's org authorization server; Okta alone may read it.",
        "Use a custom authorization server: issuer https://ORG.okta.com/oauth2/default.",
    )
    TOKEN_SYMMETRIC = (
        "AT-06",
        "The token is signed with a shared secret (HS256 or alike), which no API can verify safely.",
        "Choose an asymmetric signing key at the provider: RS256, ES256 or Ed25519.",
    )
    TOKEN_PERMITS_NOTHING = (
        "TOK-13",
        "The token carries neither a delegated scope nor an application role.",
        "Grant the client a scope or a role of this API, and ask for it.",
    )
    TOKEN_TENANT = (
        "ISS-10",
        "The token comes from a tenant of this provider that is not allowed here.",
        "Sign in at the right tenant, or allow this one: tenants=(…).",
    )
    TOKEN_HOSTED_DOMAIN = (
        "ISS-11",
        "The account does not belong to the Google Workspace domain that is allowed here.",
        "Sign in with an account of that domain, or correct hosted_domain.",
    )
    TOKEN_CLAIM_MISSING = (
        "TOK-28",
        "A required claim is missing.",
        "Ask the issuer for RFC 9068 access tokens.",
    )
    TOKEN_CLAIM_TYPE = ("TOK-29", "A claim has a value of the wrong type.", "Report it to the issuer.")
    TOKEN_ISSUER = (
        "ISS-03",
        "The token comes from another issuer.",
        "Compare `issuer` with the token's iss, letter for letter.",
    )
    TOKEN_AUDIENCE = (
        "AUD-03",
        "The token is for another audience.",
        "Ask the provider for a token whose audience is this API.",
    )
    TOKEN_EXPIRED = ("AT-05", "The token has expired.", "Refresh it; the log shows both clocks.")
    TOKEN_NOT_YET_VALID = ("CLK-01", "The token is not valid yet.", "Compare the clocks; the log shows both.")
    TOKEN_BOUND = (
        "DPOP-10",
        "The token is bound to a key and was sent without a proof.",
        "Send it under the scheme DPoP with a proof, or over the connection of its client certificate.",
    )

    # --- proof of possession: DPoP, client certificates ------------------------------------------------------
    DPOP_PROOF_MISSING = (
        "DPOP-01",
        "The request uses the scheme DPoP without a proof.",
        "Send a DPoP header with a proof for this very request.",
    )
    DPOP_PROOF_REPEATED = ("DPOP-02", "The request has more than one DPoP header.", "Send one proof.")
    DPOP_PROOF_MALFORMED = (
        "DPOP-03",
        "The DPoP header is not one compact JWS of strict JSON, of at most 8 kB.",
        "Make the proof with a DPoP library; the log shows what is wrong.",
    )
    DPOP_PROOF_TYPE = ("DPOP-04", "The typ of the proof is not dpop+jwt.", "Set typ to dpop+jwt.")
    DPOP_PROOF_ALGORITHM = (
        "DPOP-05",
        "The proof is signed with an algorithm that is not allowed.",
        "Use one of the algorithms that the challenge names in algs.",
    )
    DPOP_PROOF_KEY = (
        "DPOP-06",
        "The jwk of the proof is missing, is no public signature key, or does not fit its algorithm.",
        "Put the public key alone into jwk: RSA from 2048 bits, P-256, P-384, P-521 or Ed25519.",
    )
    DPOP_PROOF_CRIT = (
        "DPOP-07",
        "The header of the proof demands an extension (crit, b64).",
        "Sign the proof without crit and b64.",
    )
    DPOP_PROOF_SIGNATURE = (
        "DPOP-08",
        "The signature of the proof does not verify with its jwk.",
        "Sign the proof with the private half of the key in jwk.",
    )
    DPOP_PROOF_CLAIM = (
        "DPOP-09",
        "A claim of the proof is missing, has the wrong type or is too long.",
        "A proof has jti (at most 128 characters), htm, htu and iat, and ath beside an access token.",
    )
    DPOP_PROOF_METHOD = (
        "DPOP-11",
        "The htm of the proof is not the method of this request.",
        "Make a proof for each request; methods are compared with their case.",
    )
    DPOP_PROOF_URL = (
        "DPOP-12",
        "The htu of the proof is not the address of this request.",
        "Compare public_url with the address that clients use; the log shows both.",
    )
    DPOP_PROOF_TIME = (
        "DPOP-13",
        "The proof was made too long ago, or in the future.",
        "Make a proof for each request; compare the clocks, or switch on nonces.",
    )
    DPOP_PROOF_TOKEN = (
        "DPOP-14",
        "The ath of the proof is not the hash of this access token.",
        "Make the proof for the access token that is sent with it.",
    )
    DPOP_KEY_OTHER = (
        "DPOP-15",
        "The access token is bound to another key than the one of the proof.",
        "Sign the proof with the key that the token was asked with.",
    )
    DPOP_PROOF_REPLAYED = (
        "DPOP-16",
        "This proof was used before.",
        "Make a proof with a new jti for each request, retries included.",
    )
    DPOP_NONCE = (
        "DPOP-17",
        "The proof has no nonce of this server, or an old one.",
        "Repeat the request once with the nonce of the DPoP-Nonce header in the proof.",
    )
    DPOP_PROOF_NEEDED = (
        "DPOP-22",
        "The client or the grant is for tokens that are bound to a key, and the request has no proof.",
        "Send a DPoP header with a proof for this very request.",
    )
    DPOP_GRANT_KEY_OTHER = (
        "DPOP-23",
        "The code or the refresh token is bound to another key than the one of the proof.",
        "Sign the proof with the key that the flow began with.",
    )
    DPOP_TOKEN_UNBOUND = (
        "DPOP-18",
        "The access token was sent under the scheme DPoP but is bound to no key.",
        "Ask for the token with a DPoP proof, or send it as a bearer token.",
    )
    DPOP_TOKEN_REQUIRED = (
        "DPOP-19",
        "This API takes tokens that are bound to a DPoP key only.",
        "Ask for the token with a DPoP proof and send it under the scheme DPoP.",
    )
    DPOP_NOT_OFFERED = (
        "DPOP-20",
        "This API does not take DPoP.",
        'Switch it on: dpop = "optional", with public_url.',
    )
    TOKEN_BINDING_UNKNOWN = (
        "DPOP-21",
        "The token is bound in a way that is not known (cnf without jkt and x5t#S256).",
        "Ask the issuer for a DPoP-bound or a certificate-bound token.",
    )
    CERTIFICATE_MISSING = (
        "MTLS-01",
        "The token is bound to a client certificate, and none came with the request.",
        "Present the certificate; the proxy must be trusted and must forward it.",
    )
    CERTIFICATE_OTHER = (
        "MTLS-02",
        "The token is bound to another client certificate.",
        "Present the certificate that the token was asked with.",
    )
    CLIENT_CERTIFICATE_MISSING = (
        "MTLS-06",
        "The client is registered for client certificates, and none came with the request.",
        "Present the certificate; the proxy must be trusted and must forward it.",
    )
    CLIENT_CERTIFICATE_OTHER = (
        "MTLS-07",
        "The client certificate is not the one that is registered for the client, or bound to its grant.",
        "Compare the registered name or certificate with the one that is presented.",
    )
    CERTIFICATE_NOT_OFFERED = (
        "MTLS-03",
        "The token is bound to a client certificate, which this API does not look at.",
        "Switch it on: mtls with trusted_proxies and client_certificate_header.",
    )
    CERTIFICATE_HEADER = (
        "MTLS-04",
        "The client certificate header is repeated, or holds no certificate.",
        "Let the proxy replace the header: RFC 9440 bytes between colons, or URL-escaped PEM.",
    )
    CERTIFICATE_UNTRUSTED = (
        "MTLS-05",
        "A client certificate header came from a peer that is no trusted proxy, and was ignored.",
        "Name the proxy's address in trusted_proxies, and run uvicorn with --no-proxy-headers, or it is replaced.",
    )

    # --- ID token, login ---------------------------------------------------------------------------------
    ID_TOKEN_NONCE = (
        "OID-01",
        "The ID token's nonce is not the one of this login.",
        "Start the login again.",
    )
    ID_TOKEN_AZP = (
        "OID-02",
        "The ID token was issued for another client.",
        "Compare client_id with the token's azp and aud.",
    )
    ID_TOKEN_AT_HASH = (
        "OID-03",
        "The ID token does not belong to the access token.",
        "Start the login again.",
    )
    ID_TOKEN_SUBJECT = ("OID-04", "The subject is not the one of the login.", "Sign in again.")
    ID_TOKEN_AUTH_TIME = ("OID-05", "The sign-in is older than was asked.", "Sign in again.")
    ID_TOKEN_TYPE = (
        "TOK-30",
        "The token is not an ID token: its typ is another one.",
        "Check which token the provider sent as id_token.",
    )
    LOGIN_STATE_UNKNOWN = (
        "CSRF-01",
        "This login was not started in this browser, has expired or was finished already.",
        "Start the login again, in one browser.",
    )
    LOGIN_EXPIRED = (
        "CSRF-02",
        "This login took longer than it may.",
        "Start the login again.",
    )
    LOGIN_FOREIGN_BROWSER = (
        "CSRF-03",
        "This login was started in another browser.",
        "Start the login again, in the browser that will finish it.",
    )
    LOGIN_EMBEDDED = (
        "CSRF-04",
        "A login was started from inside another page.",
        "Start the login by a link or a navigation of the whole window.",
    )
    LOGOUT_TOKEN_TYPE = (
        "BCL-01",
        "The token is not a logout token: its typ is another one.",
        "Let the provider send logout tokens typed logout+jwt, or without typ.",
    )
    LOGOUT_TOKEN_EVENT = (
        "BCL-02",
        "The token is not a logout token: its events do not name a back-channel logout.",
        "Let the provider send events with the member http://schemas.openid.net/event/backchannel-logout.",
    )
    LOGOUT_TOKEN_NONCE = (
        "BCL-03",
        "The token has a nonce, which no logout token has.",
        "Send a logout token; an ID token signs nobody out.",
    )
    LOGOUT_TOKEN_SUBJECT = (
        "BCL-04",
        "The logout token names neither a person nor a session.",
        "Let the provider send sub, sid, or both.",
    )
    LOGOUT_TOKEN_OLD = (
        "BCL-05",
        "The logout token was made too long ago.",
        "Let the provider make a new token for each attempt, and compare the clocks.",
    )
    LOGOUT_TOKEN_REPLAYED = (
        "BCL-06",
        "The logout token was used already.",
        "Let the provider make a new token, with a jti of its own, for each attempt.",
    )
    LOGOUT_TOKEN_AUDIENCE = (
        "BCL-07",
        "The logout token is for another client.",
        "Compare client_id with the token's aud, and the client's back-channel logout URL at the provider.",
    )
    LOGOUT_STATE = (
        "CSRF-05",
        "This end of a sign-out does not belong to a sign-out of this browser.",
        "Sign out again from the application.",
    )
    LOGIN_ISSUER = (
        "ISS-02",
        "The response's iss is not the provider's issuer.",
        "The answer came from another provider (mix-up).",
    )
    LOGIN_REFUSED = ("OID-06", "The provider refused the login.", "The provider's error code says why.")
    LOGIN_RESPONSE_MALFORMED = (
        "OID-07",
        "The provider's answer is not a valid token response.",
        "Report it to the provider.",
    )
    LOGIN_TOKEN_TYPE = (
        "OID-08",
        "The provider issued a token of another type than asked.",
        "Check the client's registration.",
    )
    USERINFO_SUBJECT = (
        "OID-20",
        "The UserInfo answer is about another person than the ID token.",
        "Report it to the provider; nobody was signed in.",
    )
    USERINFO_MALFORMED = (
        "OID-21",
        "The UserInfo answer cannot be believed.",
        "The log says why; compare userinfo_signed_response_alg of the registration with [login] userinfo.",
    )
    USERINFO_NOT_OFFERED = (
        "OID-22",
        "The provider's metadata name no UserInfo endpoint, and the login insists on one.",
        'Leave userinfo at "auto", or switch it off.',
    )
    PUSH_NOT_OFFERED = (
        "OID-23",
        "The request must be pushed, and the provider's metadata name no endpoint for that.",
        'Switch pushed authorization requests on at the provider, or leave par at "auto".',
    )
    PUSH_MALFORMED = (
        "OID-24",
        "The provider's answer to the pushed request names no request.",
        'Report it to the provider; par = "off" does without, where the provider allows that.',
    )
    ID_TOKEN_ACR = (
        "OID-25",
        "The sign-in is not of a kind that was asked for.",
        "Sign in again in a stronger way; acr_values lists the kinds that are enough.",
    )
    SESSION_NONE = ("SES-01", "There is no session.", "Sign in.")
    REFRESH_FAILED = ("RT-05", "The provider did not refresh the access token.", "Sign in again.")

    # --- resource server -------------------------------------------------------------------------------
    CREDENTIALS_NONE = ("RS-01", "The request has no access token.", "Send `Authorization: Bearer <token>`.")
    CREDENTIALS_MALFORMED = (
        "RS-02",
        "The Authorization header is malformed.",
        "Send one header: `Authorization: Bearer <token>`.",
    )
    CREDENTIALS_REPEATED = (
        "RS-03",
        "The request carries more than one credential.",
        "Send one Authorization header, and nothing in the query.",
    )
    SCOPE_INSUFFICIENT = (
        "RS-04",
        "The token lacks a scope that this operation needs.",
        "Ask for the scope at sign-in.",
    )
    ROLE_INSUFFICIENT = (
        "RS-05",
        "The user lacks a role that this operation needs.",
        "Give the user the role at the provider.",
    )
    USER_NEEDED = (
        "RS-06",
        "This operation needs a user; the token is a client's own.",
        "Call with a user's token.",
    )
    PERMISSION_INSUFFICIENT = (
        "RS-10",
        "The token lacks a permission that this operation needs.",
        "Give the user or the client the permission at the provider.",
    )
    CLIENT_NEEDED = (
        "RS-11",
        "This operation is for clients; a user stands behind the token.",
        "Call with a token of the client credentials grant.",
    )
    SIGN_IN_TOO_OLD = (
        "RS-12",
        "The user signed in longer ago than this operation allows.",
        "Sign in again with the max_age of the challenge.",
    )
    SIGN_IN_TIME_UNKNOWN = (
        "RS-13",
        "The token does not say when the user signed in, or says a time to come.",
        "Ask with max_age, and have the provider write auth_time into access tokens.",
    )
    SIGN_IN_TOO_WEAK = (
        "RS-14",
        "The user signed in by a weaker method than this operation allows.",
        "Sign in again with the acr_values of the challenge.",
    )
    CLAIMS_MODEL = (
        "RS-15",
        "The token's claims do not fit the application's model of them.",
        "Compare the claim that the log names with the model; have the provider write it, or give it a default.",
    )
    APP_USER_NONE = (
        "RS-16",
        "The application has no active user for this token.",
        "Add or enable the user in the application.",
    )
    APP_HOOK_FAILED = (
        "RS-17",
        "The application could not check the token: its own function failed.",
        "The log names the exception and its place.",
    )
    KEYS_UNAVAILABLE = (
        "KEY-11",
        "The issuer's keys cannot be had now.",
        "Check the connection to the issuer; this repairs itself.",
    )

    # --- introspection, token exchange ------------------------------------------------------------------------
    INTROSPECTION_INACTIVE = (
        "INT-01",
        "The issuer says that the token is not active.",
        "Get a new token: this one has expired, was revoked, or is not for this API; issuers do not say which.",
    )
    INTROSPECTION_NOT_STRICT = (
        "INT-02",
        "The introspection answer's `active` is missing, or is not a JSON boolean.",
        "Report it to the issuer; only the boolean true makes a token valid (RFC 7662).",
    )
    INTROSPECTION_CREDENTIALS = (
        "INT-03",
        "The issuer does not accept this API's own credentials for introspection.",
        "Correct client_id and secret or key of Introspection(…), and allow this client to introspect; the caller "
        "has done nothing wrong.",
    )
    INTROSPECTION_ANSWER = (
        "INT-04",
        "The introspection endpoint's answer is not what it must be, so it is not believed.",
        "Compare the endpoint's address and what the log shows; report it to the issuer.",
    )
    INTROSPECTION_KIND = (
        "INT-05",
        "The issuer knows the token, but says that it is no access token.",
        "Send the access token; a refresh token goes to the token endpoint only.",
    )
    INTROSPECTION_ENCRYPTED = (
        "INT-06",
        "The introspection answer is encrypted (JWE).",
        "Register introspection_signed_response_alg for this API's client, and no introspection_encrypted_….",
    )
    INTROSPECTION_NO_ENDPOINT = (
        "INT-07",
        "The issuer's metadata name no introspection endpoint.",
        "Set it: Introspection(endpoint=…), or ask the issuer for JWT access tokens.",
    )
    INTROSPECTION_FORM = (
        "INT-08",
        "The introspection answer is signed where a plain one was asked for, or plain where signed.",
        "Set signed as the client is registered: introspection_signed_response_alg goes with signed=True.",
    )
    EXCHANGE_REFUSED = (
        "EXC-01",
        "The server does not exchange this token.",
        "Its error code is in the log: allow this client to exchange, check audience, resource and scope, and "
        "whether the token was issued for this API.",
    )
    EXCHANGE_CREDENTIALS = (
        "EXC-02",
        "The server does not accept this API's own credentials for the token exchange.",
        "Correct client_id and secret or key of TokenExchange(...); the caller has done nothing wrong.",
    )
    EXCHANGE_ANSWER = (
        "EXC-03",
        "The answer to the token exchange is not the token that was asked for.",
        "The log shows what differs: issued_token_type must be the requested one, token_type Bearer.",
    )
    EXCHANGE_SAME_TOKEN = (
        "EXC-04",
        "The server gave back the very token that was to be exchanged.",
        "Ask for an audience, resource or scope of the API downstream; a received token is never passed on.",
    )
    EXCHANGE_INTERACTION = (
        "EXC-05",
        "The server wants the person to sign in, consent or use another factor before it exchanges the token.",
        "Tell the application to sign the person in again; the error's claims say what is asked.",
    )

    # --- discovery, outgoing -----------------------------------------------------------------------------
    METADATA_ISSUER = (
        "ISS-01",
        "The metadata's issuer is not the configured one.",
        "Set `issuer` to the value in the document, letter for letter.",
    )
    ISSUER_RETIRED = (
        "ISS-05",
        "The token is of an issuer that was trusted until a date, which has passed.",
        "Get a token from the current issuer, or move `until` of the TrustedIssuer.",
    )
    METADATA_MALFORMED = ("ISS-04", "The provider's metadata is malformed.", "Check the issuer URL.")
    OUTGOING_FAILED = ("OUT-01", "The other server cannot be reached.", "Check the address and the network.")
    OUTGOING_TOO_LARGE = ("OUT-02", "The other server's answer is too large.", "Check the address.")
    OUTGOING_REDIRECT = (
        "OUT-03",
        "The other server answered with a redirect; redirects are never followed.",
        "Configure the final address.",
    )
    OUTGOING_STATUS = ("OUT-04", "The other server answered with an error.", "The status is in the log.")
    OUTGOING_INSECURE = (
        "OUT-05",
        "The other server's address is neither https nor http on loopback.",
        "Use https.",
    )
    OUTGOING_FOREIGN = (
        "OUT-06",
        "The address leads away from the API's origin; the token is not sent there.",
        "Use a path below the base URL.",
    )
    OUTGOING_GUARDED = (
        "OUT-07",
        "The address was named by a stranger and leads nowhere that may be called.",
        "A public https address; for a host of your own, its exact host:port in allow_insecure_private_hosts.",
    )

    # --- start-up ----------------------------------------------------------------------------------------
    CONFIG_UNKNOWN_KEY = ("CFG-01", "The configuration has a setting that is not known.", "Correct the name.")
    CONFIG_VALUE = (
        "CFG-02",
        "A setting has a value of the wrong form.",
        "Correct the setting that the message names.",
    )
    CONFIG_MISSING = ("CFG-03", "A required setting is missing.", "Add the setting that the message names.")
    DIALECT_LOGIN_ONLY = (
        "CFG-20",
        "This provider's access tokens cannot be verified by an API: it is for login only.",
        "Do what the message names.",
    )
    CONFIG_NOT_BUILT = (
        "CFG-04",
        "A setting asks for a feature that this version does not have.",
        "Remove the setting.",
    )
    ISSUER_INSECURE = ("TLS-01", "The issuer is plain http away from loopback.", "Use https.")
    SECRET_WEAK = ("SEC-01", "A secret is short, or a known placeholder.", "Make one: `proofkey secret`.")
    STORE_UNAVAILABLE = (
        "STO-02",
        "The store cannot be opened or written.",
        "Check the path and its permissions, or whether the server answers.",
    )
    STORE_NOT_SHARED = (
        "STO-01",
        "A memory store cannot serve several workers.",
        "Use sqlite:///…, or a server's store (postgresql://…, redis://…) where the setting takes one.",
    )
    STORE_NEWER = (
        "STO-03",
        "The store was made by a newer version of Proofkey.",
        "Run the newer version, or restore the backup made before the upgrade.",
    )
    STORE_FOREIGN = (
        "STO-04",
        "The file is a database of another program.",
        "Name a file of its own for Proofkey.",
    )
    STORE_CONFLICT = (
        "STO-05",
        "A record refers to nothing, or exists already.",
        "This is a fault in the calling code; the log names the table.",
    )
    STORE_EVICTS = (
        "STO-06",
        "The Redis server may evict keys: a session could be lost, or what was used once be used again.",
        "Set `maxmemory-policy noeviction` there, or use a server or a database of its own.",
    )
    PORT_IN_USE = ("CFG-05", "The port is in use.", "Choose another port, or 0 for any free one.")
    MASTER_KEY_WRONG = (
        "KEY-12",
        "The master key does not open what the store holds.",
        "Use the master key that made the store.",
    )
    EXTRA_MISSING = (
        "CFG-06",
        "A package that this needs is not installed.",
        "Install the extra that the message names.",
    )
    CONFIG_FILE = (
        "CFG-08",
        "The configuration file cannot be read.",
        "Correct the path, the permissions or the place that the message names.",
    )
    CONFIG_FILE_EXISTS = (
        "CFG-30",
        "A file that would be written is there already.",
        "Choose another --output, or replace it with --force.",
    )
    SECRET_FILE_TRACKED = (
        "SEC-30",
        "A file that would hold a secret is tracked by git.",
        "Take it out of the index: `git rm --cached FILE`, and change secrets that it held.",
    )
    SECRET_FILE_UNREADABLE = (
        "CFG-07",
        "A file that should hold a secret cannot be read.",
        "Correct its path or permissions, or make it: `proofkey secret > FILE`.",
    )
    PART_FAILED = (
        "CFG-09",
        "A part of the demonstration did not start.",
        "Mend what its log says.",
    )
    STOPPING = ("SRV-02", "The process is stopping.", "Try again; another process takes over.")
    # --- Streamlit -------------------------------------------------------------------------------------
    STREAMLIT_PROTECTION_OFF = (
        "STL-01",
        "Streamlit's own protection against other sites is switched off.",
        "Remove server.enableCORS = false and server.enableXsrfProtection = false.",
    )
    STREAMLIT_TWO_IDENTITIES = (
        "STL-02",
        "server.trustedUserHeaders is set, so identity would come from two places.",
        "Remove it: the guard says who the user is.",
    )
    STREAMLIT_AGENT_API = (
        "STL-03",
        "server.enableAgentApi is on: programs with a session cookie may drive the app.",
        "Remove it unless the app is meant for agents.",
    )
    STREAMLIT_BASE_PATH = (
        "STL-04",
        "server.baseUrlPath and the mount path do not go together.",
        "Leave baseUrlPath out when the app is mounted under a path.",
    )
    STREAMLIT_NOT_GUARDED = (
        "STL-05",
        "`streamlit run` took this file for a page, so no guard stands in front of it.",
        'Write `app = st.App("page.py", **protection(...))`, or start it by `uvicorn app:app`.',
    )
    STREAMLIT_ORIGIN = (
        "STL-06",
        "The websocket's Origin is missing or is not the configured public URL.",
        "Open the app at its public_url, letter for letter, or correct public_url.",
    )
    STREAMLIT_FORMAT = (
        "STL-07",
        "This Streamlit reads its identity cookie in another way than expected; trusted headers carry it now.",
        "Update proofkey.",
    )
    STREAMLIT_UPLOAD_FOREIGN = (
        "STL-08",
        "The upload is for a page of another session.",
        "Reload the page.",
    )
    STREAMLIT_NO_GUARD = (
        "STL-09",
        "No guard runs in this process, so nobody knows who the user is.",
        "Start the app through protect(...); in tests, call as_user(at, ...) first.",
    )
    API_NOT_ALLOWED = (
        "STL-10",
        "The access token is not sent to this address.",
        "Name the API as [login] api_url, or in protect(api_urls=[...]).",
    )
    REGISTRATION_TOKEN_WRONG = (
        "REG-01",
        "The token does not open this client registration.",
        "Send the initial access token of the server, or the registration_access_token that this client got last.",
    )
    REGISTRATION_MEMBER_REFUSED = (
        "REG-02",
        "The client asks for something that clients which register themselves cannot have here.",
        "Leave the member out that the log names, or let the operator register the client.",
    )
    REGISTRATION_UPDATE_WRONG = (
        "REG-03",
        "The update does not fit the registration that it is for.",
        "Send client_id and, if there is one, the current client_secret; leave out what the server alone writes, "
        "and register anew for another kind of client.",
    )
    REGISTRATION_KEYS_TWICE = (
        "REG-04",
        "The registration has both jwks and jwks_uri.",
        "Send one of them.",
    )
    REGISTRATION_DOCUMENT = (
        "REG-05",
        "The request body is not one JSON object.",
        "Send `Content-Type: application/json`, one object in UTF-8, each member once.",
    )
    INTERNAL = ("SRV-01", "Something went wrong inside.", "The log has the correlation id.")


def find(id_: str) -> Finding | None:
    """The finding with that id, in any case; None when there is none."""
    wanted = id_.strip().upper()
    return next((finding for finding in Finding if finding.id == wanted), None)
