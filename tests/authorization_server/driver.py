"""A server in process with four clients and two people, and a browser that follows its answers."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import count
from typing import Any
from urllib.parse import parse_qs, urlsplit

from proofkey.authorization_server.answers import Answer, Browser, Cookies, FormPost, Json, Page, Redirect
from proofkey.authorization_server.hooks import NO_HOOKS, Hooks
from proofkey.authorization_server.keys import FIRST, KeyRing, build_key_record
from proofkey.authorization_server.policy import ConfiguredUser, Policy, Resource
from proofkey.authorization_server.records import AuditEvent
from proofkey.authorization_server.stores import ServerStore
from proofkey.protocol.client_authentication import build_basic
from proofkey.protocol.exchange import Transport
from proofkey.protocol.jose import SigningKey, generate_signing_key
from proofkey.protocol.pkce import challenge_of
from proofkey.protocol.registration import ClientRegistration
from proofkey.protocol.replay import ReplayMemory
from proofkey.protocol.text import ClientId, Issuer, Pairs, Secret, Subject, decode_base64url
from proofkey.runtime.master_key import MasterKey
from proofkey.runtime.server_core import ServerCore, server_sealer
from proofkey.store.memory import MemoryServerStore
from proofkey.testing.clock import TurnedClock
from proofkey.testing.entropy import CountingEntropy

ISSUER = Issuer("https://op.test")
API = "https://api.test"
BILLING = "https://billing.test"
MASTER_KEY = MasterKey(Secret("a master key for tests that is long enough"))
SECRET = Secret("the secret of the client in tests, 32+")
VERIFIER = "a-verifier-of-forty-three-characters-at-least-0"
CALLBACK = "https://rp.test/cb"
LOOPBACK = "http://127.0.0.1:50001/cb"
PEER = "203.0.113.7"
_numbers = count()
PASSWORDS = {"ann": "correct horse battery", "bob": "staple zebra quagga"}


def client(client_id: str, **changes: Any) -> ClientRegistration:
    return replace(
        ClientRegistration(
            client_id=ClientId(client_id),
            secret_digest=SECRET.digest(),
            client_name=client_id.title(),
            redirect_uris=frozenset({CALLBACK, "https://rp.test/other"}),
            post_logout_redirect_uris=frozenset({"https://rp.test/bye", "https://rp.test/bye?a=1"}),
            grant_types=frozenset({"authorization_code", "refresh_token", "client_credentials"}),
            scope=("openid", "profile", "email", "offline_access", "orders:read", "orders:write", "bills:read"),
        ),
        **changes,
    )


PUBLIC: dict[str, Any] = {
    "secret_digest": None,
    "token_endpoint_auth_method": "none",
    "application_type": "native",
    "redirect_uris": frozenset({"http://127.0.0.1/cb"}),
    "grant_types": frozenset({"authorization_code", "refresh_token"}),
}
CLIENTS = (
    client("web"),
    client("post", token_endpoint_auth_method="client_secret_post"),
    client("first", skip_consent=True, id_token_signed_response_alg="RS256"),
    client("native", **PUBLIC),
    client("old", allow_insecure_without_pkce=True, grant_types=frozenset({"authorization_code"})),
    client("robot", grant_types=frozenset({"client_credentials"}), redirect_uris=frozenset()),
)
USERS = (
    ConfiguredUser(
        username="ann",
        password=Secret(PASSWORDS["ann"]),
        sub=Subject("u1"),
        roles=("admin",),
        claims={"name": "Ann Example", "email": "ann@op.test", "email_verified": True, "nickname": ""},
    ),
    ConfiguredUser(
        username="bob", password=Secret(PASSWORDS["bob"]), sub=Subject("u2"), claims={"email": "bob@op.test"}
    ),
)
POLICY = Policy(
    issuer=ISSUER,
    resources={
        API: Resource(identifier=API, scopes=("orders:read", "orders:write")),
        BILLING: Resource(identifier=BILLING, scopes=("bills:read",)),
    },
    clients=CLIENTS,
    users=USERS,
)


class QuickPasswords:
    """Hashes without cost, and counts."""

    def __init__(self) -> None:
        self.dummy_hash = "v1$nobody"
        self.hashed = 0
        self.verified: list[str] = []
        self.version = "v1"

    async def hash(self, password: Secret) -> str:
        self.hashed += 1
        return f"{self.version}${hashlib.sha256(password.reveal().encode()).hexdigest()}"

    async def verify(self, encoded: str, password: Secret) -> bool:
        self.verified.append(encoded)
        return encoded.partition("$")[2] == hashlib.sha256(password.reveal().encode()).hexdigest()

    def needs_rehash(self, encoded: str) -> bool:
        return not encoded.startswith(self.version)


@cache
def first_keys() -> tuple[SigningKey, ...]:
    """RSA keys take a third of a second each: one pair for all tests."""
    return tuple(generate_signing_key(algorithm) for algorithm in FIRST)


@dataclass
class Desk:
    """A started server with what a test turns and reads."""

    core: ServerCore
    store: ServerStore
    clock: TurnedClock
    entropy: CountingEntropy
    passwords: QuickPasswords

    @property
    def events(self) -> list[AuditEvent]:
        assert isinstance(self.store, MemoryServerStore)
        return list(self.store.events)

    def event_names(self) -> list[str]:
        return [event.name for event in self.events]

    async def token(
        self, client_id: str = "web", *, secret: Secret | None = SECRET, peer: str = PEER, **form: Any
    ) -> dict[str, Any]:
        authorization, pairs = credentials(client_id, secret)
        answer = await self.core.token((*pairs, *form.items()), authorization, peer)
        assert isinstance(answer, Json)
        assert answer.no_store
        return dict(answer.body)

    async def redeem(self, code: str, client_id: str = "web", **form: Any) -> dict[str, Any]:
        form = {"code": code, "code_verifier": VERIFIER, "redirect_uri": CALLBACK, **form}
        if client_id == "native":
            form.setdefault("redirect_uri", LOOPBACK)
            form["redirect_uri"] = LOOPBACK if form["redirect_uri"] == CALLBACK else form["redirect_uri"]
        chosen = {name: value for name, value in form.items() if value}
        return await self.token(client_id, grant_type="authorization_code", **chosen)

    async def refresh(self, refresh_token: str, client_id: str = "web", **form: Any) -> dict[str, Any]:
        return await self.token(client_id, grant_type="refresh_token", refresh_token=refresh_token, **form)

    async def userinfo(self, access_token: str) -> dict[str, Any]:
        answer = await self.core.userinfo((f"Bearer {access_token}",), ())
        assert isinstance(answer, Json)
        return dict(answer.body)

    async def revoke(self, token: str, client_id: str = "web", **form: str) -> Json:
        authorization, pairs = credentials(client_id, SECRET)
        answer = await self.core.revoke((*pairs, ("token", token), *form.items()), authorization, PEER)
        assert isinstance(answer, Json)
        return answer


def credentials(client_id: str, secret: Secret | None) -> tuple[tuple[str, ...], Pairs]:
    if client_id == "native" or secret is None:
        return (), (("client_id", client_id),)
    if client_id == "post":
        return (), (("client_id", client_id), ("client_secret", secret.reveal()))
    return (build_basic(client_id, secret),), ()


async def open_desk(
    policy: Policy = POLICY,
    store: ServerStore | None = None,
    clock: TurnedClock | None = None,
    replays: ReplayMemory | None = None,
    foreign: Transport | None = None,
    hooks: Hooks = NO_HOOKS,
) -> Desk:
    """A server that has started, with keys that were made once for all tests."""
    store, clock = store or MemoryServerStore(), clock or TurnedClock()
    entropy, passwords = CountingEntropy(f"desk {next(_numbers)}"), QuickPasswords()
    sealer, now = server_sealer(MASTER_KEY), clock.now()
    records = [build_key_record(key, now, now, sealer) for key in first_keys()]
    opened = KeyRing(signing={key.algorithm: key for key in first_keys()})
    await store.insert_first_signing_keys(records, AuditEvent(at=now, name="keys.made"))
    core = ServerCore(
        policy,
        store,
        clock=clock,
        entropy=entropy,
        master_key=MASTER_KEY,
        passwords=passwords,
        opened=opened,
        replays=replays,
        foreign=foreign,
        hooks=hooks,
    )
    await core.start()
    return Desk(core, store, clock, entropy, passwords)


@dataclass
class Visitor:
    """A browser: keeps the cookies that answers set, and sends them."""

    core: ServerCore
    peer: str = PEER
    sign_in: Secret | None = None
    interactions: dict[str, Secret] = field(default_factory=dict)
    device: Secret | None = None

    @property
    def browser(self) -> Browser:
        return Browser(
            sign_in=self.sign_in, interactions=dict(self.interactions), device=self.device, peer=self.peer
        )

    def keep(self, answer: Answer) -> Answer:
        cookies = answer.cookies if isinstance(answer, Redirect | FormPost | Page) else Cookies()
        if cookies.sign_in is not None:
            self.sign_in = cookies.sign_in
        if cookies.clear_sign_in:
            self.sign_in = None
        if cookies.device is not None:
            self.device = cookies.device
        if cookies.interaction is not None:
            self.interactions[cookies.interaction[0]] = cookies.interaction[1]
        if cookies.clear_interaction is not None:
            self.interactions.pop(cookies.clear_interaction, None)
        return answer

    async def authorize(self, client_id: str = "web", **changes: str | None) -> Answer:
        pairs = tuple(request(client_id, **changes).items())
        return self.keep(await self.core.authorize(pairs, self.browser))

    async def look(self, id_: str) -> Page | Redirect:
        answer = self.keep(await self.core.interaction(id_, self.browser))
        assert isinstance(answer, Page | Redirect)
        return answer

    async def log_in(self, id_: str, username: str = "ann", password: str | None = None) -> Page | Redirect:
        form = (
            ("username", username),
            ("password", PASSWORDS.get(username, "") if password is None else password),
        )
        answer = self.keep(await self.core.sign_in(id_, form, self.browser))
        assert isinstance(answer, Page | Redirect)
        return answer

    async def decide(self, id_: str, decision: str = "allow") -> Page | Redirect:
        answer = self.keep(await self.core.consent(id_, (("decision", decision),), self.browser))
        assert isinstance(answer, Page | Redirect)
        return answer

    async def walk(
        self, client_id: str = "web", *, username: str = "ann", **changes: str | None
    ) -> dict[str, str]:
        """From the client to the client, through every page; the parameters that it gets."""
        answer = await self.authorize(client_id, **changes)
        for _ in range(6):
            assert isinstance(answer, Redirect)
            if not answer.url.startswith(f"{ISSUER}/interaction/"):
                return sent_back(answer)
            id_ = answer.url.rpartition("/")[2]
            page = await self.look(id_)
            if isinstance(page, Redirect):
                answer = page
            elif page.name == "login":
                answer = await self.log_in(id_, username)
            else:
                answer = await self.decide(id_)
        raise AssertionError("the flow goes round in circles")

    async def page(self, client_id: str = "web", **changes: str | None) -> tuple[str, Page]:
        """The first page of a request, and its interaction's id."""
        answer = await self.authorize(client_id, **changes)
        id_ = interaction_of(answer)
        page = await self.look(id_)
        assert isinstance(page, Page), page
        return id_, page

    async def tokens(self, desk: Desk, client_id: str = "web", **changes: Any) -> dict[str, Any]:
        back = await self.walk(client_id, **changes)
        return await desk.redeem(back["code"], client_id)


def request(client_id: str = "web", **changes: str | None) -> dict[str, str]:
    parameters: dict[str, str | None] = {
        "client_id": client_id,
        "redirect_uri": LOOPBACK if client_id == "native" else CALLBACK,
        "response_type": "code",
        "scope": "openid profile email offline_access orders:read",
        "state": "the state",
        "nonce": "the nonce",
        "code_challenge": challenge_of(VERIFIER),
        "code_challenge_method": "S256",
        **changes,
    }
    return {name: value for name, value in parameters.items() if value is not None}


def interaction_of(answer: Answer) -> str:
    assert isinstance(answer, Redirect), answer
    assert answer.url.startswith(f"{ISSUER}/interaction/"), answer.url
    return answer.url.rpartition("/")[2]


def sent_back(answer: Answer) -> dict[str, str]:
    """The parameters of a redirect to the client, each once."""
    assert isinstance(answer, Redirect), answer
    assert not answer.url.startswith(str(ISSUER)), answer.url
    found = parse_qs(urlsplit(answer.url).query, keep_blank_values=True, strict_parsing=True)
    assert all(len(values) == 1 for values in found.values())
    return {name: values[0] for name, values in found.items()}


def claims_of(token: str) -> Mapping[str, Any]:
    claims: Mapping[str, Any] = json.loads(decode_base64url(token.split(".")[1]))
    return claims


def header_of(token: str) -> Mapping[str, Any]:
    header: Mapping[str, Any] = json.loads(decode_base64url(token.split(".")[0]))
    return header
