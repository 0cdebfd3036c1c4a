"""``python -m syncs`` without the vendors' rate limits: Klaviyo's allow 25,000 profiles a second.

What is measured this way is what the engine could do; a real account decides what it may.
"""

from __future__ import annotations

import sys

import syncs.lean  # noqa: F401 as the command itself does
from syncs.cli import main
from syncs.destinations import registry
from syncs.records import Limit

# As many as nobody reaches, in a window short enough to keep the file of their times small.
_NO_LIMIT = (Limit(1_000, 0.01),)

if __name__ == "__main__":
    # In place: whoever imported the mapping sees it, too.
    assert isinstance(registry.LIMITS, dict)
    for vendor, operations in registry.LIMITS.items():
        registry.LIMITS[vendor] = dict.fromkeys(operations, _NO_LIMIT)
    sys.exit(main(sys.argv[1:]))
