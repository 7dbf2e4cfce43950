"""Fuzz targets for what a DPoP proof names: normal forms of addresses, and the address of a request."""

from collections.abc import Iterable

from starlette.types import Scope

from proofkey.protocol.target_uri import normalize_target
from proofkey.web.request_url import request_url
from tests.fuzz.reference import normal_path


def fuzz_target(data: bytes) -> None:
    """Idempotent, in the characters of a URI, and the path is the one of RFC 3986."""
    text = data.decode("utf-8", "surrogateescape")
    try:
        normal = normalize_target(text)
    except ValueError:
        return
    assert normalize_target(normal) == normal
    scheme, _, rest = normal.partition("://")
    assert scheme in ("http", "https")
    assert scheme == text.partition(":")[0].lower()
    assert normal.isascii()
    assert not {"?", "#", "\\", " "} & set(normal)
    sent = text.partition("#")[0].partition("?")[0].partition("://")[2]
    authority, slash, path = sent.partition("/")
    assert rest.partition("/")[2] == normal_path(slash + path)[1:]
    assert "@" not in authority
    assert "/../" not in normal


def target_seeds() -> Iterable[bytes]:
    yield from (b"https://api.test/orders", b"HTTPS://API.test:443/a/../b/%7euser?x#y", b"http://[::1]:8000/")
    yield from (
        b"https://api.test",
        b"https://a.test:/%2e%2E/%41",
        b"https://u@a.test/",
        b"https://a.test/;x=1/(y)",
    )
    yield from (b"https://a%2Eb.test/", b"https://xn--bcher-kva.test/b%C3%BCcher", b"http://a.test/[]^`{|}")


def fuzz_request_url(data: bytes) -> None:
    """Lines: public path, root path, mount, sent path. The result is a normal form under the public origin."""
    parts = [part.decode("latin-1") for part in data.split(b"\n", 3)]
    base, root, mount, sent = (*parts, "", "", "", "")[:4]
    public = "https://api.test/" + "".join(sign for sign in base if sign.isalnum() or sign in "/-._")
    scope: Scope = {
        "type": "http",
        "path": sent,
        "raw_path": sent.encode("latin-1"),
        "root_path": root + mount,
        "app_root_path": root,
    }
    try:
        url = request_url(public, scope)
    except ValueError:
        return
    assert url.startswith("https://api.test/")
    assert len(url) > 4096 or normalize_target(url) == url  # no proof is as long as that
    assert not {"?", "#", "\\", " "} & set(url)


def request_url_seeds() -> Iterable[bytes]:
    yield b"\n\n\n/orders"
    yield b"v1\n/v1\n\n/v1/orders/%C3%A9"
    yield b"api/v1\n/v1\n/admin\n/v1/admin/users"
    yield b"\n\n/mounted\n/mounted/a%2Fb/../c"
    yield b"x/\n/x/\n\n//x//y"
