"""What went wrong behind the client, with the way out of it: its own words point to commands that no chat has. Pure."""

import re
from typing import Final

_KEY: Final = (
    "The API refused the key or the sign-in. On the gateway's machine, correct ANTHROPIC_API_KEY, or run `claude` and use"
    " /login; then start the gateway again and send the prompt once more."
)
_CREDIT: Final = (
    "The API account has no credit left: add some, or raise its spending limit, in the account's console; then send the"
    " prompt once more."
)
_RATE: Final = (
    "The API takes no more requests of this account for now: a rate limit, or the plan's limit, is reached. Send the prompt"
    " once more later."
)
_BUSY: Final = "The API is overloaded or out of order just now. Send the prompt once more in a few minutes."
_MODEL: Final = (
    "The API does not have this model, or not for this account: choose another one with /model. For new sessions, set"
    " agents.claude.model on the gateway's machine and start the gateway again."
)
_BY_WORDS: Final = (
    (_CREDIT, r"credit balance|billing_error|spending limit"),
    (_KEY, r"not logged in|/login|invalid (?:x-)?api[- ]key|authentication|oauth token|API Error: 40[13]\b"),
    (_MODEL, r"issue with the selected model|model_not_found"),
    (_RATE, r"\b429\b|rate.?limit|usage limit|hit your (?:\w+ )?limit"),
    (_BUSY, r"\b529\b|overloaded|API Error: 5\d\d\b|server_error"),
)
_BY_STATUS: Final = {401: _KEY, 403: _KEY, 429: _RATE}
_FAILED: Final = 500


def explained(said: str, status: object = None) -> str:
    """The way out, if one is known, before what the client said. `status`: of the API's answer, where the client tells it."""
    by_words = next((words for words, found in _BY_WORDS if re.search(found, said, re.IGNORECASE)), None)
    code = status if isinstance(status, int) else 0
    by_status = _BUSY if code >= _FAILED else _BY_STATUS.get(code)
    # That the account is empty comes under several numbers, and only the words tell it.
    known = by_words if by_words is _CREDIT or by_status is None else by_status
    return f"{known}\n\n{said}" if known is not None else said
