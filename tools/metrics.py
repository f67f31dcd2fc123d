"""Write the table of docs/metrics.md from gateway/core/metrics.py, and docs/grafana/tollbridge.json.

Usage: python tools/metrics.py
"""

import json
from pathlib import Path
from typing import Any, Final

from gateway.core.metrics import TABLE, Kind, Metric

DOCS: Final = Path(__file__).resolve().parent.parent / "docs"
PAGE: Final = DOCS / "metrics.md"
DASHBOARD: Final = DOCS / "grafana" / "tollbridge.json"
BEGINS: Final = "<!-- the table: made by tools/metrics.py -->\n"
ENDS: Final = "<!-- the end of the table -->\n"


# -------------------------------------------------------------------------------------------------------------- the page
def page(text: str) -> str:
    """The page with its table as it is now."""
    before, _, rest = text.partition(BEGINS)
    _, _, after = rest.partition(ENDS)
    return f"{before}{BEGINS}{table()}{ENDS}{after}"


def table() -> str:
    """A row for each figure."""
    rows = ["| Prometheus | OpenTelemetry | kind | labels | |", "|---|---|---|---|---|"]
    rows += [
        f"| `{one.prometheus}` | `{one.otel}` | {one.kind} | {', '.join(f'`{label}`' for label in one.labels)} | {_help(one)} |"
        for one in TABLE
    ]
    return "\n".join(rows) + "\n"


def _help(metric: Metric) -> str:
    if metric.kind is not Kind.HISTOGRAM:
        return metric.help
    return f"{metric.help} Buckets up to {', '.join(f'{bound / metric.unit.scale:g}' for bound in metric.bounds)}."


# ------------------------------------------------------------------------------------------------------------- the board
SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
HERE: Final = 'instance=~"$instance"'
MINE: Final = f'{HERE}, agent=~"$agent"'
WIDTH: Final = 24
WITHIN: Final = 'le=~"1|1\\\\.0"'
"""Prometheus' own text says 1.0, what comes by OpenTelemetry says 1."""

CACHE_SHARE: Final = (
    f'sum(increase(tollbridge_tokens_total{{{MINE}, class="cache_read"}}[%s])) / '
    f'sum(increase(tollbridge_tokens_total{{{MINE}, class!="output"}}[%s]))'
)
WITHIN_P90: Final = (
    f"sum(increase(tollbridge_turn_estimate_ratio_bucket{{{MINE}, {WITHIN}}}[%s])) / "
    f"sum(increase(tollbridge_turn_estimate_ratio_count{{{MINE}}}[%s]))"
)
RANGE: Final = "$__range"
STEP: Final = "$__rate_interval"
BAR: Final = "$__interval"
"""Bars stand beside each other, so that they can be summed up."""
SMOOTH: Final = "1h"
"""Of shares and quantiles: a few turns in a quarter of an hour make none."""

Targets = tuple[tuple[str, str], ...]
"""(PromQL, legend) of each."""


def _panel(kind: str, title: str, unit: str, targets: Targets, **more: Any) -> dict[str, Any]:
    custom: dict[str, Any] = {}
    bars = False
    if kind == "timeseries":
        stacked = more.pop("stacked", False)
        custom = {
            "fillOpacity": 30 if stacked else 10,
            "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
        }
        bars = more.pop("bars", False)
        if bars:
            custom |= {"drawStyle": "bars", "fillOpacity": 80}
        custom |= {"showPoints": "never"}
    steps = more.pop("steps", [(None, "green")])
    defaults = {
        "unit": unit,
        "min": 0,
        "custom": custom,
        "thresholds": {"mode": "absolute", "steps": [{"color": color, "value": value} for value, color in steps]},
    }
    return {
        "type": kind,
        "title": title,
        "description": more.pop("description", ""),
        "datasource": SOURCE,
        "fieldConfig": {"defaults": defaults | more, "overrides": []},
        "options": _options(kind, bars=bars),
        "targets": [
            {"datasource": SOURCE, "refId": chr(ord("A") + place), "expr": expr, "legendFormat": legend}
            | ({"instant": True} if kind != "timeseries" else {})
            for place, (expr, legend) in enumerate(targets)
        ],
    } | ({"interval": "5m"} if bars else {})


def _options(kind: str, *, bars: bool) -> dict[str, Any]:
    reduced = {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}}
    match kind:
        case "stat":
            return reduced | {"colorMode": "value", "graphMode": "none"}
        case "bargauge":
            return reduced | {"displayMode": "basic", "orientation": "horizontal", "showUnfilled": True}
        case _:
            return {
                "legend": {"displayMode": "table", "placement": "bottom", "calcs": ["sum" if bars else "lastNotNull"]},
                "tooltip": {"mode": "multi"},
            }


def _row(title: str) -> dict[str, Any]:
    return {"type": "row", "title": title, "collapsed": False, "panels": []}


def _spent(by: str) -> str:
    return f"sum by ({by}) (increase(tollbridge_cost_usd_total{{{MINE}}}[{BAR}]))"


USED_STEPS: Final = [(None, "green"), (0.75, "orange"), (0.95, "red")]
ANY_STEPS: Final = [(None, "green"), (1, "orange")]


def panels() -> list[tuple[int, int, dict[str, Any]]]:
    """(width, height, panel), in reading order; rows are as wide as the page."""
    quantile = "histogram_quantile(%s, sum by (le) (increase(tollbridge_turn_cost_usd_bucket{%s}[%s])))"
    return [
        (
            4,
            4,
            _panel(
                "stat",
                "Spent today",
                "currencyUSD",
                ((f'sum(tollbridge_budget_spent_usd{{{HERE}, scope="day"}})', ""),),
            ),
        ),
        (
            4,
            4,
            _panel(
                "stat",
                "Used of today's limit",
                "percentunit",
                (
                    (
                        f'sum(tollbridge_budget_spent_usd{{{HERE}, scope="day"}}) / sum(tollbridge_budget_limit_usd{{{HERE}, scope="day"}})',
                        "",
                    ),
                ),
                steps=USED_STEPS,
            ),
        ),
        (
            4,
            4,
            _panel(
                "stat",
                "Spent in this range",
                "currencyUSD",
                ((f"sum(increase(tollbridge_cost_usd_total{{{MINE}}}[{RANGE}]))", ""),),
            ),
        ),
        (
            4,
            4,
            _panel(
                "stat",
                "Turns that ended",
                "short",
                ((f"sum(increase(tollbridge_turns_total{{{MINE}}}[{RANGE}]))", ""),),
                decimals=0,
            ),
        ),
        (
            4,
            4,
            _panel(
                "stat",
                "Read from the cache",
                "percentunit",
                ((CACHE_SHARE % (RANGE, RANGE), ""),),
                description="The share of input tokens that a prompt cache held.",
            ),
        ),
        (
            4,
            4,
            _panel("stat", "Without a price", "short", ((f"sum(tollbridge_unpriced{{{HERE}}})", ""),), steps=ANY_STEPS),
        ),
        (WIDTH, 1, _row("Spend, at list price")),
        (
            8,
            8,
            _panel("timeseries", "By model", "currencyUSD", ((_spent("model"), "{{model}}"),), stacked=True, bars=True),
        ),
        (
            8,
            8,
            _panel(
                "timeseries",
                "By what came of it",
                "currencyUSD",
                ((f"sum by (outcome) (increase(tollbridge_turn_cost_usd_sum{{{MINE}}}[{BAR}]))", "{{outcome}}"),),
                stacked=True,
                bars=True,
                description="Whole turns, when they end: money in turns that ended with nothing, an error or a cancel is told apart.",
            ),
        ),
        (
            8,
            8,
            _panel(
                "timeseries",
                "By who began it",
                "currencyUSD",
                ((_spent("origin"), "{{origin}}"),),
                stacked=True,
                bars=True,
            ),
        ),
        (WIDTH, 1, _row("Budgets")),
        (
            8,
            8,
            _panel(
                "bargauge",
                "Used of each limit",
                "percentunit",
                (
                    (
                        f"sum by (scope) (tollbridge_budget_spent_usd{{{HERE}}}) / sum by (scope) (tollbridge_budget_limit_usd{{{HERE}}})",
                        "{{scope}}",
                    ),
                ),
                steps=USED_STEPS,
                max=1,
            ),
        ),
        (
            16,
            8,
            _panel(
                "timeseries",
                "Spent, held and limit of the day",
                "currencyUSD",
                tuple(
                    (f'sum(tollbridge_budget_{name}_usd{{{HERE}, scope="day"}})', name)
                    for name in ("spent", "held", "limit")
                ),
            ),
        ),
        (WIDTH, 1, _row("Tokens and estimates")),
        (
            8,
            8,
            _panel(
                "timeseries",
                "Tokens by class",
                "short",
                ((f"sum by (class) (increase(tollbridge_tokens_total{{{MINE}}}[{BAR}]))", "{{class}}"),),
                stacked=True,
                bars=True,
            ),
        ),
        (
            8,
            8,
            _panel(
                "timeseries",
                "Read from the cache",
                "percentunit",
                ((CACHE_SHARE % (SMOOTH, SMOOTH), "share of input tokens"),),
                max=1,
            ),
        ),
        (
            8,
            8,
            _panel(
                "stat",
                "Turns that cost at most their estimate's upper end",
                "percentunit",
                ((WITHIN_P90 % (RANGE, RANGE), ""),),
                description="Should be about 9 in 10, once there is enough history for an estimate.",
            ),
        ),
        (
            12,
            8,
            _panel(
                "timeseries",
                "Cost of a turn",
                "currencyUSD",
                tuple(
                    (quantile % (level, MINE, SMOOTH), name) for level, name in (("0.5", "half"), ("0.9", "9 in 10"))
                ),
                description="As well as the buckets tell it.",
            ),
        ),
        (
            12,
            8,
            _panel(
                "timeseries",
                "Turns by how they ended",
                "short",
                ((f"sum by (state) (increase(tollbridge_turns_total{{{MINE}}}[{BAR}]))", "{{state}}"),),
                stacked=True,
                bars=True,
            ),
        ),
        (WIDTH, 1, _row("Health")),
        (
            8,
            8,
            _panel(
                "timeseries",
                "What waits",
                "short",
                (
                    (f"sum(tollbridge_inbox_waiting{{{HERE}}})", "updates to be handled"),
                    (f"sum(tollbridge_outbox_waiting{{{HERE}}})", "messages to be sent"),
                    (f"sum(tollbridge_messages_unsure{{{HERE}}})", "messages that may not have arrived"),
                    (f"sum(tollbridge_unread_entries{{{HERE}}})", "entries not in these figures"),
                ),
            ),
        ),
        (
            8,
            8,
            _panel(
                "timeseries",
                "Open turns and processes",
                "short",
                (
                    (f"sum by (state) (tollbridge_open_turns{{{HERE}}})", "{{state}}"),
                    (f"sum(tollbridge_agent_processes{{{HERE}}})", "processes of agents"),
                ),
            ),
        ),
        (
            8,
            8,
            _panel(
                "timeseries",
                "Reached and running",
                "short",
                (
                    (f"min(tollbridge_chat_up{{{HERE}}})", "chat"),
                    (f"min(tollbridge_bank_up{{{HERE}}})", "bank"),
                    (f"max(tollbridge_frozen{{{HERE}}})", "stopped by /stop all"),
                    (f"sum(increase(tollbridge_export_failures_total{{{HERE}}}[{STEP}]))", "exports not taken"),
                ),
            ),
        ),
    ]


def _placed() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    x = y = height = 0
    for number, (width, high, panel) in enumerate(panels(), start=1):
        if x + width > WIDTH:
            x, y = 0, y + height
            height = 0
        found.append({"id": number, "gridPos": {"x": x, "y": y, "w": width, "h": high}} | panel)
        x, height = x + width, max(height, high)
    return found


def _variable(name: str, of: str) -> dict[str, Any]:
    query = f"label_values({of}, {name})"
    return {
        "type": "query",
        "name": name,
        "datasource": SOURCE,
        "query": {"query": query, "refId": name},
        "definition": query,
        "includeAll": True,
        "allValue": ".*",
        "multi": True,
        "refresh": 2,
        "sort": 1,
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
    }


def dashboard() -> str:
    """The dashboard as Grafana 11 and later import it."""
    source = {"type": "datasource", "name": "datasource", "label": "Prometheus", "query": "prometheus", "refresh": 1}
    board = {
        "id": None,
        "uid": "tollbridge",
        "title": "Tollbridge",
        "description": "What coding agents cost, what came of it, and whether the gateway is well. Amounts are list prices.",
        "tags": ["tollbridge"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "1m",
        "time": {"from": "now-24h", "to": "now"},
        "timezone": "browser",
        "annotations": {"list": []},
        "links": [],
        "templating": {
            "list": [
                source,
                _variable("instance", "tollbridge_start_time_seconds"),
                _variable("agent", "tollbridge_cost_usd_total"),
            ]
        },
        "panels": _placed(),
    }
    return json.dumps(board, indent=1) + "\n"


if __name__ == "__main__":
    DASHBOARD.parent.mkdir(parents=True, exist_ok=True)
    DASHBOARD.write_text(dashboard(), encoding="utf-8")
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
