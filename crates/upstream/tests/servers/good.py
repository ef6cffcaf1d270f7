"""Well-behaved: several pages of tools, state of its own, progress, and a question to the client."""
import json
import os
import sys

from base import Server, tool


class Good(Server):
    tools = [tool("echo"), tool("count"), tool("fail"), tool("progress"), tool("ask"), tool("environment")]
    count = 0
    asked = None

    def list(self, id, params):
        at = int(params.get("cursor", "0"))
        result = {"tools": self.tools[at:at + 2]}
        if at + 2 < len(self.tools):
            result["nextCursor"] = str(at + 2)
        self.result(id, result)

    def call(self, id, name, arguments, params):
        if name == "count":
            self.count += 1
            self.text(id, str(self.count))
        elif name == "fail":
            self.text(id, "no such file", is_error=True)
        elif name == "progress":
            token = params["_meta"]["progressToken"]
            self.notify("notifications/progress", {"progressToken": "somebody-else", "progress": 99})
            self.notify("notifications/progress", {"progressToken": token, "progress": 1, "total": 2, "message": "half"})
            self.text(id, "done")
        elif name == "ask":
            self.asked = (id, [])
            self.write({"jsonrpc": "2.0", "id": "p", "method": "ping"})
            self.write({"jsonrpc": "2.0", "id": "r", "method": "tools/call", "params": {"name": "x"}})
        elif name == "environment":
            self.text(id, json.dumps({"env": dict(os.environ), "cwd": os.getcwd(), "argv": sys.argv[1:],
                                       "fds": len(os.listdir("/proc/self/fd"))}))
        else:
            super().call(id, name, arguments, params)

    def other(self, message):
        if self.asked and "id" in message:
            id, answers = self.asked
            answers.append(message)
            if len(answers) == 2:
                self.text(id, json.dumps(answers))


Good().run()
