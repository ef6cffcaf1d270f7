"""A small MCP server on stdio, revision 2025-11-25, for tests to derive from."""
import json
import sys


def tool(name, description="A tool.", **extra):
    schema = {"type": "object", "properties": {"text": {"type": "string"}}}
    return {"name": name, "description": description, "inputSchema": schema, **extra}


class Server:
    tools = [tool("echo")]

    def write(self, message):
        sys.stdout.write(json.dumps(message) + "\n")
        sys.stdout.flush()

    def result(self, id, result):
        self.write({"jsonrpc": "2.0", "id": id, "result": result})

    def text(self, id, text, is_error=False):
        self.result(id, {"content": [{"type": "text", "text": text}], "isError": is_error})

    def error(self, id, code, message):
        self.write({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}})

    def notify(self, method, params):
        self.write({"jsonrpc": "2.0", "method": method, "params": params})

    def initialize(self, id, params):
        self.result(id, {
            "protocolVersion": params["protocolVersion"],
            "capabilities": {"tools": {"listChanged": True}},
            "serverInfo": {"name": "test", "version": "1"},
        })

    def list(self, id, params):
        self.result(id, {"tools": self.tools})

    def call(self, id, name, arguments, params):
        self.text(id, "echo: " + arguments.get("text", ""))

    def other(self, message):
        """Whatever else arrives: notifications, answers to our own requests."""

    def handle(self, message):
        id, method, params = message.get("id"), message.get("method"), message.get("params", {})
        if method == "initialize":
            self.initialize(id, params)
        elif method == "tools/list":
            self.list(id, params)
        elif method == "tools/call":
            self.call(id, params["name"], params.get("arguments", {}), params)
        elif method is not None and id is not None:
            self.error(id, -32601, "Method not found")
        else:
            self.other(message)

    def run(self):
        for line in sys.stdin:
            self.handle(json.loads(line))
