"""A fresh access token of a demo user for the API, by the same pages that a person sees."""

from dataclasses import dataclass
from functools import partial

from proofkey.client.config import LoginConfig
from proofkey.demo.setting_up import SCOPES, Demo
from proofkey.errors import LoginFailed
from proofkey.findings import Finding
from proofkey.protocol.text import ClientId, Issuer, Secret
from proofkey.runtime.clock import ShiftedClock
from proofkey.runtime.portal import Portal
from proofkey.testing.headless import HeadlessBrowser, HeadlessFailed
from proofkey.testing.sign_in import headless, sign_in

REDIRECT_URI = "http://127.0.0.1/callback"


@dataclass(frozen=True, slots=True)
class Token:
    """The token and the whole minutes of life that it had when it was issued."""

    value: Secret
    minutes: int


def fetch_token(demo: Demo, username: str = "ann") -> Token:
    """Signs in without a window. Raises: LoginFailed, Unavailable."""
    config = LoginConfig(
        issuer=Issuer(demo.issuer),
        client_id=ClientId("cli"),
        redirect_uri=REDIRECT_URI,
        resource=(demo.api,),
        scope=tuple(SCOPES.split()),
    )
    clock = ShiftedClock(demo.clock_file)
    with HeadlessBrowser() as window:
        browser = headless(window, redirect_uri=REDIRECT_URI, username=username, password=demo.password)
        try:
            signed_in = Portal.own().call(partial(sign_in, config, browser, clock=clock))
        except HeadlessFailed as error:
            raise LoginFailed(Finding.LOGIN_REFUSED, message=str(error)) from error
    tokens, session = signed_in.session.tokens, signed_in.session
    life = (tokens.access_expires_at or session.created_at) - session.created_at
    return Token(tokens.access_token, life // 60)
