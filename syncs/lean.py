"""Keeps what a command does not need out of its process; import it before anything else.

DuckDB's client imports pandas and pyarrow, where they are installed, to look at the parameters of
a statement. That is half a second and 86 MB, and nothing here uses either.
"""

from __future__ import annotations

import sys

for _name in ("pandas", "pyarrow"):
    # An import of a name that is bound to None fails at once.
    sys.modules.setdefault(_name, None)  # type: ignore[arg-type]
