"""A stand-in for the authorization server: it remembers what it was asked, and gives what a test says."""

from collections.abc import Mapping
from typing import Any

from proofkey.authorization_server.answers import Answer, Browser, Cookies, Json, Jwt, Page, Redirect
from proofkey.authorization_server.policy import Policy
from proofkey.authorization_server.sender import Presented
from proofkey.authorization_server.stores import ServerStore
from proofkey.errors import ProofkeyError
from proofkey.protocol.text import Issuer, Pairs, Secret
from proofkey.store.memory import MemoryServerStore

FLOW = "A" * 43
CALLBACK = "https://rp.test/auth/callback"


class FakeCore:
    """Answers each endpoint plausibly; `next` overrides one answer, an exception is raised."""

    def __init__(self, issuer: str = "https://op.test") -> None:
        self.policy = Policy(issuer=Issuer(issuer), features=frozenset({"par", "device"}))
        self.store: ServerStore = MemoryServerStore()
        self.asked: list[tuple[str, tuple[Any, ...]]] = []
        self.next: Answer | ProofkeyError | Exception | None = None
        self.started = 0
        self._metadata = {"issuer": issuer, "authorization_endpoint": f"{issuer}/authorize"}
        self._jwks: Mapping[str, Any] = {"keys": []}

    def metadata(self) -> Mapping[str, Any]:
        return self._metadata

    def jwks(self) -> Mapping[str, Any]:
        return self._jwks

    async def start(self) -> None:
        self.started += 1

    async def refresh_keys(self) -> None:
        """Nothing to do."""

    async def upkeep(self) -> None:
        """Nothing to do."""

    async def deliver_logouts(self) -> None:
        """Nothing to do."""

    def _answer(self, name: str, default: Answer, *args: Any) -> Answer:
        self.asked.append((name, args))
        given, self.next = self.next, None
        if isinstance(given, Exception):
            raise given
        return given or default

    async def authorize(self, pairs: Pairs, browser: Browser) -> Answer:
        cookies = Cookies(interaction=("Aa345678", Secret("b" * 43)))
        default = Redirect(url=self.policy.url(f"/interaction/{FLOW}"), cookies=cookies)
        return self._answer("authorize", default, pairs, browser)

    async def interaction(self, id_: str, browser: Browser) -> Answer:
        return self._answer("interaction", login_page(), id_, browser)

    async def sign_in(self, id_: str, pairs: Pairs, browser: Browser) -> Answer:
        cookies = Cookies(sign_in=Secret("s" * 43))
        return self._answer(
            "sign_in", Redirect(url=self.policy.url(f"/interaction/{id_}"), cookies=cookies), id_, pairs
        )

    async def consent(self, id_: str, pairs: Pairs, browser: Browser) -> Answer:
        cookies = Cookies(clear_interaction="Aa345678")
        return self._answer("consent", Redirect(url=f"{CALLBACK}?code=c", cookies=cookies), id_, pairs)

    async def push(self, pairs: Pairs, authorization: tuple[str, ...], peer: str, presented: Presented) -> Answer:
        body = {"request_uri": "urn:ietf:params:oauth:request_uri:x", "expires_in": 90}
        return self._answer("push", Json(body=body, status=201), pairs, authorization, peer)

    async def authorize_device(
        self, pairs: Pairs, authorization: tuple[str, ...], peer: str, presented: Presented
    ) -> Answer:
        return self._answer("authorize_device", Json(body={"device_code": "d"}), pairs, authorization, peer)

    async def device(self, pairs: Pairs) -> Answer:
        return self._answer("device", Page(name="device", context={"state": "enter"}), pairs)

    async def enter_user_code(self, pairs: Pairs, browser: Browser) -> Answer:
        return self._answer("enter_user_code", Redirect(url=self.policy.url(f"/interaction/{FLOW}")), pairs)

    async def token(self, pairs: Pairs, authorization: tuple[str, ...], peer: str, presented: Presented) -> Answer:
        return self._answer("token", Json(body={"access_token": "t"}), pairs, authorization, peer)

    async def revoke(
        self, pairs: Pairs, authorization: tuple[str, ...], peer: str, presented: Presented
    ) -> Answer:
        return self._answer("revoke", Json(body={}), pairs, authorization, peer)

    async def introspect(
        self,
        pairs: Pairs,
        authorization: tuple[str, ...],
        peer: str,
        presented: Presented,
        *,
        signed: bool = False,
    ) -> Answer:
        default = Jwt(token="a.b.c", media_type="application/x+jwt") if signed else Json(body={"active": False})
        return self._answer("introspect", default, pairs, authorization, peer)

    async def userinfo(
        self, authorization: tuple[str, ...], pairs: Pairs, presented: Presented, method: str
    ) -> Answer:
        return self._answer("userinfo", Json(body={"sub": "u1"}), authorization, pairs)

    async def register(self, document: Mapping[str, Any], authorization: tuple[str, ...], peer: str) -> Answer:
        default = Json(body={"client_id": "c"}, status=201)
        return self._answer("register", default, document, authorization, peer)

    async def registration(
        self,
        method: str,
        client_id: str,
        document: Mapping[str, Any],
        authorization: tuple[str, ...],
        peer: str,
    ) -> Answer:
        default = Json(body={"client_id": client_id})
        return self._answer("registration", default, method, client_id, document, authorization, peer)

    async def end_session(self, pairs: Pairs, browser: Browser) -> Answer:
        page = Page(name="logout", context={"client_name": "Demo", "action": f"/end-session/{FLOW}"})
        return self._answer("end_session", page, pairs, browser)

    async def confirm_end_session(self, id_: str, pairs: Pairs, browser: Browser) -> Answer:
        cookies = Cookies(clear_sign_in=True)
        return self._answer("confirm_end_session", Redirect(url="/signed-out", cookies=cookies), id_, pairs)


def login_page(problem: str = "", **context: Any) -> Page:
    return Page(
        name="login",
        context={"client_name": "Orders", "client_host": "rp.test", "problem": problem, **context},
        form_targets=("https://rp.test",),
    )


def consent_page(**context: Any) -> Page:
    return Page(
        name="consent",
        context={
            "client_name": "Orders",
            "client_host": "rp.test",
            "person": "ann",
            "scope": ("openid", "profile", "offline_access", "orders:read", "orders:write"),
            "resource": ("https://api.test",),
            "refresh_seconds": 30 * 86_400,
            **context,
        },
        form_targets=("https://rp.test",),
    )
