"""`callgate wrap`: clients on standard input and output, one daemon on demand, and what a kill leaves behind.

`wrap.py [--binary PATH] [--json FILE]`. Must never count a daemon or a child of another test as its own: all are
found by the path of this test's configuration, which is in their command lines.
"""

import argparse
import contextlib
import http.client
import json
import os
import pathlib
import queue
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time

import lib
import world
from gate import Gate
from lib import require
from run import Inspector, Program, plain_call, plain_tools

MEBIBYTES_MAX = 6.0
CLIENTS = 6
CALLS = 40
META = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}


def processes(*marks):
    """Ids of the processes whose command line holds all marks."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                line = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
                if all(str(mark) in line for mark in marks):
                    found.append(int(entry.name))
    return found


def memory(pid):
    """(anonymous, proportional) memory of a process in MiB."""
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    fields = dict(line.split(":", 1) for line in text.splitlines()[1:])
    return tuple(int(fields[name].split()[0]) / 1024 for name in ("Anonymous", "Pss"))


class Wrapped:
    """A client by hand: lines to a shim, lines from it, each waited for with a deadline."""

    def __init__(self, setup, *arguments, agent="ada", server="slow", env=None):
        self.argv = setup.argv(*(arguments or ("--agent", agent, "--server", server)))
        self.child = subprocess.Popen(self.argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE, env=lib.clean_env(**(env or {})), start_new_session=True)
        self.lines = queue.Queue()
        self.next_id = 0
        threading.Thread(target=self.read, daemon=True).start()
        setup.shims.append(self)

    def read(self):
        for line in self.child.stdout:
            self.lines.put(json.loads(line))
        self.lines.put(None)

    def send(self, **message):
        self.child.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
        self.child.stdin.flush()

    def receive(self, seconds=25):
        try:
            return self.lines.get(timeout=seconds)
        except queue.Empty:
            raise AssertionError(f"no line within {seconds} s") from None

    def start(self, method, params=None):
        self.next_id += 1
        self.send(id=self.next_id, method=method, params=params or {})
        return self.next_id

    def ask(self, method, params=None, seconds=25):
        asked = self.start(method, params)
        answer = self.receive(seconds)
        require(answer is not None and answer.get("id") == asked, f"no answer to {method}: {answer}")
        return answer

    def initialize(self):
        answer = self.ask("initialize", {"protocolVersion": "2025-11-25", "capabilities": {},
                                         "clientInfo": {"name": "t", "version": "1"}})
        if "result" in answer:
            self.send(method="notifications/initialized")
        return answer

    def call(self, tool, arguments, modern=False, seconds=25):
        meta = {"_meta": META} if modern else {}
        return self.ask("tools/call", {"name": tool, "arguments": arguments, **meta}, seconds)

    def end(self, seconds=5):
        """Closes its input; its exit code."""
        with contextlib.suppress(OSError):
            self.child.stdin.close()
        return self.child.wait(seconds)

    def kill(self):
        self.child.kill()
        self.child.wait(10)


class Setup:
    """One configuration with a real server and one that is slow on purpose; a daemon only when a shim starts it."""

    def __init__(self, binary, directory, idle=600):
        self.binary, self.directory, self.idle = binary, directory, idle
        directory.mkdir(parents=True, exist_ok=True)
        tree, _ = world.workspace(directory)
        self.filesystem = world.filesystem(tree)
        self.journal = directory / "calls.journal"
        self.journal.touch()
        stubborn = f"trap '' TERM; {sys.executable} {lib.E2E / 'servers' / 'upstream.py'} stdio; while :; do sleep 0.2; done"
        self.stubborn_mark = stubborn
        slow = [sys.executable, lib.E2E / "servers" / "upstream.py", "stdio", "--journal", self.journal]
        self.gate = Gate(binary, directory / "gate", {"filesystem": self.filesystem.table,
                                                        "slow": {"command": slow, "env_pass": ["E2E_NAMED"]},
                                                        "stubborn": {"command": ["sh", "-c", stubborn]}})
        self.shims = []
        self.gate.json("servers", "refresh")
        self.gate.certify_all(["filesystem", "slow", "stubborn"])
        self.gate.json("agents", "add", "ada", "--local")

    def argv(self, *arguments):
        argv = [self.binary, "--config", self.gate.config, "wrap", "--idle-seconds", self.idle, *arguments]
        return [str(part) for part in argv]

    def daemons(self):
        return processes(self.gate.config, "--detached")

    def daemon(self):
        """The one daemon. For a moment a child it starts looks like it, and so does one that lost the race."""
        found = []

        def one():
            found[:] = self.daemons()
            return len(found) == 1
        lib.wait_for("exactly one daemon", one, 5)
        return found[0]

    def children(self):
        return processes("stdio", self.journal)

    def arrived(self):
        return [json.loads(line) for line in self.journal.read_bytes().splitlines()]

    def outcomes(self):
        return [entry for entry in self.gate.log(5000) if entry["kind"] == "outcome"]

    def daemon_log(self):
        path = self.gate.directory / "state" / "daemon.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def close(self):
        for shim in self.shims:
            with contextlib.suppress(Exception):
                shim.kill()
        for pid in self.daemons():
            os.kill(pid, signal.SIGTERM)
        lib.wait_for("the daemon to end", lambda: not self.daemons(), 20)


def check_clients(results, setup, home):
    """Clients of every SDK reach a real server through a shim as they do directly."""
    through = {"command": setup.argv("--agent", "ada", "--server", "filesystem")}
    # The Inspector takes options of a command that look like its own for its own.
    script = setup.directory / "shim"
    script.write_text(f"#!/bin/sh\nexec {shlex.join(through['command'])}\n")
    script.chmod(0o700)
    clients = [
        Program("py_new.py", [lib.PY_NEW / "python"], ("auto", "legacy", "modern"), "auto"),
        Program("py_old.py", [lib.PY_OLD / "python"], ("legacy",), "legacy"),
        Program("node_new.mjs", ["node"], ("legacy", "auto", "modern"), "auto"),
        Program("node_old.mjs", ["node"], ("legacy",), "legacy"),
        Inspector(home),
    ]
    server = setup.filesystem
    for client in clients:
        for mode in client.modes if client.name != "inspector" else ("legacy",):
            with results.check(f"clients/{client.name}-{mode}"):
                direct = client.see(server.direct, client.direct, server.calls)
                target = {"command": [str(script)]} if client.name == "inspector" else through
                seen = client.see(target, mode, server.calls)
                found = lib.difference(plain_tools(direct["tools"]), plain_tools(seen["tools"]))
                require(found is None, f"tools: {found}")
                for number, (a, b) in enumerate(zip(direct["calls"], seen["calls"], strict=True)):
                    found = lib.difference(plain_call(a), plain_call(b))
                    require(found is None, f"call {number}: {found}")
    with results.check("clients/by-command"):
        shim = Wrapped(setup, "--agent", "ada", "--", *map(str, server.table["command"]))
        require("result" in shim.initialize(), "no session")
        require(shim.call("list_directory", {"path": server.calls[0]["arguments"]["path"]})["result"], "no result")
        require(shim.end() == 0, "exit code")


def check_six(results, setup):
    """Six at once: one daemon, one log, no lost call; and what each weighs."""
    setup.close()
    before = len(setup.outcomes())
    shims = [Wrapped(setup) for _ in range(CLIENTS)]
    answers = [[] for _ in shims]

    def work(number):
        shims[number].initialize()
        for turn in range(CALLS):
            answers[number].append(shims[number].call("echo", {"text": f"{number}-{turn}"}, modern=turn % 2))
    threads = [threading.Thread(target=work, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    with results.check("six/one-daemon"):
        daemon = setup.gate.json("status")["daemon"]
        require((daemon["pid"], daemon["on_demand"]) == (setup.daemon(), True), daemon)
    with results.check("six/every-call-is-answered-with-its-own-text"):
        for number, seen in enumerate(answers):
            texts = [answer["result"]["content"][0]["text"] for answer in seen]
            require(texts == [f"echo: {number}-{turn}" for turn in range(CALLS)], f"client {number}: {texts[:3]}…")
    with results.check("six/every-call-is-in-the-one-log"):
        fresh = setup.outcomes()[before:]
        require(len(fresh) == CLIENTS * CALLS, f"{len(fresh)} outcomes")
        require(all(entry["outcome"] == "completed" for entry in fresh), "not all completed")
    with results.check("six/the-record-says-local-peer"):
        intent = [entry for entry in setup.gate.log(50) if entry["kind"] == "intent"][-1]
        require((intent["agent"], intent["attestation"]) == ("ada", "local_peer"), intent)
    sizes = [memory(shim.child.pid) for shim in shims]
    anonymous, proportional = (max(column) for column in zip(*sizes))
    for what, size in (("anonymous", anonymous), ("proportional", proportional)):
        how = "the largest of six shims beside one daemon, from /proc/PID/smaps_rollup"
        results.add(f"six/memory-of-a-shim-{what}", size <= MEBIBYTES_MAX, how, (size, "MiB", MEBIBYTES_MAX))
    with results.check("six/all-end-with-their-input"):
        require([shim.end() for shim in shims] == [0] * CLIENTS, "exit codes")


def check_heard(results, setup):
    """What the daemon says unasked reaches a client that only has standard output."""
    with results.check("heard/tools-changed"):
        client = Wrapped(setup)
        require("listChanged" in client.initialize()["result"]["capabilities"]["tools"], "it does not say so")
        require("echo" in [tool["name"] for tool in client.ask("tools/list")["result"]["tools"]], "not listed")
        setup.gate.json("tools", "quarantine", "slow__echo")
        require(client.receive() == {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}, "not told")
        require("echo" not in [tool["name"] for tool in client.ask("tools/list")["result"]["tools"]], "still listed")
        setup.gate.certify_named("slow__echo")
        require(client.receive()["method"] == "notifications/tools/list_changed", "not told")
    with results.check("heard/a-subscription"):
        wanted = {"_meta": META, "notifications": {"toolsListChanged": True}}
        asked = client.start("subscriptions/listen", wanted)
        require(client.receive()["method"] == "notifications/subscriptions/acknowledged", "not granted")
        setup.gate.json("tools", "quarantine", "slow__echo")
        heard = [client.receive(), client.receive()]
        about = [line["params"]["_meta"] for line in heard if "params" in line]
        require(all(line["method"] == "notifications/tools/list_changed" for line in heard), f"{heard}")
        require(about == [{"io.modelcontextprotocol/subscriptionId": asked}], f"{heard}")
        client.send(method="notifications/cancelled", params={"requestId": asked})
        setup.gate.certify_named("slow__echo")
        require(client.receive() == {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}, "not told once")
    with results.check("heard/another-daemon"):
        os.kill(setup.daemon(), signal.SIGKILL)
        answers = []
        client.start("ping")
        while not any("id" in line for line in answers):
            answers.append(client.receive())
        while not any(line.get("method") == "notifications/tools/list_changed" for line in answers):
            answers.append(client.receive())
        require(client.end() == 0, "it did not end with its input")


def check_killed_daemon(results, setup):
    """kill -9 in mid-call: told at once, and the next call starts it again in the client's session."""
    for era, modern in (("legacy", False), ("modern", True)):
        shim = Wrapped(setup)
        with results.check(f"killed-daemon/{era}"):
            shim.initialize()
            answer = shim.call("echo", {"text": "a"}, modern)
            require("result" in answer, f"not served: {answer}")
            first, children = setup.daemon(), setup.children()
            arrived = len(setup.arrived())
            meta = {"_meta": META} if modern else {}
            asked = shim.start("tools/call", {"name": "slow", "arguments": {"seconds": 60}, **meta})
            lib.wait_for("the slow call to arrive", lambda: len(setup.arrived()) > arrived)
            os.kill(first, signal.SIGKILL)
            answer = shim.receive(5)
            require(answer["id"] == asked, answer)
            require("may have acted" in answer["error"]["message"], answer)
            again = shim.call("echo", {"text": "b"}, modern)
            require("result" in again and again["result"]["content"][0]["text"] == "echo: b", again)
            require(setup.daemon() != first, "the same daemon")
            lib.wait_for("children of the killed daemon to end", lambda: not set(children) & set(setup.children()))
            unknown = [entry for entry in setup.outcomes() if entry["outcome"] == "unknown"]
            require(len(unknown) == 1 + modern, f"{len(unknown)} unknown outcomes")
        with results.check(f"killed-daemon/{era}-ends"):
            require(shim.end() == 0, "exit code")


def check_environment(results, setup):
    """A daemon gets of its first client's environment what everybody has and what the configuration names."""
    setup.close()
    with results.check("environment/only-what-is-named-reaches-the-daemon"):
        env = {"E2E_NAMED": "passed-on", "E2E_OTHER": "of-one-client", "LC_TIME": "C", "LD_PRELOAD": "", "SSH_AUTH_SOCK": "/x"}
        shim = Wrapped(setup, env=env)
        shim.initialize()
        require("result" in shim.call("echo", {"text": "a"}), "not served")
        found = pathlib.Path(f"/proc/{setup.daemon()}/environ").read_bytes().decode().split("\0")
        names = {entry.split("=", 1)[0] for entry in found if entry}
        require({"PATH", "HOME", "LC_TIME", "E2E_NAMED"} <= names, names)
        require(not {"E2E_OTHER", "LD_PRELOAD", "SSH_AUTH_SOCK"} & names, names)
        child = pathlib.Path(f"/proc/{setup.children()[0]}/environ").read_bytes()
        require(b"E2E_NAMED=passed-on" in child, "the server does not get what its configuration passes on")
        shim.end()


SILENT_SECONDS = 30


def check_stopped_daemon(results, setup):
    """SIGSTOP: whoever waits is told within a bounded time, a cancellation works, and what is there afterwards goes on."""
    shims = {era: Wrapped(setup) for era in ("legacy", "modern", "cancelled", "listed")}
    for shim in shims.values():
        shim.initialize()
        require("result" in shim.call("echo", {"text": "a"}), "not served")
    asked, arrived = {}, len(setup.arrived())
    for era in ("legacy", "modern", "cancelled"):
        meta = {"_meta": META} if era == "modern" else {}
        asked[era] = shims[era].start("tools/call", {"name": "slow", "arguments": {"seconds": 60}, **meta})
    lib.wait_for("the slow calls to arrive", lambda: len(setup.arrived()) == arrived + 3)
    daemon = setup.daemon()
    os.kill(daemon, signal.SIGSTOP)
    began = time.monotonic()
    try:
        shims["cancelled"].send(method="notifications/cancelled", params={"requestId": asked["cancelled"]})
        asked["listed"] = shims["listed"].start("tools/list")
        shims["new"] = Wrapped(setup)
        asked["new"] = shims["new"].start("initialize", {"protocolVersion": "2025-11-25", "capabilities": {},
                                                         "clientInfo": {"name": "t", "version": "1"}})
        for era in ("legacy", "modern", "listed", "new"):
            with results.check(f"stopped-daemon/{era}-is-told-in-time"):
                answer = shims[era].receive(max(1, SILENT_SECONDS - (time.monotonic() - began)))
                require(answer["id"] == asked[era], answer)
                text = answer["error"]["message"]
                require("no sign of life" in text and f"kill -CONT {daemon}" in text, text)
        with results.check("stopped-daemon/the-next-request-is-told-too"):
            answer = shims["listed"].ask("tools/list", seconds=SILENT_SECONDS)
            text = answer["error"]["message"]
            require("no sign of life" in text and str(daemon) in text, text)
    finally:
        os.kill(daemon, signal.SIGCONT)
    with results.check("stopped-daemon/a-cancelled-request-has-no-answer-and-nobody-waits"):
        answer = shims["cancelled"].call("echo", {"text": "b"})
        require(answer["result"]["content"][0]["text"] == "echo: b", answer)
    with results.check("stopped-daemon/goes-on-when-it-does"):
        for era in ("legacy", "modern", "listed"):
            answer = shims[era].call("echo", {"text": era}, era == "modern")
            require(answer["result"]["content"][0]["text"] == f"echo: {era}", answer)
        require(setup.daemon() == daemon, "another daemon")
    with results.check("stopped-daemon/shims-end"):
        require(all(shim.end() == 0 for shim in shims.values()), "exit codes")


def check_leash(results, setup):
    """A server that ignores the end of its input and SIGTERM does not outlive a killed daemon."""
    with results.check("leash/stubborn-server-ends"):
        shim = Wrapped(setup, server="stubborn")
        shim.initialize()
        require("result" in shim.call("echo", {"text": "a"}), "not served")
        require(processes(setup.stubborn_mark), "there is no such child")
        os.kill(setup.daemon(), signal.SIGKILL)
        lib.wait_for("the stubborn child to end", lambda: not processes(setup.stubborn_mark), 8)
        shim.end()


def check_killed_shim(results, setup):
    """kill -9 of a shim: a call of the older revisions ends and is recorded; of the new one it is cancelled."""
    for era, modern, expected in (("legacy", False, "completed"), ("modern", True, "cancelled")):
        with results.check(f"killed-shim/{era}"):
            shim = Wrapped(setup)
            shim.initialize()
            before, arrived = len(setup.outcomes()), len(setup.arrived())
            meta = {"_meta": META} if modern else {}
            shim.start("tools/call", {"name": "slow", "arguments": {"seconds": 1.5}, **meta})
            lib.wait_for("the slow call to arrive", lambda: len(setup.arrived()) > arrived)
            shim.kill()
            entry = lib.wait_for("its outcome", lambda: setup.outcomes()[before:])[0]
            words = json.dumps(entry)
            require(expected in words, words)
            setup.daemon()


def check_cancel(results, setup):
    for era, modern in (("legacy", False), ("modern", True)):
        with results.check(f"cancel/{era}"):
            shim = Wrapped(setup)
            shim.initialize()
            before, arrived = len(setup.outcomes()), len(setup.arrived())
            meta = {"_meta": META} if modern else {}
            asked = shim.start("tools/call", {"name": "slow", "arguments": {"seconds": 60}, **meta})
            lib.wait_for("the slow call to arrive", lambda: len(setup.arrived()) > arrived)
            shim.send(method="notifications/cancelled", params={"requestId": asked})
            entry = lib.wait_for("its outcome", lambda: setup.outcomes()[before:])[0]
            require("cancelled" in json.dumps(entry), entry)
            if modern:
                require(shim.call("echo", {"text": "z"}, True)["result"], "not served after")
            shim.end()


def check_end(results, setup):
    for how in ("input", "SIGTERM", "SIGINT", "output"):
        with results.check(f"end/{how}-with-a-call-open"):
            shim = Wrapped(setup)
            shim.initialize()
            arrived = len(setup.arrived())
            shim.start("tools/call", {"name": "slow", "arguments": {"seconds": 60}})
            lib.wait_for("the slow call to arrive", lambda: len(setup.arrived()) > arrived)
            began = time.monotonic()
            if how == "input":
                code = shim.end(8)
            elif how == "output":
                os.close(os.dup(shim.child.stdout.fileno()))
                code = end_unread(setup)
            else:
                shim.child.send_signal(getattr(signal, how))
                code = shim.child.wait(8)
            require(code == 0, f"exit code {code}")
            require(time.monotonic() - began < 6, "took too long")


def end_unread(setup):
    """A shim whose output nobody reads any more."""
    reader, writer = os.pipe()
    child = subprocess.Popen(setup.argv("--agent", "ada", "--server", "slow"), stdin=subprocess.PIPE, stdout=writer,
                             env=lib.clean_env(), start_new_session=True)
    os.close(writer)
    os.close(reader)
    child.stdin.write(b'{"jsonrpc":"2.0","id":1,"method":"ping"}\n')
    child.stdin.flush()
    try:
        return child.wait(25)
    finally:
        child.kill()


def check_words(results, setup):
    """What cannot work is said to the client, with what to do."""
    with results.check("words/unknown-agent"):
        shim = Wrapped(setup, agent="nobody")
        answer = shim.initialize()
        require("callgate agents add nobody --local" in answer["error"]["message"], answer)
    with results.check("words/unknown-server"):
        answer = Wrapped(setup, server="nosuch").initialize()
        require("[servers.nosuch]" in answer["error"]["message"], answer)
    with results.check("words/unknown-command"):
        code, out, err = lib.run(setup.argv("--agent", "ada", "--", "npx", "never"), 20)
        require(code == 78 and not out and 'command = ["npx", "never"]' in err, f"{code}: {err}")
    with results.check("words/broken-lines"):
        shim = Wrapped(setup)
        shim.initialize()
        shim.child.stdin.write(b"{nonsense\n[]\n\n")
        shim.child.stdin.flush()
        codes = sorted(shim.receive()["error"]["code"] for _ in range(2))
        require(codes == [-32700, -32600], codes)
        require(shim.call("echo", {"text": "still"})["result"], "not served after")
        shim.end()
    setup.close()
    with results.check("words/a-daemon-that-cannot-start"):
        kept = setup.gate.policy.read_text()
        setup.gate.policy.write_text("permit (principal, action, resource) when { nonsense };")
        shim = Wrapped(setup)
        began = time.monotonic()
        answer = shim.initialize()
        require("could not be started" in answer["error"]["message"] and "test.cedar" in answer["error"]["message"], answer)
        require(time.monotonic() - began < 20, "took too long")
        setup.gate.policy.write_text(kept)
        require("result" in shim.initialize(), "does not recover")
        shim.end()


def over_socket(path, request):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(10)
        sock.connect(str(path))
        sock.sendall(request)
        response = http.client.HTTPResponse(sock)
        response.begin()
        return response.status, response.read()


def check_identity(results, setup):
    """Who one is on the socket comes from the system; the name is only a claim among one's own agents."""
    state = setup.gate.directory / "state"
    Wrapped(setup).initialize()
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": META}}).encode()

    def request(path, *headers):
        lines = [f"POST {path} HTTP/1.1", "Host: localhost", "Content-Type: application/json",
                 "MCP-Protocol-Version: 2026-07-28", "Mcp-Method: tools/list", f"Content-Length: {len(body)}",
                 "Connection: close", *headers]
        return "\r\n".join([*lines, "", ""]).encode() + body

    def ask(path, *headers):
        return over_socket(state / "agents.sock", request(path, *headers))
    with results.check("identity/socket-is-private"):
        require((state / "agents.sock").stat().st_mode & 0o777 == 0o600, "mode")
    with results.check("identity/claims"):
        require(ask("/mcp/slow", "Callgate-Agent: ada")[0] == 200, "ada is refused")
        unknown = ask("/mcp/slow", "Callgate-Agent: nobody")
        setup.gate.json("agents", "add", "keyed")
        require(unknown[0] == 401 and ask("/mcp/slow", "Callgate-Agent: keyed") == unknown, "told apart")
        setup.gate.json("agents", "add", "gone", "--local")
        require(ask("/mcp/slow", "Callgate-Agent: gone")[0] == 200, "gone is refused too early")
        setup.gate.json("agents", "remove", "gone")
        require(ask("/mcp/slow", "Callgate-Agent: gone") == unknown, "a removed agent is told apart")
        require(ask("/mcp/slow")[0] == 401, "nobody is somebody")
    with results.check("identity/a-claim-is-nothing-on-tcp"):
        with socket.create_connection(("127.0.0.1", setup.gate.port), 10) as sock:
            sock.sendall(request("/mcp/slow", "Callgate-Agent: ada"))
            response = http.client.HTTPResponse(sock)
            response.begin()
            require(response.status == 401 and b"unauthenticated" in response.read(), response.status)
    with results.check("identity/no-operator-behind-the-agents-socket"):
        key = (state / "operator.key").read_text().strip()
        for headers in (["Callgate-Agent: ada"], [f"Authorization: Bearer {key}"]):
            status, text = ask("/v1/status", *headers)
            require(status == 404 and b"epoch" not in text, (status, text))
        status, text = over_socket(state / "admin.sock", request("/v1/status", "Callgate-Agent: ada"))
        require(status == 401, (status, text))
    with results.check("identity/no-key-to-rotate"):
        code, _, err = setup.gate.cli("agents", "rotate", "ada")
        require(code == 1 and "has no key" in err, err)


def listener(path):
    """A subscription as `ada`, of which nothing is heard but that it was granted."""
    wanted = {"_meta": META, "notifications": {"toolsListChanged": True}}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "subscriptions/listen", "params": wanted}).encode()
    lines = ["POST /mcp/slow HTTP/1.1", "Host: localhost", "Content-Type: application/json", "Callgate-Agent: ada",
             "Accept: application/json, text/event-stream", "MCP-Protocol-Version: 2026-07-28",
             "Mcp-Method: subscriptions/listen", f"Content-Length: {len(body)}"]
    stream = socket.socket(socket.AF_UNIX)
    stream.settimeout(10)
    stream.connect(str(path))
    stream.sendall("\r\n".join([*lines, "", ""]).encode() + body)
    seen = b""
    while b"notifications/subscriptions/acknowledged" not in seen:
        seen += stream.recv(4096) or require(False, f"not granted: {seen}")
    return stream


def check_idle(results, setup):
    """A daemon started on demand ends by itself when no client is there, and not before."""
    setup.close()
    with results.check("idle/stays-for-a-client-that-says-nothing"):
        shim = Wrapped(setup)
        shim.initialize()
        first = setup.daemon()
        threading.Event().wait(setup.idle * 2)
        require(setup.daemon() == first, "it ended under a client")
        shim.end()
    with results.check("idle/stays-for-a-client-that-only-listens"):
        shim = Wrapped(setup)
        shim.initialize()
        listening = listener(setup.gate.directory / "state" / "agents.sock")
        shim.kill()
        first = setup.daemon()
        threading.Event().wait(setup.idle * 3)
        require(setup.daemon() == first, "it ended under a client that listens")
        listening.close()
    with results.check("idle/ends-without-clients"):
        lib.wait_for("the daemon to end", lambda: not setup.daemons(), setup.idle + 10)
        require("no client for a while" in setup.daemon_log(), setup.daemon_log()[-500:])
        sockets = [path.name for path in (setup.gate.directory / "state").glob("*.sock")]
        require(not sockets, sockets)


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--binary", default=lib.default_binary(), type=pathlib.Path)
    options.add_argument("--json", type=pathlib.Path)
    options = options.parse_args()
    results = lib.Results("wrap")
    directory = lib.scratch("wrap")
    (directory / "home").mkdir()
    setups = []
    try:
        setups.append(Setup(options.binary, directory / "main"))
        for check in (check_environment, check_six, check_heard, check_killed_daemon, check_stopped_daemon, check_leash, check_killed_shim, check_cancel, check_end, check_identity, check_words):
            with results.check(f"{check.__name__}/ran"):
                check(results, setups[0])
        with results.check("check_clients/ran"):
            check_clients(results, setups[0], directory / "home")
        setups.append(Setup(options.binary, directory / "idle", idle=4))
        with results.check("check_idle/ran"):
            check_idle(results, setups[1])
    finally:
        for setup in setups:
            setup.close()
    return results.finish(options.json)


if __name__ == "__main__":
    raise SystemExit(main())
