"""A gateway that is going to be killed: it starts a client, hands over a prompt, and reports every event on its stdout.

Run as `python -m tests.agents.doomed_gateway JSON` with `home`, `command`, `environ`, `directory`, `session`, `uuid`, `text`
and `hold` (the number of the main loop's boundary that it leaves unanswered; 0: none).
"""

import json
import sys
from pathlib import Path
from typing import Any

import anyio

from gateway.agents.claude import ClaudeAgent
from gateway.domain.events import CallMetered, Paused
from gateway.ports import Launch
from tests.agents.contract import Watch, go_on, wait_at


def report(**facts: Any) -> None:
    """One line for the test."""
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


async def main(order: dict[str, Any]) -> None:
    """Run until killed."""
    launch = Launch("s_1", order["directory"], order["session"])
    async with ClaudeAgent(Path(order["home"]), order["command"], order["environ"]) as agent:
        client = await agent.start(launch)
        process = client.process
        report(pid=process.pid, started=process.started, journal=process.journal, session=client.agent_session)
        decide = wait_at(order["hold"]) if order["hold"] else go_on

        def answer(event: Any) -> Any:
            call = event.call_id if isinstance(event, CallMetered) else None
            report(event=type(event).__name__, call=call, before=event.before if isinstance(event, Paused) else None)
            return decide(event)

        class Reporting(Watch):
            async def run(self) -> None:
                async for event in self.client.events():
                    reply = answer(event)
                    if reply is not None:
                        await self.client.respond(event.request_id, reply)  # type: ignore[union-attr]

        async with anyio.create_task_group() as crew:
            crew.start_soon(Reporting(client, answer).run)
            await client.prompt(order["uuid"], order["text"])


if __name__ == "__main__":
    anyio.run(main, json.loads(sys.argv[1]))
