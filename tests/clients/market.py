"""How a scripted day asks a market that does not stand still.

The simulated market quotes on between a look at a book and what is made of it: within a second it moves by tens of basis points, and
for one beat a side is thin or empty. So a look is taken again until it shows what is asked for (`looked`), and an order that was meant
to take and did not take it all says nothing where the market came in between: it is made anew, from a new look (`asked_again`). Neither
goes on for ever, and an order counts whatever it says where nobody else changed the book (`stood_still`). A part of a day whose resting
order the market took is run anew (`undisturbed`). The streams of a day are waited for until they told what the lists tell
(`caught_up`); what they then told is judged as ever.

Start at `stood_still`. Every function has its twin for asynchronous clients.
"""

import asyncio
import time
from decimal import Decimal

from judge import Failed

# How far through the touch an order goes that must take.
REACH = Decimal("0.004")
LOOKS, BEAT_SECONDS = 60, 0.05
TRIES = 8
# So many parts are run anew at most in a whole day: it happens in one of some days.
AGAIN_MAX = 3
# Streams are far behind their lists only where the machine is.
WAITS, WAIT_SECONDS, SILENT_WAITS = 150, 0.1, 5


def stood_still(before, after, own=0):
    """Nobody but the order changed the book between two of its numbers: a book counts every change of a level.

    `own`: how many changes the order made by itself, one with each of its trades, and one where it rests.
    """
    return after - before <= own


def worth(levels):
    """What a side offers within reach of its best price, in quote; levels begin with price and amount, best first."""
    rows = [(Decimal(str(level[0])), Decimal(str(level[1]))) for level in levels]
    return sum((price * amount for price, amount in rows if abs(price - rows[0][0]) <= rows[0][0] * REACH), Decimal(0))


def through(bids, asks, is_buy):
    """A limit price through the touch, not rounded."""
    return Decimal(str(asks[0][0])) * (1 + REACH) if is_buy else Decimal(str(bids[0][0])) * (1 - REACH)


def offers(bids, asks, is_buy, quote):
    """Both sides are there, and the one to take from has twice what is wanted, by its worth in quote."""
    return bool(bids) and bool(asks) and worth(asks if is_buy else bids) >= 2 * Decimal(quote)


def both_sides(book):
    """Whether neither side of a client's book is empty."""
    return bool(book["bids"]) and bool(book["asks"])


def both_prices(ticker):
    """Whether a client's ticker has both best prices: a side that is sold out has none, or 0."""
    return bool(ticker["bid"]) and bool(ticker["ask"])


def moved_on(what):
    """What `asked_again` ends with."""
    return Failed(f"{what}: {TRIES} tries in a row said nothing, for the market came in between or the machine was too slow")


def looked(what, read, holds):
    """What `read` tells as soon as `holds` is true of it."""
    for _ in range(LOOKS):
        found = read()
        if holds(found):
            return found
        time.sleep(BEAT_SECONDS)
    raise Failed(f"{what}: not once in {LOOKS} looks")


async def looked_soon(what, read, holds):
    """The same for an asynchronous `read`."""
    for _ in range(LOOKS):
        found = await read()
        if holds(found):
            return found
        await asyncio.sleep(BEAT_SECONDS)
    raise Failed(f"{what}: not once in {LOOKS} looks")


def asked_again(what, act):
    """What `act` tells; it tells None where a try says nothing, and only there: the market came in between, or a window was over."""
    for _ in range(TRIES):
        found = act()
        if found is not None:
            return found
    raise moved_on(what)


async def asked_again_soon(what, act):
    """The same for an asynchronous `act`."""
    for _ in range(TRIES):
        found = await act()
        if found is not None:
            return found
    raise moved_on(what)


def waits(count, is_complete):
    """Yields until the streams told all of it and then nothing more for a while; `count` is how much they told."""
    told, silent = count(), 0
    for _ in range(WAITS):
        yield
        now = count()
        silent = silent + 1 if now == told else 0
        told = now
        if silent >= SILENT_WAITS and is_complete():
            return


def caught_up(count, is_complete):
    """Waits for the streams of a day that has ended, a bounded time: what is still missing then is a difference."""
    for _ in waits(count, is_complete):
        time.sleep(WAIT_SECONDS)


async def caught_up_soon(count, is_complete):
    """The same beside asynchronous clients."""
    for _ in waits(count, is_complete):
        await asyncio.sleep(WAIT_SECONDS)


def counts(judge, running, taken):
    """Ends a try of a part, given the orders that were to rest in it and were taken; tells whether the try counts.

    Where nothing else stands on a side, the market takes what rests there, however far away it is. A part of a day whose resting
    order was taken says nothing, and is run anew. Where the market does so again and again something is wrong with it: then it counts.
    """
    names = ", ".join(map(str, taken or []))
    is_over = not taken or len(judge.again) >= AGAIN_MAX
    if not is_over:
        judge.again.append(f"[{judge.step}] the market took what was to rest: {names}")
    elif taken and running.lines:
        judge.differs(f"the market took what was to rest ({names}), and {AGAIN_MAX} parts were run anew already")
    judge.end_try(running, is_over)
    return is_over


def undisturbed(judge, part, taken, clear):
    """Runs `part`; anew, after `clear`, where some of its orders were `taken`."""
    while True:
        running = judge.begin_try()
        part()
        if counts(judge, running, taken()):
            return
        clear()


async def undisturbed_soon(judge, part, taken, clear):
    """The same for asynchronous clients."""
    while True:
        running = judge.begin_try()
        await part()
        if counts(judge, running, await taken()):
            return
        await clear()


class Bracket:
    """The caller's clock before a call and after its answer, Unix milliseconds: what the venue's clock says lies between them."""

    def __init__(self):
        self.before = time.time() * 1000

    def holds(self, stated_ms, within_ms=2000):
        """The venue's time, but for what the two clocks may be apart."""
        return self.before - within_ms < stated_ms < time.time() * 1000 + within_ms
