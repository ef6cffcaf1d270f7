"""Speaks 2026-07-28 only and wants input first; tells the line it was called again with."""
import json
import sys

WANTED = ('{"resultType":"input_required","inputRequests":{"e":{"method":"elicitation/create","params":'
          '{"message":"m","requestedSchema":{}}},"r":{"method":"roots/list"}},"requestState":"a\\u0062\\/c"}')
STATE_ONLY = '{"resultType":"input_required","requestState":"s"}'
TOOL = {"inputSchema": {"type": "object"}}


def write(id, result):
    sys.stdout.write('{"jsonrpc":"2.0","id":%s,"result":%s}\n' % (json.dumps(id), result))
    sys.stdout.flush()


for line in sys.stdin:
    message = json.loads(line)
    id, method, params = message.get("id"), message.get("method"), message.get("params", {})
    if method == "initialize":
        sys.stdout.write(json.dumps({"jsonrpc": "2.0", "id": id, "error": {"code": -32601, "message": "no"}}) + "\n")
        sys.stdout.flush()
    elif method == "server/discover":
        write(id, '{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}}}')
    elif method == "tools/list":
        write(id, json.dumps({"resultType": "complete", "tools": [{"name": "ask", **TOOL}, {"name": "again", **TOOL}]}))
    elif method == "tools/call" and "requestState" in params:
        text = {"content": [{"type": "text", "text": line.strip()}]}
        write(id, json.dumps({"resultType": "complete", **text}))
    elif method == "tools/call":
        write(id, WANTED if params["name"] == "ask" else STATE_ONLY)
