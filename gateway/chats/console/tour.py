"""What the unattended demo plays: a confirmed turn, a pause at the limit that is raised, and a refusal."""

from gateway.chats.console.player import Await, Move, Press, Write

FIRST, SECOND = "fix the flaky login test", "refactor everything"
HINT = (
    "This is Tollbridge with a phone in the terminal and a scripted agent instead of a real one: no account, no network. "
    "The gate, the meter and the ledger are the real ones. Answer questions by their number; /help explains; Ctrl-D ends.\n"
    f'Type "{FIRST}" for a run that asks first, then "{SECOND}" for one that comes to its limit.'
)

TOUR: tuple[Move, ...] = (
    Write(FIRST),
    Press("Run, up to"),
    Press("Allow"),
    Await(r"\$.* tokens .* session"),
    Write(SECOND),
    Press("Run, up to"),
    Press("Raise"),
    Press("Raise"),
    Press("Allow"),
    Await(r"\$.* tokens .* session"),
    Write("rewrite the billing module too"),
    Press("No"),
    Await(r"No\."),
    Write("/cost"),
    Await("Session:"),
)
