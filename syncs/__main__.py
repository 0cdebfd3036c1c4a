import sys

import syncs.lean  # noqa: F401 before whatever imports DuckDB
from syncs.cli import main

sys.exit(main(sys.argv[1:]))
