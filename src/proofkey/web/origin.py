"""Where a state-changing request comes from (the CSRF defence beside SameSite cookies)."""

from starlette.datastructures import Headers

from proofkey.errors import AccessDenied
from proofkey.findings import Finding


def check_same_site(headers: Headers, public_origin: str) -> None:
    """The request comes from a page of our own, or from no page at all.

    Browsers name the initiator in Sec-Fetch-Site and in Origin. Under `Referrer-Policy: no-referrer`, which our
    pages have, a browser's own form sends `Origin: null` (Fetch §3.2), so `null` counts only beside
    Sec-Fetch-Site. A program sends neither; it holds no one else's cookies.

    Raises: AccessDenied (CROSS_SITE).
    """
    site = headers.getlist("sec-fetch-site")
    origin = headers.getlist("origin")
    if len(site) > 1 or len(origin) > 1:
        raise AccessDenied(Finding.CROSS_SITE, reason="header repeated")
    if site and site[0] not in ("same-origin", "none"):
        raise AccessDenied(Finding.CROSS_SITE, site=site[0][:32])
    if origin and origin[0] != public_origin and not (site and origin[0] == "null"):
        raise AccessDenied(Finding.CROSS_SITE, origin=origin[0][:128])


def is_same_site(headers: Headers, public_origin: str) -> bool:
    """Whether `check_same_site` would let it pass."""
    try:
        check_same_site(headers, public_origin)
    except AccessDenied:
        return False
    return True
