"""All sections together."""

from datetime import tzinfo
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator, model_validator

from gateway.config.agents import AgentSettings
from gateway.config.bank import BankSettings
from gateway.config.budgets import BudgetSettings
from gateway.config.desk import DeskSettings
from gateway.config.history import HistorySettings
from gateway.config.hooks import HookSettings
from gateway.config.local import LocalSettings
from gateway.config.people import People, TelegramSettings
from gateway.config.policy import Policy, PolicySettings
from gateway.config.retention import RetentionSettings
from gateway.config.telemetry import MetricsSettings, TelemetrySettings
from gateway.config.values import MOST_USERS, Minutes, Section, Zone, machine_zone, zone_of
from gateway.config.voice import VoiceSettings
from gateway.core.contradictions import contradiction
from gateway.core.policy import Rule


class Settings(Section):
    """Everything that can be set, and the home that it was read for."""

    home: Path = Field(exclude=True)
    telegram: TelegramSettings = TelegramSettings()
    agents: AgentSettings = Field(default_factory=AgentSettings)
    budgets: BudgetSettings = BudgetSettings()
    bank: BankSettings = BankSettings()
    desk: DeskSettings = DeskSettings()
    local: LocalSettings = LocalSettings()
    voice: VoiceSettings = VoiceSettings()
    retention: RetentionSettings = RetentionSettings()
    metrics: MetricsSettings = MetricsSettings()
    telemetry: TelemetrySettings = Field(default_factory=TelemetrySettings)
    history: HistorySettings = HistorySettings()
    hooks: HookSettings = HookSettings()
    policy: Policy = ()
    """Which runs are asked about, go unasked or are refused; the first rule that decides wins."""
    people: People = Field(default=(), max_length=MOST_USERS)
    """Who may do less than the owners, who are `telegram.allowed_users`."""
    pause_minutes: Annotated[float, Field(gt=0, le=55, allow_inf_nan=False)] = 30
    """How long a paused agent is kept waiting for an answer before its run is ended cleanly."""
    approval_minutes: Minutes = 24 * 60
    """How long a question can be answered."""
    timezone: Zone = Field(default_factory=machine_zone)
    """Where the day of the day budget begins and ends."""

    @model_validator(mode="after")
    def _each_person_once_a_chat(self) -> "Settings":
        named = [(one.id, one.chat) for one in self.people]
        named += [(one, "") for one in self.telegram.allowed_users]
        twice = next((person for person in named if named.count(person) > 1), None)
        if twice is not None:
            where = f" in chat {twice[1]}" if twice[1] else ""
            raise ValueError(f"{twice[0]} is named twice{where} (in people, telegram.allowed_users): keep one of them")
        return self

    @model_validator(mode="after")
    def _files_are_not_in_the_home(self) -> "Settings":
        for name, place in (("files", self.agents.files), ("worktrees", self.agents.worktrees)):
            if place.resolve().is_relative_to(self.home.resolve()):
                raise ValueError(
                    f"agents.{name} {place} is inside the gateway's own directory, which agents may not read: "
                    "name one outside of it"
                )
        return self

    @field_validator("policy")
    @classmethod
    def _rules_make_sense_together(
        cls, policy: tuple[PolicySettings, ...], known: ValidationInfo
    ) -> tuple[PolicySettings, ...]:
        budgets = known.data.get("budgets")
        rules = [one.rule for one in policy]
        if budgets is not None and (wrong := contradiction(rules, budgets.confirm_above_usd, budgets.default_hold_usd)):
            raise ValueError(wrong)
        return policy

    @property
    def policy_rules(self) -> tuple[Rule, ...]:
        """The rules as the core knows them, in order."""
        return tuple(one.rule for one in self.policy)

    @property
    def zone(self) -> tzinfo:
        """The time zone as Python knows it."""
        return zone_of(self.timezone)
