"""State-changing requests come from our own pages, or from no page."""

import pytest
from starlette.datastructures import Headers

from proofkey.errors import AccessDenied
from proofkey.findings import Finding
from proofkey.web.origin import check_same_site

ORIGIN = "https://op.test"


def headers(*pairs: tuple[str, str]) -> Headers:
    return Headers(raw=[(name.encode(), value.encode("latin-1")) for name, value in pairs])


@pytest.mark.spec("6749-10.12-b", "10017-6.1.3.3-a")
@pytest.mark.parametrize(
    "pairs",
    [
        pytest.param([("origin", "https://evil.test")], id="another origin"),
        pytest.param([("origin", "https://op.test.evil.test")], id="a longer host"),
        pytest.param([("origin", "http://op.test")], id="another scheme"),
        pytest.param([("origin", "https://op.test:8443")], id="another port"),
        pytest.param([("origin", "null")], id="null without Sec-Fetch-Site"),
        pytest.param([("origin", "")], id="empty"),
        pytest.param([("sec-fetch-site", "cross-site")], id="cross-site"),
        pytest.param([("sec-fetch-site", "same-site")], id="a sibling host"),
        pytest.param([("sec-fetch-site", "rubbish")], id="rubbish"),
        pytest.param([("sec-fetch-site", "same-origin"), ("origin", "https://evil.test")], id="they disagree"),
        pytest.param([("sec-fetch-site", "cross-site"), ("origin", ORIGIN)], id="they disagree the other way"),
        pytest.param([("origin", ORIGIN), ("origin", "https://evil.test")], id="origin twice"),
        pytest.param([("sec-fetch-site", "same-origin"), ("sec-fetch-site", "same-origin")], id="site twice"),
    ],
)
def test_a_form_is_refused_when_it_says(pairs: list[tuple[str, str]]) -> None:
    with pytest.raises(AccessDenied) as refused:
        check_same_site(headers(*pairs), ORIGIN)
    assert refused.value.finding is Finding.CROSS_SITE


@pytest.mark.parametrize(
    "pairs",
    [
        pytest.param([("origin", ORIGIN)], id="our origin"),
        pytest.param([("origin", ORIGIN), ("sec-fetch-site", "same-origin")], id="both"),
        pytest.param([("origin", "null"), ("sec-fetch-site", "same-origin")], id="a form under no-referrer"),
        pytest.param([("sec-fetch-site", "none")], id="the person's own doing"),
        pytest.param([], id="a program"),
    ],
)
def test_a_form_is_taken_when_it_says(pairs: list[tuple[str, str]]) -> None:
    check_same_site(headers(*pairs), ORIGIN)
