"""`[voice]`: a program or a service, and never a secret in a sentence."""

from pathlib import Path

import pytest

from gateway import app
from gateway.config import SettingsError, settings_from
from gateway.voice import CommandTranscriber, HttpTranscriber

KEY = "sk-secret"


def refusal(home: Path, lines: str) -> str:
    """Why these lines of the section are refused."""
    with pytest.raises(SettingsError) as found:
        settings_from(f"[voice]\n{lines}\n", {}, home)
    return str(found.value)


def test_without_settings_nobody_listens(tmp_path: Path) -> None:
    """What is said is then passed on as a file."""
    voice = settings_from("", {}, tmp_path).voice
    assert app.transcriber_of(voice) is None
    assert voice.show


def test_a_program_can_be_named_in_the_file_or_in_a_variable(tmp_path: Path) -> None:
    """As a list of arguments, the recording among them."""
    voice = settings_from('[voice]\ncommand = ["~/bin/hear", "{file}"]\nshow = false', {}, tmp_path).voice
    assert voice.command == (str(Path("~/bin/hear").expanduser()), "{file}")
    assert isinstance(app.transcriber_of(voice), CommandTranscriber)
    there = {"TOLLBRIDGE_VOICE__COMMAND": '["hear", "-f={file}"]'}
    assert settings_from("", there, tmp_path).voice.command == ("hear", "-f={file}")


@pytest.mark.parametrize("url", ["https://api.openai.com/v1", "https://api.openai.com/v1/audio/transcriptions/"])
def test_a_service_can_be_named_by_its_base_or_by_the_whole_address(tmp_path: Path, url: str) -> None:
    """Both lead to the same endpoint; the key shows nowhere."""
    voice = settings_from(f'[voice]\nurl = "{url}"\nmodel = "whisper-1"\nkey = "{KEY}"', {}, tmp_path).voice
    assert voice.url == "https://api.openai.com/v1/audio/transcriptions"
    assert isinstance(app.transcriber_of(voice), HttpTranscriber)
    assert KEY not in repr(voice)


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ('command = "hear {file}"', "write the command as a list"),
        ('command = ["hear"]', "{file} stands for its path"),
        ('command = ["bin/hear", "{file}"]', "relative path"),
        ('command = ["hear", "{file}"]\nurl = "https://a.example/v1"\nmodel = "m"', "not both"),
        ('url = "https://a.example/v1"', "name the service's model"),
        ('url = "ftp://a.example"\nmodel = "m"', "write the address of the service"),
        (f'url = "https://me:{KEY}@a.example/v1"\nmodel = "m"', "the key goes into voice.key"),
        (f'url = "https://a.example/v1?key={KEY}"\nmodel = "m"', "the key goes into voice.key"),
        (f'url = "http://a.example/v1"\nmodel = "m"\nkey = "{KEY}"', "begins with https"),
        (f'key = "{KEY}"', "key is for a service"),
        ('command = ["hear", "{file}"]\nlanguage = "de"', "language is for a service"),
        ('url = "https://a.example/v1"\nmodel = "m"\nlanguage = "German"', "write the language as its code"),
        ("seconds = 0", "seconds"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_a_sentence(tmp_path: Path, lines: str, says: str) -> None:
    """It says what to write, and repeats no secret."""
    said = refusal(tmp_path, lines)
    assert says in said
    assert KEY not in said


def test_a_key_may_go_to_a_service_on_this_machine_without_https(tmp_path: Path) -> None:
    """It does not leave the machine."""
    lines = f'[voice]\nurl = "http://127.0.0.1:8000/v1"\nmodel = "m"\nkey = "{KEY}"'
    assert settings_from(lines, {}, tmp_path).voice.url == "http://127.0.0.1:8000/v1/audio/transcriptions"


def test_all_files_together_have_a_limit(tmp_path: Path) -> None:
    """At least what one session may have."""
    assert settings_from("", {}, tmp_path).agents.files_total_mb == 1000
    with pytest.raises(SettingsError, match="files_total_mb"):
        settings_from("[agents]\nfiles_total_mb = 10", {}, tmp_path)
