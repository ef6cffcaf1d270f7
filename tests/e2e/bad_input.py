"""Bad input at the door: each is refused clearly, reaches no upstream, and disturbs nobody.

`bad_input.py [--binary PATH] [--json FILE]`. Must never accept "some error": each case names its status and code.
"""

import argparse
import contextlib
import json
import pathlib
import re
import socket

import lib
import wire
from bad_http import (Dribbles, check_dribbles, check_gone, check_headers, check_mirrored, check_origins, check_sessions,
                      check_smuggling)
from door import CANARY, World, background, call_body, call_headers, error_is, ok_text, unauthorized
from lib import require
from requirements import check_requirements


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
    # The agents' socket has no operator's routes at all, whoever asks.
    for name, refusals in (("admin.sock", (b" 401", b" 403")), ("agents.sock", (b" 404",))):
        with results.check(f"operator/agent-key-at-{name}"):
            found = [path for path in sockets if path.name == name]
            require(found, f"found no {name}")
            for path in found:
                answer = over_unix(path, f"POST /v1/agents/list HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {world.key}\r\n"
                                         "Content-Length: 0\r\nConnection: close\r\n\r\n".encode())
                head = answer.split(b"\r\n", 1)[0]
                require(any(refusal in head for refusal in refusals), f"{answer[:300]!r}")
    with results.check("operator/no-other-socket"):
        others = {path.name for path in sockets} - {"admin.sock", "agents.sock"}
        require(not others, others)
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
    for check in (check_bodies, check_tools, check_keys, check_operator, check_headers, check_mirrored, check_origins, check_sessions,
                  check_smuggling, check_gone, check_requirements, check_record):
        with results.check(f"{check.__name__}/ran-to-its-end"):
            check(results, world)
    check_dribbles(results, dribbles, 90)
    results.add("stops-cleanly", world.gate.stop() == 0, world.gate.output()[-1500:])
    return results.finish(options.json)


if __name__ == "__main__":
    raise SystemExit(main())
