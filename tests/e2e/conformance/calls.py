"""One call to the fixture server: what the client declared, and how the client is asked in its era.

Legacy clients are sent requests while they wait. Modern clients get an interim result and call again; what they
answered before travels in a state that nobody else can make. Must never trust a state that fails its check.
"""

import base64
import hashlib
import hmac
import json
import os

import mcp_types as types
from mcp.server.session import ServerMessageMetadata
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"
MISSING_CAPABILITY = -32021
SECRET = os.urandom(32)
# What can be asked: the request, its result, the capability it needs, a member that every answer has.
REQUESTS = {
    "elicitation/create": (types.ElicitRequest, types.ElicitResult, "elicitation", "action"),
    "sampling/createMessage": (types.CreateMessageRequest, types.CreateMessageResult, "sampling", "content"),
    "roots/list": (types.ListRootsRequest, types.ListRootsResult, "roots", "roots"),
}


def text(words):
    return {"content": [{"type": "text", "text": words}]}


def elicit(message, schema):
    return {"method": "elicitation/create", "params": {"mode": "form", "message": message, "requestedSchema": schema}}


def sample(prompt, tokens):
    message = {"role": "user", "content": {"type": "text", "text": prompt}}
    return {"method": "sampling/createMessage", "params": {"messages": [message], "maxTokens": tokens}}


def signature(body):
    return hmac.new(SECRET, body, hashlib.sha256).hexdigest()


def seal(value):
    body = base64.urlsafe_b64encode(json.dumps(value).encode())
    return f"{body.decode()}.{signature(body)}"


def unseal(state):
    body, _, claimed = state.partition(".")
    if not hmac.compare_digest(signature(body.encode()).encode(), claimed.encode()):
        raise MCPError(types.INVALID_PARAMS, "the request state is not one of mine")
    return json.loads(base64.urlsafe_b64decode(body))


class NeedInput(Exception):
    """The call cannot go on before the client has answered; `result` says what is asked."""

    def __init__(self, result):
        super().__init__("input required")
        self.result = result


class Call:
    """A request of either era, and the answers it already has."""

    def __init__(self, ctx):
        self.ctx = ctx
        self.params = dict(ctx.params or {})
        self.modern = ctx.protocol_version in MODERN_PROTOCOL_VERSIONS
        state = self.params.get("requestState")
        earlier = unseal(state) if state is not None else {}
        self.answers = {**earlier, **(self.params.get("inputResponses") or {})}
        self.settled = {}

    def arguments(self):
        return self.params.get("arguments") or {}

    def argument(self, name):
        if name not in self.arguments():
            raise MCPError(types.INVALID_PARAMS, f"`{name}` is missing")
        return self.arguments()[name]

    def declared(self):
        """The client's capabilities, as JSON."""
        if self.modern:
            return (self.params.get("_meta") or {}).get(CAPABILITIES) or {}
        found = self.ctx.session.client_capabilities
        return found.model_dump(by_alias=True, mode="json", exclude_none=True) if found else {}

    def need(self, capabilities):
        """Refuses a client that lacks one of the named capabilities, or one of the named extensions."""
        declared = self.declared()
        for name, wanted in capabilities.items():
            lacking = name not in declared or (name == "extensions" and not wanted.keys() <= declared[name].keys())
            if lacking:
                code = MISSING_CAPABILITY if self.modern else types.INTERNAL_ERROR
                raise MCPError(code, f"the client lacks `{name}`", {"requiredCapabilities": capabilities})

    async def log(self, words):
        await self.ctx.session.send_log_message("info", words, related_request_id=self.ctx.request_id)

    async def send(self, request):
        kind, result, _, _ = REQUESTS[request["method"]]
        metadata = ServerMessageMetadata(related_request_id=self.ctx.request_id)
        answer = await self.ctx.session.send_request(kind.model_validate(request), result, metadata=metadata)
        return answer.model_dump(by_alias=True, mode="json", exclude_none=True)

    async def ask(self, wanted, keep=False):
        """The answers to `wanted`, by name. `keep` gives a modern client a state to bring back."""
        for request in wanted.values():
            self.need({REQUESTS[request["method"]][2]: {}})
        if not self.modern:
            return {name: await self.send(request) for name, request in wanted.items()}
        open_ones = {name: request for name, request in wanted.items() if not self.answered(name, request)}
        self.settled.update({name: self.answers[name] for name in wanted if name not in open_ones})
        if not open_ones:
            return {name: self.settled[name] for name in wanted}
        state = {"requestState": seal(self.settled)} if keep else {}
        raise NeedInput({"resultType": "input_required", "inputRequests": open_ones, **state})

    def answered(self, name, request):
        answer = self.answers.get(name)
        return isinstance(answer, dict) and REQUESTS[request["method"]][3] in answer

    async def answer(self, tool):
        try:
            return await tool(self)
        except NeedInput as asked:
            return asked.result
