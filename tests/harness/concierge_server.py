"""A real Concierge server for the length of a test run.

As a program it starts a server on a free port and an empty directory, runs a command that finds the server in
its environment, stops the server and answers with the command's exit code:

    python tests/harness/concierge_server.py -- npm test

As a module it gives the same server to Python tests.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

WRITE_KEY = "testsecret"  # The key that the vendor's own tests send.
TOKEN = "a-token-for-tests-only"

START_SECONDS_MAX = 60
STOP_SECONDS_MAX = 30
REQUEST_SECONDS_MAX = 120
COMMAND_SECONDS_MAX = 900
READY_POLL_SECONDS = 0.05


class ServerFailure(Exception):
    """The server did not start, did not stop cleanly or complained while it ran."""


def binary():
    """The program under test: CONCIERGE_BINARY, which `make` sets."""
    path = os.environ.get("CONCIERGE_BINARY")
    if not path:
        raise ServerFailure("set CONCIERGE_BINARY to the program under test, or run this through `make`")
    return path


def environment():
    """The caller's environment without settings of Concierge, which would change what is tested."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CONCIERGE_")}
    return kept | {"CONCIERGE_WRITE_KEY": WRITE_KEY, "CONCIERGE_TOKEN": TOKEN}


class Server:
    """`concierge serve` on a data directory; a context manager."""

    def __init__(self, data):
        self.data = Path(data)
        self.url = None
        self._process = None
        self._log = None

    def __enter__(self):
        self._log = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            [binary(), "serve", "--data", str(self.data), "--listen", "127.0.0.1:0"],
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        watchdog = threading.Timer(START_SECONDS_MAX, self._process.kill)
        watchdog.start()
        try:
            self._wait_until_ready()
        except BaseException:
            self._process.kill()
            self._process.wait()
            raise
        finally:
            watchdog.cancel()
        return self

    def __exit__(self, kind, *_):
        self._process.send_signal(signal.SIGTERM)
        try:
            code = self._process.wait(timeout=STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            code = f"none within {STOP_SECONDS_MAX} s"
        complaints = [line for line in self._log_lines() if " WARN " in line or " ERROR " in line]
        if kind is not None:
            self._print_log()
        elif code != 0:
            self._print_log()
            raise ServerFailure(f"the server stopped with exit code {code}, not 0")
        elif complaints:
            raise ServerFailure("the server complained:\n" + "\n".join(complaints))

    def request(self, method, path, body=None, secret=TOKEN, **query):
        """Calls the management interface, or another with its `secret`; answers the status and the decoded body."""
        url = self.url + path + ("?" + urllib.parse.urlencode(query) if query else "")
        request = urllib.request.Request(url, method=method)
        request.add_header("Authorization", f"Bearer {secret}")
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=REQUEST_SECONDS_MAX) as answer:
                return answer.status, json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or b"null")

    def get(self, path, **query):
        """Reads something that must be there."""
        status, body = self.request("GET", path, **query)
        if status != 200:
            raise ServerFailure(f"GET {path} {query} answered {status}: {body}")
        return body

    def post(self, path, body, secret=TOKEN):
        """Asks for something that must succeed."""
        status, answer = self.request("POST", path, body, secret)
        if status != 200:
            raise ServerFailure(f"POST {path} answered {status}: {answer}")
        return answer

    def put(self, path, document):
        """Saves a definition, which must be sound."""
        status, answer = self.request("PUT", path, document)
        if status not in (200, 201):
            raise ServerFailure(f"PUT {path} answered {status}: {answer}")

    def track(self, event):
        """Sends one event, and waits until it counts."""
        self.post("/v1/batch", {"batch": [event]}, WRITE_KEY)

    def run(self, *arguments):
        """Runs a command of the program against this server; answers what it wrote to standard output."""
        done = subprocess.run(
            [binary(), *map(str, arguments)],
            env=environment() | {"CONCIERGE_SERVER": self.url},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS_MAX,
        )
        if done.returncode != 0:
            raise ServerFailure(f"{' '.join(map(str, arguments))} failed:\n{done.stdout}{done.stderr}")
        return done.stdout

    def _wait_until_ready(self):
        for line in self._process.stdout:
            if line.startswith("listening on "):
                self.url = line.removeprefix("listening on ").strip()
                break
        else:
            self._print_log()
            raise ServerFailure("the server ended, or was silent, before it listened")
        # Whatever else it says is read, so that it never waits for a full pipe.
        threading.Thread(target=self._process.stdout.read, daemon=True).start()
        deadline = time.monotonic() + START_SECONDS_MAX
        while self._readiness() != 200:
            if time.monotonic() > deadline:
                self._print_log()
                raise ServerFailure(f"the server was not ready within {START_SECONDS_MAX} s")
            time.sleep(READY_POLL_SECONDS)

    def _readiness(self):
        try:
            with urllib.request.urlopen(self.url + "/readyz", timeout=START_SECONDS_MAX) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return None

    def _log_lines(self):
        self._log.seek(0)
        return self._log.read().decode(errors="replace").splitlines()

    def _print_log(self):
        print("--- what the server said", *self._log_lines(), "---", sep="\n", file=sys.stderr)


@contextlib.contextmanager
def fresh_server():
    """A server on a directory of its own, removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="concierge-test-") as data, Server(data) as server:
        yield server


def main(arguments):
    if arguments[:1] != ["--"] or len(arguments) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    with fresh_server() as server:
        told = {"CONCIERGE_SERVER": server.url, "CONCIERGE_WRITE_KEY": WRITE_KEY, "CONCIERGE_TOKEN": TOKEN}
        return subprocess.run(arguments[1:], env=os.environ | told).returncode


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except ServerFailure as failure:
        print(f"error: {failure}", file=sys.stderr)
        sys.exit(1)
