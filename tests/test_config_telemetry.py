"""`[metrics]` and `[telemetry]`: nothing goes out unless it is set, nothing is open to others, and no secret shows."""

import json
from pathlib import Path

import pytest

from gateway.config import SettingsError, settings_from

TOKEN = "made-up-token-of-32-characters-x"
SECRET = "Bearer made-up"


def refusal(home: Path, toml: str) -> str:
    """Why these settings are refused."""
    with pytest.raises(SettingsError) as found:
        settings_from(toml, {}, home)
    return str(found.value)


def test_without_settings_nothing_goes_out(tmp_path: Path) -> None:
    """No listener, no collector."""
    settings = settings_from("", {}, tmp_path)
    assert (settings.metrics.listen, settings.telemetry.otlp, settings.telemetry.seconds) == (None, None, 60)


def test_both_can_be_set_in_the_file_and_in_variables(tmp_path: Path) -> None:
    """The secrets do not show."""
    toml = f"""
    [metrics]
    listen = "0.0.0.0:9464"
    token = "{TOKEN}"
    [telemetry]
    otlp = "https://otlp.example/base/"
    headers = {{Authorization = "{SECRET}"}}
    seconds = 15
    """
    there = {
        "TOLLBRIDGE_METRICS__LISTEN": "0.0.0.0:9464",
        "TOLLBRIDGE_METRICS__TOKEN": TOKEN,
        "TOLLBRIDGE_TELEMETRY__OTLP": "https://otlp.example/base",
        "TOLLBRIDGE_TELEMETRY__HEADERS": json.dumps({"Authorization": SECRET}),
        "TOLLBRIDGE_TELEMETRY__SECONDS": "15",
    }
    by_file, by_variables = settings_from(toml, {}, tmp_path), settings_from("", there, tmp_path)
    for settings in (by_file, by_variables):
        assert settings.metrics.listen == ("0.0.0.0", 9464)  # noqa: S104 - the owner's wish
        assert settings.telemetry.otlp == "https://otlp.example/base"
        assert settings.telemetry.headers["Authorization"].get_secret_value() == SECRET
        assert settings.telemetry.seconds == 15
        assert TOKEN not in repr(settings)
        assert SECRET not in repr(settings)


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        ('[metrics]\nlisten = "0.0.0.0:9464"', "set token as well"),
        ('[metrics]\nlisten = "localhost:9464"', "like 127.0.0.1:9464"),
        (f'[metrics]\ntoken = "{TOKEN}"', "set listen as well"),
        ('[metrics]\nlisten = "127.0.0.1:9464"\ntoken = "short"', "16 to 200"),
        ('[telemetry]\notlp = "collector:4318"', "like http://127.0.0.1:4318"),
        ('[telemetry]\notlp = "http://[::1"', "like http://127.0.0.1:4318"),
        ('[telemetry]\notlp = "grpc://127.0.0.1:4317"', "like http://127.0.0.1:4318"),
        ('[telemetry]\notlp = "https://me:word@otlp.example"', "telemetry.headers"),
        ('[telemetry]\notlp = "http://127.0.0.1:4318/v1/metrics"', "is added"),
        ('[telemetry]\nheaders = {A = "b"}', "set otlp as well"),
        ('[telemetry]\notlp = "http://otlp.example"\nheaders = {A = "made-up"}', "begins with https"),
        ('[telemetry]\notlp = "https://otlp.example"\nheaders = {"A B" = "made-up"}', "letters, digits and hyphens"),
        ('[telemetry]\notlp = "https://otlp.example"\nheaders = {A = "made-up\\nB: c"}', "one line"),
        ('[telemetry]\notlp = "https://otlp.example"\nheaders = "made-up"', "write a table"),
        ('[telemetry]\notlp = "https://otlp.example"\nheaders = ["made-up"]', "write a table"),
        ('[telemetry]\notlp = "https://otlp.example"\nseconds = 1', "greater than or equal to 5"),
    ],
)
def test_what_makes_no_sense_is_refused_with_what_to_write(tmp_path: Path, toml: str, says: str) -> None:
    """And repeats no secret."""
    said = refusal(tmp_path, toml)
    assert says in said
    assert "made-up" not in said
