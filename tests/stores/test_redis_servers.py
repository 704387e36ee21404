"""Commands on their way to one server, to whichever is the primary, and to a cluster's nodes."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import asynccontextmanager, suppress

import pytest
from redis.asyncio import Redis
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.cluster import LoadBalancingStrategy
from redis.crc import key_slot
from redis.exceptions import (
    AuthenticationError,
    MovedError,
    RedisError,
    ResponseError,
)
from redis.exceptions import (
    ConnectionError as NoConnection,
)

from asgi_cache.deadline import Deadline
from asgi_cache.stores import redis_nodes, redis_sentinel
from asgi_cache.stores.redis_client import make_client
from asgi_cache.stores.redis_cluster import (
    MAX_HOPS,
    ClusterServers,
    NodeUnreachable,
    make_cluster_client,
)
from asgi_cache.stores.redis_nodes import ClusterNotFound, Node
from asgi_cache.stores.redis_sentinel import Primary, make_sentinel_client
from asgi_cache.stores.redis_servers import servers_of
from tests.bare import Clock
from tests.redis_server import free_port, running_redis
from tests.redis_topologies import (
    PASSWORD,
    SENTINEL_PASSWORD,
    SERVICE,
    SLOTS,
    cluster_arguments,
    says,
    text,
)
from tests.stores.probes import connections_named, gone, turns

pytestmark = pytest.mark.anyio

DEADLINE = 10.0
"""Seconds for what is not about deadlines."""

PROMOTION = 30.0
"""Seconds in which a replica is promoted, on a busy machine."""

KEYS = [b"key:%d" % number for number in range(60)]
"""Keys of all nodes."""


@asynccontextmanager
async def opened(client, *, is_ours=True, monotonic=time.monotonic):
    """Ask the servers of *client*, until the end of a block."""
    servers = servers_of(client, is_ours=is_ours, monotonic=monotonic)
    try:
        yield servers
    finally:
        await servers.close()


def of_one(server, **options):
    """Ask one server."""
    return opened(make_client("redis", host="127.0.0.1", port=server.port, **options))


def of_cluster(cluster, monotonic=time.monotonic, **options):
    """Ask a cluster."""
    client = make_cluster_client("redis+cluster", cluster.addresses, **options)
    return opened(client, monotonic=monotonic)


def of_sentinels(sentinels, **options):
    """Ask whichever server is the primary."""
    settings = {"password": PASSWORD, "sentinel_password": SENTINEL_PASSWORD, **options}
    client = make_sentinel_client("redis+sentinel", sentinels.addresses, SERVICE, **settings)
    return opened(client)


async def eventually(attempt, seconds=PROMOTION):
    """Repeat *attempt* until it does not fail; how often it did."""
    failures, deadline = 0, time.monotonic() + seconds
    while True:
        try:
            async with asyncio.timeout(0.5):
                await attempt()
        except (RedisError, OSError):
            assert time.monotonic() < deadline
            failures += 1
            await asyncio.sleep(0.02)
        else:
            return failures


def pools_of(servers):
    """Return the connections that commands go by."""
    if isinstance(servers, ClusterServers):
        return [turns.pool for turns in servers._nodes._turns.values()]
    return [servers._client.connection_pool]


async def moment():
    """Let a moment pass."""
    await asyncio.sleep(0.01)


async def tell(servers, *commands):
    """Have *commands* executed; their replies, of which none may be an error."""
    replies, _ = await servers.ask(commands)
    for reply in replies:
        if isinstance(reply, ResponseError):
            raise reply
    return replies


@pytest.fixture(params=["one", "cluster", "sentinels"])
async def servers(request, anyio_backend):
    """Servers of every kind."""
    if request.param == "one":
        opening = of_one(request.getfixturevalue("server"))
    elif request.param == "cluster":
        opening = of_cluster(request.getfixturevalue("cluster"))
    else:
        opening = of_sentinels(request.getfixturevalue("sentinels"))
    async with opening as made:
        yield made


async def test_everybody_is_asked_what_they_know(servers):
    """Replies and values come in the order in which they were asked for."""
    await tell(servers, *((b"SET", key, b"value of " + key) for key in KEYS[::2]))
    commands = [(b"STRLEN", key) for key in KEYS]
    replies, values = await servers.ask(commands, [*KEYS, KEYS[0]])
    wanted = [b"value of " + key if n % 2 == 0 else None for n, key in enumerate(KEYS)]
    assert replies == [len(value or b"") for value in wanted]
    assert values == [*wanted, wanted[0]]


async def test_commands_of_one_key_are_executed_in_their_order(servers):
    """What is known of a key is what was done before, in the same breath too."""
    commands = [(b"SET", b"n", b"1"), (b"INCR", b"n"), (b"SET", b"n", b"9", b"NX"), (b"GET", b"n")]
    assert await servers.ask(commands, [b"n"]) == ([b"OK", 2, None, b"2"], [b"2"])


async def test_nothing_is_asked(servers):
    """Who asks nothing is answered nothing."""
    assert await servers.ask([]) == ([], [])
    assert await servers.ask([], []) == ([], [])


async def test_keys_that_do_not_come_second(servers):
    """A script's key and a stream's are found where they stand."""
    await tell(servers, (b"XADD", b"stream", b"1-1", b"field", b"value"))
    script = (b"EVAL", b"return redis.call('SET', KEYS[1], ARGV[1])", b"1", b"scripted", b"done")
    after = (b"XREAD", b"COUNT", b"1", b"BLOCK", b"10", b"STREAMS", b"stream", b"0-0")
    replies, values = await servers.ask([script, after], [b"scripted"])
    assert replies == [b"OK", [[b"stream", [[b"1-1", [b"field", b"value"]]]]]]
    assert values == [b"done"]


async def test_error_is_the_reply_to_its_own_command(servers):
    """Of many commands one can be refused, and the others have their replies."""
    await tell(servers, *((b"SET", key, b"1") for key in KEYS))
    await tell(servers, (b"DEL", KEYS[7]), (b"SADD", KEYS[7], b"a"))
    replies, _ = await servers.ask([(b"INCR", key) for key in KEYS])
    refused = replies.pop(7)
    assert isinstance(refused, ResponseError)
    assert "WRONGTYPE" in str(refused)
    assert replies == [2] * (len(KEYS) - 1)


async def test_transaction(servers):
    """Commands that are executed together have the replies that each would have."""
    commands = [(b"SET", b"n", b"1"), (b"INCR", b"n"), (b"PEXPIRE", b"n", b"60000")]
    assert await servers.transaction(commands) == [b"OK", 2, 1]


@pytest.mark.parametrize("refused", [(b"SADD", b"n", b"a"), (b"NOSUCHCOMMAND", b"n")])
async def test_transaction_that_is_refused(servers, refused):
    """What is refused of a transaction is raised, and leaves the connection in order."""
    with pytest.raises(ResponseError, match=r"WRONGTYPE|unknown command"):
        await servers.transaction([(b"SET", b"n", b"1"), refused])
    assert await tell(servers, (b"SET", b"n", b"2"), (b"GET", b"n")) == [b"OK", b"2"]


async def test_who_gives_up_leaves_no_reply_to_others(servers):
    """However many give up at whatever moment, everybody is answered what they asked."""
    await tell(servers, *((b"SET", key, key) for key in KEYS))
    chance = random.Random(7)

    async def ask(patience):
        keys = chance.sample(KEYS, 5)
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                replies, values = await servers.ask([(b"GET", key) for key in keys], keys)
                assert replies == values == keys
                assert await servers.transaction([(b"GET", keys[0])]) == keys[:1]
                return True
        return False

    for _ in range(10):
        await asyncio.gather(*(ask(chance.uniform(0, 0.02)) for _ in range(100)))
    assert all(await asyncio.gather(*(ask(DEADLINE) for _ in range(200))))
    assert not any(pool._in_use_connections for pool in pools_of(servers))


async def test_connection_is_had_by_who_came_first(server):
    """Who waits for a connection is not overtaken, nor forgotten if the one before gives up."""
    async with of_one(server, max_connections=1) as servers:
        order = []

        async def ask(number):
            await servers.ask([(b"GET", b"n")])
            order.append(number)

        with server.hung():
            asking = [asyncio.create_task(ask(number)) for number in range(4)]
            await turns()
            asking[1].cancel()
        while not asking[0].done():
            await turns(1)
        asking[2].cancel()
        asking.append(asyncio.create_task(ask(4)))
        async with asyncio.timeout(DEADLINE):
            await asyncio.wait(asking)
        assert order == [0, 3, 4]


@pytest.mark.parametrize(("connections", "spare"), [(1, False), (2, True)])
def test_connection_can_be_spared(connections, spare):
    """A connection can wait for purges where there is another one for the rest."""
    for client in (
        make_client("redis", max_connections=connections),
        make_cluster_client("redis+cluster", [("127.0.0.1", 1)], max_connections=connections),
        make_sentinel_client("redis+sentinel", [("h", 1)], "s", max_connections=connections),
    ):
        assert servers_of(client, is_ours=True).can_spare_a_connection is spare


class TestOneServer:
    """One server."""

    async def test_all_is_one_round_trip(self, server):
        """Names are looked up at once."""
        async with of_one(server) as servers:
            await servers.ask([(b"CONFIG", b"RESETSTAT")])
            await servers.ask([(b"SET", b"a", b"1")], [b"a", b"b"])
        seen = text(says(server, "INFO", "commandstats"))
        assert "cmdstat_mget:calls=1" in seen
        assert "cmdstat_get" not in seen

    async def test_refused_lookup_is_the_value_of_each_name(self):
        """Where the look-up is refused, no name has a value, and commands have their replies."""
        with running_redis("--rename-command", "MGET", "") as server:
            async with of_one(server) as servers:
                replies, values = await servers.ask([(b"SET", b"a", b"1")], [b"a", b"b"])
        assert replies == [b"OK"]
        assert [type(value) for value in values] == [ResponseError] * 2

    async def test_reply_to_something_else(self):
        """Values that are not as many as the names are nobody's."""

        async def answer(reader, writer):
            await reader.read(1)
            writer.write(b"*0\r\n")
            await reader.read()
            writer.close()

        listener = await asyncio.start_server(answer, "127.0.0.1", 0)
        client = make_client("redis", port=listener.sockets[0].getsockname()[1])
        async with listener, opened(client) as servers:
            with pytest.raises(ValueError, match="another question"):
                await servers.ask([], KEYS)

    @pytest.mark.parametrize("is_ours", [True, False])
    async def test_client_of_the_user_is_left_open(self, server, is_ours):
        """The connections of a client are closed by whoever made it."""
        async with Redis(port=server.port) as client:
            async with opened(client, is_ours=is_ours) as servers:
                await servers.ask([(b"PING",)])
            (connection,) = client.connection_pool._available_connections
            assert connection.is_connected is not is_ours


class TestCluster:
    """The nodes of a cluster."""

    async def test_commands_go_where_their_keys_are(self, cluster):
        """No node is asked what another one has."""
        before = cluster.redirections()
        async with of_cluster(cluster) as servers:
            await tell(servers, *((b"SET", key, b"1") for key in KEYS))
            await servers.ask([], KEYS)
            await servers.transaction([(b"GET", KEYS[0])])
        assert cluster.redirections() == before
        assert len({cluster.owner(key).port for key in KEYS}) == 3

    async def test_slot_that_moved(self, cluster):
        """Who was not told that a slot moved is told on asking, and then knows."""
        key = KEYS[0]
        source, slot = cluster.owner(key), key_slot(key)
        target = cluster.other(source)
        async with of_cluster(cluster) as servers:
            await tell(servers, *((b"SET", each, b"1") for each in KEYS))
            cluster.begin_move(slot, source, target)
            cluster.move_key(key, source, target)
            cluster.end_move(slot, target)
            replies, values = await servers.ask([(b"INCR", each) for each in KEYS], KEYS)
            assert (replies, values) == ([2] * len(KEYS), [b"2"] * len(KEYS))
            assert await servers.transaction([(b"INCR", key), (b"GET", key)]) == [3, b"3"]
            async with asyncio.timeout(DEADLINE):
                while servers._nodes.node_of(key).port != target.port:
                    await servers.ask([(b"GET", key)])
            before = cluster.redirections()
            await servers.ask([(b"GET", key)])
            assert cluster.redirections() == before

    async def test_slot_that_is_being_moved(self, cluster):
        """While a slot is moved, keys that are not there any more are asked for at its target."""
        moved, there = b"{slot}moved", b"{slot}there"
        source, slot = cluster.owner(moved), key_slot(moved)
        target = cluster.other(source)
        async with of_cluster(cluster) as servers:
            await tell(servers, (b"SET", moved, b"1"), (b"SET", there, b"1"))
            cluster.begin_move(slot, source, target)
            try:
                cluster.move_key(moved, source, target)
                commands = [(b"INCR", moved), (b"INCR", there), (b"INCR", b"{slot}new")]
                names = [moved, there, b"{slot}new", b"{slot}none"]
                assert await servers.ask(commands, names) == ([2, 2, 1], [b"2", b"2", b"1", None])
                assert await servers.transaction([(b"INCR", moved), (b"GET", moved)]) == [3, b"3"]
                assert await servers.transaction([(b"INCR", there), (b"GET", there)]) == [3, b"3"]
                assert servers._nodes.node_of(moved).port == source.port
            finally:
                cluster.move_key(there, source, target)
                cluster.end_move(slot, target)

    async def test_b13_nothing_is_lost_while_slots_are_moved(self, cluster):
        """Under load, each command is executed once wherever its key has got to."""
        keys = [b"{load}%d" % number for number in range(20)]
        source, slot = cluster.owner(keys[0]), key_slot(keys[0])
        target, counts, is_over = cluster.other(source), dict.fromkeys(keys, 0), asyncio.Event()

        async def load(servers, key):
            while not is_over.is_set():
                (count,), (value,) = await servers.ask([(b"INCR", key)], [key])
                assert int(value) == count
                counts[key] += 1
                assert count == counts[key]

        def move():
            cluster.begin_move(slot, source, target)
            for key in keys:
                cluster.move_key(key, source, target)
            cluster.end_move(slot, target)

        async with of_cluster(cluster) as servers, asyncio.TaskGroup() as group:
            for key in keys:
                group.create_task(load(servers, key))
            while not all(counts.values()):
                await moment()
            await asyncio.to_thread(move)
            reached = dict(counts)
            while any(counts[key] < reached[key] + 10 for key in keys):
                await moment()
            is_over.set()

    async def test_endless_redirection_is_an_error(self, cluster):
        """Nodes that send a command to and fro do not keep it for ever."""
        key = b"{slot}key"
        slot = key_slot(key)
        target = cluster.other(cluster.owner(key))
        async with of_cluster(cluster) as servers:
            elsewhere, asked = Node("127.0.0.1", target.port), []

            def named(redirection, by):
                asked.append(by)
                return elsewhere

            servers._nodes.node_of = lambda _: elsewhere
            servers._nodes.named = named
            (reply,), _ = await servers.ask([(b"GET", key)])
        assert isinstance(reply, MovedError)
        assert (reply.slot_id, asked) == (slot, [elsewhere] * MAX_HOPS)

    async def test_redirection_without_a_host(self, cluster):
        """A node that does not know its own name means the one that it was asked by."""
        async with of_cluster(cluster) as servers:
            named = servers._nodes.named(MovedError("7 :7001"), Node("here", 7000))
            assert named == Node("here", 7001)
            named = servers._nodes.named(MovedError("7 there:7001"), Node("here", 7000))
            assert named == Node("there", 7001)

    async def test_node_that_is_gone(self, cluster):
        """Others are asked still; and where a node was, there is its replica soon."""
        key = KEYS[0]
        async with of_cluster(cluster) as servers:
            await tell(servers, *((b"SET", each, b"1") for each in KEYS))
            lost = cluster.owner(key)
            theirs = [cluster.owner(each) is lost for each in KEYS]
            lost.stop()
            with pytest.raises((NoConnection, OSError)):
                await servers.ask([], [key])
            with pytest.raises((NoConnection, OSError)):
                await servers.transaction([(b"GET", key)])
            _, values = await servers.ask([], KEYS)
            assert [isinstance(value, NodeUnreachable) for value in values] == theirs
            assert {v for v, is_lost in zip(values, theirs, strict=True) if not is_lost} == {b"1"}
            assert await eventually(lambda: tell(servers, (b"INCR", key)))
            await eventually(lambda: tell(servers, *((b"INCR", each) for each in KEYS)))

    async def test_node_that_hangs(self, cluster):
        """Who gives up on a node leaves nothing behind, and finds its replica soon."""
        key = KEYS[0]
        async with of_cluster(cluster, max_connections=1) as servers:
            await tell(servers, (b"SET", key, b"1"))
            with cluster.owner(key).hung():
                assert await eventually(lambda: tell(servers, (b"INCR", key)))
            _, values = await servers.ask([], [key])
            assert int(values[0]) >= 1

    async def test_nodes_are_found_though_one_hangs(self, cluster):
        """A node that accepts connections and does nothing else is passed over."""
        key = next(key for key in KEYS if cluster.owner(key) is not cluster.nodes[0])
        client = make_cluster_client("redis+cluster", cluster.addresses[:2])
        async with opened(client) as servers:
            with cluster.nodes[0].hung():
                async with asyncio.timeout(2):
                    await servers.ask([], [key])

    async def test_search_is_not_ended_by_who_cannot_wait(self, cluster):
        """A deadline that is shorter than the search does not begin it again and again."""
        async with of_cluster(cluster) as servers:
            asking = asyncio.create_task(servers.ask([], KEYS))
            await turns(2)
            asking.cancel()
            await asyncio.wait([asking])
            search = servers._nodes._search
            await servers.ask([], KEYS)
            assert servers._nodes._search is search

    async def test_search_is_ended_by_closing(self, cluster):
        """Nothing is left that goes on by itself."""
        async with of_cluster(cluster) as servers:
            asking = asyncio.create_task(servers.ask([], KEYS))
            await turns(2)
        assert servers._nodes._search.cancelled()
        await asyncio.wait([asking])
        assert asking.cancelled()

    async def test_searches_are_rare(self, cluster):
        """Whatever is in doubt, the nodes are not searched for all the time."""
        clock = Clock()
        async with of_cluster(cluster, clock) as servers:
            await servers.ask([], KEYS)
            search = servers._nodes._search
            servers._nodes.doubt(None)
            await servers.ask([], KEYS)
            assert servers._nodes._search is search
            clock.advance(redis_nodes.PAUSE)
            await servers.ask([], KEYS)
            assert servers._nodes._search is not search

    async def test_connections_to_nodes_that_left_are_closed(self, cluster, server):
        """A node that does not belong to the cluster any more is forgotten."""
        clock = Clock()
        async with (
            Redis(port=server.port) as admin,
            of_cluster(cluster, clock, client_name="left") as servers,
        ):
            await servers.ask([], KEYS)
            pool = servers._nodes.turns_of(Node("127.0.0.1", server.port)).pool
            idle, used = [await pool.get_connection() for _ in range(2)]
            await pool.release(idle)
            servers._nodes.doubt(None)
            clock.advance(redis_nodes.PAUSE)
            servers._nodes.look_again()
            await servers._nodes._search
            assert await connections_named(admin, "left") == 1
            await pool.release(used)
            await gone(admin, "left")
            assert Node("127.0.0.1", server.port) not in servers._nodes._turns

    async def test_connections_are_bounded(self, cluster):
        """Who finds all connections to a node in use waits for one."""
        node = cluster.owner(KEYS[0])
        async with (
            Redis(port=node.port) as admin,
            of_cluster(cluster, max_connections=2, client_name="bounded") as servers,
        ):
            asking = (tell(servers, (b"INCR", KEYS[0])) for _ in range(100))
            replies = await asyncio.gather(*asking)
            assert sorted(reply for (reply,) in replies) == list(range(1, 101))
            # Another one may be there: the one by which the nodes were found.
            assert await connections_named(admin, "bounded") in (2, 3)

    async def test_closing(self, cluster):
        """No connection is left, not even one by which the nodes were found."""
        async with of_cluster(cluster, client_name="closed") as servers:
            await servers.ask([], KEYS)
        for node in cluster.nodes:
            async with Redis(port=node.port) as admin:
                await gone(admin, "closed")

    async def test_nobody_there(self):
        """Where nobody listens there is no cluster, at once."""
        client = make_cluster_client("redis+cluster", [("127.0.0.1", free_port())])
        async with opened(client) as servers:
            for _ in range(2):
                with pytest.raises(NoConnection):
                    await servers.ask([], KEYS)

    async def test_server_that_is_no_cluster(self, server):
        """One server by itself has no nodes to tell of."""
        client = make_cluster_client("redis+cluster", [("127.0.0.1", server.port)])
        async with opened(client) as servers:
            with pytest.raises(ClusterNotFound):
                await servers.ask([], KEYS)

    async def test_cluster_that_is_made_later(self):
        """Nodes that have no slots yet are asked again, at where the user said that they are."""
        with running_redis(*cluster_arguments()) as node:
            client = make_cluster_client("redis+cluster", [("127.0.0.1", node.port)])
            async with opened(client) as servers:
                for _ in range(2):
                    with pytest.raises(ClusterNotFound):
                        await servers.ask([], KEYS)
                says(node, "CLUSTER", "ADDSLOTSRANGE", 0, SLOTS - 1)
                await eventually(lambda: tell(servers, (b"SET", b"n", b"1")))

    async def test_cluster_that_has_other_addresses(self, cluster):
        """Where all that was found is gone, those are asked that the user named."""
        clock = Clock()
        async with of_cluster(cluster, clock) as servers:
            await servers.ask([], KEYS)
            nodes = servers._nodes
            nodes._manager.startup_nodes = {}
            nodes.doubt(None)
            clock.advance(redis_nodes.PAUSE)
            nodes.look_again()
            assert isinstance(await nodes._search, ClusterNotFound)
            assert set(nodes._manager.startup_nodes) == {
                f"{host}:{port}" for host, port in cluster.addresses
            }

    async def test_wrong_password(self, cluster):
        """A node that refuses who asks is told apart from one that is not there."""
        async with of_cluster(cluster, username="who", password="gu3ss") as servers:
            with pytest.raises(AuthenticationError):
                await servers.ask([], KEYS)

    async def test_slot_that_nobody_has(self, cluster):
        """Where a slot has no node, the keys of others are found."""
        async with of_cluster(cluster) as servers:
            await tell(servers, *((b"SET", key, b"1") for key in KEYS))
            del servers._nodes._manager.slots_cache[key_slot(KEYS[0])]
            _, values = await servers.ask([], KEYS)
            assert isinstance(values[0], NodeUnreachable)
            assert values[1:] == [b"1"] * (len(KEYS) - 1)
            async with asyncio.timeout(DEADLINE):
                while (await servers.ask([], KEYS))[1] != [b"1"] * len(KEYS):
                    await moment()

    async def test_client_of_the_user(self, cluster):
        """A client that the user brings is left as it is, with whom it connects as."""
        nodes = [ClusterNode(host, port) for host, port in cluster.addresses[:1]]
        async with RedisCluster(
            startup_nodes=nodes,
            client_name="users",
            decode_responses=True,
            load_balancing_strategy=LoadBalancingStrategy.ROUND_ROBIN,
            protocol=3,
        ) as client:
            async with opened(client, is_ours=False) as servers:
                await tell(servers, *((b"SET", key, b"\xff") for key in KEYS))
                assert (await servers.ask([], KEYS))[1] == [b"\xff"] * len(KEYS)
                async with Redis(port=cluster.owner(KEYS[0]).port) as admin:
                    assert await connections_named(admin, "users")
            assert await client.exists(*(key.decode() for key in KEYS)) == len(KEYS)

    def test_password_of_the_key_reaches_the_connections(self):
        """The file that a client proves itself with can be encrypted."""
        client = make_cluster_client("rediss+cluster", [("127.0.0.1", 1)], ssl_password="s3cret")
        nodes = servers_of(client, is_ours=True)._nodes
        (first,) = nodes._manager.startup_nodes.values()
        pool = nodes.turns_of(Node("127.0.0.1", 1)).pool
        for settings in (pool.connection_kwargs, first.connection_kwargs):
            assert settings["ssl_password"] == "s3cret"

    def test_connections_do_as_they_are_told(self):
        """They repeat nothing, take nothing that was not asked for, and are kept alive."""
        client = make_cluster_client("redis+cluster", [("127.0.0.1", 1)])
        pool = servers_of(client, is_ours=True)._nodes.turns_of(Node("127.0.0.1", 1)).pool
        assert pool.connection_kwargs["retry"].get_retries() == 0
        assert pool.connection_kwargs["protocol"] == 2
        assert pool.connection_kwargs["socket_timeout"] is None
        assert not pool.maint_notifications_enabled()
        assert pool.make_connection().socket_keepalive


class Directed:
    """A client of whatever a test says that the Sentinels say."""

    def __init__(self, monkeypatch, count=1):
        self.primary = None
        self.epochs = [0] * count
        addresses = [("127.0.0.1", 1 + number) for number in range(count)]
        self.clock = Clock()
        self.client = make_sentinel_client(
            "redis+sentinel", addresses, SERVICE, monotonic=self.clock
        )
        self.pool = self.client.connection_pool
        monkeypatch.setattr(self.pool, "_primary_by", self.primary_by)

    async def primary_by(self, sentinel):
        epoch = self.epochs[self.pool.sentinel_manager.sentinels.index(sentinel)]
        if self.primary is None or epoch is None:
            return Primary(-1, None)
        return Primary(epoch, ("127.0.0.1", self.primary.port))


@pytest.fixture
def directed(monkeypatch):
    """A client of whatever a test says that the Sentinels say."""
    return Directed(monkeypatch)


class TestSentinel:
    """Whichever server is the primary."""

    async def test_only_the_primary_is_asked(self, sentinels):
        """What is written is where the Sentinels say that the primary is."""
        async with of_sentinels(sentinels) as servers:
            await tell(servers, (b"SET", b"n", b"1"))
        assert sentinels.say(sentinels.primary(), "GET", "n") == b"1"

    @pytest.mark.parametrize("wrong", [{"sentinel_password": "gu3ss"}, {"password": "gu3ss"}])
    async def test_credentials(self, sentinels, wrong):
        """The Sentinels have credentials of their own, and the servers too."""
        async with of_sentinels(sentinels, sentinel_username="default") as servers:
            await servers.ask([], KEYS)
        async with of_sentinels(sentinels, **wrong) as servers:
            with pytest.raises(NoConnection):
                await servers.ask([], KEYS)

    async def test_service_that_nobody_knows(self, sentinels):
        """Sentinels can watch other services."""
        client = make_sentinel_client(
            "redis+sentinel", sentinels.addresses, "other", sentinel_password=SENTINEL_PASSWORD
        )
        async with opened(client) as servers:
            with pytest.raises(NoConnection, match="no Sentinel knows the primary of 'other'"):
                await servers.ask([], KEYS)

    async def test_sentinels_that_hang_or_are_gone(self, sentinels):
        """One Sentinel that answers is enough, and the others cost no time."""
        sentinels.sentinels[1].stop()
        with sentinels.sentinels[0].hung():
            async with of_sentinels(sentinels) as servers, Deadline(0.5):
                await servers.ask([], KEYS)

    async def test_primary_that_is_gone(self, sentinels):
        """A replica takes its place, which is found."""
        async with of_sentinels(sentinels, max_connections=3) as servers:
            asking = (tell(servers, (b"SET", key, b"1")) for key in KEYS)
            await asyncio.gather(*asking)
            lost = sentinels.primary()
            lost.stop()
            assert await eventually(lambda: tell(servers, (b"INCR", KEYS[0])))
            assert servers._client.connection_pool.master_address != ("127.0.0.1", lost.port)
            await asyncio.gather(*(tell(servers, (b"INCR", key)) for key in KEYS))

    async def test_primary_that_hangs(self, sentinels):
        """Connections to it are left, and what it answers later is given to nobody."""
        async with of_sentinels(sentinels, max_connections=3) as servers:
            await asyncio.gather(*(tell(servers, (b"SET", key, key)) for key in KEYS))
            with sentinels.primary().hung():
                assert await eventually(lambda: tell(servers, (b"SET", KEYS[0], KEYS[0])))
            await eventually(lambda: tell(servers, (b"SET", KEYS[0], KEYS[0])))
            asking = (servers.ask([(b"SET", key, key)], [key]) for key in KEYS)
            assert await asyncio.gather(*asking) == [([b"OK"], [key]) for key in KEYS]

    async def test_primary_that_is_replaced_while_it_is_there(self, sentinels):
        """It takes writes until it is told, but from nobody who uses it at the time."""
        async with of_sentinels(sentinels, max_connections=3) as servers:
            await asyncio.gather(*(tell(servers, (b"SET", key, b"1")) for key in KEYS))
            former = sentinels.primary()
            assert sentinels.say(sentinels.sentinels[0], "SENTINEL", "FAILOVER", SERVICE)
            pool = servers._client.connection_pool
            async with asyncio.timeout(PROMOTION):
                while pool.master_address == ("127.0.0.1", former.port):
                    await tell(servers, (b"INCR", b"n"))
            await tell(servers, (b"SET", KEYS[0], b"2"))
            assert sentinels.say(former, "ROLE")[0] == b"master"
            new = next(each for each in sentinels.servers if each.port == pool.master_address[1])
            assert sentinels.say(new, "GET", KEYS[0].decode()) == b"2"
            assert sentinels.say(former, "GET", KEYS[0].decode()) == b"1"

    async def test_what_is_known_is_not_given_up_for_what_is_older(self, server, monkeypatch):
        """A Sentinel that has not heard of a failover does not undo it."""
        with running_redis() as former:
            directed = Directed(monkeypatch, count=2)
            directed.primary, directed.epochs = server, [1, 2]
            async with opened(directed.client) as servers:
                await servers.ask([], KEYS)
                await directed.pool._search
                assert directed.pool._epoch == 2
                directed.primary, directed.epochs[1] = former, None
                await directed.pool.get_master_address()
                assert directed.pool.master_address == ("127.0.0.1", server.port)

    async def test_sentinels_that_were_set_up_anew(self, server, monkeypatch):
        """Where all Sentinels count fewer failovers, they are right."""
        directed = Directed(monkeypatch, count=2)
        with running_redis() as former:
            directed.primary, directed.epochs = former, [7, 7]
            async with opened(directed.client) as servers:
                await servers.ask([], KEYS)
                await directed.pool._search
                directed.primary, directed.epochs = server, [0, 0]
                await directed.pool.get_master_address()
                await tell(servers, (b"SET", b"n", b"1"))
                assert says(server, "GET", "n") == b"1"

    async def test_sentinels_that_are_gone(self, server, directed):
        """While none can be asked there is no failover: what was known is so still."""
        directed.primary = server
        async with opened(directed.client) as servers:
            await servers.ask([], KEYS)
            directed.primary = None
            await directed.pool.disconnect()
            assert await servers.ask([], [b"n"]) == ([], [None])

    async def test_sentinels_are_asked_again_while_connections_are_in_use(self, server, directed):
        """Who is connected does not wait for an answer, and is told of it on the next use."""
        directed.primary = server
        async with opened(directed.client) as servers:
            await servers.ask([], KEYS)
            search = directed.pool._search
            await servers.ask([], KEYS)
            assert directed.pool._search is search
            directed.clock.advance(redis_sentinel.PAUSE)
            with running_redis() as directed.primary:
                await servers.ask([], KEYS)
                await directed.pool._search
                await tell(servers, (b"SET", b"n", b"1"))
                assert says(directed.primary, "GET", "n") == b"1"

    async def test_search_is_ended_by_closing(self, sentinels):
        """Nothing is left that goes on by itself."""
        with sentinels.sentinels[0].hung():
            async with of_sentinels(sentinels) as servers:
                await servers.ask([], KEYS)
                search = servers._client.connection_pool._search
                assert not search.done()
            assert search.cancelled()

    async def test_readonly_reply(self, server, directed):
        """A server that became a replica without closing connections betrays itself."""
        with running_redis() as former:
            directed.primary = former
            async with opened(directed.client) as servers:
                await tell(servers, (b"SET", b"n", b"1"))
                says(former, "REPLICAOF", "127.0.0.1", server.port)
                directed.primary = server
                with pytest.raises(NoConnection):
                    await servers.ask([(b"SET", b"n", b"2"), (b"GET", b"n")])
                assert await tell(servers, (b"SET", b"n", b"3")) == [b"OK"]
                assert says(server, "GET", "n") == b"3"

    async def test_replica_is_not_taken_for_the_primary(self, server, directed):
        """A Sentinel that is late to know names a server that says what it is."""
        with running_redis("--replicaof", "127.0.0.1", str(server.port)) as replica:
            directed.primary = replica
            async with opened(directed.client) as servers:
                with pytest.raises(NoConnection, match="not the primary"):
                    await servers.ask([], KEYS)
                directed.primary = server
                assert await servers.ask([], KEYS) == ([], [None] * len(KEYS))

    async def test_idle_connections_to_a_former_primary_are_left(self, server, directed):
        """Once one connection has found another primary, the others go there too."""
        with running_redis() as other:
            directed.primary = server
            async with opened(directed.client):
                pool = directed.pool
                idle, lost = [await pool.get_connection() for _ in range(2)]
                directed.primary = other
                await lost.disconnect()
                for connection in (idle, lost):
                    await pool.release(connection)
                assert await pool.get_connection() is lost
                assert await pool.get_connection() is idle
                assert idle.port == lost.port == other.port
                for connection in (idle, lost):
                    await pool.release(connection)

    async def test_server_that_tells_nobody_its_role(self, directed):
        """Who may not ask what a server is takes the Sentinels' word for it."""
        user = ("--user", "default", "on", "nopass", "~*", "+@all", "-role")
        with running_redis(*user) as directed.primary:
            async with opened(directed.client) as servers:
                assert await tell(servers, (b"SET", b"n", b"1")) == [b"OK"]

    async def test_connections_are_bounded(self, sentinels):
        """Who finds all connections in use waits for one."""
        name = "bounded"
        primary = sentinels.primary()
        async with (
            Redis(port=primary.port, password=PASSWORD) as admin,
            of_sentinels(sentinels, max_connections=2, client_name=name) as servers,
        ):
            replies = await asyncio.gather(*(tell(servers, (b"INCR", b"n")) for _ in range(100)))
            assert sorted(reply for (reply,) in replies) == list(range(1, 101))
            assert await connections_named(admin, name) == 2

    async def test_closing(self, sentinels):
        """No connection is left, to a Sentinel neither."""
        async with of_sentinels(sentinels) as servers:
            await servers.ask([], KEYS)
            pool = servers._client.connection_pool
        pools = [pool, *(client.connection_pool for client in pool.sentinel_manager.sentinels)]
        connections = [each for pool in pools for each in pool._available_connections]
        assert len(connections) >= 2
        assert not any(connection.is_connected for connection in connections)
