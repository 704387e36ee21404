"""Sentinel sets, Clusters and servers that speak TLS, for tests; they leave nothing behind."""

from __future__ import annotations

import random
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.crc import key_slot
from redis.exceptions import RedisError

from tests.redis_server import RedisServer, running_redis

SLOTS = 16384
SERVICE = "cache"
PASSWORD = "s3cret"
"""What the servers that Sentinels watch ask for."""
SENTINEL_PASSWORD = "w4tch"
"""What the Sentinels ask for."""

_PORTS = iter(random.sample(range(10_000, 32_000), 22_000))
"""Ports below those that outgoing connections are given, each once."""


def free_port() -> int:
    """Return a port that nobody listens on, nor will until it is used."""
    for port in _PORTS:
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise RuntimeError("no port is free")


def until(holds: Callable[[], bool], what: str, seconds: float = 30.0) -> None:
    """Wait until something *holds*; *what* it is, is said if it does not come about."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds:g} s: {what}", pytrace=False)
        time.sleep(0.05)


def says(server: RedisServer, *command: str | int | bytes, password: str | None = None) -> Any:
    """Return what a server replies, as it is, or ``None`` if it does not."""
    try:
        with Redis(port=server.port, password=password, socket_timeout=1, protocol=2) as client:
            client.response_callbacks.clear()
            return client.execute_command(*command)
    except RedisError:
        return None


def text(reply: Any) -> str:
    """Return a reply as text; there being none is none."""
    return reply.decode() if isinstance(reply, bytes) else ""


def is_running(server: RedisServer) -> bool:
    """Say whether it was not stopped."""
    return server.process.poll() is None


@contextmanager
def directories() -> Iterator[Callable[[], str]]:
    """Return what makes directories that are gone in the end."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(tempfile.TemporaryDirectory())


@dataclass(frozen=True)
class Certificate:
    """What a server on this machine proves with who it is, and clients trust."""

    certificate: str
    key: str

    @property
    def arguments(self) -> tuple[str, ...]:
        """The settings of a server that proves itself with it, and asks clients for nothing."""
        files = ("--tls-cert-file", self.certificate, "--tls-key-file", self.key)
        return (*files, "--tls-ca-cert-file", self.certificate, "--tls-auth-clients", "no")

    @property
    def option(self) -> str:
        """The option of a URL that has a client trust it."""
        return f"ssl_ca_certs={self.certificate}"


def make_certificate(directory: str) -> Certificate:
    """Make one that nobody else has signed."""
    made = Certificate(f"{directory}/certificate.pem", f"{directory}/key.pem")
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    extensions = (
        *("-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"),
        *("-addext", "keyUsage=critical,digitalSignature,keyCertSign"),
    )
    files = ("-keyout", made.key, "-out", made.certificate, "-subj", "/CN=asgi_cache tests")
    subprocess.run([*command.split(), *files, *extensions], check=True, capture_output=True)
    return made


@dataclass
class Cluster:
    """Three primaries with a replica each, until one of them is stopped."""

    nodes: list[RedisServer]

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Where all nodes listen."""
        return [("127.0.0.1", node.port) for node in self.nodes]

    @property
    def url(self) -> str:
        """The URL that names the first two nodes."""
        return "redis+cluster://" + ",".join(f"{host}:{port}" for host, port in self.addresses[:2])

    def owner(self, key: bytes) -> RedisServer:
        """Return the primary that has *key*."""
        slot = key_slot(key)
        for first, last, primary, *_ in self._slots():
            if first <= slot <= last:
                return next(node for node in self.nodes if node.port == primary[1])
        raise LookupError(slot)

    def primaries(self) -> list[RedisServer]:
        """Return the nodes that have slots."""
        ports = {primary[1] for _, _, primary, *_ in self._slots()}
        return [node for node in self.nodes if node.port in ports]

    def other(self, *nodes: RedisServer) -> RedisServer:
        """Return a primary that is none of *nodes*."""
        return next(node for node in self.primaries() if node not in nodes)

    def identity(self, node: RedisServer) -> str:
        """Return what the others know *node* as."""
        return text(says(node, "CLUSTER", "MYID"))

    def begin_move(self, slot: int, source: RedisServer, target: RedisServer) -> None:
        """Announce to both that *slot* is on its way."""
        says(target, "CLUSTER", "SETSLOT", slot, "IMPORTING", self.identity(source))
        says(source, "CLUSTER", "SETSLOT", slot, "MIGRATING", self.identity(target))

    def move_key(self, key: bytes, source: RedisServer, target: RedisServer) -> None:
        """Take one key to the target of a move."""
        says(source, "MIGRATE", "127.0.0.1", target.port, key, 0, 1000)

    def end_move(self, slot: int, target: RedisServer) -> None:
        """Announce to all primaries, the target first, that *slot* has arrived."""
        for node in (target, *(each for each in self.primaries() if each is not target)):
            says(node, "CLUSTER", "SETSLOT", slot, "NODE", self.identity(target))

    def redirections(self) -> int:
        """Return how often clients were sent elsewhere."""
        return sum(
            int(line.partition("count=")[2])
            for node in self.nodes
            for line in text(says(node, "INFO", "errorstats")).splitlines()
            if line.startswith(("errorstat_MOVED", "errorstat_ASK"))
        )

    def heal(self) -> None:
        """Start what was stopped, and wait until all nodes agree that all is well."""
        for node in self.nodes:
            if not is_running(node):
                node.start()
        until(lambda: all(map(self._is_content, self.nodes)), "a cluster that is whole")

    def empty(self) -> None:
        """Forget all that was stored."""
        for node in self.primaries():
            says(node, "FLUSHALL")

    def _slots(self) -> Any:
        seen = (says(node, "CLUSTER", "SLOTS") for node in self.nodes if is_running(node))
        return next(slots for slots in seen if slots)

    def _is_content(self, node: RedisServer) -> bool:
        lines = text(says(node, "CLUSTER", "NODES")).splitlines()
        roles = [fields[2].removeprefix("myself,") for fields in map(str.split, lines)]
        state, link = says(node, "CLUSTER", "INFO"), says(node, "INFO", "replication")
        return (
            sorted(roles) == ["master"] * 3 + ["slave"] * 3
            and "cluster_state:ok" in text(state)
            and ("role:master" in text(link) or "master_link_status:up" in text(link))
        )


def cluster_arguments(*more: str) -> tuple[str, ...]:
    """Return the settings of a node that notices soon that another one is gone."""
    return (
        *("--cluster-enabled", "yes", "--cluster-port", str(free_port())),
        *("--cluster-node-timeout", "1000", "--cluster-replica-validity-factor", "0"),
        *("--cluster-allow-replica-migration", "no", "--repl-diskless-sync-delay", "0"),
        *more,
    )


@contextmanager
def running_cluster() -> Iterator[Cluster]:
    """Run a cluster of six nodes."""
    with directories() as directory:
        nodes = [RedisServer(free_port(), directory(), cluster_arguments()) for _ in range(6)]
        try:
            for node in nodes:
                node.start()
            _join(nodes[:3], nodes[3:])
            yield Cluster(nodes)
        finally:
            _stop(nodes)


def _join(primaries: Sequence[RedisServer], replicas: Sequence[RedisServer]) -> None:
    share = -(-SLOTS // len(primaries))
    for number, node in enumerate(primaries):
        says(node, "CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        first, last = number * share, min((number + 1) * share, SLOTS) - 1
        says(node, "CLUSTER", "ADDSLOTSRANGE", first, last)
    nodes = [*primaries, *replicas]
    for node in nodes[1:]:
        bus = node.arguments[node.arguments.index("--cluster-port") + 1]
        says(nodes[0], "CLUSTER", "MEET", "127.0.0.1", node.port, bus)
    until(lambda: all(_knows(node, len(nodes)) for node in nodes), "nodes that have met")
    for primary, replica in zip(primaries, replicas, strict=False):
        says(replica, "CLUSTER", "REPLICATE", says(primary, "CLUSTER", "MYID"))


def _knows(node: RedisServer, number: int) -> bool:
    lines = text(says(node, "CLUSTER", "NODES")).splitlines()
    return len(lines) == number and not any("handshake" in line for line in lines)


def _stop(servers: Sequence[RedisServer]) -> None:
    for server in servers:
        if is_running(server):
            server.stop()


@dataclass
class SentinelServer(RedisServer):
    """A Sentinel, which keeps what it knows in a file of its own."""

    watched: int = 0
    """The port of the primary to begin with."""
    quorum: int = 2
    settings: Sequence[str] = field(default_factory=list[str])

    def start(self) -> None:
        """Start it, and return as soon as it answers."""
        file = Path(self.directory, "sentinel.conf")
        if not file.exists():
            file.write_text("\n".join([*self._settings(), *self.settings]) + "\n")
        self.process = subprocess.Popen(
            ["redis-server", str(file), "--sentinel"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def _settings(self) -> list[str]:
        return [
            f"port {self.port}",
            "bind 127.0.0.1",
            f"dir {self.directory}",
            f"sentinel monitor {SERVICE} 127.0.0.1 {self.watched} {self.quorum}",
            f"sentinel down-after-milliseconds {SERVICE} 500",
            f"sentinel failover-timeout {SERVICE} 2000",
        ]


@dataclass
class SentinelSet:
    """A primary with two replicas, and three Sentinels that watch them."""

    servers: list[RedisServer]
    sentinels: list[SentinelServer]

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Where the Sentinels listen."""
        return [("127.0.0.1", sentinel.port) for sentinel in self.sentinels]

    @property
    def url(self) -> str:
        """The URL with all Sentinels in it, and without an option but their password."""
        where = ",".join(f"{host}:{port}" for host, port in self.addresses)
        secret = f"sentinel_password={SENTINEL_PASSWORD}"
        return f"redis+sentinel://:{PASSWORD}@{where}/{SERVICE}?{secret}"

    def primary(self) -> RedisServer:
        """Return the server that most Sentinels say is the primary."""
        ports = [self._known(sentinel) for sentinel in self.sentinels]
        port = max(ports, key=ports.count)
        return next(server for server in self.servers if server.port == port)

    def replica(self) -> RedisServer:
        """Return a server that is none."""
        primary = self.primary()
        return next(server for server in self.servers if server is not primary)

    def say(self, server: RedisServer, *command: str | int) -> Any:
        """Return what a server or a Sentinel replies."""
        is_sentinel = isinstance(server, SentinelServer)
        return says(server, *command, password=SENTINEL_PASSWORD if is_sentinel else PASSWORD)

    def heal(self) -> None:
        """Start what was stopped, and wait until all agree that all is well.

        A server that was replaced is told so at once, which Sentinels take some time to do.
        """
        for sentinel in self.sentinels:
            if not is_running(sentinel):
                sentinel.start()
        until(self._has_a_primary, "a primary that is there")
        where = ("127.0.0.1", str(self.primary().port))
        for server in self.servers:
            if not is_running(server):
                server.arguments = (*server_arguments(), "--replicaof", *where)
                server.start()
            elif server is not self.primary():
                self.say(server, "REPLICAOF", *where)
        until(self._is_whole, "a set of servers and Sentinels that is whole")

    def empty(self) -> None:
        """Forget all that was stored."""
        self.say(self.primary(), "FLUSHALL")

    def _known(self, sentinel: SentinelServer) -> int | None:
        address = self.say(sentinel, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)
        return int(address[1]) if address else None

    def _has_a_primary(self) -> bool:
        known = {self._known(sentinel) for sentinel in self.sentinels}
        return len(known) == 1 and None not in known and is_running(self.primary())

    def _is_whole(self) -> bool:
        return (
            self._has_a_primary()
            and self.say(self.primary(), "ROLE")[0] == b"master"
            and sum(_follows(self, server) for server in self.servers) == len(self.servers) - 1
            and all(map(self._sees_all, self.sentinels))
        )

    def _sees_all(self, sentinel: SentinelServer) -> bool:
        fields = self.say(sentinel, "SENTINEL", "MASTER", SERVICE) or []
        seen = dict(zip(fields[::2], fields[1::2], strict=True))
        return (
            seen.get(b"flags") == b"master"
            and int(seen[b"num-other-sentinels"]) == len(self.sentinels) - 1
            and int(seen[b"num-slaves"]) == len(self.servers) - 1
        )


def server_arguments() -> tuple[str, ...]:
    """Return the settings of a server that Sentinels watch."""
    secrets = ("--requirepass", PASSWORD, "--masterauth", PASSWORD)
    return (*secrets, "--repl-diskless-sync-delay", "0")


def _follows(among: SentinelSet, server: RedisServer) -> bool:
    return "master_link_status:up" in text(among.say(server, "INFO", "replication"))


@contextmanager
def running_sentinels() -> Iterator[SentinelSet]:
    """Run three servers and three Sentinels."""
    with directories() as directory:
        servers = [RedisServer(free_port(), directory(), server_arguments()) for _ in range(3)]
        for server in servers[1:]:
            server.arguments += ("--replicaof", "127.0.0.1", str(servers[0].port))
        settings = [
            f"sentinel auth-pass {SERVICE} {PASSWORD}",
            f"requirepass {SENTINEL_PASSWORD}",
            f"sentinel sentinel-pass {SENTINEL_PASSWORD}",
        ]
        sentinels = [
            SentinelServer(free_port(), directory(), watched=servers[0].port, settings=settings)
            for _ in range(3)
        ]
        made = SentinelSet(servers, sentinels)
        started: list[RedisServer] = []
        try:
            for server in servers:
                server.start()
                started.append(server)
            for server in servers[1:]:
                until(partial(_follows, made, server), "a replica that follows")
            for sentinel in sentinels:
                sentinel.start()
                started.append(sentinel)
            yield made
        finally:
            _stop(started)


@dataclass(frozen=True)
class Secured:
    """Servers that speak TLS, by the URL that they are reached at."""

    url: str


@contextmanager
def running_tls(certificate: Certificate) -> Iterator[Secured]:
    """Run a server that speaks TLS, and to one user only."""
    port = free_port()
    user = ("--user", "default", "off", "--user", "cache", "on", f">{PASSWORD}", "~*", "+@all")
    with running_redis("--tls-port", str(port), *certificate.arguments, *user):
        yield Secured(f"rediss://cache:{PASSWORD}@127.0.0.1:{port}?{certificate.option}")


@contextmanager
def running_tls_cluster(certificate: Certificate) -> Iterator[Secured]:
    """Run a cluster that speaks TLS; it has one node."""
    port = free_port()
    tls = ("--tls-port", str(port), "--tls-cluster", "yes", *certificate.arguments)
    with running_redis(*cluster_arguments(*tls)) as node:
        says(node, "CLUSTER", "ADDSLOTSRANGE", 0, SLOTS - 1)
        ok = "cluster_state:ok"
        until(lambda: ok in text(says(node, "CLUSTER", "INFO")), ok)
        yield Secured(f"rediss+cluster://127.0.0.1:{port}?{certificate.option}")


@contextmanager
def running_tls_sentinel(certificate: Certificate) -> Iterator[Secured]:
    """Run a server and a Sentinel that speak TLS, also with each other."""
    port, listening = free_port(), free_port()
    tls = [setting.removeprefix("--") for setting in certificate.arguments]
    settings = [f"{name} {value}" for name, value in zip(tls[::2], tls[1::2], strict=True)]
    settings += [f"tls-port {listening}", "tls-replication yes"]
    with directories() as directory, running_redis("--tls-port", str(port), *certificate.arguments):
        sentinel = SentinelServer(
            free_port(), directory(), watched=port, quorum=1, settings=settings
        )
        sentinel.start()
        try:
            until(lambda: bool(says(sentinel, "PING")), "a Sentinel that answers")
            yield Secured(f"rediss+sentinel://127.0.0.1:{listening}/{SERVICE}?{certificate.option}")
        finally:
            sentinel.stop()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """What the servers of the whole run prove themselves with."""
    return make_certificate(str(tmp_path_factory.mktemp("certificate")))


@pytest.fixture(scope="session")
def session_cluster() -> Iterator[Cluster]:
    """One cluster for the whole run."""
    with running_cluster() as made:
        yield made


@pytest.fixture
def cluster(session_cluster: Cluster) -> Cluster:
    """A cluster that is whole, with nothing in it."""
    session_cluster.heal()
    session_cluster.empty()
    return session_cluster


@pytest.fixture(scope="session")
def session_sentinels() -> Iterator[SentinelSet]:
    """One Sentinel set for the whole run."""
    with running_sentinels() as made:
        yield made


@pytest.fixture
def sentinels(session_sentinels: SentinelSet) -> SentinelSet:
    """A Sentinel set that is whole, with nothing in it."""
    session_sentinels.heal()
    session_sentinels.empty()
    return session_sentinels


@pytest.fixture(scope="session")
def tls_server(certificate: Certificate) -> Iterator[Secured]:
    """A server that speaks TLS."""
    with running_tls(certificate) as made:
        yield made


@pytest.fixture(scope="session")
def tls_cluster(certificate: Certificate) -> Iterator[Secured]:
    """A cluster that speaks TLS."""
    with running_tls_cluster(certificate) as made:
        yield made


@pytest.fixture(scope="session")
def tls_sentinel(certificate: Certificate) -> Iterator[Secured]:
    """A Sentinel and a server that speak TLS."""
    with running_tls_sentinel(certificate) as made:
        yield made
