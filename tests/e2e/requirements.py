"""Security requirements of MCP at the door, by their numbers in docs/threats/mcp-requirements.md.

The checks are called by `bad_input.py`. Must never test what a better-named check shows already.
"""

import json

import wire
from door import call_body, call_headers, error_is, ok_text, unauthorized
from lib import require


def check_identity(results, world):
    """Who calls is what the credential says, on every request anew, and nothing else."""
    with results.check("requirements/s03-a-key-in-the-body-is-none"), world.nothing_forwarded():
        meta = wire.envelope(authorization=f"Bearer {world.key}")
        params = {"name": "plain__echo", "arguments": {"text": "x"}, "_meta": meta}
        for body in (call_body(params=params), call_body(authorization=f"Bearer {world.key}")):
            unauthorized(world.door.send(json.dumps(body).encode(), call_headers(None)))
    with results.check("requirements/s06-a-session-without-a-key-is-none"), world.nothing_forwarded():
        session = world.door.session()
        session.door = world.gate.door(None)
        unauthorized(session.request("tools/list"))
        unauthorized(session.call("plain__echo", {"text": "x"}))
        unauthorized(session.delete())
    with results.check("requirements/s07-what-a-client-says-of-itself-counts-for-nothing"):
        meta = wire.envelope()
        meta["io.modelcontextprotocol/clientInfo"] = {"name": "other", "version": "operator"}
        meta.update({"agent": "other", "com.example/principal": "operator:local"})
        arguments = {"text": "who", "count": 1}
        body = call_body(params={"name": "plain__echo", "arguments": arguments, "_meta": meta, "agent": "other"})
        headers = [*call_headers(world.key), ("Callgate-Agent", "other"), ("X-Forwarded-User", "operator"),
                   ("Forwarded", "for=operator"), ("Mcp-Session-Id", world.gate.door(world.other).session().id)]
        ok_text(world.door.send(json.dumps(body).encode(), headers), "echo: who")
        intents = [e for e in world.gate.log(50) if e["kind"] == "intent"]
        require(intents and intents[-1]["agent"] == "e2e", intents[-1:])


def parts(reply):
    """All of an answer that could tell something: without the date and the JSON-RPC id."""
    message = reply.last()
    names = sorted(name for name in reply.headers if name != "date")
    return reply.status, names, {**message, "id": None}, len(reply.body) - len(json.dumps(message.get("id")))


def check_handles(results, world):
    """Sessions and cursors: unguessable, and worth nothing to others."""
    with results.check("requirements/s25-session-ids-are-long-and-never-alike"):
        ids = [world.door.session().id for _ in range(32)]
        require(all(len(bytes.fromhex(one)) >= 16 for one in ids), ids)
        require(len({one[at:at + 8] for one in ids for at in range(0, 32, 8)}) == 4 * len(ids), "parts of them repeat")
    with results.check("requirements/s25-a-session-of-another-looks-like-none"), world.nothing_forwarded():
        theirs, nobodys, ended = world.gate.door(world.other).session(), world.door.session(), world.door.session()
        ended.delete()
        theirs.door, nobodys.id = world.door, "0" * len(nobodys.id)
        for method in ("tools/list", "ping", "no/such"):
            answers = [parts(session.request(method)) for session in (theirs, nobodys, ended)]
            require(answers[0][0] == 404 and answers.count(answers[0]) == 3, answers)
    with results.check("requirements/s31-a-cursor-of-nobody-is-refused"), world.nothing_forwarded():
        for caller in (world.door.modern, world.door.session().request):
            for cursor in ("", "1", "AAAA", "x" * 4096, 7):
                error_is(caller("tools/list", {"cursor": cursor}), 200, -32602)


def check_wire(results, world):
    with results.check("requirements/s37-a-large-number-arrives-as-it-was-sent"):
        arguments = {"text": "x", "count": 9007199254740993}
        for caller in (world.door, world.door.session()):
            ok_text(caller.call("plain__echo", arguments), "echo: x")
            require(json.loads(world.journal.read_text().splitlines()[-1])["arguments"] == arguments, "changed")
    with results.check("requirements/s44-no-other-origin-may-read-an-answer"):
        body = json.dumps(call_body()).encode()
        for origin in (f"http://localhost:{world.port}", "http://127.0.0.1:1", "http://evil.example"):
            for verb in ("POST", "OPTIONS", "GET", "DELETE"):
                more = [("Origin", origin), ("Access-Control-Request-Method", "POST"),
                        ("Access-Control-Request-Headers", "authorization")]
                reply = world.door.send(body, [*call_headers(world.key), *more], verb)
                shared = [name for name in reply.headers if name.startswith("access-control-")]
                require(not shared, f"{verb} {origin}: {shared}")
                if verb == "POST" and "evil" not in origin:
                    ok_text(reply, "echo: x")


def check_requirements(results, world):
    for check in (check_identity, check_handles, check_wire):
        check(results, world)
