"""The doctor on where figures go: what is set and not there is said, with how to mend it."""

import sys
from pathlib import Path

import pytest

from gateway import listener
from gateway.cli.checks import Status
from gateway.cli.telemetry_checks import metrics, telemetry
from gateway.config import settings_from

TOKEN = "made-up-token-of-32-characters-x"


def test_what_is_not_set_is_not_looked_at(tmp_path: Path) -> None:
    """No line of the doctor's for what nobody wants."""
    settings = settings_from("", {}, tmp_path)
    assert [*metrics(settings.metrics, running=False), *telemetry(settings.telemetry)] == []


def test_a_port_that_is_taken_fails_and_one_that_is_open_to_others_is_to_be_looked_at(tmp_path: Path) -> None:
    """Unless the gateway itself has it."""
    with listener.bound("127.0.0.1", 0) as there:
        there.listen()
        toml = f'[metrics]\nlisten = "127.0.0.1:{there.getsockname()[1]}"'
        settings = settings_from(toml, {}, tmp_path).metrics
        [taken], [runs] = metrics(settings, running=False), metrics(settings, running=True)
    assert (taken.status, runs.status) == (Status.FAIL, Status.OK)
    assert "metrics.listen" in taken.found
    wide = settings_from(f'[metrics]\nlisten = "0.0.0.0:9464"\ntoken = "{TOKEN}"', {}, tmp_path).metrics
    [_, found] = metrics(wide, running=True)
    assert (found.status, TOKEN in found.found + found.mend) == (Status.WARN, False)


def test_a_collector_that_does_not_answer_is_to_be_looked_at(tmp_path: Path) -> None:
    """The gateway runs without it; one that is there is named without its path."""
    with listener.bound("127.0.0.1", 0) as there:
        settings = settings_from(
            f'[telemetry]\notlp = "http://127.0.0.1:{there.getsockname()[1]}/secret"', {}, tmp_path
        )
        [away] = telemetry(settings.telemetry)
        there.listen()
        [found] = telemetry(settings.telemetry)
    assert (away.status, found.status) == (Status.WARN, Status.OK)
    assert "nothing answers at 127.0.0.1" in away.found
    assert "secret" not in found.found + away.found


def test_without_the_extra_the_doctor_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gateway does not start like that."""
    for module in [one for one in sys.modules if one.startswith("opentelemetry.")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    [found] = telemetry(settings_from('[telemetry]\notlp = "http://127.0.0.1:9"', {}, tmp_path).telemetry)
    assert found.status is Status.FAIL
    assert "tollbridge[telemetry]" in found.mend
