"""Upstreams that hang, crash, flood and lie: a clear error, a record, nothing leaked, nobody else disturbed.

`bad_upstream.py [--binary PATH] [--json FILE]`. Must never accept that a lie of an upstream reaches a client.
"""

import argparse
import json
import pathlib
import statistics
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import lib
from gate import Gate
from lib import require

ENV_CANARY = "canary-env-51c7e0aa"
BEARER_CANARY = "canary-bearer-77d19f3b"
OWN_CANARY = "canary-own-0e8ab6c2"
# What each tool must come to: the reason the caller and the record give; `upstream_seconds_max` is 3.
TIMEOUT, VIOLATION, LIMIT, GONE = "upstream_timeout", "upstream_violation", "limit_exceeded", "upstream_unavailable"
STDIO = {
    "hang": (TIMEOUT,),
    "crash": (VIOLATION, GONE),
    "flood": (LIMIT, VIOLATION),
    "garbage": (TIMEOUT, VIOLATION),
    "wrong_id": (TIMEOUT, VIOLATION),
    "not_a_result": (VIOLATION, TIMEOUT),
    "bad_content": (VIOLATION,),
    "duplicate_keys": (VIOLATION, TIMEOUT),
    "deep": (VIOLATION, TIMEOUT),
}
HTTP = {
    "hang": (TIMEOUT,),
    "crash": (VIOLATION, GONE),
    "flood": (LIMIT, VIOLATION),
    "garbage": (VIOLATION,),
    "wrong_id": (VIOLATION, TIMEOUT),
    "not_a_result": (VIOLATION,),
    "bad_content": (VIOLATION,),
    "duplicate_keys": (VIOLATION,),
    "deep": (VIOLATION,),
    "status500": (VIOLATION, GONE),
    "redirect": (VIOLATION, GONE),
    "html": (VIOLATION,),
    "endless": (TIMEOUT, LIMIT),
}


class Catcher(BaseHTTPRequestHandler):
    """Where the redirect points: writes down whatever arrives."""

    seen = []

    def log_message(self, *_arguments):
        pass

    def do_POST(self):
        self.seen.append(str(self.headers))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST


def catcher():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Catcher)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_address[1]}/stolen"


class Healthy:
    """A client of another server that calls all the time and writes down how long each call took."""

    def __init__(self, door):
        self.door, self.times, self.errors, self.stop = door, [], [], threading.Event()
        self.thread = threading.Thread(target=self.go, daemon=True)

    def go(self):
        while not self.stop.wait(0.02):
            began = time.monotonic()
            try:
                result = self.door.call("healthy__echo", {"text": "x"}, 10).result()
                require(result and result["content"][0]["text"] == "echo: x", f"{result}")
            except Exception as error:
                self.errors.append(repr(error))
            self.times.append(time.monotonic() - began)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_exception):
        self.stop.set()
        self.thread.join(20)


class World:
    def __init__(self, binary, directory):
        self.directory = directory
        script = [sys.executable, lib.E2E / "servers" / "upstream.py"]
        port = lib.free_port()
        self.redirect = catcher()
        http = lib.Process([*script, f"http:{port}", "--journal", directory / "http.journal",
                            "--arrivals", directory / "http.arrivals", "--redirect", self.redirect], directory / "http.log", lib.clean_env(CANARY=ENV_CANARY))
        http.wait_port(port)
        bearer = directory / "bearer"
        bearer.write_text(BEARER_CANARY)
        bearer.chmod(0o600)
        secret = directory / "env-secret"
        secret.write_text(ENV_CANARY)
        secret.chmod(0o600)
        stdio = {"command": [*script, "stdio", "--journal", directory / "stdio.journal",
                             "--arrivals", directory / "stdio.arrivals"],
                 "env": {"CANARY": f"${{file:{secret}}}"}}
        everything = lib.SERVERS / "server-everything" / "dist" / "index.js"
        servers = {
            "stdio": stdio,
            "http": {"url": f"http://127.0.0.1:{port}/mcp", "bearer": f"${{file:{bearer}}}"},
            "healthy": {"command": [*script, "stdio"]},
            "everything": {"command": ["node", everything, "stdio"]},
            "gone": {"url": f"http://127.0.0.1:{lib.free_port()}/mcp"},
            "missing": {"command": ["/nonexistent/mcp-server"]},
            "mute": {"command": ["sleep", "1000"]},
        }
        limits = {"limits": {"upstream_seconds_max": 3, "result_bytes_max": 1 << 20}}
        self.gate = Gate(binary, directory / "gate", servers, sections=limits)
        self.gate.start(lib.clean_env(OWN_SECRET=OWN_CANARY))
        self.gate.certify_all(["stdio", "http", "healthy", "everything"])
        self.key = self.gate.add_agent("e2e")
        self.door = self.gate.door(self.key, seconds=30)
        self.replies = []

    def call(self, name, arguments=None):
        reply = self.door.call(name, arguments)
        self.replies.append(reply)
        return reply


def outcome_of(gate, server, tool):
    """The outcome of the newest call of a tool: exactly one, once it is there."""
    entries = gate.log(500)
    intents = [e for e in entries if e["kind"] == "intent" and (e["server"], e["tool"]) == (server, tool)]
    require(intents, f"no intent entry for {server}__{tool}")
    outcomes = [e for e in entries if e["kind"] == "outcome" and e["call"] == intents[-1]["call"]]
    require(len(outcomes) == 1, f"{len(outcomes)} outcome entries for {server}__{tool}")
    return outcomes[0]


def check_bad(results, world, server, cases):
    for tool, reasons in cases.items():
        with results.check(f"{server}/{tool}"):
            began = time.monotonic()
            reply = world.call(f"{server}__{tool}")
            took = time.monotonic() - began
            require(took < 10, f"answered after {took:.1f} s")
            failed = reply.error() or (reply.result() or {}).get("isError")
            require(reply.status < 500 and failed, f"wanted a clear error: {reply!r}")
            require(any(reason in reply.body.decode() for reason in reasons), f"wanted one of {reasons}: {reply!r}")
            outcome = outcome_of(world.gate, server, tool)
            require(outcome["outcome"] == "unknown" and outcome["reason"] in reasons, f"{outcome}")
        with results.check(f"{server}/{tool}/serves-afterwards"):
            def serves(name=f"{server}__echo"):
                result = world.call(name, {"text": "back"}).result()
                return result and not result.get("isError") and result["content"][0]["text"] == "echo: back"
            lib.wait_for(f"{server} to serve again", serves, 30)


def check_kept(results, world):
    """What an upstream may do and a client must see unchanged."""
    for server in ("stdio", "http"):
        with results.check(f"{server}/error-is-relayed"):
            reply = world.call(f"{server}__error")
            require(reply.code() == 4711 and reply.error()["message"] == "out of paper", f"{reply!r}")
            require(reply.error().get("data") == [1], f"{reply!r}")
            require(outcome_of(world.gate, server, "error")["outcome"] == "tool_error", "not recorded as tool_error")
        with results.check(f"{server}/second-answer-is-dropped"):
            result = world.call(f"{server}__twice").result()
            require(result["content"][0]["text"] == "first", f"{result}")
    with results.check("stdio/request-to-the-client-is-refused"):
        result = world.call("stdio__ask_client").result()
        require(result["content"][0]["text"] == "-32601", f"{result}")
    with results.check("stdio/noise-on-stderr"):
        require(world.call("stdio__noisy").result()["content"][0]["text"] == "quiet again", "")
    with results.check("redirect-was-not-followed"):
        require(not Catcher.seen, f"{Catcher.seen}")


def check_absent(results, world):
    """Servers that never come up hide their tools and hold nobody up."""
    for server in ("gone", "missing", "mute"):
        with results.check(f"{server}/is-unknown"):
            began = time.monotonic()
            reply = world.call(f"{server}__echo", {"text": "x"})
            require(reply.error().get("message") == f"Unknown tool: {server}__echo", f"{reply!r}")
            require(time.monotonic() - began < 2, "took more than 2 s")
        with results.check(f"{server}/is-shown-to-the-operator"):
            shown = json.dumps(world.gate.json("servers", "list"))
            require(server in shown, shown)


def check_leaks(results, world):
    secrets = {"env": ENV_CANARY, "bearer": BEARER_CANARY, "own": OWN_CANARY, "key": world.key}
    with results.check("environment-is-allow-listed"):
        text = world.call("everything__get-env").body.decode()
        require("PATH" in text, text[:500])
        require(OWN_CANARY not in text and "OWN_SECRET" not in text, "the child saw Callgate's own environment")
    seen = {
        "answers": b"".join(reply.body for reply in world.replies).decode(errors="replace")
                   + "".join(str(reply.headers) for reply in world.replies),
        "record": json.dumps(world.gate.log(5000)),
        "log": world.gate.output(),
        "operator-views": "".join(json.dumps(world.gate.json(*command)) for command in (
            ("servers", "list"), ("tools", "list"), ("agents", "list"))),
    }
    for place, text in seen.items():
        for kind, secret in secrets.items():
            with results.check(f"no-{kind}-secret-in-{place}"):
                require(secret not in text, f"found at {text.find(secret)}: {text[max(0, text.find(secret) - 200):][:300]}")


def check_passed_on(results, world):
    """What a client or the operator gave Callgate itself reaches no server; what one server is given, no other."""
    given = {"stdio": ENV_CANARY, "http": BEARER_CANARY}
    foreign = {"key": world.key, "own": OWN_CANARY}
    for server, others in (("stdio", {**foreign, "bearer": BEARER_CANARY}), ("http", foreign)):
        arrived = (world.directory / f"{server}.arrivals").read_text()
        with results.check(f"{server}/gets-what-it-is-given"):
            require("tools/call" in arrived and given[server] in arrived, "not even that arrived")
        for kind, secret in others.items():
            with results.check(f"no-{kind}-secret-at-{server}"):
                require(secret not in arrived, f"found at {arrived.find(secret)}")


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--binary", default=lib.default_binary(), type=pathlib.Path)
    options.add_argument("--json", type=pathlib.Path)
    options = options.parse_args()
    results = lib.Results("bad_upstream")
    world = World(options.binary, lib.scratch("bad-upstream"))
    with Healthy(world.gate.door(world.gate.add_agent("healthy"))) as healthy:
        for server, cases in (("stdio", STDIO), ("http", HTTP)):
            check_bad(results, world, server, cases)
        check_kept(results, world)
        check_absent(results, world)
    with results.check("another-server's-client-is-not-disturbed"):
        require(not healthy.errors, f"{len(healthy.errors)} errors, first: {healthy.errors[:1]}")
        require(len(healthy.times) > 50, f"only {len(healthy.times)} calls")
        slowest, middle = max(healthy.times), statistics.median(healthy.times)
        print(f"     {len(healthy.times)} calls next door: median {middle * 1000:.1f} ms, slowest {slowest * 1000:.1f} ms",
              flush=True)
        require(slowest < 2, f"the slowest call next door took {slowest:.2f} s")
    check_leaks(results, world)
    check_passed_on(results, world)
    results.add("stops-cleanly", world.gate.stop() == 0, world.gate.output()[-1500:])
    return results.finish(options.json)


if __name__ == "__main__":
    raise SystemExit(main())
