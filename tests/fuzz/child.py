"""``python -m tests.fuzz.child NAME CORPUS OPTION ...``: feed one target, in this process.

Nothing of the package is imported before Atheris can watch what it does.
"""

from __future__ import annotations

import sys

import atheris


def main() -> None:
    """Go on until the time is over, or the target fails; it ends the process."""
    name, corpus, *options = sys.argv[1:]
    with atheris.instrument_imports(include=["asgi_cache", "tests"]):
        from tests.fuzz.targets import TARGETS  # noqa: PLC0415 - see above
    atheris.Setup([name, corpus, *options], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
