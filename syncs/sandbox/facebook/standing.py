"""Whether a custom audience takes changes at the moment."""

import sqlite3

from syncs.sandbox.calls import RefusedError
from syncs.sandbox.config import Settings
from syncs.sandbox.facebook.problems import refuse

EMPTY, NORMAL, REPLACING, FLAGGED = 410, 200, 414, 471


class Standings:
    """The operation status of audiences: forced by hand, forced for good, or by their own state."""

    def __init__(self, connection: sqlite3.Connection, settings: Settings) -> None:
        self._connection = connection
        self._settings = settings

    def forced(self, key: str, now: float) -> int | None:
        """The code somebody forced on an audience, if any."""
        row = self._connection.execute(
            "select code from facebook_forced_status where audience_id = ? and until > ?",
            (key, now),
        ).fetchone()
        forced: int | None = row[0] if row else None
        return forced or self._settings.config.facebook_operation_status.get(key)

    def code(self, key: str, now: float) -> int:
        """The code an audience shows: nothing uploaded yet, being replaced, or normal.

        Args:
            key: An audience that exists.
            now: Seconds since the epoch.
        """
        style, replacing_until = self._connection.execute(
            "select style, replacing_until from facebook_audiences where id = ?", (key,)
        ).fetchone()
        own = EMPTY if style is None else NORMAL
        return self.forced(key, now) or (REPLACING if now < replacing_until else own)


def refusal(code: int | None) -> RefusedError | None:
    """The refusal of a change to an audience of this status, if it is refused."""
    if code == FLAGGED:
        return refuse(100, "(#100) The audience was flagged for policy", subcode=1713230)
    if code == REPLACING:
        return refuse(2650, "A replacement is in progress", subcode=1870145)
    return None
