"""A client on the last Python SDK of the revisions with sessions (PyPI `mcp` 1.30.0).

Does one job read from stdin, as `py_new.py` does, and prints what it saw. Must never judge: it only reports.
"""

import asyncio
import json
import sys
import warnings

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamablehttp_client
from mcp.shared.exceptions import McpError
from mcp.types import PromptReference, ResourceTemplateReference
from pydantic import AnyUrl

warnings.simplefilter("ignore")


def target(job):
    if "command" in job:
        command, *arguments = job["command"]
        return stdio_client(
            StdioServerParameters(command=command, args=arguments, env=job.get("env"), cwd=job.get("cwd"))
        )
    headers = {"Authorization": f"Bearer {job['token']}"} if job.get("token") else None
    return streamablehttp_client(job["url"], headers=headers)


def plain(model):
    return model.model_dump(mode="json", by_alias=True, exclude_unset=True)


async def one_call(session, call):
    try:
        return {"result": plain(await session.call_tool(call["name"], call["arguments"]))}
    except McpError as error:
        return {"error": {"code": error.error.code, "message": error.error.message}}


async def one_ask(session, ask):
    params = ask["params"]
    by = {
        "resources/list": session.list_resources,
        "resources/templates/list": session.list_resource_templates,
        "resources/read": lambda: session.read_resource(AnyUrl(params["uri"])),
        "prompts/list": session.list_prompts,
        "prompts/get": lambda: session.get_prompt(params["name"], params.get("arguments")),
        "completion/complete": lambda: session.complete(
            reference(params["ref"]), params["argument"], params.get("context", {}).get("arguments")
        ),
    }
    try:
        return {"result": plain(await by[ask["method"]]())}
    except McpError as error:
        return {"error": {"code": error.error.code, "message": error.error.message}}


def reference(ref):
    kind = PromptReference if ref["type"] == "ref/prompt" else ResourceTemplateReference
    return kind.model_validate(ref)


async def main(job):
    async with target(job) as (reader, writer, *_):
        async with ClientSession(reader, writer) as session:
            hello = await session.initialize()
            tools, cursor = [], None
            while True:
                page = await session.list_tools(cursor)
                tools += [plain(tool) for tool in page.tools]
                cursor = page.nextCursor
                if cursor is None:
                    break
            calls = [await one_call(session, call) for call in job["calls"]]
            asks = [await one_ask(session, ask) for ask in job.get("asks", [])]
            offers = sorted(plain(hello.capabilities))
            seen = {"protocol": hello.protocolVersion, "tools": tools, "calls": calls, "asks": asks, "offers": offers}
            print(json.dumps(seen))


asyncio.run(main(json.load(sys.stdin)))
