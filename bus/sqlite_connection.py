"""A connection to SQLite that lets go of the file when it is closed.

SQLite keeps a connection's locks until the last of its statements has ended, and Python's own ``close`` ends none since
3.11. A query that is cancelled half-way lives on in the traceback of its cancellation, and would keep everybody else
from writing until the garbage is collected.
"""

from __future__ import annotations

import sqlite3
from typing import Any
from weakref import WeakSet


class SqliteConnection(sqlite3.Connection):
    """The ``factory`` of ``sqlite3.connect``: knows what ``cursor`` has made (SQLAlchemy's only way), and closes it
    first.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._cursors: WeakSet[sqlite3.Cursor] = WeakSet()

    def cursor(self, *arguments: Any) -> Any:
        """A new cursor."""
        made = super().cursor(*arguments)
        self._cursors.add(made)
        return made

    def close(self) -> None:
        """Ends the statements, then the connection."""
        for each in list(self._cursors):
            each.close()
        super().close()
