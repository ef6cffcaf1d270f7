"""Bad input at the door: each is refused clearly, reaches no upstream, and disturbs nobody.

`bad_input.py [--binary PATH] [--json FILE]`. Must never accept "some error": each case names its status and code.
"""

import argparse
import contextlib
import http.client
import json
import pathlib
import re
import socket
import sys
import threading
import time

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


def bodies():
    """name → (body bytes, wanted status, wanted codes)."""
    good = json.dumps(call_body())
    meta = json.dumps(wire.envelope())
    call = '{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"plain__echo","arguments":%s,"_meta":' + meta + "}}"
    deep = '{"a":' * 5000 + "1" + "}" * 5000
    return {
        "empty": (b"", 400, (-32700,)),
        "broken-json": (good[:-3].encode(), 400, (-32700,)),
        "two-texts": ((good + good).encode(), 400, (-32700,)),
        "trailing-bytes": ((good + " x").encode(), 400, (-32700,)),
        "nan": ((call % '{"count":NaN}').encode(), 400, (-32700,)),
        "comments": (("/* */" + good).encode(), 400, (-32700,)),
        "byte-order-mark": (b"\xef\xbb\xbf" + good.encode(), 400, (-32700,)),
        "invalid-utf8": (good.replace("plain__echo", "plain__ech\\o").encode().replace(b"\\", b"\xff"), 400, (-32700,)),
        "utf16": (good.encode("utf-16"), 400, (-32700,)),
        "lone-surrogate": ((call % '{"text":"\\ud800"}').encode(), 400, (-32700,)),
        "duplicate-method": (good.replace('"method"', '"method":"tools/list","method"', 1).encode(), 400, (-32600,)),
        "duplicate-name": (good.replace('"name": "plain__echo"', '"name":"hidden__echo","name":"plain__echo"', 1).encode(), 400, (-32600,)),
        "duplicate-escaped": (good.replace('"name": "plain__echo"', '"n\\u0061me":"hidden__echo","name":"plain__echo"', 1).encode(), 400, (-32600,)),
        "duplicate-argument": ((call % '{"text":"a","text":"b"}').encode(), 400, (-32600,)),
        "case-variant-method": (good.replace('"method"', '"Method":"tools/list","method"', 1).encode(), 400, (-32600,)),
        "case-variant-name": (good.replace('"name": "plain__echo"', '"NAME":"hidden__echo","name":"plain__echo"', 1).encode(), (200, 400), (-32600, -32602)),
        "case-variant-arguments": (good.replace('"arguments"', '"Arguments":{"text":"b"},"arguments"', 1).encode(), (200, 400), (-32600, -32602)),
        "batch": (f"[{good}]".encode(), 400, (-32600,)),
        "empty-batch": (b"[]", 400, (-32600,)),
        "text": (b'"tools/call"', 400, (-32600,)),
        "null": (b"null", 400, (-32600,)),
        "jsonrpc-1": (json.dumps(call_body(jsonrpc="1.0")).encode(), 400, (-32600,)),
        "id-null": (json.dumps(call_body(id=None)).encode(), 400, (-32600,)),
        "id-object": (json.dumps(call_body(id={"a": 1})).encode(), 400, (-32600,)),
        "id-fraction": (json.dumps(call_body(id=1.5)).encode(), 400, (-32600,)),
        "method-number": (json.dumps(call_body(method=5)).encode(), 400, (-32600,)),
        "params-array": (json.dumps(call_body(params=[1])).encode(), 400, (-32600, -32602)),
        "result-and-method": (json.dumps(call_body(result={})).encode(), 400, (-32600,)),
        "deep": ((call % ('{"text":' + deep + "}")).encode(), 400, (-32600,)),
        "long-number": ((call % ('{"count":1' + "0" * 5000 + "}")).encode(), 400, (-32600,)),
        "oversized": ((call % ('{"text":"' + "x" * 70000 + '"}')).encode(), 413, (-32600, "malformed")),
        "oversized-lie": (b"x" * 2_000_000, 413, (-32600, "malformed")),
    }


def params_cases():
    """name → params of `tools/call` with a wrong type somewhere."""
    return {
        "name-number": {"name": 5, "arguments": {}},
        "name-missing": {"arguments": {}},
        "name-null": {"name": None, "arguments": {}},
        "name-array": {"name": ["plain__echo"], "arguments": {}},
        "arguments-string": {"name": "plain__echo", "arguments": '{"text":"x"}'},
        "arguments-array": {"name": "plain__echo", "arguments": ["x"]},
        "arguments-null-byte-name": {"name": "plain__echo\u0000", "arguments": {}},
    }


def check_bodies(results, world):
    for name, (body, status, codes) in bodies().items():
        with results.check(f"body/{name}"), world.nothing_forwarded():
            error_is(world.door.send(body, call_headers(world.key)), status, *codes)
    for name, params in params_cases().items():
        with results.check(f"params/{name}/modern"), world.nothing_forwarded():
            body = json.dumps(call_body(params={**params, "_meta": wire.envelope()})).encode()
            headers = [h for h in call_headers(world.key) if h[0] != "Mcp-Name"]
            if isinstance(params.get("name"), str):
                headers.append(("Mcp-Name", params["name"].replace("\u0000", "")))
            reply = world.door.send(body, headers)
            require(reply.status in (200, 400) and reply.code() in (-32602, -32600, -32020), f"{reply!r}")
        with results.check(f"params/{name}/legacy"), world.nothing_forwarded():
            reply = world.door.session().request("tools/call", params)
            require(reply.status in (200, 400) and reply.code() in (-32602, -32600), f"{reply!r}")


def blank_name(body, name):
    return body.replace(name.encode(), b"NAME")


def check_tools(results, world):
    """Unknown, hidden and quarantined are one answer; wrong arguments name their place."""
    for era in ("modern", "legacy"):
        caller = world.door if era == "modern" else world.door.session()
        with results.check(f"tools/unknown/{era}"), world.nothing_forwarded():
            reply = caller.call("no_such_tool", {})
            error_is(reply, (200, 400), -32602)
            require(reply.error()["message"] == "Unknown tool: no_such_tool", f"{reply!r}")
        for kind, name in (("hidden", "hidden__echo"), ("quarantined", "held__echo")):
            with results.check(f"tools/{kind}-is-unknown/{era}"), world.nothing_forwarded():
                unknown = "nosuch__echo"[:len(name)]
                first, second = caller.call(name, {"text": "x"}), caller.call(unknown, {"text": "x"})
                require(first.status == second.status, f"{first!r} / {second!r}")
                bodies = [without_id(blank_name(reply.body, tool)) for reply, tool in ((first, name), (second, unknown))]
                require(bodies[0] == bodies[1], f"{bodies}")
                names = [sorted(n for n in r.headers if n not in ("date", "content-length")) for r in (first, second)]
                require(names[0] == names[1], f"{names}")
        with results.check(f"tools/hidden-with-bad-arguments-is-unknown/{era}"), world.nothing_forwarded():
            reply = caller.call("hidden__echo", {"text": 5})
            require(reply.error().get("message") == "Unknown tool: hidden__echo", f"{reply!r}")
        with results.check(f"tools/not-listed/{era}"):
            names = caller.tools()
            require("plain__echo" in names, names)
            require(not [name for name in names if name.startswith(("hidden__", "held__"))], names)
        with results.check(f"tools/invalid-arguments-name-the-place/{era}"), world.nothing_forwarded():
            reply = caller.call("plain__echo", {"text": 5})
            text = reply.body.decode()
            require(reply.error() or reply.result().get("isError"), f"{reply!r}")
            require("/text" in text, f"no JSON path: {reply!r}")
        with results.check(f"tools/undeclared-argument/{era}"), world.nothing_forwarded():
            reply = caller.call("plain__echo", {"text": "x", "shell": "rm"})
            require(reply.error() or reply.result().get("isError"), f"{reply!r}")
        with results.check(f"tools/policy-denied/{era}"), world.nothing_forwarded():
            reply = caller.call("plain__echo", {"text": "forbidden"})
            require(reply.error() or reply.result().get("isError"), f"{reply!r}")
            require("policy_denied" in reply.body.decode(), f"no stable code: {reply!r}")
    with results.check("tools/own-endpoint-has-own-names"):
        own = world.door.at("/mcp/plain")
        require("echo" in own.tools(), own.tools())
        ok_text(own.call("echo", {"text": "x"}), "echo: x")
        error_is(own.call("plain__echo", {}), (200, 400), -32602)
    for path in ("/mcp/nosuch", "/mcp/hidden/", "/mcp/plain/echo", "/mcp/../mcp/plain", "/MCP", "/"):
        with results.check(f"tools/no-such-endpoint{path}"), world.nothing_forwarded():
            reply = world.door.at(path).call("echo", {"text": "x"})
            require(reply.status in (400, 404) or reply.code() == -32602, f"{reply!r}")


def without_id(body):
    """A body without its JSON-RPC id, which differs between two requests."""
    return re.sub(rb'"id":\d+', b'"id":N', body)


def unauthorized(reply):
    require(reply.status == 401, f"wanted 401: {reply!r}")
    require(reply.headers.get("www-authenticate", "").lower().startswith("bearer"), f"{reply.headers}")
    require(reply.result() is None, f"{reply!r}")


def check_keys(results, world):
    bad = {
        "missing": None,
        "wrong": "cgk_" + "A" * 43,
        "truncated": world.key[:-1],
        "extended": world.key + "A",
        "empty": " ",
        "upper-case": world.key.upper(),
        "long": "cgk_" + "A" * 4000,
    }
    for name, key in bad.items():
        for era in ("modern", "legacy"):
            with results.check(f"keys/{name}/{era}"), world.nothing_forwarded():
                door = world.gate.door(key)
                unauthorized(door.call("plain__echo", {"text": "x"}) if era == "modern" else door.session().hello)
    with results.check("keys/two-headers"), world.nothing_forwarded():
        headers = call_headers(world.key) + [("Authorization", "Bearer cgk_other")]
        reply = world.door.send(json.dumps(call_body()).encode(), headers)
        require(reply.status in (400, 401), f"{reply!r}")
    for scheme in ("Basic", "bearer-ish", "DPoP"):
        with results.check(f"keys/scheme-{scheme}"), world.nothing_forwarded():
            headers = [h for h in call_headers(None)] + [("Authorization", f"{scheme} {world.key}")]
            unauthorized(world.door.send(json.dumps(call_body()).encode(), headers))
    for query in ("?key=", "?access_token=", "?api_key="):
        with results.check(f"keys/in-query{query}"), world.nothing_forwarded():
            path = f"/mcp{query}{world.key}"
            unauthorized(world.door.send(json.dumps(call_body()).encode(), call_headers(None), path=path))
    with results.check("keys/unauthenticated-bad-body-is-401"):
        unauthorized(world.gate.door(None).send(b"{", call_headers(None)))
    check_key_life(results, world)


def check_key_life(results, world):
    with results.check("keys/rotated"):
        first = world.gate.add_agent("rotating")
        ok_text(world.gate.door(first).call("plain__echo", {"text": "x"}), "echo: x")
        second = world.gate.json("agents", "rotate", "rotating")["key"]
        require(second != first, "rotation gave the same key")
        ok_text(world.gate.door(second).call("plain__echo", {"text": "x"}), "echo: x")
    with results.check("keys/removed"), world.nothing_forwarded():
        key = world.gate.add_agent("leaving")
        door = world.gate.door(key)
        require(door.tools(), "nothing listed before the agent was removed")
        session = door.session()
        world.gate.json("agents", "remove", "leaving")
        unauthorized(door.modern("tools/list"))
        unauthorized(session.request("tools/list"))
    with results.check("keys/removed-while-open"):
        key = world.gate.add_agent("cut-off")
        with background(lambda: world.gate.door(key).call("plain__slow", {"seconds": 30}, 15)) as call:
            lib.wait_for("the call upstream", lambda: '"slow"' in world.journal.read_text())
            world.gate.json("agents", "remove", "cut-off")
            reply = call.result(10)
            require(reply.status in (200, 401, 403), f"{reply!r}")
            require(reply.error() or (reply.result() or {}).get("isError"), f"{reply!r}")
    with results.check("keys/shown-once"):
        shown = json.dumps(world.gate.json("agents", "list"))
        require("cgk_" not in shown, shown)
    for days in ("0", "-1", "100000"):
        with results.check(f"keys/expiry-of-{days}-days-refused"):
            code, out, err = world.gate.cli("agents", "add", "odd", "--expires-days", days, "--output", "json")
            require(code != 0 and "cgk_" not in out, f"{code} {out} {err}")


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


def check_operator(results, world):
    """The agent is not the operator, nor the other way round (promise 12)."""
    state = world.gate.directory / "state"
    secrets = [path for path in state.rglob("*") if path.is_file() and path.stat().st_size < 4096]
    with results.check("operator/credential-at-the-door"), world.nothing_forwarded():
        tried = 0
        for path in secrets:
            text = path.read_bytes().decode(errors="ignore").strip()
            if text and "\n" not in text and text.isascii() and text.isprintable():
                unauthorized(world.gate.door(text).call("plain__echo", {"text": "x"}))
                tried += 1
        print(f"     tried {tried} small files of the state directory as keys", flush=True)
    with results.check("operator/state-is-private"):
        for path in [state, *state.rglob("*")]:
            if not path.is_relative_to(state / "servers"):
                require(path.stat().st_mode & 0o077 == 0, f"{path} can be read by others: {oct(path.stat().st_mode)}")
    sockets = [path for path in world.gate.directory.rglob("*") if path.is_socket()]
    with results.check("operator/agent-key-at-the-admin-socket"):
        require(sockets, "found no admin socket")
        for path in sockets:
            answer = over_unix(path, f"POST /v1/agents/list HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {world.key}\r\n"
                                     "Content-Length: 0\r\nConnection: close\r\n\r\n".encode())
            head = answer.split(b"\r\n", 1)[0]
            require(b" 401" in head or b" 403" in head or answer == b"", f"{answer[:300]!r}")
    for path in ("/admin", "/v1/agents", "/admin/agents", "/api/agents", "/metrics/../admin"):
        with results.check(f"operator/no-admin-on-the-door{path}"):
            reply = world.door.send(b"", wire.base_headers(world.key), "GET", path)
            require(reply.status in (400, 404), f"{reply!r}")


def over_unix(path, data):
    received = b""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        connection.connect(str(path))
        connection.sendall(data)
        with contextlib.suppress(TimeoutError, ConnectionResetError):
            while chunk := connection.recv(65536):
                received += chunk
    return received


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
    for method in ("initialize", "ping", "logging/setLevel", "tools/nope", "unknown/method"):
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


def last_outcome(gate, server, tool):
    """The outcome entry of the newest permitted call of a tool, None while there is none."""
    entries = gate.log(500)
    intents = [e for e in entries if e.get("kind") == "intent" and e["server"] == server and e["tool"] == tool]
    if not intents:
        return None
    found = [e for e in entries if e.get("kind") == "outcome" and e["call"] == intents[-1]["call"]]
    require(len(found) <= 1, f"more than one outcome: {found}")
    return found[0] if found else None


def check_record(results, world):
    """What was refused is in the record, and no key or argument is."""
    with results.check("record/refusals-are-recorded"):
        world.door.call("hidden__echo", {"text": "x"})
        refusals = [e for e in world.gate.log(50) if e["kind"] == "refusal"]
        require(refusals and refusals[-1]["named"] == "hidden__echo" and refusals[-1]["agent"] == "e2e", refusals[-1:])
    with results.check("record/explain"):
        world.door.call("plain__echo", {"text": f"argument {CANARY}"})
        entries = [e for e in world.gate.log(50) if e["kind"] == "intent"]
        explained = json.dumps(world.gate.json("explain", entries[-1]["call"]))
        for wanted in ("e2e", "plain", "echo", "test.all", "completed"):
            require(wanted in explained, f"`{wanted}` is not in {explained}")
    with results.check("record/holds-no-secret"):
        everything = json.dumps(world.gate.log(5000)) + world.gate.output()
        for secret in (world.key, world.other, CANARY):
            require(secret not in everything, "a secret is in the record or the log")


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--binary", default=lib.default_binary(), type=pathlib.Path)
    options.add_argument("--json", type=pathlib.Path)
    options = options.parse_args()
    directory = lib.scratch("bad-input")
    results = lib.Results("bad_input")
    world = World(options.binary, directory)
    dribbles = Dribbles(world)
    for check in (check_bodies, check_tools, check_keys, check_operator, check_headers, check_origins, check_sessions,
                  check_smuggling, check_gone, check_record):
        with results.check(f"{check.__name__}/ran-to-its-end"):
            check(results, world)
    check_dribbles(results, dribbles, 90)
    results.add("stops-cleanly", world.gate.stop() == 0, world.gate.output()[-1500:])
    return results.finish(options.json)


if __name__ == "__main__":
    raise SystemExit(main())
