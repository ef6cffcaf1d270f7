"""One Callgate under test: its files, its process, its command line.

Must never reach into the store or the process by any other way than an operator has.
"""

import json
import pathlib

import lib
from wire import Door

PERMIT_ALL = "@id(\"test.all\")\npermit (principal, action, resource);\n"


def toml_value(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, (str, pathlib.Path)):
        return json.dumps(str(value), ensure_ascii=False)
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(k)} = {toml_value(v)}" for k, v in value.items()) + " }"
    return "[" + ", ".join(toml_value(item) for item in value) + "]"


def toml_table(name, members):
    return "\n".join([f"[{name}]", *(f"{key} = {toml_value(value)}" for key, value in members.items()), ""])


class Gate:
    """A configuration with the given servers and policy, and the daemon that runs it."""

    def __init__(self, binary, directory, servers, policy=PERMIT_ALL, sections=None):
        self.binary, self.directory = pathlib.Path(binary), pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.config = self.directory / "callgate.toml"
        self.policy = self.directory / "policies" / "test.cedar"
        self.port = lib.free_port()
        self.process = None
        self.starts = 0
        self.sections = sections or {}
        self.write(servers, policy)

    def write(self, servers, policy=PERMIT_ALL):
        self.policy.parent.mkdir(exist_ok=True)
        self.policy.write_text(policy)
        tables = {
            "listen": {"address": f"127.0.0.1:{self.port}"},
            "store": {"path": self.directory / "state"},
            "policy": {"paths": [self.policy.parent]},
            **self.sections,
            **{f"servers.{name}": members for name, members in servers.items()},
        }
        self.config.write_text("\n".join(toml_table(name, members) for name, members in tables.items()))

    def start(self, env=None, seconds=20):
        self.starts += 1
        log = self.directory / f"up-{self.starts}.log"
        self.process = lib.Process([self.binary, "--config", self.config, "up"], log, env or lib.clean_env())
        self.process.wait_port(self.port, seconds)
        lib.wait_for("/readyz", self.ready, seconds)
        return self

    def ready(self):
        if not self.process.alive():
            raise AssertionError(f"callgate ended with {self.process.child.returncode}: {self.process.text()[-3000:]}")
        try:
            return Door(self.port, seconds=2).send(b"", [], "GET", "/readyz").status == 200
        except OSError:
            return False

    def stop(self):
        return self.process.stop() if self.process else None

    def kill9(self):
        self.process.kill9()
        self.process.stop(1)

    def restart(self, env=None):
        self.stop()
        return self.start(env)

    def cli(self, *arguments, stdin=None):
        """Runs one command; returns (exit code, stdout, stderr)."""
        return lib.run([self.binary, "--config", self.config, *arguments], 60, stdin=stdin)

    def json(self, *arguments, codes=(0,)):
        """Runs one command that must end with one of `codes`; returns what it printed as JSON."""
        code, out, err = self.cli(*arguments, "--output", "json")
        lib.require(code in codes, f"`callgate {' '.join(arguments)}` ended with {code}: {err or out}")
        return json.loads(out) if out.strip() else None

    def add_agent(self, name, *more):
        return self.json("agents", "add", name, *more)["key"]

    def tools(self, *more):
        return self.json("tools", "list", *more)["tools"]

    def certify_unflagged(self, *more):
        """Everything a person may certify in one step; the exit code says whether something was left."""
        return self.json("tools", "certify", "--all-unflagged", "--yes", *more, codes=(0, 1))

    def certify_named(self, name):
        """What a person does with a flagged tool: look at the full definition, then certify exactly that one."""
        shown = self.json("tools", "show", name)
        return self.json("tools", "certify", name, "--definition", shown["definition"])

    def certify_all(self, servers):
        """Waits until each server has listed its tools, then certifies all of them."""
        def seen():
            return set(servers) <= {tool["server"] for tool in self.tools()}
        lib.wait_for(f"tools of {', '.join(servers)}", seen, 60)
        for server in servers:
            self.certify_unflagged("--server", server)
            for tool in self.tools("--server", server, "--status", "quarantined"):
                self.certify_named(tool["tool"])

    def door(self, key=None, path="/mcp", seconds=20):
        return Door(self.port, key, path, seconds)

    def log(self, limit=200):
        """The newest entries of the record, oldest first."""
        return [entry["leaf"] for entry in self.json("log", "tail", "--limit", str(limit))["entries"]]

    def log_from(self, index):
        """All entries from an index on, with their index."""
        found = []
        while True:
            page = self.json("log", "tail", "--from", str(index), "--limit", "5000")["entries"]
            if not page:
                return found
            found += page
            index = page[-1]["index"] + 1

    def output(self):
        """Everything the daemon has printed in all its lives."""
        return "".join(path.read_text(errors="replace") for path in sorted(self.directory.glob("up-*.log")))
