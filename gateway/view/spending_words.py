"""Why a turn was dear, in words."""

from gateway.domain.money import Usd
from gateway.view.figure_words import calls, count, duration


def cold(tokens: int, times: int, pause_ms: int | None, cost: Usd) -> str:
    """`pause_ms` None: nobody had waited for long enough."""
    if pause_ms is None:
        again = f", {times} times" if times > 1 else ""
        return f"cache lost without a pause{again}: {count(tokens)} tokens sent anew ({cost})"
    often = f"{times} times, " if times > 1 else ""
    return f"cold cache after a pause of {_about(pause_ms)}: {often}{count(tokens)} tokens sent anew ({cost})"


def large_context(tokens: int, number: int) -> str:
    """The mean context of so many calls."""
    return f"large context: {count(tokens)} tokens a call, {calls(number)}"


def many_calls(number: int) -> str:
    """More than most turns need."""
    return f"many calls: {number}"


def helpers(loops: int, number: int, cost: Usd, percent: int) -> str:
    """What sub-agents did."""
    who = "a sub-agent" if loops == 1 else f"{loops} sub-agents"
    return f"{who}: {percent} % of it ({cost}, {calls(number)})"


def searches(number: int, cost: Usd) -> str:
    """Web searches are paid one by one."""
    return f"web searches: {number} ({cost})"


def fast(number: int, cost: Usd) -> str:
    """Fast mode has a price of its own."""
    return f"fast mode: {calls(number)} ({cost})"


def dearer_model(model: str, usual: str) -> str:
    """Another model than the session mostly uses."""
    return f"dearer model: {model[:60]}, mostly {usual[:60]} here"


def cut_off(number: int, cost: Usd) -> str:
    """Calls that did not end, or whose end nobody told."""
    return f"cut off: {calls(number)}, at least {cost}"


def long_answers(tokens: int, percent: int) -> str:
    """Most of it was output."""
    return f"long answers: {count(tokens)} tokens of output, {percent} % of it"


def _about(ms: int) -> str:
    """A pause as people say it: to the minute, and from two hours on to the hour."""
    minutes = ms // 60_000
    whole = minutes - minutes % 60 if minutes >= 120 else minutes  # noqa: PLR2004 - two hours
    days = whole // (24 * 60)
    if days > 1:
        return f"{days} days"
    return duration(whole * 60).removesuffix(" 0 s").removesuffix(" 0 min")
