"""What the tests of the administration commands share."""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from proofkey.protocol.text import Instant

PASSWORD = "correct horse battery staple zebra"
DAY = 86_400


class Done(NamedTuple):
    status: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        assert self.status == 0, self.err
        return json.loads(self.out)


Proofkey = Callable[..., Done]
"""Runs a command on the configuration."""
Turn = Callable[[Instant], None]
"""Sets the clock of the commands."""
