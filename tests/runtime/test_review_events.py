"""A fact may have any name: the log never breaks a request."""

import pytest

from proofkey.errors import ConfigurationError
from proofkey.findings import Finding
from proofkey.runtime.events import emit, internal_error, refused


def test_a_fact_may_be_called_name_or_error(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", logger="proofkey"):
        emit("x", name="n", error="e")
        refused("y", ConfigurationError(Finding.STORE_NOT_SHARED, name="https://rp.test", lock="/tmp/x"))
        internal_error("z", ValueError("v"), name="n")
    assert [record.proofkey["event"] for record in caplog.records] == ["x", "y", "z"]  # type: ignore[attr-defined]
    assert caplog.records[1].proofkey["name"] == "https://rp.test"  # type: ignore[attr-defined]
