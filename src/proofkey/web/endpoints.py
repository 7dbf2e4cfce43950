"""One entry per endpoint: its methods, how it speaks, and what it asks of the authorization server."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from proofkey.authorization_server.answers import Answer, Browser, Page, Redirect
from proofkey.authorization_server.endpoints import introspect, register
from proofkey.authorization_server.policy import Policy
from proofkey.authorization_server.sender import Presented
from proofkey.authorization_server.stores import ServerStore
from proofkey.errors import InteractionClosed, InvalidRequest
from proofkey.findings import Finding
from proofkey.protocol.text import Pairs
from proofkey.protocol.uri import origin_of
from proofkey.web.accept import is_accepted
from proofkey.web.errors import Face
from proofkey.web.forms import read_form, read_query
from proofkey.web.json_body import read_document
from proofkey.web.origin import check_same_site, is_same_site
from proofkey.web.respond import Responder, build_json

GET: Final = ("GET", "HEAD")
POST: Final = ("POST",)
DOCUMENT_SECONDS: Final = 3600
LONGEST_QUERY: Final = 6000
"""Characters: what proxies and browsers carry in an address."""

PATHS: Final = frozenset(
    (
        *("/authorize", "/par", "/token", "/revoke", "/introspect"),
        *("/userinfo", "/jwks", "/end-session", "/signed-out"),
        *("/device-authorization", "/device"),
    )
)
"""Below the issuer; the well-known documents besides."""
BELOW: Final = ("/interaction/", "/end-session/", "/static/")
"""These take an id or a file name."""

REGISTER: Final = register.PATH
"""Beside those, where the feature is on; `/register` is a likely address of an application's own."""

_ID: Final = re.compile(r"[A-Za-z0-9_-]{8,128}")


class Core(Protocol):
    """What `web` asks of the authorization server (runtime.server_core.ServerCore)."""

    @property
    def policy(self) -> Policy: ...

    @property
    def store(self) -> ServerStore: ...

    def metadata(self) -> Mapping[str, Any]: ...

    def jwks(self) -> Mapping[str, Any]: ...

    async def start(self) -> None: ...

    async def refresh_keys(self) -> None: ...

    async def upkeep(self) -> None: ...

    async def deliver_logouts(self) -> None: ...

    async def authorize(self, pairs: Pairs, browser: Browser) -> Answer: ...

    async def interaction(self, id_: str, browser: Browser) -> Answer: ...

    async def sign_in(self, id_: str, pairs: Pairs, browser: Browser) -> Answer: ...

    async def consent(self, id_: str, pairs: Pairs, browser: Browser) -> Answer: ...

    async def push(
        self, pairs: Pairs, authorization: tuple[str, ...], peer: str, presented: Presented
    ) -> Answer: ...

    async def authorize_device(
        self, pairs: Pairs, authorization: tuple[str, ...], peer: str, presented: Presented
    ) -> Answer: ...

    async def device(self, pairs: Pairs) -> Answer: ...

    async def enter_user_code(self, pairs: Pairs, browser: Browser) -> Answer: ...

    async def token(
        self, pairs: Pairs, authorization: tuple[str, ...], peer: str, presented: Presented
    ) -> Answer: ...

    async def revoke(
        self, pairs: Pairs, authorization: tuple[str, ...], peer: str, presented: Presented
    ) -> Answer: ...

    async def introspect(
        self,
        pairs: Pairs,
        authorization: tuple[str, ...],
        peer: str,
        presented: Presented,
        *,
        signed: bool = False,
    ) -> Answer: ...

    async def userinfo(
        self, authorization: tuple[str, ...], pairs: Pairs, presented: Presented, method: str
    ) -> Answer: ...

    async def register(self, document: Mapping[str, Any], authorization: tuple[str, ...], peer: str) -> Answer: ...

    async def registration(
        self,
        method: str,
        client_id: str,
        document: Mapping[str, Any],
        authorization: tuple[str, ...],
        peer: str,
    ) -> Answer: ...

    async def end_session(self, pairs: Pairs, browser: Browser) -> Answer: ...

    async def confirm_end_session(self, id_: str, pairs: Pairs, browser: Browser) -> Answer: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """`answer` gets the request and what follows the path (an id, a file name, or nothing)."""

    name: str
    answer: Callable[[Request, str], Awaitable[Answer | Response]]
    methods: tuple[str, ...]
    face: Face
    cors: bool = False
    own_form: bool = False
    """A POST here comes from the form of a page of ours."""


class Endpoints:
    """The endpoints of one server, by path below the issuer; `under` holds those that take an id."""

    __slots__ = ("_core", "_documents", "_origin", "_responder", "at", "under", "well_known")

    def __init__(self, core: Core, responder: Responder) -> None:
        self._core = core
        self._responder = responder
        self._origin = origin_of(core.policy.issuer)
        self._documents: dict[str, tuple[Mapping[str, Any], bytes]] = {}
        both = (*GET, *POST)
        self.well_known: Final = Endpoint(
            name="metadata", answer=self._metadata, methods=GET, face="oauth", cors=True
        )
        self.at: Final[dict[str, Endpoint]] = {
            "/authorize": Endpoint(name="authorize", answer=self._authorize, methods=both, face="page"),
            "/token": Endpoint(name="token", answer=self._token, methods=POST, face="oauth", cors=True),
            "/revoke": Endpoint(name="revoke", answer=self._revoke, methods=POST, face="oauth", cors=True),
            "/introspect": Endpoint(name="introspect", answer=self._introspect, methods=POST, face="oauth"),
            "/userinfo": Endpoint(name="userinfo", answer=self._userinfo, methods=both, face="bearer", cors=True),
            "/jwks": Endpoint(name="jwks", answer=self._jwks, methods=GET, face="oauth", cors=True),
            "/end-session": Endpoint(name="end-session", answer=self._end_session, methods=both, face="page"),
            "/signed-out": Endpoint(name="signed-out", answer=self._signed_out, methods=GET, face="page"),
        }
        if core.policy.offers("par"):
            self.at["/par"] = Endpoint(name="par", answer=self._push, methods=POST, face="oauth", cors=True)
        if core.policy.offers("device"):
            name = "device-authorization"
            self.at[f"/{name}"] = Endpoint(name=name, answer=self._authorize_device, methods=POST, face="oauth")
            self.at["/device"] = Endpoint(
                name="device", answer=self._device, methods=both, face="page", own_form=True
            )
        self.under: Final[dict[str, Endpoint]] = {
            "/interaction/": Endpoint(
                name="interaction", answer=self._interaction, methods=both, face="page", own_form=True
            ),
            "/end-session/": Endpoint(
                name="end-session", answer=self._confirm, methods=POST, face="page", own_form=True
            ),
            "/static/": Endpoint(name="static", answer=self._static, methods=GET, face="page"),
        }

        if core.policy.offers("registration"):
            self._add_registration()

    def _add_registration(self) -> None:
        self.at[REGISTER] = Endpoint(
            name="register", answer=self._register, methods=POST, face="registration", cors=True
        )
        self.under[f"{REGISTER}/"] = Endpoint(
            name="registration",
            answer=self._registration,
            methods=(*GET, "PUT", "DELETE"),
            face="registration",
            cors=True,
        )

    def find(self, path: str | None) -> tuple[Endpoint | None, str]:
        """The endpoint at `path` below the issuer, and what follows its own path; None asks for the metadata."""
        endpoint = self.well_known if path is None else self.at.get(path)
        if endpoint is not None:
            return endpoint, ""
        path = path or ""
        for start, below in self.under.items():
            if path.startswith(start):
                return below, path[len(start) :]
        return None, ""

    async def _authorize(self, request: Request, rest: str) -> Answer:
        pairs, browser = await _pairs_of(request), self._responder.browser(request)
        return self._asked_again(request, pairs, browser) or await self._core.authorize(pairs, browser)

    async def _interaction(self, request: Request, rest: str) -> Answer:
        """A page, or what its form sends: the consent form has a `decision`, the login form has none."""
        id_, browser = _id_of(rest), self._responder.browser(request)
        if request.method != "POST":
            return await self._core.interaction(id_, browser)
        check_same_site(request.headers, self._origin)
        pairs = await read_form(request)
        if any(name == "decision" for name, _ in pairs):
            return await self._core.consent(id_, pairs, browser)
        return await self._core.sign_in(id_, pairs, browser)

    async def _push(self, request: Request, rest: str) -> Answer:
        authorization = tuple(request.headers.getlist("authorization"))
        form, peer = await read_form(request), self._responder.peer(request)
        return await self._core.push(form, authorization, peer, self._responder.presented(request))

    async def _authorize_device(self, request: Request, rest: str) -> Answer:
        authorization = tuple(request.headers.getlist("authorization"))
        form, peer = await read_form(request), self._responder.peer(request)
        return await self._core.authorize_device(form, authorization, peer, self._responder.presented(request))

    async def _device(self, request: Request, rest: str) -> Answer:
        """RFC 8628 §3.3: the page where the code is typed, and what its form sends."""
        if request.method != "POST":
            return await self._core.device(read_query(request))
        check_same_site(request.headers, self._origin)
        return await self._core.enter_user_code(await read_form(request), self._responder.browser(request))

    async def _token(self, request: Request, rest: str) -> Answer:
        authorization = tuple(request.headers.getlist("authorization"))
        form, peer = await read_form(request), self._responder.peer(request)
        return await self._core.token(form, authorization, peer, self._responder.presented(request))

    async def _revoke(self, request: Request, rest: str) -> Answer:
        authorization = tuple(request.headers.getlist("authorization"))
        form, peer = await read_form(request), self._responder.peer(request)
        return await self._core.revoke(form, authorization, peer, self._responder.presented(request))

    async def _introspect(self, request: Request, rest: str) -> Answer:
        """RFC 9701 §4: whoever names the signed form in Accept gets it."""
        authorization = tuple(request.headers.getlist("authorization"))
        signed = is_accepted(request.headers.getlist("accept"), introspect.SIGNED)
        pairs, peer = await read_form(request), self._responder.peer(request)
        presented = self._responder.presented(request)
        return await self._core.introspect(pairs, authorization, peer, presented, signed=signed)

    async def _userinfo(self, request: Request, rest: str) -> Answer:
        """RFC 6750 §2: the header, or the form of a POST; a token in the query is not looked at."""
        has_form = request.method == "POST" and "content-type" in request.headers
        pairs = await read_form(request) if has_form else ()
        authorization = tuple(request.headers.getlist("authorization"))
        presented = self._responder.presented(request)
        return await self._core.userinfo(authorization, pairs, presented, request.method)

    async def _register(self, request: Request, rest: str) -> Answer:
        authorization = tuple(request.headers.getlist("authorization"))
        return await self._core.register(
            await read_document(request), authorization, self._responder.peer(request)
        )

    async def _registration(self, request: Request, rest: str) -> Answer:
        authorization = tuple(request.headers.getlist("authorization"))
        document = await read_document(request) if request.method == "PUT" else {}
        peer = self._responder.peer(request)
        return await self._core.registration(request.method, rest, document, authorization, peer)

    async def _end_session(self, request: Request, rest: str) -> Answer:
        pairs, browser = await _pairs_of(request), self._responder.browser(request)
        return self._asked_again(request, pairs, browser) or await self._core.end_session(pairs, browser)

    def _asked_again(self, request: Request, pairs: Pairs, browser: Browser) -> Redirect | None:
        """A form that another site posts comes without our cookies (SameSite=Lax): it is asked again by GET, which
        has them, so that the session that is there is seen. None where that would gain nothing, or the address
        would be too long."""
        if request.method != "POST" or browser.sign_in or is_same_site(request.headers, self._origin):
            return None
        query = urlencode(pairs)
        path = f"/{request.url.path.rpartition('/')[2]}"
        return Redirect(url=f"{self._core.policy.url(path)}?{query}") if len(query) <= LONGEST_QUERY else None

    async def _confirm(self, request: Request, rest: str) -> Answer:
        id_ = _id_of(rest)
        check_same_site(request.headers, self._origin)
        pairs = await read_form(request)
        return await self._core.confirm_end_session(id_, pairs, self._responder.browser(request))

    async def _signed_out(self, request: Request, rest: str) -> Answer:
        return Page(name="logged-out")

    async def _static(self, request: Request, rest: str) -> Response:
        found = self._responder.pages.static(rest)
        if found is None:
            raise InvalidRequest(Finding.PATH_UNKNOWN)
        return found

    async def _metadata(self, request: Request, rest: str) -> Response:
        return self._document("metadata", self._core.metadata())

    async def _jwks(self, request: Request, rest: str) -> Response:
        return self._document("jwks", self._core.jwks())

    def _document(self, name: str, document: Mapping[str, Any]) -> Response:
        """A public document; its bytes are made again only when the server has another object."""
        known = self._documents.get(name)
        if known is None or known[0] is not document:
            known = (document, bytes(build_json(document).body))
            self._documents[name] = known
        headers = {"Cache-Control": f"public, max-age={DOCUMENT_SECONDS}"}
        return Response(known[1], headers=headers, media_type="application/json")


async def _pairs_of(request: Request) -> Pairs:
    return await read_form(request) if request.method == "POST" else read_query(request)


def _id_of(rest: str) -> str:
    if _ID.fullmatch(rest) is None:
        raise InteractionClosed(Finding.INTERACTION_UNKNOWN, reason="not an id")
    return rest
