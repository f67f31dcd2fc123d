"""The page, the dashboard and the alerts name figures that there are, with labels that these have."""

import importlib.util
import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from gateway.core import genai
from gateway.core.metrics import TABLE, Kind, Metric

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
BOARD = (ROOT / "docs" / "grafana" / "tollbridge.json").read_text(encoding="utf-8")
_NAME = re.compile(r"\btollbridge_[a-z0-9_]+")
_SELECTOR = re.compile(r"\b(tollbridge_[a-z0-9_]+)(?:\{([^}]*)\})?")
_BY = re.compile(r"\bby \(([a-z_, ]+)\)")
_OF_THE_SCRAPE = {"instance", "job"}


def tool() -> ModuleType:
    """tools/metrics.py."""
    spec = importlib.util.spec_from_file_location("metrics_tool", ROOT / "tools" / "metrics.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def series() -> dict[str, tuple[Metric, set[str]]]:
    """Every name that Prometheus has of the figures, with the labels that it may have."""
    found: dict[str, tuple[Metric, set[str]]] = {}
    for metric in TABLE:
        labels = set(metric.labels) | _OF_THE_SCRAPE
        if metric.kind is not Kind.HISTOGRAM:
            found[metric.prometheus] = metric, labels
            continue
        found |= {f"{metric.prometheus}_{part}": (metric, labels) for part in ("count", "sum")}
        found[f"{metric.prometheus}_bucket"] = metric, labels | {"le"}
    return found


def expressions() -> Iterator[str]:
    """What the dashboard asks."""

    def of(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            yield from (value["expr"] for _ in [0] if "expr" in value)
            for inner in value.values():
                yield from of(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from of(inner)

    yield from of(json.loads(BOARD))


def alerts() -> list[str]:
    """What the page's alerts ask."""
    text = PAGE.partition("## Alerts")[2].replace(">\n          ", "")
    return re.findall(r"expr: (.*(?:\n          .*)*)", text)


def check(expression: str) -> None:
    """Names, labels and functions fit together."""
    known = series()
    asked = _SELECTOR.findall(expression)
    grouped = {label.strip() for group in _BY.findall(expression) for label in group.split(",")}
    for name, labels in asked:
        assert name in known, expression
        metric, has = known[name]
        assert set(re.findall(r"(\w+)\s*(?:=|!=|=~|!~)\s*\"", labels)) <= has, expression
        assert grouped <= has, expression
        grows = metric.kind is not Kind.GAUGE
        inside = re.search(rf"(?:increase|rate)\({name}(?:\{{[^}}]*\}})?\[", expression) is not None
        assert inside is grows, expression
    assert expression.count("(") == expression.count(")")
    assert expression.count("{") == expression.count("}")


def test_the_table_of_the_page_is_made_of_the_programs_own() -> None:
    """docs/metrics.md is what tools/metrics.py writes now, and so is the dashboard."""
    assert tool().page(PAGE) == PAGE
    assert tool().dashboard() == BOARD


def test_the_page_names_no_figure_that_there_is_not() -> None:
    """In its words and in its alerts; and each counter of the conventions that is sent."""
    known = set(series()) | {metric.prometheus for metric in TABLE}
    assert set(_NAME.findall(PAGE)) <= known
    assert set(re.findall(r"`(gen_ai\.client[a-z_.]+)`", PAGE)) == set(genai.HELPS)
    asked = alerts()
    assert len(asked) > 5
    for expression in asked:
        if "tollbridge_" in expression:
            check(expression)


def test_the_dashboard_asks_for_figures_that_there_are_with_labels_that_they_have() -> None:
    """What only grows is asked for by its increase, and nothing else is."""
    asked = list(expressions())
    assert len(asked) > 20
    for expression in asked:
        check(expression)


def test_the_dashboard_can_be_imported() -> None:
    """It has no number of another Grafana's, every panel one of its own and a place, and asks the source that is chosen."""
    board = json.loads(BOARD)
    assert board["id"] is None
    assert board["schemaVersion"] >= 39
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    variables = {one["name"]: one for one in board["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not taken & cells
        assert place["x"] + place["w"] <= 24
        taken |= cells
        for target in panel.get("targets", ()):
            assert target["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    used = set(re.findall(r"\$(\w+)", " ".join(expressions())))
    assert used - {"__range", "__interval", "__rate_interval"} <= set(variables)
