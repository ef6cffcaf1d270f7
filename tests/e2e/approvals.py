"""Calls that wait for a person: asked, answered, used once; by real clients on both ways in.

`approvals.py [--binary PATH] [--json FILE]`. Must never wait for a quarter of an hour: time is let pass by moving the
times that the store keeps, which no operator can do.
"""

import argparse
import contextlib
import json
import os
import pathlib
import re
import signal
import sqlite3
import subprocess
import sys

import lib
from gate import Gate
from lib import require
from run import Program
from wire import base_headers
from wrap import Wrapped, over_socket

POLICY = """
@id("test.all")
permit (principal, action, resource);

@id("test.ask")
@reason("what is echoed leaves this machine")
@approvers("operators")
forbid (principal, action == slow::Action::"echo", resource)
unless { context.approval.count >= 1 };
"""
WAITS = re.compile(r"waiting for a person: approval (apr_[0-9A-Z]{26}), expires ")
HOUR, QUARTER = 3600, 900


class Setup:
    """A daemon, a server that notes each call that arrives, and an agent on each way in."""

    def __init__(self, binary, directory):
        directory.mkdir(parents=True, exist_ok=True)
        self.binary, self.journal, self.shims = binary, directory / "journal", []
        self.journal.touch()
        command = [sys.executable, lib.E2E / "servers" / "upstream.py", "stdio", "--journal", self.journal]
        self.gate = Gate(binary, directory / "gate", {"slow": {"command": command}}, POLICY)
        self.state = self.gate.directory / "state"
        self.gate.start()
        self.gate.certify_all(["slow"])
        self.key = self.gate.add_agent("keyed")
        self.gate.json("agents", "add", "ada", "--local")
        self.door = self.gate.door(self.key)

    def argv(self, *arguments):
        return [str(part) for part in (self.binary, "--config", self.gate.config, "wrap", *arguments)]

    def arrived(self):
        return len(self.journal.read_bytes().splitlines())

    def list(self, *more):
        return self.gate.json("approvals", "list", *more)["approvals"]

    def show(self, approval):
        return self.gate.json("approvals", "show", approval)

    def approve(self, approval):
        """What a person does: looks at all of it, then approves exactly that."""
        return self.gate.json("approvals", "approve", approval, "--yes", "--digest", self.show(approval)["call"])

    def let_pass(self, approval, seconds):
        """Moves what the store keeps of it into the past."""
        micros = seconds * 1_000_000
        self.alter(approval, f"created = created - {micros}, until = until - {micros}")

    def alter(self, approval, what):
        """Changes what the store keeps of it, behind the daemon's back."""
        number = bytes_of(approval.removeprefix("apr_"))
        with contextlib.closing(sqlite3.connect(self.state / "callgate.db", timeout=10)) as kept:
            changed = kept.execute(f"UPDATE approval SET {what} WHERE id = ?1", (number,)).rowcount
            require(changed == 1, f"{approval} is not kept")
            kept.commit()

    def close(self):
        for shim in self.shims:
            with contextlib.suppress(Exception):
                shim.kill()
        self.gate.stop()


def bytes_of(number):
    """A call id as it is kept."""
    value = 0
    for character in number:
        value = value * 32 + "0123456789ABCDEFGHJKMNPQRSTVWXYZ".index(character)
    return value.to_bytes(16, "big")


class OverWrap:
    """An agent of this user, through a shim; one era each."""

    def __init__(self, setup, name, modern):
        self.shim, self.modern = Wrapped(setup, "--agent", name, "--server", "slow"), modern
        require("result" in self.shim.initialize(), "no session")

    def echo(self, **arguments):
        return self.shim.call("echo", arguments, self.modern)["result"]


class OverHttp:
    """The agent `keyed`, over the port."""

    def __init__(self, setup):
        self.door = setup.door

    def echo(self, **arguments):
        return self.door.call("slow__echo", arguments).result()


def text_of(result):
    return result["content"][0]["text"]


def parked(result):
    """The approval that a refused call waits for."""
    require(result.get("isError") is True, f"not refused: {result}")
    found = WAITS.match(text_of(result))
    require(found, f"does not say what it waits for: {text_of(result)}")
    return found.group(1)


def passed(result, text):
    require(not result.get("isError") and text_of(result) == f"echo: {text}", f"did not pass: {result}")


def check_answers(results, setup, name, agent):
    """One agent: waits, is told no, passes once, is told that time is over."""
    with results.check(f"{name}/waits-and-asks-nobody-twice"):
        before = setup.arrived()
        first = parked(agent.echo(text="one"))
        require("what is echoed leaves this machine" in text_of(agent.echo(text="one")), "no reason")
        require(parked(agent.echo(text="one")) == first, "asked twice")
        require(setup.arrived() == before, "it was sent")
        waiting = [one for one in setup.list() if one["approval"] == first]
        require([one["state"] for one in waiting] == ["waiting"], waiting)
    with results.check(f"{name}/changed-arguments-ask-anew"):
        second = parked(agent.echo(text="one", count=1))
        require(second != first, "the same approval for another call")
    with results.check(f"{name}/approved-passes-once"):
        approved = setup.approve(first)
        require((approved["state"], approved["answer"]["self_approved"]) == ("approved", True), approved)
        require(parked(agent.echo(text="two")) not in (first, second), "another call used the yes")
        passed(agent.echo(text="one"), "one")
        require(setup.arrived() == before + 1, "not sent exactly once")
        third = parked(agent.echo(text="one"))
        require(third != first, "the yes was used twice")
        used = setup.show(first) if any(one["approval"] == first for one in setup.list("--all")) else None
        require(used is None or used["state"] == "used", used)
    with results.check(f"{name}/rejected-is-told-and-stays"):
        setup.gate.json("approvals", "reject", third, "--note", "not on a Friday")
        for _ in range(2):
            told = agent.echo(text="one")
            require(told["isError"] and "a person rejected this call" in text_of(told), told)
            require("not on a Friday" in text_of(told) and third in text_of(told), told)
        require("operator" not in text_of(told), "the agent learns who it was")
        code, _, err = setup.gate.cli("approvals", "reject", third)
        require(code == 1 and "was rejected already" in err, err)
        require(setup.arrived() == before + 1, "it was sent")
    with results.check(f"{name}/expired-is-told-once-then-asks-anew"):
        setup.let_pass(second, QUARTER)
        code, _, err = setup.gate.cli("approvals", "approve", second, "--yes", "--digest", setup.show(second)["call"])
        require(code == 1 and "expired" in err, err)
        told = agent.echo(text="one", count=1)
        require(told["isError"] and not WAITS.match(text_of(told)) and "expired" in text_of(told), told)
        require(parked(agent.echo(text="one", count=1)) != second, "not asked anew")
    with results.check(f"{name}/a-yes-that-nobody-used-in-time-is-none"):
        late = parked(agent.echo(text="late"))
        setup.approve(late)
        setup.let_pass(late, QUARTER)
        told = agent.echo(text="late")
        require(told["isError"] and "expired" in text_of(told), told)
        require(setup.arrived() == before + 1, "it was sent")


def check_real_client(results, setup):
    """A client of an SDK presents the same call again, as its model would."""
    client = Program("py_new.py", [lib.PY_NEW / "python"], ("auto",), "auto")
    target = {"command": setup.argv("--agent", "ada", "--server", "slow")}
    call = {"name": "echo", "arguments": {"text": "from a client"}}

    def see(*calls):
        return [seen["result"] for seen in client.see(target, "auto", list(calls))["calls"]]
    with results.check("client/waits-is-approved-passes-once"):
        approval = parked(see(call)[0])
        setup.approve(approval)
        first, second = see(call, call)
        passed(first, "from a client")
        require(parked(second) != approval, "the yes was used twice")


def check_no_agent_answers(results, setup):
    """Nothing that an agent holds answers for a person (promise 12)."""
    approval = parked(OverHttp(setup).echo(text="mine"))
    digest = setup.show(approval)["call"]
    body = json.dumps({"id": approval, "call": digest, "note": ""}).encode()
    bearer = f"Authorization: Bearer {setup.key}"

    def request(*headers):
        lines = ["POST /v1/approvals/approve HTTP/1.1", "Host: localhost", "Content-Type: application/json",
                 f"Content-Length: {len(body)}", "Connection: close", *headers]
        return "\r\n".join([*lines, "", ""]).encode() + body
    with results.check("agent/its-key-does-not-answer-on-the-port"):
        reply = setup.door.send(body, base_headers(setup.key), path="/v1/approvals/approve")
        require(reply.status == 404, reply)
    with results.check("agent/neither-its-key-nor-its-name-answers-on-a-socket"):
        for headers in ([], [bearer], ["Callgate-Agent: ada"], [bearer, "Callgate-Agent: ada"]):
            require(over_socket(setup.state / "admin.sock", request(*headers))[0] == 401, headers)
            require(over_socket(setup.state / "agents.sock", request(*headers))[0] == 404, headers)
    with results.check("agent/no-tool-answers"):
        names = setup.door.tools()
        require(not [name for name in names if "appro" in name], names)
        parked(OverHttp(setup).echo(text="mine", count=2))
        require(parked(OverHttp(setup).echo(text="mine")) == approval, "it was answered")
    with results.check("agent/another-digest-is-no-yes"):
        other = "sha256:" + "0" * 64
        code, _, err = setup.gate.cli("approvals", "approve", approval, "--yes", "--digest", other)
        require(code == 1 and "of another call" in err, err)
        require(setup.show(approval)["state"] == "waiting", "it was answered")


def check_record(results, setup):
    """The record has each step, and `explain` leads from one to the other."""
    agent = OverHttp(setup)
    approval = parked(agent.echo(text="kept"))
    setup.approve(approval)
    passed(agent.echo(text="kept"), "kept")
    entries = [entry["leaf"] for entry in setup.gate.log_from(0)]
    about = [leaf for leaf in entries if leaf.get("approval") == approval]
    with results.check("record/park-answer-and-intent-name-the-approval"):
        kinds = [(leaf["kind"], leaf.get("decision")) for leaf in about]
        require([kind for kind, _ in kinds] == ["decision", "approval", "intent"], kinds)
        require(about[0]["decision"] == "park" and about[0]["call"] == approval.removeprefix("apr_"), about[0])
        require((about[1]["answer"], about[1]["self_approved"]) == ("approved", True), about[1])
        require("kept" not in json.dumps(about), "the record shows the arguments")
    with results.check("record/explain-shows-the-answer-with-both-calls"):
        for call in (approval, about[2]["call"]):
            shown = setup.gate.json("explain", call)["entries"]
            require("approval" in [entry["leaf"]["kind"] for entry in shown], f"{call}: {shown}")
        code, out, _ = setup.gate.cli("explain", about[2]["call"])
        require(code == 0 and "approved by a person" in out and "ended: completed" in out, out)
    with results.check("record/tail-shows-it"):
        code, out, _ = setup.gate.cli("log", "tail", "--limit", "8")
        require(code == 0 and approval.removeprefix("apr_") in out and " approval " in out, out)


def check_list(results, setup):
    """What a person reads, and what a script does."""
    approval = parked(OverHttp(setup).echo(text="to read \u202e it", count=7))
    with results.check("list/text-has-the-tool-the-arguments-and-local-seconds"):
        env = lib.clean_env(TZ="Pacific/Kiritimati")
        code, out, err = lib.run([setup.binary, "--config", setup.gate.config, "approvals"], 30, env)
        row = next(line for line in out.splitlines() if line.startswith(approval))
        require(code == 0 and "slow__echo" in row and '"count": 7' in row, f"{out}{err}")
        require("\u202e" not in out and "\\u{202e}" in row, "a hidden character is not shown")
        exact = setup.show(approval)["until"]
        require(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", exact), exact)
        hour = (int(exact[11:13]) + 14) % 24
        require(f" {hour:02}{exact[13:19]}  slow__echo" in row, f"{row} is not {exact} fourteen hours on")
    with results.check("list/a-row-that-cannot-be-read-hides-no-other"):
        other = parked(OverHttp(setup).echo(text="hidden?"))
        setup.alter(other, "reasons = 'no list'")
        value = setup.gate.json("approvals", "list")
        require([one["approval"] for one in value["unreadable"]] == [other], value)
        require(approval in [one["approval"] for one in value["approvals"]], value)
        code, out, err = setup.gate.cli("approvals")
        require(code == 0 and f"cannot be read: {other}" in out and approval in out, f"{out}{err}")
        code, _, err = setup.gate.cli("approvals", "show", other)
        require(code == 1 and "cannot be read" in err, err)


def check_status(results, setup):
    with results.check("status/names-the-daemon"):
        daemon = setup.gate.json("status")["daemon"]
        require((daemon["pid"], daemon["on_demand"]) == (setup.gate.process.child.pid, False), daemon)
        code, out, _ = setup.gate.cli("status")
        require(code == 0 and f"process {daemon['pid']}, started with `callgate up` at " in out, out)


def check_watch(results, setup):
    """`watch` shows each as it comes, and goes on when one goes away or cannot be shown."""
    argv = [setup.binary, "--config", setup.gate.config, "approvals", "watch", "--output", "json"]
    watch = subprocess.Popen([str(part) for part in argv], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL, env=lib.clean_env(), start_new_session=True)
    os.set_blocking(watch.stdout.fileno(), False)
    seen = b""

    def shows(approval):
        nonlocal seen
        seen += watch.stdout.read() or b""
        require(watch.poll() is None, f"it ended with {watch.returncode}")
        return approval.encode() in seen
    try:
        with results.check("watch/goes-on-after-one-that-cannot-be-shown"):
            first = parked(OverHttp(setup).echo(text="watched"))
            lib.wait_for("it to be shown", lambda: shows(first))
            # Its arguments are not those it is bound to: it is listed, and cannot be shown.
            broken = parked(OverHttp(setup).echo(text="never shown"))
            setup.alter(broken, "arguments = '{}'")
            code, _, err = setup.gate.cli("approvals", "show", broken)
            require(code == 69 and "not those it is bound to" in err, err)
            last = parked(OverHttp(setup).echo(text="watched too"))
            lib.wait_for("the next one to be shown", lambda: shows(last))
    finally:
        watch.send_signal(signal.SIGKILL)
        watch.wait(10)


def check_gone(results, setup):
    """An hour after it is over nothing of the arguments is kept, though nobody asks for anything."""
    mark = "arguments-that-must-go"
    files = [setup.state / name for name in ("callgate.db", "callgate.db-wal")]

    def kept():
        return any(mark.encode() in file.read_bytes() for file in files if file.exists())
    with results.check("gone/an-hour-after-its-end-though-nobody-asks"):
        approval = parked(OverHttp(setup).echo(text=mark))
        require(kept(), "they are not kept while it waits")
        setup.let_pass(approval, QUARTER + HOUR)
        lib.wait_for("the arguments to be gone from the files", lambda: not kept(), 40)
        require(approval not in [one["approval"] for one in setup.list("--all")], "still listed")


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--binary", default=lib.default_binary(), type=pathlib.Path)
    options.add_argument("--json", type=pathlib.Path)
    options = options.parse_args()
    results = lib.Results("approvals")
    setup = Setup(options.binary, lib.scratch("approvals"))
    try:
        setup.gate.json("agents", "add", "bea", "--local")
        sessions, stateless = OverWrap(setup, "ada", False), OverWrap(setup, "bea", True)
        for name, agent in (("http", OverHttp(setup)), ("wrap-sessions", sessions), ("wrap-stateless", stateless)):
            with results.check(f"check_answers/{name}/ran"):
                check_answers(results, setup, name, agent)
        checks = (check_real_client, check_no_agent_answers, check_record, check_status, check_gone, check_watch, check_list)
        for check in checks:
            with results.check(f"{check.__name__}/ran"):
                check(results, setup)
    finally:
        setup.close()
    return results.finish(options.json)


if __name__ == "__main__":
    raise SystemExit(main())
