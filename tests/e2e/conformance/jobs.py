"""The fixture's tasks (extension `io.modelcontextprotocol/tasks` of the revision without sessions).

A job lives as long as the process. Must never make a task for a client that did not declare the extension.
"""

import asyncio
import datetime
import json
import pathlib
import secrets

import mcp_types as types
from mcp.shared.exceptions import MCPError

from calls import Call, elicit, text

TASKS = "io.modelcontextprotocol/tasks"
NEEDED = {"extensions": {TASKS: {}}}
HEADER_MISMATCH = -32020
# Seconds of work that are done without a task.
AT_ONCE = 5
FORMS = json.loads((pathlib.Path(__file__).parent / "offers.json").read_text())["forms"]
jobs = {}


def now():
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Job:
    """A task: its state, what it waits for, and the coroutine that works on it."""

    def __init__(self, work):
        self.id = secrets.token_hex(16)
        self.status, self.created, self.updated = "working", now(), now()
        self.payload, self.open_ones, self.answers = {}, {}, {}
        self.more = asyncio.Event()
        jobs[self.id] = self
        self.running = asyncio.ensure_future(self.run(work))

    def become(self, status, **payload):
        self.status, self.payload, self.updated = status, payload, now()

    async def run(self, work):
        try:
            self.become("completed", result=await work(self))
        except MCPError as error:
            self.become("failed", error={"code": error.code, "message": error.message})
        except asyncio.CancelledError:
            self.become("cancelled")

    async def ask(self, wanted):
        """Parks the job until all of `wanted` are answered."""
        self.open_ones = dict(wanted)
        while self.open_ones:
            self.become("input_required")
            self.more.clear()
            await self.more.wait()
        self.become("working")
        return self.answers

    def update(self, responses):
        for name in [name for name in responses if name in self.open_ones]:
            self.answers[name] = responses[name]
            del self.open_ones[name]
        self.more.set()

    def summary(self):
        return {"taskId": self.id, "status": self.status, "createdAt": self.created, "lastUpdatedAt": self.updated,
                "ttlMs": 600000, "pollIntervalMs": 100}

    def detail(self):
        asked = {"inputRequests": self.open_ones} if self.status == "input_required" else {}
        return {"resultType": "complete", **self.summary(), **self.payload, **asked}


def as_task(work):
    return {"resultType": "task", **Job(work).summary()}


async def greet(call):
    return text(f"Hello, {call.argument('name')}!")


async def slow_compute(call):
    seconds = call.arguments().get("seconds", 0)

    async def work(_job):
        await asyncio.sleep(seconds)
        return {**text(f"computed for {seconds} s"), "isError": False}
    if seconds > AT_ONCE:
        call.need(NEEDED)
    if TASKS in call.declared().get("extensions", {}) and seconds > 0:
        return as_task(work)
    return await work(None)


async def failing_job(call):
    async def work(_job):
        await asyncio.sleep(0.2)
        return {**text("the job went wrong"), "isError": True}
    call.need(NEEDED)
    return as_task(work)


async def protocol_error_job(call):
    async def work(_job):
        await asyncio.sleep(0.1)
        raise MCPError(types.INTERNAL_ERROR, "the job broke")
    call.need(NEEDED)
    return as_task(work)


async def confirm_delete(call):
    async def work(job):
        answers = await job.ask({"confirm": elicit(f"Delete {call.argument('filename')}?", FORMS["confirm"])})
        return text(f"confirmed: {json.dumps(answers)}")
    call.need(NEEDED)
    return as_task(work)


async def multi_input(call):
    async def work(job):
        answers = await job.ask({"first": elicit("First?", FORMS["name"]), "second": elicit("Second?", FORMS["name"])})
        return text(f"answered: {json.dumps(answers)}")
    call.need(NEEDED)
    return as_task(work)


async def tool_with_task(call):
    call.need(NEEDED)
    answer = (await call.ask({"user_name": elicit("What is your name?", FORMS["name"])}, keep=True))["user_name"]

    async def work(_job):
        return text(f"Hello, {(answer.get('content') or {}).get('name')}!")
    return as_task(work)


TOOLS = {"greet": greet, "slow_compute": slow_compute, "failing_job": failing_job,
         "protocol_error_job": protocol_error_job, "confirm_delete": confirm_delete, "multi_input": multi_input,
         "test_tool_with_task": tool_with_task}


def job_of(ctx):
    """The job a request names, after all that is checked before it is looked up."""
    call = Call(ctx)
    call.need(NEEDED)
    name = call.params.get("taskId")
    if ctx.request is not None and ctx.request.headers.get("mcp-name") != name:
        raise MCPError(HEADER_MISMATCH, "Mcp-Name is not the task's id")
    if name not in jobs:
        raise MCPError(types.INVALID_PARAMS, f"unknown task `{name}`")
    return call, jobs[name]


async def get(ctx, _params):
    return job_of(ctx)[1].detail()


async def update(ctx, _params):
    call, job = job_of(ctx)
    job.update(call.params.get("inputResponses") or {})
    return {"resultType": "complete"}


async def cancel(ctx, _params):
    job_of(ctx)[1].running.cancel()
    return {"resultType": "complete"}


def install(server):
    server.extensions[TASKS] = {}
    for method, handler in (("tasks/get", get), ("tasks/update", update), ("tasks/cancel", cancel)):
        server.add_request_handler(method, types.RequestParams, handler)
