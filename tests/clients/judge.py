"""Counts calls, errors and differences of a scripted day, and says them in one line.

Start at `Judge`. A difference does not end the day: all of them are listed, and any makes the script fail.
"""

import json
import re
import threading
import time
from collections import Counter, deque
from contextvars import ContextVar

# The try that a part of a day is, for the part's own calls: streams and threads that run beside it are no part of it.
TRY = ContextVar("try", default=None)


class Failed(Exception):
    """What was expected, and what was found; one clear sentence."""


class Try:
    """One try of a part, with the differences that it found; they count when it does."""

    def __init__(self):
        self.lines = []
        self.is_over = False


class Judge:
    """What a day found."""

    def __init__(self):
        self.http = 0
        self.ws = 0
        self.frames = 0
        self.orders = 0
        self.trades = 0
        self.assets = 0
        self.errors = Counter()
        self.labels = Counter()
        # Differences that count whatever becomes of the try that is running.
        self.kept = []
        # Parts that were run anew, and why.
        self.again = []
        self.step = "start"
        self.lock = threading.Lock()
        self.plant = False

    def count_http(self):
        """One HTTP request left; from any thread."""
        with self.lock:
            self.http += 1

    def calls(self):
        """Requests that left for the simulator: HTTP requests and WebSocket frames sent. Pushes are not calls."""
        return self.http + self.ws

    def differs(self, sentence):
        """Notes a difference, once."""
        line = f"[{self.step}] {sentence}"
        if line not in self.differences:
            (self.kept if self.running() is None else self.running().lines).append(line)

    @staticmethod
    def running():
        """The caller's try; None outside of one."""
        running = TRY.get()
        return None if running is None or running.is_over else running

    @property
    def differences(self):
        """All that was found, with what the caller's own try has found up to now."""
        return self.kept + ([] if self.running() is None else self.running().lines)

    def begin_try(self):
        """What the caller finds from now on belongs to this try."""
        running = Try()
        TRY.set(running)
        return running

    def end_try(self, running, counts):
        """Ends a try; its differences are kept if it counts."""
        running.is_over = True
        TRY.set(None)
        if counts:
            self.kept += [line for line in running.lines if line not in self.kept]

    def told(self, trades):
        """The own trades as the venue told them, counted; a planted error leaves the last one out."""
        self.trades = len(trades)
        return trades[:-1] if self.plant else trades

    def must(self, holds, sentence):
        """Notes `sentence` unless it holds; returns whether it does."""
        if not holds:
            self.differs(sentence)
        return bool(holds)

    def equal(self, found, expected, what):
        """Both must be equal."""
        return self.must(found == expected, f"{what} is {found!r}, expected {expected!r}")

    def all_of(self, sentences):
        """Notes every one of these."""
        for sentence in sentences:
            self.differs(sentence)

    def refusal(self, what, error, kind, labels):
        """An error must be of exactly this class (or one of these), and carry one of these labels (none named: any)."""
        kinds = kind if isinstance(kind, tuple) else (kind,)
        name, label = type(error).__name__, label_of(error)
        self.errors[name] += 1
        if label:
            self.labels[label] += 1
        expected = " or ".join(one.__name__ for one in kinds)
        self.must(type(error) in kinds, f"{what}: raised {name} ({text_of(error)}), expected {expected}")
        self.must(not labels or label in labels, f"{what}: label {label} ({text_of(error)}), expected {' or '.join(labels)}")

    def summary(self, seconds, seed):
        """The one line."""
        errors = ", ".join(f"{name} {count}" for name, count in sorted(self.errors.items()))
        return (
            f"{self.calls()} calls ({self.http} HTTP, {self.ws} WebSocket, {self.frames} frames received) in {seconds:.1f} s, "
            f"{self.orders} orders, {self.trades} trades, {self.assets} assets equal to the last digit, "
            f"errors seen: {errors or 'none'}; {len(self.labels)} labels (seed {seed})"
        )


class Pace:
    """Keeps a caller below the published limits: at most `most` calls in any `span` seconds, per key."""

    def __init__(self, most, span):
        self.most = most
        self.span = span
        self.past, self.last = {}, {}

    def delay(self, key, units=1):
        """Seconds to wait before the next `units` calls for `key`; they are counted as made then.

        A caller asks when it has the answer to what it asked for before. Between its turn and the call a slow machine may have let
        time pass, so what went out together is counted as made by now at the latest.
        """
        past = self.past.setdefault(key, deque())
        now = time.monotonic()
        together = self.last.get(key, 1)
        if together > 1:
            for _ in range(min(together, len(past))):
                past.pop()
            past.extend([now] * min(together, self.most))
        self.last[key] = units
        at = now
        for _ in range(units):
            if len(past) >= self.most:
                at = max(at, past.popleft() + self.span)
            past.append(at)
        return at - now

    def wait(self, key, units=1):
        """Waits for that long."""
        time.sleep(self.delay(key, units))


def label_of(error):
    """The venue's label inside a client's exception; None when there is none."""
    label = getattr(error, "label", None)
    if label:
        return label
    # Inside a WebSocket channel error the label stands in a text within the message, as JSON or as `label: X, message: Y`.
    found = re.search(r'label\\*"?\s*:\s*\\*"?(\w+)', str(error))
    return found.group(1) if found else None


def text_of(error):
    """An exception as one short line."""
    body = getattr(error, "body", None) or str(error)
    return " ".join(str(body).split())[:300]


def raw(text):
    """JSON whose numbers keep their digits: a fraction becomes a `Fraction` marker string, so that no float ever appears."""
    return json.loads(text, parse_float=lambda digits: Float(digits))


class Float(str):
    """The digits of a JSON number with a fraction; money never arrives like this."""
