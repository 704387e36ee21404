"""What is done of a list, noted line by line, so that whoever goes on knows where."""

from __future__ import annotations

import json
from pathlib import Path
from typing import IO, Any, cast

from asgi_cache.cli.failing import Exit, Failure


class Journal:
    """The URLs that are done: those of earlier runs too, until all of them are.

    A line is written as soon as its URL is done. What is not there is to be done, so that
    nothing is lost whatever ends the process.
    """

    def __init__(self, path: Path | None, whose: str, *, anew: bool = False) -> None:
        """Read what is at *path*, if that was noted for the same requests, which *whose* tells.

        To begin *anew*, what was noted for any requests is removed.

        Raises:
            Failure: It was noted for others, or is something else.
        """
        self._path = path
        self._whose = whose
        self._file: IO[str] | None = None
        self.done: set[str] = set()
        if path is not None and path.exists():
            self._read(path, anew=anew)

    def _read(self, path: Path, *, anew: bool) -> None:
        try:
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError as error:
            raise Failure(Exit.USAGE, f"{path}: cannot be read: {error.strerror}") from error
        head = _object(lines[0]) if lines else {}
        if head.get("asgi-cache") != "warm":
            raise Failure(Exit.USAGE, f"{path}: is no state of asgi-cache warm: name another")
        if anew:
            path.unlink()
            return
        if head.get("whose") != self._whose:
            raise Failure(
                Exit.USAGE,
                f"{path}: is the state of other requests (another user, field, app or host): say "
                "--restart to forget it, or name another with --state",
            )
        # A line that a crash has cut short says nothing: its URL is done once more.
        self.done = {_object(line).get("url", "") for line in lines[1:]} - {""}

    def note(self, url: str) -> None:
        """Note that *url* is done."""
        self.done.add(url)
        if self._path is None:
            return
        if self._file is None:
            self._file = self._open(self._path)
        self._file.write(json.dumps({"url": url}) + "\n")
        self._file.flush()

    def _open(self, path: Path) -> IO[str]:
        try:
            is_new = not path.exists()
            file = path.open("a", encoding="utf-8")
        except OSError as error:
            raise Failure(Exit.USAGE, f"{path}: cannot be written: {error.strerror}") from error
        # After a line that was cut short, the next one begins on its own.
        file.write(json.dumps({"asgi-cache": "warm", "whose": self._whose}) if is_new else "")
        file.write("\n")
        return file

    def close(self, *, complete: bool) -> None:
        """Write no more; if the whole list is done, it need not be known any more."""
        if self._file is not None:
            self._file.close()
        if complete and self._path is not None:
            self._path.unlink(missing_ok=True)


def _object(line: str) -> dict[str, Any]:
    try:
        plain = json.loads(line)
    except ValueError:
        return {}
    return cast("dict[str, Any]", plain) if isinstance(plain, dict) else {}
