"""A client on the last Python SDK of the revisions with sessions (PyPI `mcp` 1.30.0).

Does one job read from stdin, as `py_new.py` does, and prints what it saw. Must never judge: it only reports.
"""

import asyncio
import json
import sys
import warnings

from answers import Answers
from asks import one_ask, plain
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamablehttp_client
from mcp.shared.exceptions import McpError
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


async def one_call(session, call):
    try:
        return {"result": plain(await session.call_tool(call["name"], call["arguments"]))}
    except McpError as error:
        return {"error": {"code": error.error.code, "message": error.error.message}}


async def main(job):
    answers = Answers(job)
    async with target(job) as (reader, writer, *_):
        async with ClientSession(reader, writer, **answers.callbacks()) as session:
            hello = await session.initialize()
            if answers.hears:
                await session.set_logging_level(job["log"])
            tools, cursor = [], None
            while True:
                page = await session.list_tools(cursor)
                tools += [plain(tool) for tool in page.tools]
                cursor = page.nextCursor
                if cursor is None:
                    break
            calls = [await one_call(session, call) for call in job["calls"]]
            asks = [await one_ask(session, ask, McpError, AnyUrl) for ask in job.get("asks", [])]
            offers = sorted(plain(hello.capabilities))
            seen = {"protocol": hello.protocolVersion, "tools": tools, "calls": calls, "asks": asks, "offers": offers}
            print(json.dumps({**seen, "asked": answers.asked, "logs": answers.logs}))


asyncio.run(main(json.load(sys.stdin)))
