"""Facebook's upload sessions: which number a batch travels under.

Facts this module rests on: batches of a session count from 1 without a gap; an id is unique in the
ad account; 90 minutes after its first batch Facebook drops what still comes, in silence; a batch
flagged as the last ends its session; a session that is never ended ends itself, and what it brought
stays.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from syncs.records import Operation

# Half of what Facebook allows: the last batch may wait for a rate limit, and for its retries.
SESSION_SECONDS: Final = 45 * 60.0


@dataclass
class _Upload:
    """The sessions of one operation in one run, of which the last is open."""

    session: int = 1
    taken: int = 0  # batches of the open session
    done: int = 0  # rows of the run that were answered
    began: float = 0.0  # when the first batch of the open session left
    before: int = 0  # rows that were answered before the open session


class UploadSessions:
    """Numbers the batches of one run into one audience; one batch at a time.

    Args:
        run_id: unique for ever; ids are derived from it.
        audience_id: the audience.
        totals: rows of the run, by operation.
        clock: seconds, for the age of a session.
    """

    def __init__(
        self,
        run_id: str,
        audience_id: str,
        totals: Mapping[Operation, int],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = f"{run_id}|{audience_id}"
        self._totals = totals
        self._clock = clock
        self._uploads = {operation: _Upload() for operation in Operation}

    def batch(self, operation: Operation, rows: int) -> dict[str, int | bool]:
        """The session parameter for the next batch; asking again without an answer is harmless."""
        upload = self._uploads[operation]
        if upload.taken and self._clock() - upload.began >= SESSION_SECONDS:
            self._turn(upload)
        if not upload.taken:
            upload.began = self._clock()
        total = max(self._totals.get(operation, 0), upload.done + rows)
        digest = hashlib.sha256(f"{self._name}|{operation}|{upload.session}".encode()).digest()
        return {
            "session_id": int.from_bytes(digest[:8]) >> 1,
            "batch_seq": upload.taken + 1,
            "last_batch_flag": upload.done + rows >= total,
            "estimated_num_total": total - upload.before,
        }

    def taken(self, operation: Operation, rows: int) -> None:
        """The batch was answered with success."""
        upload = self._uploads[operation]
        upload.taken += 1
        upload.done += rows
        if upload.done >= self._totals.get(operation, 0):
            # It was flagged as the last and ended the session.
            self._turn(upload)

    def refused(self, operation: Operation, rows: int) -> None:
        """The batch was refused for good: its number is free, its rows are not waited for."""
        self._uploads[operation].done += rows

    def lost(self, operation: Operation) -> None:
        """Nobody knows whether the batch counted: what follows is another session."""
        self._turn(self._uploads[operation])

    @staticmethod
    def _turn(upload: _Upload) -> None:
        upload.session += 1
        upload.taken = 0
        upload.before = upload.done
