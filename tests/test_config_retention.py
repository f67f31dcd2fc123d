"""`[retention]`: how long words and files are kept."""

from pathlib import Path

import pytest

from gateway.config import SettingsError, settings_from
from gateway.core.forgetting import DAY_MS, before_ms


def test_prompts_are_kept_for_ninety_days_and_files_for_thirty_unless_something_else_is_said(tmp_path: Path) -> None:
    """From the file and from variables; 0 keeps for ever."""
    usual = settings_from("", {}, tmp_path).retention
    assert (usual.prompts_days, usual.files_days) == (90, 30)
    environ = {"TOLLBRIDGE_RETENTION__FILES_DAYS": "7"}
    other = settings_from("[retention]\nprompts_days = 0\n", environ, tmp_path).retention
    assert (other.prompts_days, other.files_days) == (0, 7)
    assert (before_ms(0, 5 * DAY_MS), before_ms(2, 5 * DAY_MS)) == (None, 3 * DAY_MS)


@pytest.mark.parametrize("days", ["-1", "1.5", '"soon"', "36501"])
def test_a_time_that_cannot_be_is_refused(tmp_path: Path, days: str) -> None:
    """With the setting's name."""
    with pytest.raises(SettingsError, match=r"retention\.prompts_days"):
        settings_from(f"[retention]\nprompts_days = {days}\n", {}, tmp_path)
