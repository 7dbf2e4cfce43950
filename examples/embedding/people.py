"""People from a database that you have already: `uvicorn people:app --port 9000`."""

import hashlib
import hmac
import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

from fastapi import FastAPI

from proofkey.fastapi import Secret
from proofkey.web import Person, Server, Settings, UserStore

HERE = Path(__file__).parent
TABLE = """CREATE TABLE IF NOT EXISTS staff (
    number TEXT PRIMARY KEY, login TEXT UNIQUE, name TEXT, salt BLOB, hash BLOB, left INTEGER DEFAULT 0,
    changed INTEGER
)"""
BY_LOGIN = "SELECT number, login, name, left, changed FROM staff WHERE login = ?"
BY_NUMBER = "SELECT number, login, name, left, changed FROM staff WHERE number = ?"
PASSWORD = "SELECT salt, hash FROM staff WHERE number = ?"
NOBODY = (b"salt of nobody", bytes(64))


def hash_of(password: str, salt: bytes) -> bytes:
    """As the database has it."""
    return hashlib.scrypt(password.encode(), salt=salt, n=2**14, r=8, p=1)


class Staff(UserStore):
    """The table `staff`. Plain methods run in threads; `async` ones would do as well."""

    def __init__(self, file: Path) -> None:
        self.file = file
        with self.open() as database:
            database.execute(TABLE)

    @contextmanager
    def open(self) -> Generator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.file)) as database, database:
            yield database

    def find_by_username(self, username: str) -> Person | None:
        return self._person(BY_LOGIN, username)

    def find_by_sub(self, sub: str) -> Person | None:
        """Asked with every use of a token: whoever has left is out at once."""
        return self._person(BY_NUMBER, sub)

    def verify_password(self, person: Person | None, password: Secret) -> bool:
        """Hashes for an unknown name too, so that it takes as long."""
        with self.open() as database:
            row = database.execute(PASSWORD, (person.sub if person else "",)).fetchone()
        salt, known = row or NOBODY
        return hmac.compare_digest(hash_of(password.reveal(), salt), known) and row is not None

    def _person(self, sql: str, value: str) -> Person | None:
        with self.open() as database:
            row = database.execute(sql, (value,)).fetchone()
        if row is None:
            return None
        number, login, name, left, changed = row
        return Person(
            sub=number, username=login, claims={"name": name}, disabled=bool(left), password_changed_at=changed
        )


app = FastAPI()
staff = Staff(HERE / "staff.db")
Server(Settings.load(HERE / "provider.toml"), users=staff).mount(app, "/idp")
