"""``python -m asgi_cache.demo``: the cache at work, in front of a slow app.

``STORE`` is the URL of the cache's store, or ``none`` for the app alone. With ``SERVE=1`` the
server is left running for one's own requests.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from importlib.util import find_spec
from secrets import token_hex
from typing import Final

from asgi_cache.errors import ConfigurationError, StoreUnavailable
from asgi_cache.purging import PurgeLog
from asgi_cache.stores.base import Store
from asgi_cache.stores.reaching import reach
from asgi_cache.stores.urls import open_store, shown

_EXTRA: Final = ("fastapi", "httpx", "uvicorn")
"""What the demo needs beside what the cache needs."""


def main() -> int:
    """Run the demo as the environment says, and return the status to exit with."""
    return run(os.environ.get("STORE") or "memory://", serves=_serves())


def run(url: str, *, serves: bool) -> int:
    """Run the demo, or leave its server running; return the status to exit with."""
    if missing := [name for name in _EXTRA if find_spec(name) is None]:
        print(f"The demo needs {' and '.join(missing)}: pip install 'asgi-cache[demo]'")
        return 2  # as every command of asgi-cache does
    from asgi_cache.demo.show import demonstrate, leave_running  # noqa: PLC0415

    store = None if url == "none" else url
    # What an earlier run has stored is not for this one.
    namespace = f"asgi-cache-demo-{token_hex(4)}"
    if store is not None and (why := _unusable(store, namespace)):
        print(why)
        return 1
    # As Ctrl-C does, so that the temporary directory is removed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return leave_running(store, namespace) if serves else demonstrate(store, namespace)
    except KeyboardInterrupt:
        return 130


def _serves() -> bool:
    return os.environ.get("SERVE", "").lower() in {"1", "true", "yes"}


def _unusable(url: str, namespace: str) -> str | None:
    """Say why the store at *url* cannot be used; nothing if it can.

    The cache itself would go on without it, but there would be nothing to see.
    """
    logging.getLogger("asgi_cache").setLevel(logging.ERROR)  # what it would warn of is said here
    try:
        asyncio.run(_reach(open_store(url, namespace)))
    except ConfigurationError as error:
        return str(error)
    except StoreUnavailable as error:
        return f"The store at {shown(url)} does not answer: {error}"
    return None


async def _reach(store: Store) -> None:
    """Wait for *store* to answer.

    Raises:
        StoreUnavailable: It does not.
    """
    store.follow(PurgeLog())
    try:
        await reach(store)
    finally:
        await store.close()


if __name__ == "__main__":
    sys.exit(main())
