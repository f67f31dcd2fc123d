import json
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

from benchmarks.trace import read
from gateway.core.forecast import INPUTS, forecast, words
from gateway.domain.money import ZERO
from gateway.priors import EVERYTHING, FILE, PriorError, fitted, load, parse, text

ROOT = Path(__file__).resolve().parent.parent
TRACE = ROOT.parent / "shared" / "traces" / "calls.csv.gz"


def test_the_shipped_prior_speaks_for_a_person_without_history() -> None:
    """It loads, gives plausible figures, and says where they are from."""
    told = forecast([], "s", None, ZERO, load())
    assert told.p50 is not None
    assert told.p90 is not None
    assert 0.1e9 < told.p50.nano < told.p90.nano < 20e9
    assert "from public sessions; you have no turns yet" in words(told)


def test_the_shipped_file_is_small_and_says_where_it_is_from() -> None:
    """Under ten kilobytes; sources, licences and counts are in it, and for each source a fit without it."""
    data = json.loads(text())
    assert len(text()) < 10_000
    assert all(source["from"] and source["turns"] > 0 for source in data["sources"].values())
    assert set(data["fitted"]) == {EVERYTHING, *data["sources"]}
    assert all(len(one.prior.median) == len(one.prior.upper) == INPUTS for one in fitted().values())


def test_a_wheel_contains_the_prior() -> None:
    """The file lies inside a package that the wheel ships, is under version control's eyes, and nothing leaves it out."""
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]["targets"][
        "wheel"
    ]
    place = (ROOT / "gateway" / "priors" / FILE).relative_to(ROOT)
    assert place.parts[0] in wheel["packages"]
    assert not {"exclude", "include", "only-include"} & set(wheel)
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").split()
    assert not any(fnmatch(str(part), pattern.strip("/")) for pattern in ignored for part in (place, *place.parts))


@pytest.mark.skipif(not TRACE.exists(), reason="the shared traces are not beside the repository")
def test_the_shipped_prior_is_what_the_script_makes() -> None:
    """Made again from the shared traces: the same labels and counts, and the same figures but for the last digit."""
    from tools.make_prior import make  # noqa: PLC0415 - a script, imported where it is tested

    again, shipped = json.loads(make(read(TRACE))), json.loads(text())
    assert again["sources"] == shipped["sources"]
    assert set(again["fitted"]) == set(shipped["fitted"])
    for name, one in again["fitted"].items():
        other: dict[str, Any] = shipped["fitted"][name]
        assert one["typical_nano"] == pytest.approx(other["typical_nano"], rel=1e-6)
        for level in ("median", "upper", "median_errors", "upper_errors"):
            assert one[level] == pytest.approx(other[level], abs=0.011)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda text: text[:-20], "is damaged"),
        (lambda _: "[]", "is damaged"),
        (lambda _: '{"schema": 7}', "has schema 7, not 1"),
        (lambda text: text.replace('"median": [', '"median": [0.0, '), "is damaged"),
        (lambda text: text.replace('"typical_nano": ', '"typical_nano": -'), "is damaged"),
        (lambda text: text.replace('"upper_errors"', '"errors"'), "is damaged"),
    ],
)
def test_a_damaged_prior_is_refused_with_what_to_do(damage: Any, said: str) -> None:
    """Cut off, of another schema, or with figures that cannot be: an error that names the file and the remedy."""
    with pytest.raises(PriorError, match=said) as refused:
        parse(damage(text()))
    assert "install the package again" in str(refused.value)
