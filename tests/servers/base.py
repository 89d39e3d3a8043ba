"""What PostgreSQL and MariaDB have in common as test servers: a directory, a port, a process, users and databases.

A server is described by its directory alone. Whoever knows the directory (another pytest-xdist worker, the reaper) can
attach to it, because the process id stands in `pid` and the port in `port`: nothing hangs on a Popen object.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar
from urllib.parse import urlsplit

HOST = "127.0.0.1"
START_SECONDS = 60.0
PORT_TRIES = 5

# The servers stand in a time zone of their own (no tzdata needed), so that a client which forgets to set UTC is seen.
SERVER_OFFSET_HOURS = -3


S = TypeVar("S", bound="Server")


class ServerUnavailable(RuntimeError):
    """The binaries of a server are not on this machine; tests that need it are skipped and counted."""


class ServerFailed(RuntimeError):
    """The binaries are here but the server did not start; the end of its log is in the message. Never a skip."""


class Server:
    """One test server. `start` makes and starts a new one, `attach` finds one that runs already."""

    engine: ClassVar[str]
    scheme: ClassVar[str]
    default_os_user: ClassVar[str]

    host = HOST
    user = "app"
    password = "pw-Kestrel-7391"
    database = "app"
    admin_user: ClassVar[str]
    admin_password = "pw-Osprey-2846"

    def __init__(self, root: Path, settings: Sequence[str] = ()) -> None:
        self.root = root
        self.data = root / "data"
        self.log = root / "server.log"
        self.settings = tuple(settings)
        self._numbers = itertools.count(1)

    # life

    @classmethod
    def start(cls, root: Path, *, settings: Sequence[str] = ()) -> Self:
        """A new server in the new directory `root`. `settings` are extra lines of its configuration file."""
        server = cls(root, settings)
        make_directory(root, server.os_user)
        server._copy_template()
        server._configure()
        server.start_on_free_port()
        return server

    @classmethod
    def attach(cls, root: Path) -> Self:
        """The server that another process started in `root`."""
        return cls(root)

    def start_on_free_port(self) -> None:
        """Start the configured server on a port of its own."""
        for attempt in range(1, PORT_TRIES + 1):
            (self.root / "port").write_text(str(free_port()))
            try:
                self.restart()
                break
            except ServerFailed:
                if attempt == PORT_TRIES or "in use" not in self._log_tail():
                    raise

    @property
    def port(self) -> int:
        return int((self.root / "port").read_text())

    @property
    def pid(self) -> int:
        return int((self.root / "pid").read_text())

    @property
    def is_running(self) -> bool:
        return is_alive(self.pid)

    def restart(self) -> None:
        """Start the server on its old port and data; stops it first if it runs."""
        if (self.root / "pid").exists():
            self.stop()
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                self._command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=self._environment(),
                start_new_session=True,  # Ctrl-C in the terminal must not reach the server before the reaper does
                **as_user(self.os_user),
            )
        process.returncode = 0  # the server outlives this process; Popen must not warn that it was not waited for
        (self.root / "pid").write_text(str(process.pid))
        deadline = time.monotonic() + START_SECONDS
        while not self._is_ready():
            if not is_alive(process.pid) or time.monotonic() > deadline:
                self.kill()
                raise ServerFailed(f"{self.engine} did not start in {self.root}:\n{self._log_tail()}")
            time.sleep(0.02)

    def stop(self) -> None:
        """End the server in good order: connections are cut, data is kept."""
        end_process(self.pid, self._stop_signal)

    def kill(self) -> None:
        """kill -9 on every process of the server, as a crash looks to the clients."""
        pids = [self.pid, *children(self.pid)]
        for pid in pids:
            end_process(pid, signal.SIGKILL)

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """The server accepts connections but does nothing (SIGSTOP), as an overloaded or hung machine looks."""
        pids = [self.pid, *children(self.pid)]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    # use

    @property
    def url(self) -> str:
        """The URL of the application's user on the database `app`, password included."""
        return self.url_of(self.database)

    def url_of(self, database: str, *, port: int | None = None) -> str:
        """The URL of the application's user on `database`, through another `port` (a proxy's) if given."""
        return f"{self.scheme}://{self.user}:{self.password}@{self.host}:{port or self.port}/{database}"

    def new_database(self, prefix: str = "db") -> str:
        """Create an empty database that the application's user owns; returns its URL. The name is unique."""
        name = f"{prefix}_{os.getpid()}_{next(self._numbers)}"
        self.create_database(name)
        return self.url_of(name)

    def create_database(self, name: str) -> None:
        """Create an empty database of exactly this name that the application's user owns."""
        raise NotImplementedError

    def connect(self, database: str | None = None, *, admin: bool = False) -> Any:
        """A driver connection in autocommit, session in UTC. `database` is a name or a URL of this server."""
        raise NotImplementedError

    def sql(self, text: str, database: str | None = None, *, admin: bool = False) -> list[tuple[Any, ...]]:
        """Run statements separated by `;` as the application's user; returns the rows of the last one.

        `database` is a name or a URL as `new_database` returns it; the default is the database `app`.
        """
        raise NotImplementedError

    # parts that differ

    _stop_signal: ClassVar[signal.Signals]

    @property
    def os_user(self) -> str | None:
        """The operating system user that the server runs as; None is the current one. No server runs as root."""
        if os.geteuid() != 0:
            return None
        return self.default_os_user if user_exists(self.default_os_user) else "nobody"

    def _make_template(self, data: Path) -> None:
        """Make a data directory with the application's user and database in it."""
        raise NotImplementedError

    def _configure(self) -> None:
        """Write this server's settings."""
        raise NotImplementedError

    def _copy_template(self) -> None:
        """A data directory takes a second to make and a tenth of one to copy: the run makes it once."""
        template = self.root.parent / f"{self.engine}-template"
        with locked(template.with_suffix(".lock")):
            if not (template / "made").exists():
                shutil.rmtree(template, ignore_errors=True)
                make_directory(template, self.os_user)
                self._make_template(template / "data")
                (template / "made").touch()
        self.run(["cp", "-a", template / "data", self.data])

    def _command(self) -> list[str]:
        raise NotImplementedError

    def _is_ready(self) -> bool:
        raise NotImplementedError

    def _environment(self) -> dict[str, str]:
        kept = {key: os.environ[key] for key in ("PATH", "LD_LIBRARY_PATH") if key in os.environ}
        return kept | {"LC_ALL": "C.UTF-8", "HOME": str(self.root)}

    def run(self, command: Sequence[object], stdin: str = "") -> None:
        """A program as the server's user. Raises: ServerFailed."""
        done = subprocess.run(
            [str(part) for part in command],
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd="/",
            env=self._environment(),
            check=False,
            umask=0o077,
            **as_user(self.os_user),
        )
        if done.returncode != 0:
            raise ServerFailed(f"{command[0]} ended with {done.returncode}:\n{done.stdout[:2000]}")

    def _log_tail(self) -> str:
        return self.log.read_text(errors="replace")[-2000:] if self.log.exists() else "(no log)"


def database_name(database: str | None, default: str) -> str:
    """The database that a name or a URL means."""
    if database is None:
        return default
    return urlsplit(database).path.lstrip("/") if "://" in database else database


def make_directory(path: Path, os_user: str | None) -> None:
    """A directory of the server's own user, in parents that it can enter."""
    path.mkdir(mode=0o711, parents=True)
    if os_user is not None:
        shutil.chown(path, os_user)


def as_user(os_user: str | None) -> dict[str, Any]:
    """The subprocess arguments that change the user. Not runuser: its process is another one than the server's."""
    if os_user is None:
        return {}
    entry = pwd.getpwnam(os_user)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def user_exists(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def free_port() -> int:
    """A port that nobody listens on now. Somebody may take it before the server does; the caller tries again."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def is_alive(pid: int) -> bool:
    """True while any thread of the process runs: a killed server holds its port until the last one is gone."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == 0
    except ChildProcessError:
        pass  # not ours, or already waited for
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        return state != "Z" or len(list(Path(f"/proc/{pid}/task").iterdir())) > 1
    except OSError:
        return False


def children(pid: int) -> list[int]:
    """The direct children of a process."""
    listing = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in listing.read_text().split()] if listing.exists() else []


def end_process(pid: int, how: signal.Signals, seconds: float = 10.0) -> None:
    """Send a signal and wait until the process is gone; kill -9 when it does not go in time."""
    for number in (how, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        deadline = time.monotonic() + seconds
        while is_alive(pid) and time.monotonic() < deadline:
            time.sleep(0.01)
        if not is_alive(pid):
            return


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """One process at a time; the lock falls with the process that holds it."""
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def shared(kind: type[S], run: Path) -> S:
    """The one server of this kind in this test run, started by whoever comes first."""
    root = run / kind.engine
    with locked(run / f"{kind.engine}.lock"):
        if (root / "pid").exists() and kind.attach(root).is_running:
            return kind.attach(root)
        shutil.rmtree(root, ignore_errors=True)
        return kind.start(root)
