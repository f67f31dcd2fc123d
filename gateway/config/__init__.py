"""Settings: `config.toml` in the gateway's home, overridden by the environment. Unknown names are refused in both.

`[budgets] day_usd = "10"` and `TOLLBRIDGE_BUDGETS__DAY_USD=10` say the same; `TOLLBRIDGE_HOME` names the home itself.
"""

from gateway.config.agents import AgentSettings, ClaudeSettings
from gateway.config.bank import BankSettings
from gateway.config.budgets import BudgetSettings
from gateway.config.hooks import HookSettings
from gateway.config.local import LocalSettings
from gateway.config.people import PersonSettings, TelegramSettings
from gateway.config.policy import PolicySettings
from gateway.config.reading import config_file, load, read_file, settings_from
from gateway.config.ready import misplaced, require_ready
from gateway.config.retention import RetentionSettings
from gateway.config.settings import Settings
from gateway.config.telegram import WebhookSettings
from gateway.config.telemetry import MetricsSettings, TelemetrySettings
from gateway.config.values import MOST_USERS
from gateway.config.voice import VoiceSettings
from gateway.home import SettingsError, home_directory

__all__ = [
    "MOST_USERS",
    "AgentSettings",
    "BankSettings",
    "BudgetSettings",
    "ClaudeSettings",
    "HookSettings",
    "LocalSettings",
    "MetricsSettings",
    "PersonSettings",
    "PolicySettings",
    "RetentionSettings",
    "Settings",
    "SettingsError",
    "TelegramSettings",
    "TelemetrySettings",
    "VoiceSettings",
    "WebhookSettings",
    "config_file",
    "home_directory",
    "load",
    "misplaced",
    "read_file",
    "require_ready",
    "settings_from",
]
