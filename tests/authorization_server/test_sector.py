"""Sectors of pairwise subjects: the document at the address vouches for the redirect URIs."""

import json
from dataclasses import replace
from typing import Any

import pytest

from proofkey.authorization_server.registration import check_registration
from proofkey.authorization_server.sector import find_sectors
from proofkey.authorization_server.subject import Subjects
from proofkey.errors import ConfigurationError, ProofkeyError, Unavailable
from proofkey.protocol.registration import ClientRegistration
from proofkey.protocol.text import Subject
from proofkey.runtime.foreign_documents import ForeignDocuments
from proofkey.testing.clock import TurnedClock
from proofkey.testing.published import PublishedDocuments
from tests.authorization_server.driver import ISSUER, POLICY, client, open_desk

URI = "https://sector.test/uris.json"
URIS = ["https://a.test/cb", "https://b.test/cb"]
VOUCHED = "https://vouched.test/uris.json"


def paired(client_id: str = "a", **changes: Any) -> ClientRegistration:
    plain = {"subject_type": "pairwise", "sector_identifier_uri": URI, "redirect_uris": frozenset(URIS[:1])}
    return client(client_id, **{**plain, **changes})


async def registered(web: PublishedDocuments, asked: ClientRegistration) -> None:
    policy = replace(POLICY, sector_identifier_uris=frozenset({VOUCHED}))
    sectors = await find_sectors(asked, policy, ForeignDocuments(web, TurnedClock()))
    check_registration(asked, ISSUER, sectors)


@pytest.mark.spec("OC-8.1-a")
async def test_a_document_that_lists_every_redirect_uri_proves_the_sector():
    web = PublishedDocuments()
    web.put(URI, [*URIS, "https://c.test/cb"])
    await registered(web, paired(redirect_uris=frozenset(URIS)))
    assert web.asked == [URI]


@pytest.mark.spec("OC-8.1-a", "CIMD-6.5-a")
@pytest.mark.parametrize(
    ("document", "kind"),
    [
        pytest.param([URIS[1]], ConfigurationError, id="without the client's"),
        pytest.param([URIS[0] + "/"], ConfigurationError, id="nearly the client's"),
        pytest.param([URIS[0].upper()], ConfigurationError, id="in capitals"),
        pytest.param([], Unavailable, id="an empty list"),
        pytest.param([URIS[0], 1], Unavailable, id="not texts alone"),
        pytest.param({"redirect_uris": URIS}, Unavailable, id="an object"),
        pytest.param(URIS[0], Unavailable, id="a text"),
        pytest.param(b"<html>", Unavailable, id="HTML"),
        pytest.param(json.dumps(URIS).encode() + b"[]", Unavailable, id="two arrays"),
        pytest.param(b"\xff", Unavailable, id="not UTF-8"),
        pytest.param([*URIS, "x" * 64 * 1024], Unavailable, id="too large"),
        pytest.param(None, Unavailable, id="nothing there"),
    ],
)
async def test_a_document_that_does_not_say_so_proves_nothing(document: Any, kind: type[ProofkeyError]):
    web = PublishedDocuments()
    if document is not None:
        web.put(URI, document)
    with pytest.raises(kind):
        await registered(web, paired())


async def test_a_document_elsewhere_is_not_followed_to():
    web = PublishedDocuments()
    web.put(URI, URIS, status=302, location="https://a.test/uris.json")
    web.put("https://a.test/uris.json", URIS)
    with pytest.raises(Unavailable):
        await registered(web, paired())
    assert web.asked == [URI]


@pytest.mark.parametrize("uri", ["http://sector.test/", "http://127.0.0.1/", "https://ann@sector.test/", "x"])
async def test_nothing_is_fetched_from_what_is_no_https_address(uri: str):
    web = PublishedDocuments()
    with pytest.raises(ConfigurationError) as refused:
        await registered(web, paired(sector_identifier_uri=uri))
    assert refused.value.facts["member"] == "sector_identifier_uri"
    assert not web.asked


async def test_nothing_is_fetched_where_the_operator_vouches_or_nothing_is_named():
    web = PublishedDocuments()
    await registered(web, paired(sector_identifier_uri=VOUCHED, redirect_uris=frozenset(URIS)))
    await registered(web, paired(sector_identifier_uri=None))
    assert not web.asked


def test_without_the_document_no_other_sector_is_taken():
    with pytest.raises(ConfigurationError):
        check_registration(paired(), ISSUER, frozenset({VOUCHED}))


@pytest.mark.spec("OC-8.1-a")
async def test_configured_clients_are_proven_at_the_start_and_stand_while_the_host_is_down():
    web = PublishedDocuments()
    web.put(URI, URIS)
    policy = replace(POLICY, clients=(paired(), paired("b", redirect_uris=frozenset(URIS[1:]))))
    desk = await open_desk(policy, foreign=web)
    assert web.asked == [URI]
    web.down.add("sector.test")
    await open_desk(policy, desk.store, foreign=web)
    changed = replace(policy, clients=(paired(redirect_uris=frozenset(URIS)),))
    with pytest.raises(Unavailable):
        await open_desk(changed, desk.store, foreign=web)
    web.down.clear()
    web.put(URI, URIS[1:])
    with pytest.raises(ConfigurationError):
        await open_desk(policy, desk.store, foreign=web)


def test_clients_of_a_sector_know_a_person_by_one_name():
    subjects, ann = Subjects(b"key"), Subject("u1")
    names = [subjects.of(ann, one) for one in (paired("a"), paired("b", redirect_uris=frozenset(URIS[1:])))]
    assert names[0] == names[1]
    assert names[0] not in (ann, subjects.of(ann, paired("c", sector_identifier_uri=None)))
