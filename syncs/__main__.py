import sys

from syncs.cli import main

sys.exit(main(sys.argv[1:]))
