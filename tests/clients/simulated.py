"""Starts `crossgate sim` as a process of its own and ends exactly that process.

Start at `Simulated`: a context manager that gives the venues of the first line on standard output. `run_day` is the frame that
the scripted days share: arguments, start, summary, exit code.
"""

import argparse
import hashlib
import importlib.metadata
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from base64 import urlsafe_b64encode

from judge import Failed, Judge

START_SECONDS = 60
STOP_SECONDS = 10
LOG_LINES = 30


class Simulated:
    """The simulated venues of one process, reached over loopback."""

    def __init__(self, binary, seed, tls=False, kinds=("gate", "gate")):
        self.binary = os.path.abspath(binary)
        self.seed = seed
        self.tls = tls
        self.kinds = kinds
        self.process = None
        self.venues = []

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="crossgate-clients-")
        self.log = open(os.path.join(self.folder.name, "log"), "w+", encoding="utf-8")
        command = [self.binary, "sim", "--seed", str(self.seed), "--listen", "127.0.0.1:0", "--json"] + ["--tls"] * self.tls
        for number, kind in enumerate(self.kinds):
            command += ["--venue", f"{kind}:{kind}-{chr(ord('a') + number)}"]
        # Settings of the caller's own engine are none of the simulator's business.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("CROSSGATE")}
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log, text=True, cwd=self.folder.name, env=environment
        )
        watchdog = threading.Timer(START_SECONDS, self.process.kill)
        watchdog.start()
        line = self.process.stdout.readline()
        watchdog.cancel()
        if not line:
            told = self.last_words()
            self.__exit__()
            raise Failed(f"`crossgate sim` printed nothing and ended with exit code {self.process.poll()}: {told}")
        self.venues = json.loads(line)["venues"]
        if [venue["kind"] for venue in self.venues] != list(self.kinds):
            self.__exit__()
            raise Failed(f"simulated venues of the kinds {self.kinds} were expected, not {self.venues}")
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process.stdout.close()
        self.log.close()
        self.folder.cleanup()

    def check_alive(self):
        """A simulator that died says so itself; the client's connection error would hide it."""
        if self.process.poll() is not None:
            raise Failed(f"`crossgate sim` ended on its own with exit code {self.process.returncode}")

    def last_words(self):
        """The end of what the simulator wrote to standard error."""
        self.log.flush()
        with open(self.log.name, encoding="utf-8") as log:
            return "".join(log.readlines()[-LOG_LINES:])


def check_unmodified(package, version):
    """The installed files of `package` are byte for byte those of its wheel: nothing is patched in signing or parsing.

    Fails when the version is another one or a file differs from the digest in the wheel's own record.
    """
    distribution = importlib.metadata.distribution(package)
    if distribution.version != version:
        raise Failed(f"{package} {version} is needed, not {distribution.version}: pip install {package}=={version}")
    checked = 0
    for file in distribution.files or []:
        if file.suffix != ".py" or file.hash is None:
            continue
        digest = hashlib.new(file.hash.mode, file.locate().read_bytes()).digest()
        if urlsafe_b64encode(digest).rstrip(b"=").decode() != file.hash.value:
            raise Failed(f"{package}: {file} is not the file that was published")
        checked += 1
    if checked == 0:
        raise Failed(f"{package}: its record names no file")


def run_day(doc, day, calls, tls=False, kinds=("gate", "gate")):
    """Runs `day(simulated, judge, seed)`, which must make at least so many calls; prints one summary line, returns the exit code."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("binary", help="path of the crossgate binary")
    parser.add_argument("--seed", type=int, default=7, help="seeds the market and the day")
    parser.add_argument("--calls", type=int, default=calls, help="fewest calls that make a day")
    parser.add_argument("--seconds", type=float, default=150, help="longest day")
    parser.add_argument("--plant", action="store_true", help="leave out one own trade, and succeed only if the difference is found")
    arguments = parser.parse_args()
    judge = Judge()
    judge.plant = arguments.plant
    began = time.monotonic()
    told = ""
    try:
        with Simulated(arguments.binary, arguments.seed, tls, kinds) as simulated:
            try:
                day(simulated, judge, arguments.seed)
                simulated.check_alive()
            except Exception as error:
                told = simulated.last_words()
                if not isinstance(error, Failed):
                    traceback.print_exc()
                judge.differs(f"the day ended early: {error!r}")
    except Failed as error:
        judge.differs(str(error))
    seconds = time.monotonic() - began
    judge.must(judge.calls() >= arguments.calls, f"{judge.calls()} calls are too few, {arguments.calls} make a day")
    judge.must(seconds <= arguments.seconds, f"the day took {seconds:.0f} s, at most {arguments.seconds:.0f} s are allowed")
    for line in judge.again:
        print(f"asked again: {line}")
    for line in judge.differences:
        print(f"differs: {line}")
    print(judge.summary(seconds, arguments.seed))
    if arguments.plant:
        # The trade that was left out shows at its order and in each asset that it moved.
        signs = ("the trades make", "trades sum to", "is not in my_trades")
        if len(judge.differences) >= 2 and all(any(sign in line for sign in signs) for line in judge.differences):
            print("a planted difference was found, as it must be")
            return 0
        print("FAILED: a trade was left out, and the differences are not those that it makes")
        return 1
    if judge.differences:
        sys.stderr.write(told)
        print(f"FAILED: {len(judge.differences)} differences, the first: {judge.differences[0]}")
        return 1
    return 0
