"""The server the conformance suite asks for, in both eras: `fixture.py PORT` or `fixture.py stdio-legacy|stdio-modern`.

Over HTTP `/legacy` speaks the revisions with sessions only and `/modern` the one without only. Listens on 127.0.0.1.
A tool never knows which era it serves: it asks the client through `Call.ask`, and the era decides how that travels.
"""

import asyncio
import json
import pathlib
import sys
import warnings

import mcp_types as types
import uvicorn
from mcp.server.caching import CacheHint
from mcp.server.lowlevel import Server
from mcp.server.runner import serve_loop
from mcp.server.stdio import stdio_server
from mcp.server.streamable_http import EventMessage, EventStore
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, PromptsListChanged, ToolsListChanged
from mcp.shared.exceptions import MCPError
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS

import jobs
from calls import Call, elicit, sample, text

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
WAV = "UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAAAAA=="
OFFERS = json.loads(
    (pathlib.Path(__file__).parent / "offers.json").read_text().replace("@png", PNG).replace("@wav", WAV))
FORMS = OFFERS["forms"]
NO_ARGUMENTS = {"type": "object", "properties": {}}
PAUSE = 0.05
bus = InMemorySubscriptionBus()


def listed(what, extra, changed):
    return OFFERS[what] + ([extra] if changed else [])


class Changing:
    """A list with one entry less or more each time somebody asks for a change. The entry is there at first: a tool that a
    person has never seen is shown to nobody, so that its coming would be no change."""

    def __init__(self, what, event, announce):
        self.what, self.event, self.announce = what, event, announce
        self.there = True

    def entries(self):
        extra = {"name": "test_sometimes", "description": "Is there now and then."}
        return listed(self.what, extra, self.there)

    async def change(self, call):
        self.there = not self.there
        await bus.publish(self.event())
        if not call.modern:
            await getattr(call.ctx.session, self.announce)()
        return text("changed")


tools = Changing("tools", ToolsListChanged, "send_tool_list_changed")
prompts = Changing("prompts", PromptsListChanged, "send_prompt_list_changed")


async def logging_tool(call):
    for words in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        await call.log(words)
        await asyncio.sleep(PAUSE)
    return text("logged three times")


async def progress_tool(call):
    for step in (0, 50, 100):
        await call.ctx.session.report_progress(step, 100)
        await asyncio.sleep(PAUSE)
    return text("reported three times")


async def one_log(call):
    await call.log("one line")
    return text("logged once")


async def sampling(call):
    answer = await call.ask({"answer": sample(call.argument("prompt"), 100)})
    return text(f"LLM response: {answer['answer']['content']['text']}")


async def elicitation(call):
    answer = (await call.ask({"answer": elicit(call.argument("message"), FORMS["user"])}))["answer"]
    return text(f"User response: action={answer['action']}, content={json.dumps(answer.get('content'))}")


def form(name):
    async def ask(call):
        answer = (await call.ask({"answer": elicit("Please fill this in", FORMS[name])}))["answer"]
        return text(f"Elicitation completed: action={answer['action']}, content={json.dumps(answer.get('content'))}")
    return ask


async def reconnection(call):
    """Closes the stream; the answer is read from the next one. Where there is no such stream it only takes a while."""
    if call.ctx.close_sse_stream:
        await call.ctx.close_sse_stream()
    await asyncio.sleep(2 * PAUSE)
    return text("answered on another stream")


async def missing_capability(call):
    call.need({"sampling": {}})
    return text("the client can sample")


async def streaming_elicitation(call):
    await call.log("about to ask")
    await call.ask({"answer": elicit("Who are you?", FORMS["name"])})
    return text("asked")


async def ask_name(call):
    answer = (await call.ask({"user_name": elicit("What is your name?", FORMS["name"])}))["user_name"]
    return text(f"Hello, {(answer.get('content') or {}).get('name', 'stranger')}!")


async def ask_model(call):
    answer = await call.ask({"capital_question": sample("What is the capital of France?", 100)})
    return text(answer["capital_question"]["content"]["text"])


ROOTS = {"method": "roots/list", "params": {}}


async def ask_roots(call):
    answer = await call.ask({"client_roots": ROOTS})
    return text(", ".join(root["uri"] for root in answer["client_roots"]["roots"]) or "no roots")


async def ask_with_state(call):
    await call.ask({"confirm": elicit("Please confirm", FORMS["ok"])}, keep=True)
    return text("state-ok")


async def ask_three(call):
    answers = await call.ask({"user_name": elicit("What is your name?", FORMS["name"]),
                              "greeting": sample("Generate a greeting", 50), "client_roots": ROOTS}, keep=True)
    return text(f"got {', '.join(sorted(answers))}")


async def ask_twice(call):
    await call.ask({"step1": elicit("Step 1: What is your name?", FORMS["name"])}, keep=True)
    await call.ask({"step2": elicit("Step 2: What is your favorite color?", FORMS["color"])}, keep=True)
    return text("both answered")


async def ask_declared(call):
    declared, wanted = call.declared(), {}
    if "elicitation" in declared:
        wanted["user_name"] = elicit("What is your name?", FORMS["name"])
    if "sampling" in declared:
        wanted["greeting"] = sample("Generate a greeting", 50)
    if "roots" in declared:
        wanted["client_roots"] = ROOTS
    await call.ask(wanted)
    return text("asked what can be asked")


PAGE = {"mode": "url", "url": "https://a.example/open", "message": "Please open this"}
opened = []


async def open_page(call):
    """With sessions the call ends, to be made again when the page was opened: each second call is."""
    if call.modern:
        await call.ask({"page": {"method": "elicitation/create", "params": PAGE}})
        return text("opened")
    opened.append(call)
    if len(opened) % 2:
        raise MCPError(-32042, "open the page first", {"elicitations": [{**PAGE, "elicitationId": "e-1"}]})
    return text("opened")


async def failing(_call):
    return {**text("This tool intentionally returns an error for testing"), "isError": True}


async def nothing(call):
    return text(json.dumps(call.arguments()))


TOOLS = {
    "test_tool_with_logging": logging_tool, "test_tool_with_progress": progress_tool, "test_logging_tool": one_log,
    "test_error_handling": failing, "test_sampling": sampling, "test_elicitation": elicitation,
    "test_elicitation_sep1034_defaults": form("defaults"), "test_elicitation_sep1330_enums": form("enums"),
    "test_reconnection": reconnection, "test_missing_capability": missing_capability,
    "test_streaming_elicitation": streaming_elicitation, "test_trigger_tool_change": tools.change,
    "test_trigger_prompt_change": prompts.change, "test_region_header": nothing, "json_schema_2020_12_tool": nothing,
    "test_input_required_result_elicitation": ask_name, "test_input_required_result_sampling": ask_model,
    "test_input_required_result_list_roots": ask_roots, "test_input_required_result_request_state": ask_with_state,
    "test_input_required_result_multiple_inputs": ask_three, "test_input_required_result_multi_round": ask_twice,
    "test_input_required_result_tampered_state": ask_with_state,
    "test_input_required_result_capabilities": ask_declared, "test_page": open_page, **jobs.TOOLS,
}


async def list_tools(_ctx, _params):
    return {"tools": [{"inputSchema": NO_ARGUMENTS, **tool} for tool in tools.entries()]}


async def call_tool(ctx, params):
    if params.name in OFFERS["contents"]:
        return {"content": OFFERS["contents"][params.name]}
    if params.name not in TOOLS:
        raise MCPError(types.INVALID_PARAMS, f"unknown tool `{params.name}`")
    return await Call(ctx).answer(TOOLS[params.name])


async def list_resources(_ctx, _params):
    return {"resources": OFFERS["resources"]}


async def list_templates(_ctx, _params):
    return {"resourceTemplates": OFFERS["templates"]}


async def read_resource(ctx, params):
    uri = str(params.uri)
    found = OFFERS["resource_contents"].get(uri)
    if uri.startswith("test://template/") and uri.endswith("/data"):
        name = uri.removeprefix("test://template/").removesuffix("/data")
        found = {"mimeType": "application/json",
                 "text": json.dumps({"id": name, "templateTest": True, "data": f"Data for ID: {name}"})}
    if not found:
        raise MCPError(types.INVALID_PARAMS if Call(ctx).modern else -32002, "resource not found", {"uri": uri})
    return {"contents": [{"uri": uri, **found}]}


async def list_prompts(_ctx, _params):
    return {"prompts": prompts.entries()}


async def get_prompt(ctx, params):
    async def asked(call):
        answer = await call.ask({"user_context": elicit("What context should the prompt use?", FORMS["context"])})
        return {"messages": [message(text(json.dumps(answer))["content"][0])]}

    def message(content):
        return {"role": "user", "content": content}

    if params.name == "test_input_required_result_prompt":
        return await Call(ctx).answer(asked)
    if params.name not in OFFERS["prompt_messages"]:
        raise MCPError(types.INVALID_PARAMS, f"unknown prompt `{params.name}`")
    contents = json.dumps(OFFERS["prompt_messages"][params.name])
    for name, value in (params.arguments or {}).items():
        contents = contents.replace(f"{{{name}}}", json.dumps(value)[1:-1])
    return {"messages": [message(content) for content in json.loads(contents)]}


async def complete(_ctx, params):
    words = [word for word in ("paris", "park", "party") if word.startswith(params.argument.value)]
    return {"completion": {"values": words, "total": len(words), "hasMore": False}}


async def accepted(_ctx, _params):
    return {}


def typed(handler):
    """The handler, its results marked complete unless it says otherwise; the SDK drops the mark for legacy clients."""
    async def handle(ctx, params):
        return {"resultType": "complete", **await handler(ctx, params)}
    return handle


class Events(EventStore):
    """What was sent on each stream, so that a client can read on."""

    def __init__(self):
        self.sent = []

    async def store_event(self, stream_id, message):
        self.sent.append((stream_id, message))
        return str(len(self.sent))

    async def replay_events_after(self, last_event_id, send_callback):
        if not last_event_id.isdigit() or not 0 < int(last_event_id) <= len(self.sent):
            return None
        stream = self.sent[int(last_event_id) - 1][0]
        for position in range(int(last_event_id), len(self.sent)):
            if self.sent[position][0] == stream and self.sent[position][1] is not None:
                await send_callback(EventMessage(self.sent[position][1], str(position + 1)))
        return stream


def make_server():
    lists = ("tools/list", "prompts/list", "resources/list", "resources/templates/list", "resources/read")
    with warnings.catch_warnings(action="ignore"):
        server = Server(
            "callgate-conformance", version="1.0", cache_hints=dict.fromkeys(lists, CacheHint(1000, "public")),
            on_list_tools=typed(list_tools), on_call_tool=typed(call_tool), on_list_resources=typed(list_resources),
            on_list_resource_templates=typed(list_templates), on_read_resource=typed(read_resource),
            on_subscribe_resource=accepted, on_unsubscribe_resource=accepted,
            on_subscriptions_listen=ListenHandler(bus), on_list_prompts=typed(list_prompts),
            on_get_prompt=typed(get_prompt), on_completion=typed(complete), on_set_logging_level=accepted)
    jobs.install(server)
    return server


async def refuse(send, message):
    body = json.dumps({"jsonrpc": "2.0", "id": None, "error": message}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 400, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def one_era_a_path(app):
    """`/legacy` and `/modern`, each as a server answers that has never heard of the other era."""
    async def serve(scope, receive, send):
        if scope["type"] != "http":
            return await app(scope, receive, send)
        version = dict(scope["headers"]).get(b"mcp-protocol-version", b"").decode()
        modern = bool(version) and version not in HANDSHAKE_PROTOCOL_VERSIONS
        if modern and scope["path"] == "/legacy":
            return await refuse(send, {"code": -32000, "message": "Bad Request: Server not initialized"})
        if not modern and scope["path"] == "/modern":
            return await refuse(send, {"code": -32020, "message": "MCP-Protocol-Version is missing"})
        return await app({**scope, "path": "/mcp", "raw_path": b"/mcp"}, receive, send)
    return serve


async def serve_stdio(era):
    server = make_server()
    async with stdio_server() as (reading, writing):
        options = server.create_initialization_options()
        if era == "modern":
            await server.run(reading, writing, options)
        else:
            await serve_loop(server, reading, writing, lifespan_state={}, init_options=options)


def main():
    how = sys.argv[1]
    if how.startswith("stdio-"):
        asyncio.run(serve_stdio(how.removeprefix("stdio-")))
        return
    app = make_server().streamable_http_app(event_store=Events(), retry_interval=100)
    uvicorn.run(one_era_a_path(app), host="127.0.0.1", port=int(how), log_level="warning", timeout_graceful_shutdown=1)


if __name__ == "__main__":
    main()
