"""Everything that can go wrong in the activation half, as one tree.

::

    SyncError
    ├── SpecError            a spec file says something that cannot be run
    ├── PublishedDataError   published/segments.duckdb is missing, locked or lacks what a spec needs
    ├── LedgerError          the ledger of a destination account cannot be used
    │   └── LedgerBusyError  another process writes it
    ├── PlanMovedError       `apply --plan`: published data, ledger or spec changed since the plan
    ├── CredentialsError     production without the credentials a destination needs
    └── DeliveryError
        ├── StoppedError     the destination refuses this sync as a whole: a person must act
        ├── UnreachableError nothing was sent: no connection, or throttled past the deadline
        └── AnswerLostError  the request went out, its answer did not come back

No message carries an e-mail address, a phone number, a credential or a URL with its query string.
"""

from __future__ import annotations


class SyncError(Exception):
    """Base of every error that this package raises on purpose."""


class SpecError(SyncError):
    """A sync spec is wrong; the message names file, line, key and the nearest valid word."""


class PublishedDataError(SyncError):
    """The published segments cannot be read, or do not hold what a spec asks for."""


class LedgerError(SyncError):
    """The ledger file of a destination account is not one that this version can read."""


class LedgerBusyError(LedgerError):
    """Another process holds the ledger file of this destination account."""


class PlanMovedError(SyncError):
    """The plan given to ``apply --plan`` is not what would be sent now."""


class CredentialsError(SyncError):
    """A credential is missing; the message names the environment variable, never a value."""


class DeliveryError(SyncError):
    """Talking to a destination failed.

    Attributes:
        applied: the rows of the request may have been applied all the same: an earlier attempt
            went unanswered, or the job was accepted before its result could be read.
    """

    applied: bool = False


class StoppedError(DeliveryError):
    """The destination refuses the whole sync (authentication, permission, terms, policy, state).

    Attributes:
        code: the vendor's own code, or the HTTP status, as text.
    """

    def __init__(self, reason: str, *, code: str) -> None:
        super().__init__(reason)
        self.code = code


class UnreachableError(DeliveryError):
    """No answer and nothing delivered: the destination may be asked again at any time."""


class AnswerLostError(DeliveryError):
    """The request may or may not have been carried out."""

    applied = True
