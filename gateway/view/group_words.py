"""What is said of groups."""

from typing import Final

WHY_MOVED: Final = "the group goes by another number"


def moved(before: str, after: str) -> str:
    """To the group whose number the settings still name as it was."""
    return (
        f"This group goes by the number {after} now. The settings name it as {before}: that is understood, and everything counts as "
        f"before. Write {after} there when you next change them."
    )
