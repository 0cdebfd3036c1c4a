"""`python -m syncs.sandbox --home DIR`: serves the three stand-ins on loopback."""

import argparse
from pathlib import Path

from syncs.sandbox.server import serve


def main() -> None:
    """Reads the command line and serves."""
    parser = argparse.ArgumentParser(prog="python -m syncs.sandbox", description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="folder whose sandbox to serve")
    parser.add_argument("--port", type=int, default=0, help="port on loopback; 0 is a free one")
    parser.add_argument("--idle-seconds", type=float, help="stop after so long without a call")
    options = parser.parse_args()
    serve(options.home, options.port, options.idle_seconds)


if __name__ == "__main__":
    main()
