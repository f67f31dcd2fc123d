"""Two gateways as processes, one bank in a file: what they spend is the team's, and at the end nothing is lent."""

from pathlib import Path

import anyio

from gateway.bank import open_bank
from gateway.config import config_file
from gateway.domain.lease import TeamScope
from gateway.domain.money import ZERO, Usd
from tests import nursery
from tests.cli.kit import environment


def test_two_gateways_of_one_machine_share_a_limit_and_give_back_what_they_borrowed(tmp_path: Path) -> None:
    """Each runs a prompt on money of the team's, under a name of its own, and the report knows of both."""
    (tmp_path / "project").mkdir()
    file = tmp_path / "bank.db"

    async def limited() -> None:
        async with open_bank(file) as bank:
            await bank.set_limit(TeamScope("core"), Usd.parse("10"), "7", "test")

    anyio.run(limited)
    for name in ("a", "b"):
        home = tmp_path / name
        home.mkdir(mode=0o700)
        toml = f'[agents]\ndefault = "scripted"\ndirectory = "{tmp_path}/project"\n'
        toml += f'[bank]\nurl = "{file}"\nteam = "core"\nperiods = ["ever"]\n'
        config_file(home).write_text(toml, encoding="utf-8")
        config_file(home).chmod(0o600)
        known = environment(home, XDG_STATE_HOME=str(tmp_path / "state"))
        ran = nursery.run(["up", "--chat", "console"], said="look around\n", env=known)
        assert (ran.returncode, ran.stderr) == (0, "")
        assert "I had a look" in ran.stdout

    async def seen() -> None:
        async with open_bank(file, upgrade=False) as bank:
            balance = (await bank.status(TeamScope("core"))).balance
            [one] = await bank.figures("core", 0)
            assert (one.turns, one.cost, one.project) == (2, balance.spent, "project")
            assert (balance.lent, balance.left) == (ZERO, Usd.parse("10") - one.cost)
            assert await bank.verify() == ()

    anyio.run(seen)
    assert (tmp_path / "a" / "gateway-name").read_text() != (tmp_path / "b" / "gateway-name").read_text()
