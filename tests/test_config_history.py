"""`[history]`: whether the estimates learn from the logs of agents."""

from pathlib import Path

import pytest

from gateway.config import SettingsError, settings_from


def test_logs_are_read_unless_it_is_said_that_they_are_not(tmp_path: Path) -> None:
    """From the file and from a variable."""
    assert settings_from("", {}, tmp_path).history.read_logs
    assert not settings_from("[history]\nread_logs = false\n", {}, tmp_path).history.read_logs
    assert not settings_from("", {"TOLLBRIDGE_HISTORY__READ_LOGS": "false"}, tmp_path).history.read_logs


def test_a_word_that_is_neither_is_refused(tmp_path: Path) -> None:
    """With the setting's name."""
    with pytest.raises(SettingsError, match=r"history\.read_logs"):
        settings_from('[history]\nread_logs = "some"\n', {}, tmp_path)
