"""Topics of their own for sessions, worktrees, and which project a new session is for."""

from typing import Final

NAME_MAX: Final = 128
"""Characters of a topic's name."""


# ------------------------------------------------------------------------------------------------- what topics are called
def topic_name(project: str, branch: str, prompt: str) -> str:
    """`api@fix: Fix the flaky login test`; whole words, as many as fit. All of it is plain text."""
    place = f"{project}@{branch}" if branch else project
    return _fitting(f"{place}: {prompt}" if prompt else place)


def closed_name(name: str) -> str:
    """A topic that its chat cannot close is called so."""
    return _fitting(f"Closed: {name}")


def _fitting(words: str) -> str:
    line = " ".join(words.split())
    if len(line) <= NAME_MAX:
        return line
    cut = line[: NAME_MAX - 1]
    whole = cut.rpartition(" ")[0] or cut
    return f"{whole}…"


# ----------------------------------------------------------------------------------------------------- opened and closed
def opening(agent: str, directory: str) -> str:
    """The answer to /new until the topic is there; `directory`: plain text without backticks."""
    return f"New session with {agent} in `{directory}`. Its topic is being opened."


def opened(agent: str, directory: str, name: str, link: str) -> str:
    """The same once it is; `name`: escaped, `link`: empty where there is none."""
    place = f"[{name}]({link})" if link else f"**{name}**"
    return f"New session with {agent} in `{directory}`. It has a topic of its own: {place}."


def not_opened(agent: str, directory: str, why: str) -> str:
    """The same if there is none; `why`: escaped."""
    return (
        f"New session with {agent} in `{directory}`. No topic could be opened for it ({why}), so it goes on here: write what "
        "it should do. In a group the bot has to be an administrator who may manage topics."
    )


NO_ANSWER: Final = "the chat gave no answer"


def comes_here(place: str, title: str) -> str:
    """A session's topic is gone; `title`: the first words of it, escaped, or empty."""
    about = f" ({title})" if title else ""
    return (
        f"The topic of the session in {place}{about} is gone or closed: what it says comes here. /sessions goes to it."
    )


def closed_chat(chat: str) -> str:
    """A group's General topic is closed, and the bot may not write there; `chat`: its number, as code."""
    return (
        f"The General topic of the group {chat} is closed, so nothing can be said there. What I have to say waits and comes "
        "once somebody opens it again, or makes the bot an administrator who may manage topics."
    )


CLOSED: Final = "Closed. Write here and it goes on; /new begins another session."
CLOSED_TOPIC: Final = (
    "Closed. Write here and it goes on (a group's topic has to be reopened first); /new begins another session."
)
"""The same where the session's own topic is closed with it."""
NOTHING_TO_CLOSE: Final = "There is no session here to close."


# ---------------------------------------------------------------------------------------------------------------- /resume
EARLIER: Final = "Earlier conversations here, the latest first:"
NO_CONVERSATION: Final = "There is no such conversation here any more: /resume lists them."
NOT_FROM_HERE: Final = "That conversation was not begun in this chat: only those who may answer an agent's questions here can take it over."
JUST_WRITTEN: Final = (
    "That conversation was written to a moment ago, so it may be open at the desk: close it there, and ask again."
)


FORK: Final = "Fork"
NO_FORKS: Final = "This agent cannot go on with a copy of a conversation."
NOTHING_TO_FORK: Final = "Nothing was said here yet that could be copied: /resume lists earlier conversations."


def fork_button(number: int) -> str:
    """The button for a copy of the conversation with this number."""
    return f"Fork {number}"


def fork_of(title: str) -> str:
    """What a session is called that begins as a copy of another; copies of copies are called the same."""
    return title if title.startswith("Fork of ") else f"Fork of {title}"[:NAME_MAX]


def forked(title: str) -> str:
    """A session begins as a copy; `title`: what it is called, escaped."""
    return (
        f"{title}: it begins as a copy of that conversation, with what stands there when you first write. "
        "The other one stays as it is."
    )


def nothing_to_resume(place: str) -> str:
    """The answer to /resume where there was nothing before; `place`: as code."""
    return f"There is no earlier conversation in {place}: write what you want done."


def conversation(number: int, when: str, title: str) -> str:
    """A line of /resume; `title`: escaped."""
    return f"{number} · {when} · {title}"


def in_other_thread(place: str, link: str) -> str:
    """A session that is told of elsewhere; `place`: as code, `link`: empty where there is none."""
    where = f"[in its own thread]({link})" if link else "in another chat or topic"
    return f"The session in {place} is open {where}: go on with it there."


# ---------------------------------------------------------------------------------------------------------- which project
WHICH: Final = "In which project?"


def which_of(name: str) -> str:
    """Several projects fit; `name`: as code."""
    return f"Several projects fit {name}. Which one?"


def here(name: str) -> str:
    """The button for where the present session works; `name`: of the directory, as it is."""
    return f"Here: {name}"


def project_button(name: str, parent: str) -> str:
    """The button for a project; `parent`: the directory that it is in."""
    return f"{name} ({parent})" if parent else name


NO_DIRECTORY_ANSWERS: Final = "The directories did not answer in time (a network drive that is away?). Name one with its whole path, or try again."
TWO_BRANCHES: Final = "Name one branch: /new api @fix-login."


def no_branch(name: str) -> str:
    """What follows the @ cannot be a branch; `name`: as code."""
    return f"{name} cannot be the name of a branch: write it like /new api @fix-login."


def no_repository(place: str) -> str:
    """A branch was asked for where there is no git; `place`: as code."""
    return f"{place} is in no git repository, so there is no branch to work on."


NO_WORKTREES: Final = "This gateway has no place for worktrees: set agents.worktrees in the settings."


# -------------------------------------------------------------------------------------------------------------- worktrees
def no_worktree(branch: str, why: str) -> str:
    """There is no worktree for the branch; `branch`: as code, `why`: escaped, without its full stop."""
    return f"There is no worktree for {branch}: {why}. It is tried again when you write to this session."


NO_GIT: Final = "git is not installed here"
MANY_FILTERS: Final = "the repository's own settings name too many filters to run none of them"


def git_slow(seconds: float) -> str:
    """Git did not end in time."""
    return f"git did not answer within {seconds:.0f} s"


def git_failed(said: str) -> str:
    """Git refuses; `said`: the last line of its errors."""
    return f"git says: {said}" if said else "git refuses and gives no reason"
