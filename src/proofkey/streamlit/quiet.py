"""Streamlit switches uvicorn's request lines on; a callback's query holds a code, so queries are cut off."""

import logging
from typing import Final

_ACCESS: Final = "uvicorn.access"


class WithoutQuery(logging.Filter):
    """Cuts the query off the path of uvicorn's request lines."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple) and len(record.args) == 5:
            client, method, path, *rest = record.args
            record.args = (client, method, str(path).partition("?")[0], *rest)
        return True


_FILTER: Final = WithoutQuery()


def quieten_request_lines() -> None:
    """For this process; may be called again."""
    logging.getLogger(_ACCESS).addFilter(_FILTER)
