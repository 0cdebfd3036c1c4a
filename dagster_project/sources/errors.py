"""What can go wrong between a source folder and schema `raw`.

    SourceError        the source as a whole cannot be read: no such folder, no orders, two formats
      └── LoadError    one table cannot be loaded; what was loaded before stays as it was

Messages name tables, files, lines, columns and counts. They never hold a value of a row, because
messages end in logs.
"""

from __future__ import annotations


class SourceError(Exception):
    """The source cannot be read as it stands."""


class LoadError(SourceError):
    """One table was refused; the table of the previous load is untouched."""
