"""Browsers that somebody has signed in with before: their attempts are counted apart from those of strangers.

The cookie proves nothing and signs nobody in. It is a random name of the browser and, for each account, an HMAC
over that name, the account and the time of its password: a new password voids it, another account's is of no use.
"""

import hmac
import re
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from proofkey.authorization_server.records import User
from proofkey.protocol.text import Secret, encode_base64url

MOST_ACCOUNTS: Final = 8
"""That one browser is known for; the one that signed in longest ago makes room."""
_NAME: Final = 21
"""Characters, of 6 bits each, of a browser's name."""
_MARK: Final = 22
"""Of an account's mark; they follow each other."""
_FORM: Final = re.compile(rf"[A-Za-z0-9_-]{{{_NAME}}}(?:[A-Za-z0-9_-]{{{_MARK}}}){{1,{MOST_ACCOUNTS}}}")


@dataclass(frozen=True, slots=True)
class KnownDevices:
    """`key` is derived from the master key."""

    key: bytes = field(repr=False)

    def find(self, cookie: Secret | None, user: User | None) -> str | None:
        """The browser's name, if that person has signed in with it under the present password."""
        if cookie is None or user is None:
            return None
        name, *marks = _read(cookie)
        mine = self._mark(name, user)
        return name if any(hmac.compare_digest(mine, mark) for mark in marks) else None

    def remember(self, cookie: Secret | None, user: User, fresh: str) -> Secret:
        """The cookie after the person has signed in; `fresh` random text names a browser that has none yet."""
        name, *marks = _read(cookie) if cookie else ("",)
        name = name or fresh[:_NAME]
        mine = self._mark(name, user)
        others = [mark for mark in marks if mark != mine]
        return Secret("".join([name, mine, *others[: MOST_ACCOUNTS - 1]]))

    def _mark(self, name: str, user: User) -> str:
        text = f"{name}\n{user.password_changed_at}\n{user.sub}"
        return encode_base64url(hmac.digest(self.key, text.encode(), sha256))[:_MARK]


def _read(cookie: Secret) -> list[str]:
    """Name and marks; an empty name for what is no cookie of ours."""
    text = cookie.reveal()
    if _FORM.fullmatch(text) is None:
        return [""]
    return [text[:_NAME], *(text[start : start + _MARK] for start in range(_NAME, len(text), _MARK))]
