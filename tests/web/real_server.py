"""The real authorization server in process, on a memory store."""

from proofkey.authorization_server.policy import ConfiguredUser, Policy, Resource
from proofkey.protocol.pkce import challenge_of
from proofkey.protocol.registration import ClientRegistration
from proofkey.protocol.text import ClientId, Issuer, Secret, Subject
from proofkey.protocol.token_messages import DEVICE_CODE
from proofkey.runtime.clock import Clock, system_clock
from proofkey.runtime.entropy import system_entropy
from proofkey.runtime.master_key import MasterKey
from proofkey.runtime.passwords import PasswordPool
from proofkey.runtime.server_core import ServerCore
from proofkey.store.memory import MemoryServerStore
from proofkey.web.server import Server

SECRET = "0123456789abcdefghijklmnopqrstuvwxyzABCDEF"
PASSWORD = "brave-otter-river-41"
CALLBACK = "https://rp.test/auth/callback"
NATIVE = "com.acme.app:/cb"
AFTER_LOGOUT = "https://rp.test/bye"
API = "https://api.test"
VERIFIER = "v" * 43
CHALLENGE = challenge_of(VERIFIER)


def build_policy(
    issuer: str = "https://op.test",
    *,
    callback: str = CALLBACK,
    after_logout: str = AFTER_LOGOUT,
    devices: bool = False,
) -> Policy:
    """One web client, one native one, with `devices` a television too; one user."""
    web = ClientRegistration(
        client_id=ClientId("web"),
        secret_digest=Secret(SECRET).digest(),
        client_name="Orders dashboard",
        redirect_uris=frozenset({callback}),
        post_logout_redirect_uris=frozenset({after_logout}),
        scope=("openid", "profile", "email", "offline_access", "orders:read"),
    )
    native = ClientRegistration(
        client_id=ClientId("native"),
        token_endpoint_auth_method="none",
        client_name="Acme on your phone",
        application_type="native",
        redirect_uris=frozenset({NATIVE}),
    )
    television = ClientRegistration(
        client_id=ClientId("tv"),
        token_endpoint_auth_method="none",
        client_name="Acme Television",
        response_types=frozenset(),
        grant_types=frozenset({DEVICE_CODE, "refresh_token"}),
        scope=("openid", "profile", "offline_access", "orders:read"),
    )
    return Policy(
        issuer=Issuer(issuer),
        features=frozenset({"par", "device"} if devices else {"par"}),
        resources={API: Resource(identifier=API, scopes=("orders:read",))},
        clients=(web, native, television) if devices else (web, native),
        users=(ConfiguredUser(username="ann", password=Secret(PASSWORD), sub=Subject("u1")),),
        allow_insecure_no_throttles=True,
    )


def build_server(policy: Policy | None = None, clock: Clock | None = None) -> Server:
    """Not started: the caller enters `running`, or the application's lifespan does."""
    core = ServerCore(
        policy or build_policy(),
        MemoryServerStore(),
        clock=clock or system_clock(),
        entropy=system_entropy,
        master_key=MasterKey(Secret("k" * 43)),
        passwords=PasswordPool(),
    )
    return Server(core)
