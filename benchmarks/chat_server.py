"""What the benchmark of the chat runs against: the stand-in for Telegram in a process of its own, told over a pipe what to do."""

import http.client
import json
import threading
import time
from collections import Counter, defaultdict
from itertools import pairwise
from multiprocessing.connection import Connection
from typing import Any
from urllib.parse import urlsplit

from tests.fakes.bot_api import BotApi, Phone, Request

FIRST = 1_000
WRITES = ("sendMessage", "editMessageText")
ANSWER = "echo"
"""What the answer to a text begins with."""
FLOODED = 429
PER_SECOND = 30
"""So many messages a second Telegram takes of a bot over all chats."""


class Server:
    """One stand-in with private chats, and what the benchmark asks of it."""

    def __init__(self, chats: int) -> None:
        self.telegram = BotApi()
        self.telegram.__enter__()
        self.phones: list[Phone] = [self.telegram.user(FIRST + number, f"P{number}") for number in range(chats)]

    def address(self) -> tuple[str, str]:
        """Token and base URL."""
        return self.telegram.token, self.telegram.base_url

    def burst(self, each: int, limit_s: float) -> float:
        """So many messages wait in every chat; the seconds from when they do until all are answered."""
        self._forget()
        texts = [self._says(phone, part) for part in range(each) for phone in self.phones]
        began = time.monotonic()
        return self._answered(set(texts), limit_s) - began

    def steady(self, count: int, gap_s: float, limit_s: float) -> dict[str, float]:
        """One message after the other, each in the next chat; when each was sent."""
        self._forget()
        sent: dict[str, float] = {}
        for number in range(count):
            at = time.monotonic()
            sent[self._says(self.phones[number % len(self.phones)], 1_000 + number)] = at
            time.sleep(max(0.0, at + gap_s - time.monotonic()))
        self._answered(set(sent), limit_s)
        return sent

    def streams(self, limit_s: float) -> dict[str, Any]:
        """A prompt in every chat at once; how the writes to the chats were spaced until all are answered."""
        self._forget()
        texts = {self._says(phone, 0) for phone in self.phones}
        began = time.monotonic()
        seconds = self._answered(texts, limit_s) - began
        return {"seconds": seconds, **spacing(self._log())}

    def violations(self) -> list[str]:
        """What a correct bot would not have sent."""
        return [str(one) for one in self.telegram.violations]

    def close(self) -> None:
        """No more connections."""
        self.telegram.__exit__(None, None, None)

    def ceiling(self, lines: int, each: int) -> float:
        """Messages a second that the server takes from a client that does nothing else, over so many connections."""
        token, base = self.address()
        place = urlsplit(base)
        threads = [
            threading.Thread(target=_send, args=(place.port, token, FIRST + line, each)) for line in range(lines)
        ]
        began = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return lines * each / (time.monotonic() - began)

    def _says(self, phone: Phone, part: int) -> str:
        text = f"n{phone.user_id}.{part}."
        phone.says(text)
        return text

    def _log(self) -> list[Request]:
        return self.telegram.requests(*WRITES)

    def _forget(self) -> None:
        with self.telegram.world.lock:
            self.telegram._desk.log.clear()  # noqa: SLF001 - or each look at it would take longer than the one before

    def _answered(self, texts: set[str], limit_s: float) -> float:
        """When the last of the answers came."""
        world, looked, until = self.telegram.world, 0, time.monotonic() + limit_s
        last = time.monotonic()
        log = self.telegram._desk.log  # noqa: SLF001 - see above
        with world.lock:
            while texts:
                for request in log[looked:]:
                    words = str(request.params.get("text", "")) if request.method in WRITES else ""
                    if words.startswith(ANSWER):
                        texts.discard(words.split()[1])
                        last = request.at
                looked = len(log)
                if texts and not world.changed.wait(until - time.monotonic()):
                    raise TimeoutError(f"{len(texts)} messages were not answered in {limit_s:g} s")
        return last


def spacing(log: list[Request]) -> dict[str, Any]:
    """Of writes: how many, those that came too soon after another in their chat, and the most in one second over all chats."""
    chats: defaultdict[int, list[Request]] = defaultdict(list)
    for request in log:
        chats[request.params["chat_id"]].append(request)
    early, least = 0, float("inf")
    for writes in chats.values():
        for before, after in pairwise(writes):
            gap = after.at - before.at
            least = min(least, gap)
            early += gap < 1.0
    times = sorted(request.at for request in log)
    first, most = 0, 0
    for number, at in enumerate(times):
        while at - times[first] >= 1.0:
            first += 1
        most = max(most, number - first + 1)
    kinds = Counter(request.method for request in log)
    return {
        "sends": kinds["sendMessage"],
        "edits": kinds["editMessageText"],
        "too_soon": early,
        "least_gap_s": least if chats and least < float("inf") else None,
        "most_in_a_second": most,
        "refused": sum(request.status == FLOODED for request in log),
    }


def _send(port: int | None, token: str, chat_id: int, count: int) -> None:
    line = http.client.HTTPConnection("127.0.0.1", port)
    body = json.dumps({"chat_id": chat_id, "text": "x" * 60})
    for _ in range(count):
        line.request("POST", f"/bot{token}/sendMessage", body, {"Content-Type": "application/json"})
        line.getresponse().read()
    line.close()


def serve(pipe: Connection) -> None:
    """Do what comes over the pipe, (name, arguments), and answer with (True, result) or (False, why), until None comes."""
    server: Server | None = None
    while (asked := pipe.recv()) is not None:
        name, *arguments = asked
        try:
            if name == "open":
                server = Server(*arguments)
                pipe.send((True, server.address()))
            else:
                pipe.send((True, getattr(server, name)(*arguments)))
        except TimeoutError as error:
            pipe.send((False, str(error)))
    if server is not None:
        server.close()
