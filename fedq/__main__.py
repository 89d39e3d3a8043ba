"""`python -m fedq` is the shell command."""

import sys

from fedq.show.cli import main

sys.exit(main())
