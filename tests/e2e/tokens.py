"""A server that wants OAuth tokens: the operator logs in and out beside the running daemon, and nobody else sees one.

`tokens.py [--binary PATH] [--json FILE]`. Must never look for a token anywhere but where an agent or a copy of a file
could find it.
"""

import argparse
import json
import pathlib
import sys
import urllib.request

import lib
from gate import Gate
from lib import require

sys.path.insert(0, str(lib.E2E / "conformance"))

import logins  # noqa: E402

CANARY = b"-canary-"


class World:
    def __init__(self, binary, directory):
        self.directory, self.port = directory, lib.free_port()
        self.journal = directory / "journal"
        self.journal.touch()
        argv = [sys.executable, "-B", lib.E2E / "servers" / "protected.py", self.port, self.journal]
        lib.Process(argv, directory / "protected.log").wait_port(self.port)
        self.gate = Gate(binary, directory / "gate", {"wiki": {"url": f"http://127.0.0.1:{self.port}/mcp"}})
        self.gate.start()
        self.key = self.gate.add_agent("e2e")
        self.door = self.gate.door(self.key)

    def asked(self, path):
        return [line for line in map(json.loads, self.journal.read_text().splitlines()) if line[1] == path]

    def end_tokens(self):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/end", data=b"{}", method="POST")
        with urllib.request.urlopen(request, timeout=20):
            pass

    def say(self, text="hello"):
        return self.door.call("wiki__echo", {"text": text})

    def served(self):
        reply = self.say()
        require(reply.result() and "said hello" in reply.body.decode(), f"{reply!r}")

    def problem(self):
        code, out, _ = self.gate.cli("servers", "refresh", "wiki", "--output", "json")
        require(code == 1, f"the server was listed: {out}")
        return json.loads(out)["refreshed"][0]["problem"]


def check_without(results, world):
    with results.check("without/a-list-says-which-command-logs-in"):
        problem = world.problem()
        require("`callgate servers login wiki`" in problem, problem)
    with results.check("without/doctor-says-it-too"):
        code, out, _ = world.gate.cli("doctor", "--output", "json")
        fixes = [one["fix"] for one in json.loads(out)["findings"] if one["level"] == "problem"]
        require(code == 1 and "callgate servers login wiki" in fixes, f"{fixes}")
    with results.check("without/nobody-was-asked-for-a-token"):
        require(not world.asked("/token") and not world.asked("/register"), "something was asked")


def check_login(results, world):
    with results.check("login/beside-the-daemon"):
        require(logins.login(world.gate, "wiki"), "it failed")
        world.gate.certify_all(["wiki"])
        world.served()
    with results.check("login/is-shown"):
        login = world.gate.json("servers", "list")["servers"][0]["login"]
        require(login["usable"] and login["issuer"] == f"http://127.0.0.1:{world.port}", f"{login}")
        code, out, _ = world.gate.cli("servers", "list")
        require(code == 0 and "LOGIN" in out, out)
        code, out, _ = world.gate.cli("seal", "list")
        require("oauth/wiki" in out and "the login to wiki" in out, out)
    with results.check("login/lasts-over-a-restart"):
        world.gate.restart()
        world.served()
        require(len(world.asked("/token")) == 1, "it was asked for anew")


def check_agent(results, world):
    with results.check("agent/never-sees-a-token"):
        reply = world.say("echo-token")
        require(CANARY not in reply.body and "upstream_violation" in reply.body.decode(), f"{reply!r}")
    with results.check("agent/its-key-never-reaches-the-server"):
        require(world.key not in world.journal.read_text(), "it does")


def check_ended(results, world):
    with results.check("ended/is-told-with-the-command"):
        world.end_tokens()
        reply = world.say()
        require(reply.error() or reply.result().get("isError"), f"{reply!r}")
        require("`callgate servers login wiki`" in world.problem(), world.problem())
        login = world.gate.json("servers", "list")["servers"][0]["login"]
        require(not login["usable"], f"{login}")
    with results.check("ended/another-login-counts-at-once"):
        require(logins.login(world.gate, "wiki"), "it failed")
        world.served()


def check_logout(results, world):
    with results.check("logout/counts-at-once"):
        code, _, err = world.gate.cli("servers", "logout", "wiki")
        require(code == 0 and "removed" in err, err)
        before = len(world.asked("/mcp"))
        reply = world.say()
        require(reply.error() or reply.result().get("isError"), f"{reply!r}")
        later = world.asked("/mcp")[before:]
        require(all(authorization is None for _, _, authorization in later), f"{later}")
        require(world.asked("/revoke"), "the authorization server was not told")
    with results.check("logout/twice-is-a-no"):
        code, _, _ = world.gate.cli("servers", "logout", "wiki")
        require(code == 1, f"{code}")


def check_files(results, world):
    """The journal is the server's own."""
    with results.check("files/no-token-in-clear"):
        files = [file for file in world.directory.rglob("*") if file.is_file() and file != world.journal]
        found = [str(file) for file in files if CANARY in file.read_bytes()]
        require(len(files) > 5 and not found, f"{found}")


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--binary", default=lib.default_binary(), type=pathlib.Path)
    options.add_argument("--json", type=pathlib.Path)
    options = options.parse_args()
    results = lib.Results("tokens")
    world = World(options.binary.resolve(), lib.scratch("tokens"))
    for check in (check_without, check_login, check_agent, check_ended, check_logout, check_files):
        with results.check(f"{check.__name__}/ran"):
            check(results, world)
    results.add("stops-cleanly", world.gate.stop() == 0, world.gate.output()[-1500:])
    return results.finish(options.json)


if __name__ == "__main__":
    raise SystemExit(main())
