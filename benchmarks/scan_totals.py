"""What programs say was used, by model and class, beside what was; and why they differ, in words and in figures."""

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from benchmarks.log_tree_claude import NULLS, SPACED
from benchmarks.log_writing import Used
from benchmarks.scan_programs import OURS, THEIRS

CLASSES = ("input", "cache_write", "cache_read", "output")
"""What both tell: ccusage does not tell how long cache writes last."""
OURS_ONLY = ("cache_write_5m", "cache_write_1h", "cache_write_unsplit", "reasoning")
Totals = dict[str, dict[str, int]]
"""Model, class, tokens."""
WHY = {
    SPACED: 'ccusage looks for "usage":{ and so drops each line that has a space after its colons',
    NULLS: 'ccusage drops each line in which "id":null (or cwd, model, version, ...) stands anywhere, also in what a tool was given',
}
REST = "not explained"


def of_truth(used: Mapping[tuple[str, str], Used]) -> Totals:
    """What was used."""
    return {model: _by_class(each) for (_, model), each in sorted(used.items())}


def _by_class(used: Used) -> dict[str, int]:
    wrote = used.cache_write_5m + used.cache_write_1h + used.cache_write_unsplit
    return {"input": used.input, "cache_write": wrote, "cache_read": used.cache_read, "output": used.output}


def of_ccusage(said: str) -> Totals:
    """What ccusage says: days, each with its models."""
    names = {
        "input": "inputTokens",
        "cache_write": "cacheCreationTokens",
        "cache_read": "cacheReadTokens",
        "output": "outputTokens",
    }
    sums: dict[str, Counter[str]] = {}
    for day in json.loads(said)["daily"]:
        for told in day["modelBreakdowns"]:
            sums.setdefault(told["modelName"], Counter()).update({name: told[theirs] for name, theirs in names.items()})
    return _sorted(sums)


def of_tollbridge(said: str) -> Totals:
    """What `tollbridge scan --json` says."""
    found: Totals = {}
    for model, told in json.loads(said)["by_model"].items():
        tokens = told["tokens"]
        wrote = sum(tokens[name] for name in ("cache_write_5m", "cache_write_1h", "cache_write_unsplit"))
        found[model] = {
            "input": tokens["input"],
            "cache_write": wrote,
            "cache_read": tokens["cache_read"],
            "output": tokens["output"],
        }
    return {model: counts for model, counts in sorted(found.items()) if any(counts.values())}


def exact(said: str, used: Mapping[tuple[str, str], Used]) -> bool:
    """Whether `tollbridge scan --json` says the truth in all that only it tells as well: calls, and how long cache writes last."""
    told, sums = json.loads(said), list(used.values())
    calls = told["calls"] == sum(each.calls for each in sums)
    return calls and all(told["tokens"][name] == sum(getattr(each, name) for each in sums) for name in OURS_ONLY)


def _sorted(sums: Mapping[str, Counter[str]]) -> Totals:
    """Models without tokens are left out."""
    return {model: {name: counts[name] for name in CLASSES} for model, counts in sorted(sums.items()) if counts.total()}


def compare(totals: Mapping[str, Totals], apart: Mapping[tuple[str, str], Used]) -> dict[str, Any]:
    """Every total, and what ccusage's lacks or has too much of, by reason: tokens by class."""
    reasons: dict[str, Counter[str]] = {form: Counter() for form in WHY}
    for (form, _), used in apart.items():
        reasons[form].update(_by_class(used))
    gaps = Counter[str]()
    for model in totals["true"].keys() | totals[THEIRS].keys():
        for name in CLASSES:
            gaps[name] += totals["true"].get(model, {}).get(name, 0) - totals[THEIRS].get(model, {}).get(name, 0)
    explained = {form: {name: counts[name] for name in CLASSES} for form, counts in reasons.items()}
    rest = {name: gaps[name] - sum(counts[name] for counts in explained.values()) for name in CLASSES}
    return {"totals": dict(totals), "ccusage_lacks": {**explained, REST: rest}}


def totals_table(compared: Mapping[str, Any]) -> list[str]:
    """Side by side, and why they differ."""
    totals: Mapping[str, Totals] = compared["totals"]
    lines = [f"tokens{'':<32}{'true':>16}{OURS:>16}{THEIRS:>16}", ""]
    for model in sorted(totals["true"].keys() | totals[OURS].keys() | totals[THEIRS].keys()):
        for name in CLASSES:
            true, *told = (totals[who].get(model, {}).get(name, 0) for who in ("true", OURS, THEIRS))
            marks = "".join(f"{count:>15,}{' ' if count == true else '!'}" for count in told)
            lines.append(f"  {model:<27}{name:<12}{true:>13,}{marks}")
    lines += ["", "what ccusage lacks (of the true totals), and why", ""]
    for form, counts in compared["ccusage_lacks"].items():
        lines.append("  " + ", ".join(f"{name} {counts[name]:,}" for name in CLASSES) + f": {WHY.get(form, form)}")
    return lines
