"""`[retention]`: how long words and files are kept. Amounts and the ledger stay for ever."""

from typing import Annotated

from pydantic import Field

from gateway.config.values import Section

Days = Annotated[int, Field(ge=0, le=36_500)]
"""0: for ever."""


class RetentionSettings(Section):
    """In days; 0 keeps for ever."""

    prompts_days: Days = 90
    """Prompts, answers, questions and their options."""
    files_days: Days = 30
    """Files that people send."""
