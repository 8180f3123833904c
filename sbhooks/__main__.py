"""``python -m sbhooks``: the same as the command ``sbhooks``."""

from __future__ import annotations

import sys

from sbhooks.start import main

if __name__ == "__main__":
    sys.exit(main())
