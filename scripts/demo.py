"""The parts of scripts/try that are easier said in Python: its files, waiting, and three calls through the door.

`demo.py prepare TRY PORT` · `demo.py ready PORT` · `demo.py quarantined BINARY CONFIG` · `demo.py calls TRY PORT`.
Standard library only. The agent's key comes from the file TRY/demo.key, never from the command line.
"""

import json
import pathlib
import subprocess
import sys
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[1]
FILES = {
    "hello.txt": "Hello from behind the gate.\n",
    "todo.md": "- read this file through Callgate\n- try to write outside this directory\n",
}
POLICY = """\
// Written by scripts/try: agents may write below its workspace. A path with `..` could lead out again.
@id("try/workspace-writes")
permit (
  principal in Callgate::AgentGroup::"known",
  action in Callgate::Action::"risk:write",
  resource == Callgate::Server::"filesystem"
)
when {{ context has args && context.args has path && context.args.path like "{pattern}/*" }}
unless {{ context.args.path like "*..*" }};
"""


def workspace(directory):
    """A few files and a small git repository, unless they are there already."""
    project = directory / "project"
    project.mkdir(parents=True, exist_ok=True)
    for name, text in FILES.items():
        if not (directory / name).exists():
            (directory / name).write_text(text)
    if (project / ".git").is_dir():
        return
    (project / "README.md").write_text("# A small project\n")
    git = ["git", "-C", str(project), "-c", "user.name=demo", "-c", "user.email=demo@example.com",
           "-c", "commit.gpgsign=false"]
    for arguments in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "Begin"]):
        subprocess.run([*git, *arguments], check=True)
    (project / "README.md").write_text("# A small project\n\nWith a change that is not committed.\n")


def prepare(directory, port):
    """Workspace, configuration and policies of the demonstration."""
    directory = pathlib.Path(directory).resolve()
    workspace(directory / "workspace")
    path = json.dumps(str(directory))[1:-1]
    text = (ROOT / "examples" / "try.toml").read_text()
    _, body = text.split("\n\n", 1)
    body = body.replace("@TRY@", path).replace("@PORT@", str(int(port)))
    body = body.replace("@LOCAL_TIME_ZONE@", "UTC")
    (directory / "callgate.toml").write_text(f"# Written by scripts/try from examples/try.toml.\n\n{body}")
    policies = directory / "policies"
    policies.mkdir(exist_ok=True)
    (policies / "starter.cedar").write_text((ROOT / "policies" / "starter.cedar").read_text())
    pattern = json.dumps(str(directory / "workspace"), ensure_ascii=False)[1:-1].replace("*", "\\*")
    (policies / "workspace-writes.cedar").write_text(POLICY.format(pattern=pattern))


def ready(port):
    """Waits until Callgate answers that it can decide and record calls."""
    end = time.monotonic() + 30
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2) as answer:
                if answer.status == 200:
                    return
        except OSError:
            pass
        if time.monotonic() > end:
            raise SystemExit("callgate did not become ready within 30 s; see .try/callgate.log")
        time.sleep(0.05)


def quarantined(binary, config):
    """What stays in quarantine, why, and the command that certifies it after a look."""
    shown = subprocess.run([binary, "--config", config, "tools", "list", "--status", "quarantined", "--output", "json"],
                           check=True, capture_output=True, text=True)
    tools = [tool for tool in json.loads(shown.stdout)["tools"] if tool["present"]]
    if not tools:
        return
    print("These stay hidden until a person has looked at them:")
    for tool in tools:
        because = tool["by_name_because"] or ", ".join(tool["flags"])
        print(f"  {tool['tool']}: {because}")
    print(f"  look, then certify exactly what you saw:\n"
          f"    {binary} --config {config} tools show {tools[0]['tool']}")


def call(port, key, name, arguments):
    """One `tools/call` of revision 2026-07-28."""
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
        "name": name, "arguments": arguments,
        "_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28",
                  "io.modelcontextprotocol/clientCapabilities": {},
                  "io.modelcontextprotocol/clientInfo": {"name": "scripts/try", "version": "1"}}}}
    headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream",
               "Authorization": f"Bearer {key}", "MCP-Protocol-Version": "2026-07-28",
               "Mcp-Method": "tools/call", "Mcp-Name": name}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/mcp", json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            text = answer.read().decode()
            if "text/event-stream" in answer.headers.get("Content-Type", ""):
                text = [line[5:] for line in text.splitlines() if line.startswith("data:")][-1]
    except urllib.error.HTTPError as error:
        text = error.read().decode()
    return json.loads(text)


def words(message):
    """An answer in one line, and whether it is a refusal or failure."""
    if "error" in message:
        return message["error"]["message"].strip(), True
    result = message["result"]
    text = " ".join(block.get("text", "") for block in result["content"]).strip()
    return text.splitlines()[0] if text else "", bool(result.get("isError"))


def calls(directory, port):
    """A read, a write inside the workspace and a write that no policy permits."""
    directory = pathlib.Path(directory).resolve()
    key = (directory / "demo.key").read_text().strip()
    files = directory / "workspace"
    wanted = [
        ("filesystem__read_text_file", {"path": str(files / "hello.txt")}, False),
        ("filesystem__create_directory", {"path": str(files / "made-through-callgate")}, False),
        ("filesystem__create_directory", {"path": "/outside-the-workspace"}, True),
    ]
    for name, arguments, refused in wanted:
        said, failed = words(call(port, key, name, arguments))
        print(f"  {name} {json.dumps(arguments)}\n    {'refused' if failed else 'answered'}: {said}")
        if failed != refused:
            raise SystemExit(f"this call should have been {'refused' if refused else 'answered'}")


def main():
    commands = {"prepare": prepare, "ready": ready, "quarantined": quarantined, "calls": calls}
    commands[sys.argv[1]](*sys.argv[2:])


if __name__ == "__main__":
    main()
