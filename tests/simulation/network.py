"""A network between a simulated Redis server and the processes that use it.

All that can go wrong is drawn: the same draws make the same run.
"""

from __future__ import annotations

import asyncio

from redis.exceptions import ConnectionError as RedisConnectionError

from tests.simulation.server import Session


class SimulatedNetwork:
    """Carries messages with drawn latencies; what else it does to them can be set at any time."""

    def __init__(self, server, draw):
        self.server = server
        self.draw = draw
        self.latencies = {(0.0001, 0.002): 94, (0.01, 0.1): 5, (0.1, 0.9): 1}
        """Ranges of the seconds that a message takes one way, and their weights."""
        self.refused = False
        """Whether connecting fails; what is connected stays so."""
        self.request_loss = 0.0
        """How likely a command is lost, and its link with it, before the server has seen it."""
        self.reply_loss = 0.0
        """How likely a link is lost between a command's execution and its reply."""
        self.split = 0.05
        """How likely a command arrives later than the one that it was sent together with."""
        self.links = []
        self._answers = asyncio.Event()
        self._answers.set()

    @property
    def hung(self):
        """Whether the server takes connections and commands, but executes nothing for now."""
        return not self._answers.is_set()

    @hung.setter
    def hung(self, hung):
        if hung:
            self._answers.clear()
        else:
            self._answers.set()

    async def until_it_answers(self):
        """Wait while the server is hung."""
        await self._answers.wait()

    def happens(self, probability):
        """Draw whether something of this *probability* happens."""
        return self.draw.random() < probability

    def latency(self):
        """Draw the seconds that a message takes one way."""
        ranges, weights = list(self.latencies), list(self.latencies.values())
        ((least, most),) = self.draw.choices(ranges, weights)
        return self.draw.uniform(least, most)

    async def connect(self):
        """Return a new link, after a message there and one back.

        Raises:
            redis.exceptions.ConnectionError: Connections are refused.
        """
        await asyncio.sleep(self.latency())
        refused = self.refused
        await asyncio.sleep(self.latency())
        if refused:
            raise RedisConnectionError("Connection refused.")
        return Link(self)

    def sever(self):
        """Break all links; commands that have not arrived at this instant never do."""
        for link in list(self.links):
            link.sever()


class Link:
    """A connection's way to the server and back, and the server's end of it."""

    def __init__(self, network):
        loop = asyncio.get_running_loop()
        self._network = network
        self._session = Session()
        self._requests = asyncio.Queue()
        self._replies = asyncio.Queue()
        self._lost_at = None
        self._gone = loop.create_future()
        self._serving = loop.create_task(self._serve())
        self._serving.add_done_callback(self._end)
        network.links.append(self)

    @property
    def is_lost(self):
        """Whether the client knows that nothing more will come."""
        return self._lost_at is not None and self._lost_at <= _now()

    def send(self, commands):
        """Send *commands* in one message, which may arrive in several."""
        for part in self._parts(commands):
            self._requests.put_nowait((_now() + self._network.latency(), part))

    async def receive(self):
        """Return the next reply, once it has arrived.

        Raises:
            redis.exceptions.ConnectionError: The link was lost before.
        """
        arrives_at, reply = await self._replies.get()
        await _until(arrives_at)
        if self.is_lost:
            raise RedisConnectionError("Connection closed by server.")
        return reply

    def close(self):
        """Leave; the server executes what was sent, and then learns that nobody is there."""
        self._lose(0)
        latency = self._network.latency()
        self._requests.put_nowait((_now() + latency, None))
        asyncio.get_running_loop().call_later(latency, self._gone.set_result, None)

    def sever(self):
        """Break the link at both ends."""
        self._lose(0)
        self._serving.cancel()

    def _parts(self, commands):
        parts = [[]]
        for command in commands:
            if parts[-1] and self._network.happens(self._network.split):
                parts.append([])
            parts[-1].append(command)
        return parts

    async def _serve(self):
        """Execute what arrives, in the order it was sent in, as long as the link holds."""
        while (commands := await self._arrival()) is not None:
            if not await self._perform(commands):
                self._lose(self._network.latency())
                break

    async def _arrival(self):
        """Return the next commands to arrive, or none when the client has left."""
        arrives_at, commands = await self._requests.get()
        await _until(arrives_at)
        return commands

    async def _perform(self, commands):
        """Execute *commands* and reply in one message, and say whether the link holds."""
        network, latency = self._network, self._network.latency()
        for command in commands:
            await network.until_it_answers()
            if network.happens(network.request_loss):
                return False
            reply = await network.server.perform(command, self._session, self._gone)
            await network.until_it_answers()
            if network.happens(network.reply_loss):
                self._lose(latency)
            self._replies.put_nowait((_now() + latency, reply))
        return True

    def _lose(self, latency):
        """Let the client know in *latency* seconds that nothing more comes."""
        lost_at = _now() + latency
        self._lost_at = lost_at if self._lost_at is None else min(lost_at, self._lost_at)
        self._replies.put_nowait((self._lost_at, None))

    def _end(self, serving):
        self._network.links.remove(self)
        if not serving.cancelled() and (error := serving.exception()):
            serving.get_loop().abort(error)


def _now():
    return asyncio.get_running_loop().time()


async def _until(instant):
    if instant > _now():
        arrival = asyncio.Event()
        asyncio.get_running_loop().call_at(instant, arrival.set)
        await arrival.wait()
