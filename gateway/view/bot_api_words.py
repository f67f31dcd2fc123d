"""What a Bot API server sets bounds to, as a person reads it."""

from typing import Final

TOO_BIG: Final = "Telegram gives bots no file of more than 20 MB; a Bot API server of your own does (docs/telegram.md)"
"""Follows the file's name and a colon."""
