"""The door under test with its three servers, and how its answers are judged.

Must never judge loosely: a helper names the status and code it wants.
"""

import contextlib
import sys
import threading

import lib
import wire
from gate import PERMIT_ALL, Gate
from lib import require

CANARY = "canary-8f2b61d0"
POLICY = PERMIT_ALL + """
@id("test.hidden")
forbid (principal, action in Callgate::Action::"server:hidden", resource);
@id("test.words")
forbid (principal, action == plain::Action::"echo", resource)
when { context.args has text && context.args.text == "forbidden" };
"""


def upstream(*options):
    return [sys.executable, lib.E2E / "servers" / "upstream.py", *options]


def error_is(reply, status, *codes):
    statuses = status if isinstance(status, tuple) else (status,)
    require(reply.status in statuses, f"wanted HTTP {status}: {reply!r}")
    require(reply.code() in codes, f"wanted code {codes}: {reply!r}")


def ok_text(reply, text):
    result = reply.result()
    require(result is not None and not result.get("isError"), f"wanted a result: {reply!r}")
    require(result["content"][0]["text"] == text, f"wanted `{text}`: {reply!r}")


class World:
    """The door under test, a key, and the journal that shows what reached the upstream."""

    def __init__(self, binary, directory):
        self.journal = directory / "journal"
        self.journal.touch()
        table = {"command": upstream("stdio", "--journal", self.journal), "env": {"CANARY": CANARY}}
        servers = {"plain": table, "hidden": {"command": upstream("stdio", "--journal", self.journal)},
                   "held": {"command": upstream("stdio", "--journal", self.journal)}}
        self.gate = Gate(binary, directory / "gate", servers, POLICY, {"limits": {"request_bytes_max": 65536}})
        self.gate.start()
        lib.wait_for("all servers", lambda: {t["server"] for t in self.gate.tools()} == set(servers), 30)
        for server in ("plain", "hidden"):
            self.gate.certify_all([server])
        self.key = self.gate.add_agent("e2e")
        self.other = self.gate.add_agent("other")
        self.port = self.gate.port
        self.door = self.gate.door(self.key)

    def calls(self):
        return len(self.journal.read_text().splitlines())

    @contextlib.contextmanager
    def nothing_forwarded(self):
        """Runs a block in which nothing may reach the upstream, and after which the door still works."""
        before = self.calls()
        yield
        require(self.calls() == before, f"something was forwarded: {self.journal.read_text()[-500:]}")
        ok_text(self.door.call("plain__echo", {"text": "still here"}), "echo: still here")


def call_body(**changes):
    """A correct `tools/call` as a dictionary, with changes at the top level."""
    request = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {
        "name": "plain__echo", "arguments": {"text": "x"}, "_meta": wire.envelope()}}
    return {**request, **changes}


def call_headers(key, name="plain__echo"):
    return wire.base_headers(key) + [("MCP-Protocol-Version", wire.MODERN), ("Mcp-Method", "tools/call"),
                                     ("Mcp-Name", name)]


def unauthorized(reply):
    require(reply.status == 401, f"wanted 401: {reply!r}")
    require(reply.headers.get("www-authenticate", "").lower().startswith("bearer"), f"{reply.headers}")
    require(reply.result() is None, f"{reply!r}")


def last_outcome(gate, server, tool):
    """The outcome entry of the newest permitted call of a tool, None while there is none."""
    entries = gate.log(500)
    intents = [e for e in entries if e.get("kind") == "intent" and e["server"] == server and e["tool"] == tool]
    if not intents:
        return None
    found = [e for e in entries if e.get("kind") == "outcome" and e["call"] == intents[-1]["call"]]
    require(len(found) <= 1, f"more than one outcome: {found}")
    return found[0] if found else None


class background:
    """Runs one function in a thread; `result` waits for it, with a deadline."""

    def __init__(self, function):
        self.function, self.value, self.error = function, None, None
        self.thread = threading.Thread(target=self.go, daemon=True)

    def go(self):
        try:
            self.value = self.function()
        except Exception as error:
            self.error = error

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_exception):
        self.thread.join(30)

    def result(self, seconds):
        self.thread.join(seconds)
        require(not self.thread.is_alive(), f"no answer within {seconds} s")
        if self.error:
            raise AssertionError(f"the call broke: {self.error!r}")
        return self.value
