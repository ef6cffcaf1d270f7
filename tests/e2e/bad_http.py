"""Bad HTTP at the door: headers that lie, hosts, sessions, smuggling, slowness, clients that leave.

The checks are called by `bad_input.py`. Must never accept "some error": each case names what it wants.
"""

import http.client
import json
import socket
import threading
import time

import lib
import wire
from door import background, call_body, call_headers, error_is, last_outcome, ok_text
from lib import require


def check_headers(results, world):
    body = json.dumps(call_body()).encode()

    def sent(change, body=body, status=400, codes=(-32020,)):
        error_is(world.door.send(body, change(call_headers(world.key))), status, *codes)

    def replace(name, value):
        return lambda headers: [h for h in headers if h[0] != name] + ([(name, value)] if value is not None else [])

    def again(name, value):
        return lambda headers: [*headers, (name, value)]

    cases = {
        "method-differs": replace("Mcp-Method", "tools/list"),
        "method-case": replace("Mcp-Method", "Tools/Call"),
        "method-missing": replace("Mcp-Method", None),
        "name-differs": replace("Mcp-Name", "plain__slow"),
        "name-missing": replace("Mcp-Name", None),
        "name-base64-differs": replace("Mcp-Name", "=?base64?cGxhaW5fX3Nsb3c=?="),
        "version-differs": replace("MCP-Protocol-Version", "2025-11-25"),
        "version-missing": replace("MCP-Protocol-Version", None),
        "method-twice": again("Mcp-Method", "tools/call"),
        "name-twice": again("Mcp-Name", "plain__echo"),
        "version-twice": again("MCP-Protocol-Version", wire.MODERN),
    }
    for name, change in cases.items():
        with results.check(f"headers/{name}"), world.nothing_forwarded():
            sent(change)
    with results.check("headers/name-base64-equal"):
        reply = world.door.send(body, replace("Mcp-Name", "=?base64?cGxhaW5fX2VjaG8=?=")(call_headers(world.key)))
        ok_text(reply, "echo: x")
    with results.check("headers/unsupported-version"), world.nothing_forwarded():
        odd, headers = world.door.modern_request("tools/list", version="2099-01-01")
        reply = world.door.send(odd, headers)
        error_is(reply, 400, -32022)
        require(reply.error()["data"]["supported"] == [wire.MODERN], f"{reply!r}")
    with results.check("headers/legacy-version-in-envelope"), world.nothing_forwarded():
        odd, headers = world.door.modern_request("tools/list", version="2025-11-25")
        error_is(world.door.send(odd, headers), 400, -32022)
    with results.check("headers/envelope-without-capabilities"), world.nothing_forwarded():
        meta = wire.envelope()
        del meta["io.modelcontextprotocol/clientCapabilities"]
        sent(lambda headers: headers, json.dumps(call_body(params={"name": "plain__echo", "_meta": meta})).encode(), 400, (-32602,))
    for method in ("initialize", "ping", "logging/setLevel", "tools/nope", "unknown/method", "resources/read", "prompts/get",
                   "completion/complete"):
        with results.check(f"headers/modern-unknown-method/{method}"), world.nothing_forwarded():
            error_is(world.door.modern(method), 404, -32601)
    with results.check("headers/legacy-unknown-method"), world.nothing_forwarded():
        error_is(world.door.session().request("tools/nope"), 200, -32601)
    with results.check("headers/content-type"), world.nothing_forwarded():
        require(world.door.send(body, replace("Content-Type", "text/plain")(call_headers(world.key))).status == 415, "")
    with results.check("headers/accept"), world.nothing_forwarded():
        require(world.door.send(body, replace("Accept", "text/html")(call_headers(world.key))).status == 406, "")
    for verb in ("PUT", "PATCH", "OPTIONS", "TRACE", "HEAD"):
        with results.check(f"headers/verb-{verb}"), world.nothing_forwarded():
            reply = world.door.send(body, call_headers(world.key), verb)
            require(reply.status in (400, 405), f"{reply!r}")


def check_mirrored(results, world):
    """`Mcp-Param-*` against the arguments of a tool whose schema mirrors `text` and `count`."""
    arguments = {"text": "grüße", "count": 42}
    good = [("Mcp-Param-Text", "=?base64?Z3LDvMOfZQ==?="), ("Mcp-Param-Count", "42.0")]

    def sent(headers, arguments=arguments):
        body = json.dumps(call_body(params={"name": "plain__mirrored", "arguments": arguments, "_meta": wire.envelope()}))
        return world.door.send(body.encode(), call_headers(world.key, "plain__mirrored") + headers)

    with results.check("mirrored/equal"):
        ok_text(sent(good), "mirrored: grüße")
    with results.check("mirrored/null-is-absent"):
        ok_text(sent(good[:1], {"text": "grüße"}), "mirrored: grüße")
    with results.check("mirrored/others-are-not-ours"):
        ok_text(sent([*good, ("Mcp-Param-Other", "x")]), "mirrored: grüße")
    cases = {
        "missing": good[:1],
        "differs": [good[0], ("Mcp-Param-Count", "43")],
        "not-decoded": [("Mcp-Param-Text", "Z3LDvMOfZQ=="), good[1]],
        "malformed": [("Mcp-Param-Text", "=?base64?Z3LDvMOfZQ?="), good[1]],
        "twice": [*good, good[1]],
        "no-text": [("Mcp-Param-Text", "gr\xfc\xdfe"), good[1]],
    }
    for name, headers in cases.items():
        with results.check(f"mirrored/{name}"), world.nothing_forwarded():
            error_is(sent(headers), 400, -32020)
    with results.check("mirrored/without-value"), world.nothing_forwarded():
        error_is(sent(good, {"text": "grüße"}), 400, -32020)
    with results.check("mirrored/legacy-has-none"):
        reply = world.door.session().request("tools/call", {"name": "plain__mirrored", "arguments": arguments})
        ok_text(reply, "mirrored: grüße")


def check_origins(results, world):
    body = json.dumps(call_body()).encode()
    for origin in ("https://evil.example", "http://localhost.evil.example", "null", "http://127.0.0.1.evil.example",
                   "file://"):
        with results.check(f"origin/{origin.replace('/', '_')}"), world.nothing_forwarded():
            reply = world.door.send(body, [*call_headers(world.key), ("Origin", origin)])
            require(reply.status == 403, f"{reply!r}")
            require("access-control-allow-origin" not in reply.headers, f"{reply.headers}")
    for host in ("evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "169.254.169.254"):
        with results.check(f"host/{host}"), world.nothing_forwarded():
            reply = world.door.send(body, [*call_headers(world.key), ("Host", host)])
            require(reply.status == 403, f"{reply!r}")
    with results.check("host/missing"), world.nothing_forwarded():
        data = b"POST /mcp HTTP/1.1\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
        head = wire.raw(world.port, data).split(b"\r\n")[0]
        require(b" 400" in head or b" 403" in head, f"{head!r}")
    with results.check("host/twice"), world.nothing_forwarded():
        reply = world.door.send(body, [*call_headers(world.key), ("Host", f"127.0.0.1:{world.port}"), ("Host", "evil.example")])
        require(reply.status in (400, 403), f"{reply!r}")


def check_sessions(results, world):
    with results.check("sessions/of-another-agent"), world.nothing_forwarded():
        mine = world.door.session()
        require(mine.id, f"no session id: {mine.hello!r}")
        theirs = world.door.session()
        theirs.door, theirs.id = world.gate.door(world.other), mine.id
        require(theirs.request("tools/list").status == 404, "another agent used the session")
        require(theirs.delete().status == 404, "another agent ended the session")
        require(mine.request("tools/list").status == 200, "the session of its owner ended")
    with results.check("sessions/unknown"), world.nothing_forwarded():
        session = world.door.session()
        session.id = "0" * 32
        require(session.request("tools/list").status == 404, "an unknown session was served")
    with results.check("sessions/missing"), world.nothing_forwarded():
        session = world.door.session()
        session.id = None
        reply = session.request("tools/call", {"name": "plain__echo", "arguments": {"text": "x"}})
        require(reply.status == 400, f"{reply!r}")
    with results.check("sessions/ended"), world.nothing_forwarded():
        session = world.door.session()
        require(session.delete().status in (200, 202, 204), "DELETE was refused")
        require(session.request("tools/list").status == 404, "an ended session was served")
    with results.check("sessions/id-grammar"), world.nothing_forwarded():
        session = world.door.session()
        session.id = "a b\tc"
        require(session.request("tools/list").status in (400, 404), "an odd session id was served")
    with results.check("sessions/many-do-not-push-others-out"):
        mine = world.door.session()
        greedy = world.gate.door(world.other)
        for _ in range(300):
            greedy.session()
        require(mine.request("tools/list").status == 200, "another agent's sessions pushed mine out")


def answers(data):
    """The status codes in a raw stream of HTTP answers."""
    return [int(line.split(b" ")[1]) for line in data.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]


def check_smuggling(results, world):
    inner = json.dumps(call_body()).encode()
    head = "".join(f"{name}: {value}\r\n" for name, value in call_headers(world.key)).encode()
    hidden = b"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\n" + head + b"Content-Length: %d\r\n\r\n%s" % (len(inner), inner)
    start = b"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    cases = {
        "te-and-cl": start + b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n%s" % (len(hidden) + 5, hidden),
        "cl-twice": start + b"Content-Length: 2\r\nContent-Length: %d\r\n\r\n{}%s" % (len(hidden), hidden),
        "te-twice": start + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n%s" % hidden,
        "te-odd": start + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n%s" % hidden,
        "cl-negative": start + b"Content-Length: -1\r\n\r\n%s" % hidden,
        "cl-plus": start + b"Content-Length: +2\r\n\r\n{}%s" % hidden,
        "header-folding": start + b"X-A: b\r\n c: d\r\nContent-Length: 0\r\n\r\n%s" % hidden,
        "space-before-colon": start + b"Content-Length : 0\r\n\r\n%s" % hidden,
        "bare-lf": start.replace(b"\r\n", b"\n") + b"Content-Length: 0\nX: \0\n\n%s" % hidden,
        "huge-chunk-size": start + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n%s" % hidden,
    }
    for name, data in cases.items():
        with results.check(f"smuggling/{name}"), world.nothing_forwarded():
            statuses = answers(wire.raw(world.port, data, 3))
            require(200 not in statuses, f"a hidden request was served: {statuses}")
            require(all(400 <= status < 500 or status == 501 for status in statuses), f"{statuses}")
    with results.check("smuggling/many-headers"), world.nothing_forwarded():
        many = b"".join(b"X-%d: y\r\n" % number for number in range(5000))
        statuses = answers(wire.raw(world.port, start + many + b"\r\n", 3))
        require(all(400 <= status < 500 for status in statuses), f"{statuses}")
    with results.check("smuggling/long-header"), world.nothing_forwarded():
        statuses = answers(wire.raw(world.port, start + b"X: " + b"y" * 3_000_000 + b"\r\n\r\n", 3))
        require(all(400 <= status < 500 for status in statuses), f"{statuses}")
    with results.check("smuggling/not-http"), world.nothing_forwarded():
        require(200 not in answers(wire.raw(world.port, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 300, 3)), "")


class Dribbles:
    """Connections that send next to nothing, held open while everything else is tested."""

    def __init__(self, world):
        head = f"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:{world.port}\r\n".encode()
        full = head + "".join(f"{n}: {v}\r\n" for n, v in call_headers(world.key)).encode()
        starts = {"headers": head + b"X-A: ", "silent": b"", "body": full + b"Content-Length: 5000\r\n\r\n{"}
        self.began = time.monotonic()
        self.open = {name: [self.start(world.port, data) for _ in range(40)] for name, data in starts.items()}
        self.closed = {name: [] for name in starts}
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.feed, daemon=True)
        self.thread.start()

    @staticmethod
    def start(port, data):
        connection = socket.create_connection(("127.0.0.1", port), 5)
        connection.sendall(data)
        connection.setblocking(False)
        return connection

    def feed(self):
        """Every quarter of a second one more byte, except to the silent ones; notes when each is closed."""
        while not self.ended.wait(0.25):
            for name, group in self.open.items():
                for connection in list(group):
                    if self.is_closed(connection, name != "silent"):
                        group.remove(connection)
                        connection.close()
                        self.closed[name].append(time.monotonic() - self.began)

    @staticmethod
    def is_closed(connection, dribble):
        try:
            if dribble:
                connection.send(b"a")
            return connection.recv(4096) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True


def check_dribbles(results, dribbles, bound):
    for name, group in dribbles.open.items():
        with results.check(f"slow/{name}-closed-within-{bound}-s"):
            left = max(1.0, bound - (time.monotonic() - dribbles.began))
            lib.wait_for(f"slow connections ({name}) to be closed", lambda group=group: not group, left)
            print(f"     {name}: closed after {max(dribbles.closed[name]):.1f} s", flush=True)
    dribbles.ended.set()


def check_gone(results, world):
    """The client leaves in mid-call: the upstream is told, the record says how it ended, others notice nothing."""
    with results.check("gone/modern-client-leaves"):
        body, headers = world.door.modern_request("tools/call", {"name": "plain__slow", "arguments": {"seconds": 20}})
        before = world.journal.read_text().count('"slow"')
        connection = http.client.HTTPConnection("127.0.0.1", world.port, timeout=10)
        connection.request("POST", "/mcp", body, dict(headers))
        lib.wait_for("the call upstream", lambda: world.journal.read_text().count('"slow"') > before)
        cancelled = world.journal.read_text().count('"cancelled"')
        connection.sock.shutdown(socket.SHUT_RDWR)
        connection.close()
        lib.wait_for("the cancellation upstream", lambda: world.journal.read_text().count('"cancelled"') > cancelled, 10)
        outcome = lib.wait_for("the outcome", lambda: last_outcome(world.gate, "plain", "slow"), 10)
        require(outcome.get("outcome") == "unknown", f"{outcome}")
        ok_text(world.door.call("plain__echo", {"text": "x"}), "echo: x")
    with results.check("gone/legacy-client-cancels"):
        session = world.door.session()
        before = world.journal.read_text().count('"slow"')
        request = {"jsonrpc": "2.0", "id": "c-1", "method": "tools/call",
                   "params": {"name": "plain__slow", "arguments": {"seconds": 20}}}
        with background(lambda: session.post(request, 15)):
            lib.wait_for("the call upstream", lambda: world.journal.read_text().count('"slow"') > before)
            cancelled = world.journal.read_text().count('"cancelled"')
            require(session.post({"jsonrpc": "2.0", "method": "notifications/cancelled",
                                  "params": {"requestId": "c-1", "reason": "test"}}).status == 202, "not accepted")
            lib.wait_for("the cancellation upstream",
                         lambda: world.journal.read_text().count('"cancelled"') > cancelled, 10)
        ok_text(world.door.call("plain__echo", {"text": "x"}), "echo: x")
    with results.check("gone/another-agent-cannot-cancel"):
        session, theirs = world.door.session(), world.gate.door(world.other).session()
        with background(lambda: session.post({"jsonrpc": "2.0", "id": "c-2", "method": "tools/call", "params": {
                "name": "plain__slow", "arguments": {"seconds": 1.5}}}, 15)) as call:
            theirs.post({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "c-2"}})
            ok_text(call.result(10), "done")
