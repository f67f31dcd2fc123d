"""What stands in an answer for that of it which goes as pictures and files."""


def _many(count: int, one: str, more: str) -> str:
    return f"1 {one}" if count == 1 else f"{count:,} {more}"


def diff_below(files: int, added: int, removed: int, name: str) -> str:
    """In the place of a diff that is drawn. `name`: of the file that it is in, as a chat shows it."""
    counts = f"{_many(files, 'file', 'files')}, {_many(added, 'line', 'lines')} added, {removed:,} removed"
    return f"(The diff is below, drawn and in `{name}`: {counts}.)"


def not_drawn(pictures: int, name: str) -> str:
    """Behind the answer, when its diffs would take more pictures than are sent."""
    return f"(The pictures show the beginning; {_many(pictures, 'page', 'pages')} more would be needed. All of it is in `{name}`.)"


def whole_below(characters: int, name: str) -> str:
    """Behind the beginning of a very long answer."""
    return f"(This is the beginning. The whole answer has {characters:,} characters and is below, in `{name}`.)"
