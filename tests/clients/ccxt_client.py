"""`ccxt` as its makers ship it, pointed at a simulated venue, with its requests counted and its frames kept.

Start at `connect` and `connect_pro`. Only base URLs are changed; what the subclasses add calls the client's own method first or
last and changes nothing.
"""

import asyncio
from collections import defaultdict

import ccxt
import ccxt.pro

import shapes
from ledger import exact

PRIVATE = ("spot.orders", "spot.usertrades", "spot.balances")
# Frames of a public channel whose types are looked at; the first hundreds say it all.
SHAPES_PER_CHANNEL = 400


class Frames:
    """What the streams said, frame by frame, as it came."""

    def __init__(self, judge):
        self.judge = judge
        self.rows = defaultdict(list)
        self.count = defaultdict(int)
        self.replies = []
        self.books = {}
        # Channels whose subscription was acknowledged, and what looks at the client after each frame.
        self.subscribed, self.after = set(), None

    def keep(self, message):
        """Looks at one frame, before the client does."""
        self.judge.frames += 1
        if not isinstance(message, dict):
            return self.judge.differs(f"a frame is no object: {message!r}")
        if "header" in message:
            return self.keep_reply(message)
        channel = message.get("channel")
        self.judge.must(isinstance(message.get("time_ms"), int), f"a frame of {channel} has no time_ms")
        if message.get("event") != "update":
            if message.get("event") == "subscribe" and not message.get("error"):
                self.subscribed.add(channel)
            return None
        result = message.get("result")
        self.count[channel] += 1
        if channel in PRIVATE or self.count[channel] <= SHAPES_PER_CHANNEL:
            shape = shapes.PUSH.get(channel)
            found = shapes.faults(result, shape) if shape else [f"a push of the unknown channel {channel}"]
            self.judge.all_of(f"{channel}: {fault}" for fault in found)
        if channel in PRIVATE:
            self.rows[channel] += result
        elif channel == "spot.obu":
            self.books.setdefault(result["s"], StreamBook(self.judge, result["s"])).apply(result)
        return None

    def keep_reply(self, message):
        """A reply of order entry: its channel stands in the header, its status is text."""
        header = message["header"]
        self.judge.must(isinstance(header.get("status"), str), f"status in the header of a reply is {header.get('status')!r}, not text")
        for name in ("channel", "event", "response_time"):
            self.judge.must(isinstance(header.get(name), str), f"{name} is missing in the header of a reply")
        for name in ("x_in_time", "x_out_time"):
            self.judge.must(isinstance(header.get(name), int), f"{name} in the header of a reply is {header.get(name)!r}, not integer microseconds")
        self.judge.must("channel" not in message, "a reply of order entry has no channel at its top")
        self.replies.append(message)


class StreamBook:
    """A book kept from `spot.obu` alone, in exact text, to hold against REST copies with the same id."""

    KEPT = 600

    def __init__(self, judge, name):
        self.judge, self.name = judge, name
        self.id, self.bids, self.asks, self.states = None, {}, {}, {}

    def apply(self, push):
        if push.get("full"):
            self.bids, self.asks = {}, {}
        elif self.id is None:
            return self.judge.differs(f"{self.name}: a delta came before the snapshot")
        else:
            self.judge.equal(push.get("U"), self.id + 1, f"{self.name}: U after {self.id}")
        for side, levels in ((self.bids, push.get("b", [])), (self.asks, push.get("a", []))):
            for price, amount in levels:
                key = exact(price)
                if exact(amount) == 0:
                    side.pop(key, None)
                else:
                    side[key] = exact(amount)
        self.id = push["u"]
        bids, asks = sorted(self.bids, reverse=True), sorted(self.asks)
        self.judge.must(not bids or not asks or bids[0] < asks[0], f"{self.name}: crossed at {self.id}")
        self.judge.must(max(len(bids), len(asks)) <= int(self.name.rsplit(".", 1)[1]), f"{self.name}: more levels than its window")
        self.states[self.id] = ([(p, self.bids[p]) for p in bids[:20]], [(p, self.asks[p]) for p in asks[:20]])
        if len(self.states) > self.KEPT:
            del self.states[next(iter(self.states))]
        return None


class Counting:
    """What a synchronous client of `ccxt` gets beside its own: its requests are counted."""

    judge = None

    def fetch(self, *arguments, **named):
        self.judge.count_http()
        return super().fetch(*arguments, **named)


class CountingPro:
    """The same for an asynchronous client with its streams, whose messages are counted too."""

    judge = None

    async def fetch(self, *arguments, **named):
        self.judge.count_http()
        return await super().fetch(*arguments, **named)

    def client(self, url):
        new = url not in (self.clients or {})
        client = super().client(url)
        if new:
            send = client.send

            async def counted(message):
                self.judge.ws += 1
                return await send(message)

            client.send = counted
        return client


class CountedGate(Counting, ccxt.gate):
    """The synchronous client; counts."""


class CountedProGate(CountingPro, ccxt.pro.gate):
    """The asynchronous client with its streams; counts, and keeps frames."""

    frames = None

    def handle_message(self, client, message):
        if self.frames is not None:
            self.frames.keep(message)
        told = super().handle_message(client, message)
        if self.frames is not None and self.frames.after is not None:
            self.frames.after(self)
        return told


def point_at(exchange, venue):
    """Changes base URLs and nothing else: every REST path and every stream of the client goes to this venue."""

    def changed(urls, address):
        return {name: changed(inner, address) if isinstance(inner, dict) else address for name, inner in urls.items()}

    rest = ("public", "private")
    api = exchange.urls["api"]
    exchange.urls["api"] = {
        name: changed({name: inner}, f'{venue["rest"]}/api/v4' if name in rest else venue["ws"])[name] for name, inner in api.items()
    }


def connect(judge, venue, **settings):
    """A synchronous client with its defaults."""
    exchange = CountedGate({"apiKey": venue["key"], "secret": venue["secret"], **settings})
    exchange.judge = judge
    point_at(exchange, venue)
    return exchange


def connect_pro(judge, venue, frames=None, **settings):
    """An asynchronous client with its defaults; `frames` keeps what its streams say."""
    exchange = CountedProGate({"apiKey": venue["key"], "secret": venue["secret"], **settings})
    exchange.judge, exchange.frames = judge, frames
    point_at(exchange, venue)
    return exchange


async def soon(awaitable, seconds=10):
    """What must come soon; a silence is told as a `TimeoutError`."""
    return await asyncio.wait_for(awaitable, seconds)
