"""Home folders of people with an assistant: the real file of each kind of client, with secrets in every field.

Must never share a folder between two kinds, nor plant one secret twice: a leak must tell where it came from.
"""

import json
import pathlib

import lib

KINDS = ("claude-desktop", "claude-code", "cursor", "vscode", "codex")


class Home:
    """One person's home folder, workspace and client file."""

    def __init__(self, kind, directory, servers):
        self.kind, self.servers = kind, servers
        self.home = pathlib.Path(directory) / kind
        self.workspace = self.home / "work" / "project"
        self.workspace.mkdir(parents=True)
        (self.workspace / "notes.txt").write_text("hello\n")
        self.secrets = {}
        self.inputs = {}
        self.file = getattr(self, "_" + kind.replace("-", "_"))()
        self.before = self.file.read_bytes()

    def secret(self, field):
        """A new planted secret; looks like a token of a well-known kind."""
        value = f"sk-planted-{self.kind}-{field}-{len(self.secrets):02}-Zx9Qw7Lp3Vt5Kb1Rn8Mj"
        self.secrets[field] = value
        return value

    def env(self, **more):
        return {name: str(value) for name, value in {
            "HOME": self.home, "XDG_CONFIG_HOME": self.home / ".config", "XDG_STATE_HOME": self.home / ".local/state",
            **{name: value for name, value in lib.clean_env().items() if name not in ("HOME",)}, **more,
        }.items()}

    def plain(self, server):
        """A server as most clients write it, with a secret in its environment."""
        command, *arguments = server.direct["command"]
        if server.name == "memory":  # which takes no notice of its arguments
            arguments = [*arguments, "--api-key", self.secret("argument")]
        env = {**server.direct["env"], "SERVICE_API_KEY": self.secret(f"env-{server.name}")}
        return {"command": command, "args": arguments, "env": env}

    def _write(self, path, text):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, newline="")
        return path

    def _claude_desktop(self):
        servers = {server.name: self.plain(server) for server in self.servers}
        value = {"globalShortcut": "Ctrl+Space", "mcpServers": servers, "theme": "dark"}
        return self._write(self.home / ".config/Claude/claude_desktop_config.json", json.dumps(value, indent=4) + "\r\n")

    def _claude_code(self):
        first, *rest = self.servers
        user = {server.name: {"type": "stdio", **self.plain(server)} for server in rest}
        remote = {"type": "http", "url": f"https://mcp.example.invalid/?token={self.secret('url')}",
                  "headers": {"Authorization": f"Bearer {self.secret('header')}", "X-Team": "blue"}}
        project = {first.name: self.plain(first)}
        value = {"numStartups": 7, "mcpServers": {**user, "remote": remote},
                 "projects": {str(self.workspace): {"allowedTools": [], "mcpServers": project}}}
        return self._write(self.home / ".claude.json", json.dumps(value, indent=2))

    def _cursor(self):
        servers = {server.name: self.plain(server) for server in self.servers}
        file = self._write(self.home / "work/secrets.env", f"# mine\nDB_PASSWORD={self.secret('env-file')}\n")
        first = servers[self.servers[0].name]
        first["envFile"] = str(file)
        first["env"]["WHERE"] = "${userHome}/x"
        return self._write(self.home / ".cursor/mcp.json", json.dumps({"mcpServers": servers}, indent="\t") + "\n")

    def _vscode(self):
        servers = {server.name: {"type": "stdio", **self.plain(server)} for server in self.servers}
        first = self.servers[0].name
        servers[first]["env"]["ASKED"] = "${input:api-key}"
        self.inputs["api-key"] = self.secret("input")
        text = json.dumps({"inputs": [{"type": "promptString", "id": "api-key", "description": "The key", "password": True}],
                           "servers": servers}, indent=2)
        text = "// my servers\n" + text[:-1].rstrip() + ", // the last comma is allowed\n}\n"
        return self._write(self.workspace / ".vscode/mcp.json", text)

    def _codex(self):
        lines = ['model = "o5"  # mine', ""]
        for server in self.servers:
            entry = self.plain(server)
            lines += [f"[mcp_servers.{server.name}]", f"command = {json.dumps(entry['command'])}",
                      f"args = {json.dumps(entry['args'])}  # as installed", "", f"[mcp_servers.{server.name}.env]",
                      *(f"{name} = {json.dumps(value)}" for name, value in entry["env"].items()), ""]
        return self._write(self.home / ".codex/config.toml", "\n".join(lines))

    def entries(self):
        """The connected entries by server name, as a client would read them: command, args, env."""
        text = self.file.read_text()
        if self.kind == "codex":
            import tomllib
            return tomllib.loads(text)["mcp_servers"]
        if self.kind == "vscode":
            return _jsonc(text)["servers"]
        value = json.loads(text)
        if self.kind == "claude-code":
            return {**value["mcpServers"], **value["projects"][str(self.workspace)]["mcpServers"]}
        return value["mcpServers"]

    def leaks(self, more=(), but=()):
        """Places where a planted secret stands in clear: files below the home folder, and texts given. `but` names
        fields that are known to show there."""
        found = []
        for path in self.home.rglob("*"):
            if path.is_file() and not path.is_symlink():
                found += self.found_in(path.read_bytes(), str(path.relative_to(self.home)))
        for name, text in more:
            found += self.found_in(text if isinstance(text, bytes) else text.encode(), name)
        return [leak for leak in found if leak.split(" in ")[0] not in but]

    def found_in(self, data, where):
        return [f"{field} in {where}" for field, value in self.secrets.items() if value.encode() in data]


def _jsonc(text):
    """JSON with line comments and trailing commas, for the files written above only."""
    lines = [line.split(" // ")[0] for line in text.splitlines() if not line.strip().startswith("//")]
    joined = "\n".join(lines)
    for end in ("}", "]"):
        while True:
            head, mark, tail = joined.rpartition(",")
            if mark and tail.strip().startswith(end) and tail.strip() == end:
                joined = head + tail
            else:
                break
    return json.loads(joined)
