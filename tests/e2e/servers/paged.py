"""An upstream whose lists come in pages. Standard library only: `paged.py NAME [--journal FILE] [--pages N] [--padding BYTES]
[--slow SECONDS]`.

Speaks the revisions with sessions over stdio. Its cursors are odd on purpose: the first is empty. Each request that is
no call of the protocol's own is one line in the journal. With `--slow` its lists take that long; with `--padding`
its resources have titles that long.
"""

import argparse
import json
import pathlib
import sys
import time

CURSORS = ("", "página 2/\"\\\u2028", "3")
PER_PAGE = 2


class Server:
    """What it offers depends on its name alone."""

    def __init__(self, options):
        self.name, self.pages, self.slow = options.name, options.pages, options.slow
        self.padding = {"title": "x" * options.padding} if options.padding else {}
        self.journal = open(options.journal, "ab", buffering=0) if options.journal else None

    def prompts(self):
        plain = [{"name": f"{self.name}-p{n}", "description": f"prompt {n}",
                  "arguments": [{"name": "who", "required": False}]} for n in range(self.pages * PER_PAGE - 2)]
        return [*plain, {"name": "same", "title": "Everybody has it"}, {"name": f"{self.name} says: ¡hola! " + "x" * 60}]

    def resources(self):
        own = [{"uri": f"note://{self.name}/{n}", "name": f"note {n}", **self.padding} for n in range(self.pages * PER_PAGE - 1)]
        return [*own, {"uri": "note://everybody", "name": "the same at all"}]

    def templates(self):
        return [{"uriTemplate": f"{self.name}://of/{{who}}", "name": "of somebody"},
                {"uriTemplate": "all://of/{+path}", "name": "of all"}]

    def page(self, name, items, params):
        time.sleep(self.slow)
        at = CURSORS.index(params["cursor"]) + 1 if "cursor" in params else 0
        found = {name: items[at * PER_PAGE:(at + 1) * PER_PAGE]}
        if (at + 1) * PER_PAGE < len(items):
            found["nextCursor"] = CURSORS[at]
        return found

    def answer(self, method, params):
        if method == "initialize":
            return {"protocolVersion": "2025-11-25", "serverInfo": {"name": self.name, "version": "1"},
                    "capabilities": {"tools": {}, "prompts": {}, "resources": {}, "completions": {}}}
        if method in ("ping", "tools/list"):
            return {"tools": []} if method == "tools/list" else {}
        if self.journal:
            self.journal.write(json.dumps({"method": method, "params": params}).encode() + b"\n")
        if method == "prompts/list":
            return self.page("prompts", self.prompts(), params)
        if method == "resources/list":
            return self.page("resources", self.resources(), params)
        if method == "resources/templates/list":
            return self.page("resourceTemplates", self.templates(), params)
        if method == "prompts/get":
            return {"messages": [{"role": "user", "content": {"type": "text", "text": f"{self.name}: {params['name']}"}}]}
        if method == "resources/read":
            return {"contents": [{"uri": params["uri"], "mimeType": "text/plain", "text": f"{self.name} has it"}]}
        if method == "completion/complete":
            return {"completion": {"values": [self.name, params["ref"].get("name") or params["ref"].get("uri")]}}
        return None


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("name")
    options.add_argument("--journal", type=pathlib.Path)
    options.add_argument("--pages", type=int, default=3)
    options.add_argument("--padding", type=int, default=0)
    options.add_argument("--slow", type=float, default=0)
    server = Server(options.parse_args())
    for line in sys.stdin.buffer:
        message = json.loads(line)
        if "id" not in message or "method" not in message:
            continue
        params = {name: value for name, value in message.get("params", {}).items() if name != "_meta"}
        answer = {"jsonrpc": "2.0", "id": message["id"]}
        try:
            found = server.answer(message["method"], params)
        except ValueError:
            answer["error"] = {"code": -32602, "message": "no such cursor"}
        else:
            if found is None:
                answer["error"] = {"code": -32601, "message": "method not found"}
            else:
                answer["result"] = found
        sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
