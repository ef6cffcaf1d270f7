"""Speaks 2026-07-28 only: every request carries its own envelope."""
import json

from base import Server, tool

VERSION = "2026-07-28"


class Modern(Server):
    tools = [tool("meta")]

    def handle(self, message):
        id, method, params = message.get("id"), message.get("method"), message.get("params", {})
        meta = params.get("_meta", {})
        complete = {"resultType": "complete", "ttlMs": 0, "cacheScope": "private"}
        if method == "initialize" or meta.get("io.modelcontextprotocol/protocolVersion") != VERSION:
            if id is not None:
                data = {"supported": [VERSION], "requested": "unknown"}
                error = {"code": -32022, "message": "Unsupported protocol version", "data": data}
                self.write({"jsonrpc": "2.0", "id": id, "error": error})
        elif method == "server/discover":
            self.result(id, {**complete, "supportedVersions": [VERSION], "capabilities": {"tools": {}}})
        elif method == "tools/list":
            self.result(id, {**complete, "tools": self.tools})
        elif method == "tools/call":
            text = json.dumps(meta)
            self.result(id, {"resultType": "complete", "content": [{"type": "text", "text": text}]})
        elif id is not None:
            self.error(id, -32601, "Method not found")


Modern().run()
