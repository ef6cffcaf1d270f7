"""Cancelled calls let go of their upstream: how long it takes until the server knows, for each kind of client and server.

`cancel.py [--binary PATH] [--json FILE] [--calls N] [--only PATTERN]`. A client of the newest revision closes its
connection, one of the older revisions says `notifications/cancelled`; servers of both eras stand behind HTTP or are child
processes. Must never take the time of a call that had not reached its server.
"""

import argparse
import fnmatch
import http.client
import json
import pathlib
import sys
import threading
import time

import lib
import wire
from gate import Gate

SECONDS_MAX = 1.0
ERAS = ("legacy", "modern")
WAYS = ("http", "stdio")


class Upstream:
    """One slow server and what it noted."""

    def __init__(self, directory, way, era):
        self.name, self.journal = f"{way}-{era}", directory / f"{way}-{era}.journal"
        self.journal.touch()
        argv = [sys.executable, "-B", lib.E2E / "servers" / "slow.py"]
        options = ["--era", era, "--journal", self.journal]
        if way == "stdio":
            self.table = {"command": [*argv, "stdio", *options], "era": era}
            return
        port = lib.free_port()
        lib.Process([*argv, f"http:{port}", *options], directory / f"{self.name}.log").wait_port(port)
        self.table = {"url": f"http://127.0.0.1:{port}/mcp", "era": era}

    def notes(self):
        return [json.loads(line) for line in self.journal.read_text().splitlines() if line.endswith("}")]

    def begun(self):
        return {note["begun"] for note in self.notes() if "begun" in note}

    def released(self):
        return {note["released"]: note["at"] for note in self.notes() if "released" in note}


class Modern:
    """A call on a connection of its own; closing that is how it is cancelled."""

    def __init__(self, door, name):
        body, headers = door.modern_request("tools/call", {"name": "wait", "arguments": {"name": name}})
        self.connection = http.client.HTTPConnection("127.0.0.1", door.port, timeout=30)
        self.connection.request("POST", door.path, body, dict(headers))

    def cancel(self):
        self.connection.sock.shutdown(2)
        self.connection.close()


class Legacy:
    """A call of a session, which goes on when its connection is lost."""

    def __init__(self, session, name):
        self.session, self.id = session, f"call-{name}"
        message = {"jsonrpc": "2.0", "id": self.id, "method": "tools/call",
                   "params": {"name": "wait", "arguments": {"name": name}}}
        self.waiting = threading.Thread(target=session.post, args=(message, 30), daemon=True)
        self.waiting.start()

    def cancel(self):
        reply = self.session.post({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": self.id}})
        lib.require(reply.status == 202, f"wanted 202: {reply!r}")


def measure(gate, key, upstream, client, count):
    """The slowest of `count` calls in flight at once, in seconds from cancelling to the server's note."""
    door = wire.Door(gate.port, key, f"/mcp/{upstream.name}", 30)
    names = [f"{client}-{number}" for number in range(count)]
    session = door.session() if client == "legacy" else None
    calls = {name: Legacy(session, name) if session else Modern(door, name) for name in names}
    lib.wait_for("all calls at the server", lambda: set(names) <= upstream.begun(), 30)
    lib.require(not set(names) & upstream.released().keys(), "a call was released before it was cancelled")
    cancelled = {}
    for name, call in calls.items():
        cancelled[name] = time.monotonic()
        call.cancel()
    lib.wait_for("the server to be told of all", lambda: set(names) <= upstream.released().keys(), 30)
    released = upstream.released()
    return max(released[name] - cancelled[name] for name in names)


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--binary", default=lib.default_binary(), type=pathlib.Path)
    options.add_argument("--json", type=pathlib.Path)
    options.add_argument("--calls", type=int, default=16, help="calls in flight at once")
    options.add_argument("--only", default="*", help="run what matches, as `http/*`")
    options = options.parse_args()
    directory = lib.scratch("cancel")
    results = lib.Results("cancel")
    upstreams = {(way, era): Upstream(directory, way, era) for way in WAYS for era in ERAS}
    servers = {upstream.name: upstream.table for upstream in upstreams.values()}
    gate = Gate(options.binary, directory / "gate", servers).start()
    gate.certify_all(servers)
    key = gate.add_agent("cancel")
    for (way, era), upstream in upstreams.items():
        for client in ERAS:
            name = f"{way}/{client}-on-{era}"
            if not fnmatch.fnmatchcase(name, options.only):
                continue
            with results.check(f"{name}/released"):
                slowest = measure(gate, key, upstream, client, options.calls)
                how = f"the slowest of {options.calls} calls in flight at once, from cancelling to the server's note"
                results.add(f"{name}/slowest", slowest <= SECONDS_MAX, how, (slowest, "s", SECONDS_MAX))
    results.add("stops-cleanly", gate.stop() == 0, gate.output()[-1500:])
    return results.finish(options.json)


if __name__ == "__main__":
    raise SystemExit(main())
