"""A Redis server without a process: it executes commands at an instant of virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from redis.exceptions import ResponseError

from tests.simulation import key_commands, stream_commands
from tests.simulation.stream_commands import Blocked
from tests.simulation.virtual_time import wall_clock
from tests.simulation.wire import Command, Reply, parse_integer, refusal, wrong_arity, wrong_type


@dataclass
class Session:
    """What the server knows of one connection: the transaction that it is in the middle of."""

    queued: list[Command] | None = None
    aborted: bool = False


@dataclass
class SimulatedServer:
    """Executes commands, one at a time, and replies as redis-py returns it from RESP2."""

    clock: Callable[[], float] = wall_clock
    values: dict[bytes, Any] = field(default_factory=dict)
    deadlines: dict[bytes, int] = field(default_factory=dict)
    """When keys expire, in milliseconds since 1970."""
    scripts: dict[bytes, Callable[[SimulatedServer, list[bytes], list[bytes]], Reply]] = field(
        default_factory=dict
    )
    """What a script that EVAL is given does: it returns the reply, or raises a `refusal`."""
    executed: list[tuple[float, Command]] = field(default_factory=list)
    """What arrived, and at which instant."""
    _blocked: dict[asyncio.Future[Reply], Blocked] = field(default_factory=dict)

    def execute(self, command: Command, session: Session | None = None) -> Reply | Blocked:
        """Execute *command*, or queue it, and wake the readers that waited for what it added."""
        self.executed.append((self.clock(), tuple(command)))
        reply = self._dispatch(command, session or Session())
        self._wake()
        return reply

    async def perform(
        self, command: Command, session: Session, gone: asyncio.Future[None]
    ) -> Reply:
        """Execute *command*, and wait as long as it blocks and the client is not *gone*."""
        reply = self.execute(command, session)
        if not isinstance(reply, Blocked):
            return reply
        news = asyncio.get_running_loop().create_future()
        self._blocked[news] = reply
        try:
            await asyncio.wait(
                [news, gone], timeout=reply.timeout, return_when=asyncio.FIRST_COMPLETED
            )
            return news.result() if news.done() else None
        finally:
            self._blocked.pop(news, None)

    def call(self, *command: bytes) -> Reply:
        """Execute *command* from within a script.

        Raises:
            ResponseError: It was refused.
        """
        _check(command)
        return self._run(command)

    def milliseconds(self) -> int:
        """Return the milliseconds since 1970."""
        return int(self.clock() * 1000)

    def get(self, key: bytes) -> Any:
        """Return the value under *key*, unless its time is up."""
        deadline = self.deadlines.get(key)
        if deadline is not None and deadline < self.milliseconds():
            self.remove(key)
        return self.values.get(key)

    def find(self, key: bytes, kind: type) -> Any:
        """Return the value under *key*.

        Raises:
            ResponseError: It is not of this *kind*.
        """
        value = self.get(key)
        if value is not None and not isinstance(value, kind):
            raise wrong_type()
        return value

    def remove(self, key: bytes) -> None:
        """Forget *key*."""
        self.values.pop(key, None)
        self.deadlines.pop(key, None)

    def _dispatch(self, command: Command, session: Session) -> Reply | Blocked:
        try:
            name = _check(command)
        except ResponseError as error:
            session.aborted = True
            return error
        if name in _OF_TRANSACTIONS:
            return _OF_TRANSACTIONS[name](self, session)
        if session.queued is not None:
            session.queued.append(command)
            return b"QUEUED"
        return self._attempt(command)

    def _begin(self, session: Session) -> Reply:
        if session.queued is not None:
            return refusal("ERR MULTI calls can not be nested")
        session.queued, session.aborted = [], False
        return b"OK"

    def _end(self, session: Session) -> Reply:
        queued, session.queued = session.queued, None
        if queued is None:
            return refusal("ERR EXEC without MULTI")
        if session.aborted:
            return refusal("EXECABORT Transaction discarded because of previous errors.")
        replies = [self._attempt(command) for command in queued]
        return [None if isinstance(reply, Blocked) else reply for reply in replies]

    def _attempt(self, command: Command) -> Reply | Blocked:
        try:
            return self._run(command)
        except ResponseError as error:
            return error

    def _run(self, command: Command) -> Any:
        _, handler = _COMMANDS[command[0].upper()]
        return handler(self, list(command[1:]))

    def _wake(self) -> None:
        for news, blocked in list(self._blocked.items()):
            if (entries := blocked.read()) is not None:
                del self._blocked[news]
                news.set_result(entries)


def _check(command: Command) -> bytes:
    """Return the name of *command*, if it is one and has as many arguments as it may."""
    name = command[0].upper()
    if name not in _COMMANDS:
        beginning = "".join(f"'{argument.decode()}' " for argument in command[1:])
        raise refusal(
            f"ERR unknown command '{command[0].decode()}', with args beginning with: {beginning}"
        )
    arity, _ = _COMMANDS[name]
    if len(command) < abs(arity) or (arity > 0 and len(command) != arity):
        raise wrong_arity(name)
    return name


def _evaluate(server: SimulatedServer, arguments: Sequence[bytes]) -> Reply:
    script, numkeys, *rest = arguments
    count = parse_integer(numkeys)
    if count > len(rest):
        raise refusal("ERR Number of keys can't be greater than number of args")
    if count < 0:
        raise refusal("ERR Number of keys can't be negative")
    if script not in server.scripts:
        raise refusal("ERR the simulation does not know this script")
    return server.scripts[script](server, list(rest[:count]), list(rest[count:]))


def _not_in_scripts(server: SimulatedServer, arguments: Sequence[bytes]) -> Reply:
    raise refusal("ERR This Redis command is not allowed from script")


_OF_TRANSACTIONS = {b"MULTI": SimulatedServer._begin, b"EXEC": SimulatedServer._end}

_COMMANDS: dict[bytes, tuple[int, Callable[..., Any]]] = {
    b"DEL": (-2, key_commands.delete),
    b"EVAL": (-3, _evaluate),
    b"EXEC": (1, _not_in_scripts),
    b"EXISTS": (-2, key_commands.exists),
    b"FLUSHALL": (1, key_commands.flushall),
    b"GET": (2, key_commands.get),
    b"MGET": (-2, key_commands.mget),
    b"MULTI": (1, _not_in_scripts),
    b"PEXPIRE": (-3, key_commands.pexpire),
    b"PING": (-1, key_commands.ping),
    b"PTTL": (2, key_commands.pttl),
    b"SET": (-3, key_commands.set_),
    b"UNLINK": (-2, key_commands.delete),
    b"XADD": (-5, stream_commands.xadd),
    b"XLEN": (2, stream_commands.xlen),
    b"XRANGE": (-4, stream_commands.xrange),
    b"XREAD": (-4, stream_commands.xread),
    b"XREVRANGE": (-4, stream_commands.xrevrange),
    b"XTRIM": (-4, stream_commands.xtrim),
}
"""The length of each, its name included; a negative one is the least length."""
