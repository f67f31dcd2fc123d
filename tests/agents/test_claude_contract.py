"""The Agent contract, kept by the real Claude Code client with a scripted Messages API behind it."""

from pathlib import Path

import anyio
import pytest

from tests.agents.claude_rig import claude_rig
from tests.agents.contract import CHECKS, Check
from tests.fakes.claude_binary import MISSING, find_claude

pytestmark = [pytest.mark.anyio, pytest.mark.claude, pytest.mark.skipif(find_claude() is None, reason=MISSING)]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_claude_keeps_the_agent_contract(check: Check, tmp_path: Path) -> None:
    """Every promise of the Agent port holds for the real client."""
    async with claude_rig(tmp_path) as rig:
        with anyio.fail_after(60):
            await check(rig)
