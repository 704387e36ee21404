"""``python -m asgi_cache`` is the command ``asgi-cache``."""

from __future__ import annotations

import sys

from asgi_cache.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
