"""What a scan found, as JSON and as a table of at most 80 columns."""

from typing import TYPE_CHECKING, Any, Final

from gateway.core.logged import Sums, total

if TYPE_CHECKING:
    from rich.progress import Progress

    from gateway.cli.scanning import Scan
    from gateway.usage_store import Figures

MODELS_SHOWN: Final = 40
_CLASSES: Final = (
    "input",
    "cache_read",
    "cache_write_5m",
    "cache_write_1h",
    "cache_write_unsplit",
    "output",
    "reasoning",
)


def as_values(found: "Scan") -> dict[str, Any]:
    """The figures as JSON values, schema 1. Tokens by class do not overlap, but that reasoning is part of output; `total` is all."""
    figures = found.figures
    models = _by_model(found)
    everything = total(models)
    return {
        "schema": 1,
        "files": figures.files,
        "records": figures.records,
        "calls": everything.calls,
        "duplicates": _copies(figures, everything),
        "unreadable": figures.unreadable + found.unread,
        "lower_bound_calls": everything.lower_bound,
        "unpriced_calls": everything.unpriced,
        "tokens": _tokens(everything),
        "cost_usd": everything.cost.exact(),
        "by_model": {
            model: {
                "calls": sums.calls,
                "lower_bound_calls": sums.lower_bound,
                "unpriced_calls": sums.unpriced,
                "web_searches": sums.web_searches,
                "tokens": _tokens(sums),
                "cost_usd": None if sums.unpriced == sums.calls else sums.cost.exact(),
            }
            for model, sums in models.items()
        },
    }


def as_json(found: "Scan", *, in_a_line: bool) -> str:
    """The figures as JSON text."""
    import json

    return json.dumps(as_values(found), indent=None if in_a_line else 2)


def _tokens(sums: Sums) -> dict[str, int]:
    return {name: getattr(sums.tokens, name) for name in _CLASSES} | {"total": sums.tokens.total}


def _by_model(found: "Scan") -> dict[str, Sums]:
    """The dearest first."""
    models: dict[str, Sums] = {}
    for (_, model), sums in found.figures.by_model.items():
        models[model] = models.get(model, Sums()) + sums
    return dict(sorted(models.items(), key=lambda one: (-one[1].cost.nano, one[0])))


def as_text(found: "Scan", width: int) -> str:
    """The figures as a table, and below it what there is to know about them. `width`: the terminal's columns."""
    from rich.console import Console

    from gateway.reports import beyond, text

    if not found.figures.by_model:
        return beyond.wrapped(_of_nothing(found), width)
    models = _by_model(found)
    names = ("model", "calls>", "input>", "cached>", "written>", "output>", "cost>")
    layout = text.Layout(names, "model", text.shorten, ("written>", "cached>", "input>"))
    shown = list(models.items())[:MODELS_SHOWN]
    rows = [_row(model, sums) for model, sums in shown]
    if rest := len(models) - len(shown):
        others = dict(list(models.items())[MODELS_SHOWN:])
        rows.append(_row(f"{rest} more", total(others)))
    rows.append(_row("all", total(models)))
    console = Console(width=width, highlight=False, markup=False, color_system=None)
    with console.capture() as captured:
        console.print(text.fitted(layout, rows, width))
    sentences = (*_about(found), text.NOTE)
    return captured.get() + "\n".join(beyond.wrapped(sentence, width) for sentence in sentences)


def _of_nothing(found: "Scan") -> str:
    looked = _number(found.figures.files, "log")
    return f"No calls were found: {looked} read. Name the home of an agent or a folder of its logs, like `tollbridge scan ~/.claude`."


def _row(model: str, sums: Sums) -> tuple[str, ...]:
    from gateway.core.summary import count

    tokens = sums.tokens
    written = tokens.cache_write_5m + tokens.cache_write_1h + tokens.cache_write_unsplit
    amount = "?" if sums.unpriced == sums.calls else f"{sums.cost}{'?' if sums.unpriced else ''}"
    mark = "+" if sums.lower_bound else ""
    counts = (count(tokens.input), count(tokens.cache_read), count(written), count(tokens.output))
    return model, str(sums.calls), *counts, f"{mark}{amount}"


def _about(found: "Scan") -> list[str]:
    figures, everything = found.figures, total(_by_model(found))
    copies = _number(_copies(figures, everything), "line")
    said = [f"{_number(figures.files, 'log')}, {_number(figures.records, 'record')}; {copies} told a call again."]
    if everything.lower_bound:
        said.append(f"+ at least this much: {_number(everything.lower_bound, 'call')} without a final count.")
    if everything.unpriced:
        said.append(f"? without {_number(everything.unpriced, 'call')} whose model has no known price.")
    if figures.unreadable:
        said.append(f"{_number(figures.unreadable, 'record')} could not be understood, and may have told a call.")
    if found.unread:
        said.append(f"{_number(found.unread, 'log')} could not be read: the system does not let you.")
    return said


def _copies(figures: "Figures", everything: Sums) -> int:
    """Lines that told a call again; calls whose log is gone or was rewritten are not told by any."""
    return max(0, figures.told - everything.calls)


def _number(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


class Bar:
    """How far a scan is, drawn on stderr, where it has so much to read that somebody waits for it."""

    def __init__(self, worth: int) -> None:
        self._worth = worth
        self._progress: Progress | None = None

    def tell(self, done: int, of: int) -> None:
        """So many bytes are read, of so many."""
        if of < self._worth:
            return
        if self._progress is None:
            from rich.console import Console
            from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

            columns = ("reading logs", BarColumn(), DownloadColumn(), TimeRemainingColumn())
            self._progress = Progress(*columns, console=Console(stderr=True), transient=True)
            self._progress.add_task("", total=of)
            self._progress.start()
        for task in self._progress.task_ids:
            self._progress.update(task, completed=done)

    def end(self) -> None:
        """Take it away again."""
        if self._progress is not None:
            self._progress.stop()
