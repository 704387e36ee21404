"""``make conformance``: run the HTTP cache tests and say what failed.

::

    suite (Node) → uvicorn → CacheMiddleware → ReverseProxy → the suite's server (Node)
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import shutil
import socket
import subprocess
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http import h11_impl

from asgi_cache import CacheMiddleware
from benchmarks.conformance.explained import EXPLAINED
from benchmarks.conformance.report import Result, print_report, surprises, write_report
from benchmarks.conformance.reverse_proxy import ReverseProxy

VERSION = "0.4.5"
HERE = Path(__file__).parent
WORK = HERE / ".work"
PACKAGE = WORK / "node_modules" / "http-cache-tests"
RESULTS = HERE.parent / "results" / "conformance.json"
LOOPBACK = "127.0.0.1"
PASSED = "✅"
"""What the suite prints of one test that passed."""


def main() -> int:
    """Run what the command line asks for; 1 if a test ended as nobody explained."""
    arguments = _parser().parse_args()
    if complaint := _install():
        print(complaint, file=sys.stderr)
        return 1
    if arguments.id:
        asyncio.run(_run_one(arguments.id, cached=arguments.cached))
        return 0
    results = _verdicts(asyncio.run(_run(cached=arguments.cached)))
    results = [_by_itself(result, cached=arguments.cached) for result in results]
    print_report(results)
    if arguments.cached:
        write_report(RESULTS, VERSION, results)
    return 1 if surprises(results) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.conformance")
    parser.add_argument("--id", metavar="TEST", help="run one test and show its messages")
    parser.add_argument(
        "--no-cache",
        dest="cached",
        action="store_false",
        help="leave the cache out: what the server and the proxy do by themselves",
    )
    return parser


def _by_itself(result: Result, *, cached: bool) -> Result:
    """Run a test again that failed unexpectedly, and without the hundred others beside it.

    What others purge meanwhile keeps an answer to POST from being stored, for one.
    """
    if result.verdict != "fail" or result.id in EXPLAINED:
        return result
    output = asyncio.run(_run(result.id, cached=cached))
    if PASSED not in output.decode():
        return result
    print(f"passed by itself: {result.id}")
    return replace(result, verdict="pass")


def _install() -> str:
    """Install the suite once; a line to print if that cannot be done."""
    if not shutil.which("node") or not shutil.which("npm"):
        return "The conformance tests need Node.js and npm on PATH."
    manifest = PACKAGE / "package.json"
    if manifest.exists() and json.loads(manifest.read_text())["version"] == VERSION:
        return ""
    WORK.mkdir(exist_ok=True)
    (WORK / "package.json").write_text('{"private": true}\n')
    print(f"Installing http-cache-tests {VERSION} ...")
    quietly = ["--silent", "--no-audit", "--no-fund", "--ignore-scripts"]
    command = ["npm", "install", *quietly, f"http-cache-tests@{VERSION}"]
    done = subprocess.run(command, cwd=WORK, check=False)
    return "npm could not install http-cache-tests." if done.returncode else ""


async def _run(test: str = "", *, cached: bool) -> bytes:
    """Return what the suite says of all tests, or of the one that is named."""
    async with _servers(cached=cached, origin_output=DEVNULL) as base:
        process = await _suite(base, test, stdout=PIPE)
        output, _ = await process.communicate()
    if process.returncode:
        raise SystemExit("The suite itself failed.")
    return output


async def _run_one(test: str, *, cached: bool) -> None:
    async with _servers(cached=cached, origin_output=None) as base:
        await (await _suite(base, test, stdout=None)).wait()


@asynccontextmanager
async def _servers(*, cached: bool, origin_output: int | None) -> AsyncIterator[str]:
    """Start the suite's server and ours in front of it; the base URL of ours."""
    port = _free_port()
    origin = await _node("server/server.mjs", port=port, stdout=origin_output)
    app: ASGIApp = ReverseProxy(LOOPBACK, port)
    try:
        await _until_it_listens(port)
        async with _serving(_under_test(app) if cached else app) as base:
            yield base
    finally:
        origin.terminate()
        await origin.wait()


def _under_test(app: ASGIApp) -> ASGIApp:
    """The cache as RFC 9111 has it: cookies are fields like any other, heuristics are on."""
    return CacheMiddleware(app, cookies="rfc9111", errors="rfc9111", heuristic=0.1)


@asynccontextmanager
async def _serving(app: ASGIApp) -> AsyncIterator[str]:
    # The suite's server answers 999 where it should have been asked conditionally.
    h11_impl.STATUS_PHRASES.setdefault(999, b"")
    logging.basicConfig(filename=WORK / "server.log", filemode="w", level=logging.INFO)
    config = uvicorn.Config(
        app,
        http="h11",
        lifespan="off",
        log_config=None,
        access_log=False,
        date_header=False,
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    listener = socket.create_server((LOOPBACK, 0), backlog=512)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    yield f"http://{LOOPBACK}:{listener.getsockname()[1]}"
    server.should_exit = True
    await serving


async def _suite(base: str, test: str, *, stdout: int | None) -> Process:
    return await _node("--no-warnings", "cli.mjs", base=base, id=test, stdout=stdout)


async def _node(*arguments: str, stdout: int | None, **settings: object) -> Process:
    """Start one of the suite's programs with its settings, which npm would hand to it."""
    given = {"protocol": "http", "pidfile": WORK / "server.pid", "id": "", **settings}
    variables = {
        f"npm_{kind}_{name}": str(value)
        for name, value in given.items()
        for kind in ("config", "package_config")
    }
    return await asyncio.create_subprocess_exec(
        "node", *arguments, cwd=PACKAGE, env=os.environ | variables, stdout=stdout
    )


def _free_port() -> int:
    with socket.create_server((LOOPBACK, 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


async def _until_it_listens(port: int) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                _, writer = await asyncio.open_connection(LOOPBACK, port)
            except ConnectionRefusedError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return


def _verdicts(raw: bytes) -> list[Result]:
    command = ["node", "--no-warnings", str(HERE / "verdicts.mjs"), str(PACKAGE)]
    done = subprocess.run(command, input=raw, stdout=subprocess.PIPE, check=True)
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return [Result(**row) for row in rows]


if __name__ == "__main__":
    sys.exit(main())
