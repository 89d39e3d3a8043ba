"""Fixtures that every test may use: real servers, a fault proxy, an environment free of the developer's own settings.

| fixture                              | is                                                                       |
|--------------------------------------|--------------------------------------------------------------------------|
| `postgres`, `mariadb`                | one server per run, shared by all workers: never stop or reconfigure it   |
| `postgres_victim`, `mariadb_victim`  | a server of this test's own, to kill, freeze and restart                  |
| `fault_proxy`                        | `fault_proxy(port)` puts a `FaultProxy` in front of a server              |

Both servers stand at UTC-3, so that a client which does not set its session to UTC is seen.
A server that is not installed is a skip that the last lines of the run count.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import hypothesis
import pytest

from tests.servers import FaultProxy, MariaDBServer, PostgresServer, Server, ServerUnavailable
from tests.servers.base import shared

REAPER = Path(__file__).parent / "servers" / "reaper.py"
RUN = pytest.StashKey[Path]()
PIPE = pytest.StashKey["subprocess.Popen[bytes]"]()
_numbers = itertools.count(1)
S = TypeVar("S", bound=Server)

hypothesis.settings.register_profile("test", deadline=None, derandomize=True, database=None, max_examples=50)
hypothesis.settings.register_profile("fuzz", deadline=None, max_examples=2000)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "test"))


def pytest_configure(config: pytest.Config) -> None:
    """Make the directory of this run's servers, and the process that stops them whatever happens to this one."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # off in a run in the background, and tests press Ctrl-C
    if hasattr(config, "workerinput"):
        config.stash[RUN] = Path(config.workerinput["fedq_run"])
        return
    run = Path(tempfile.mkdtemp(prefix="fedq-test-", dir=_parent()))
    run.chmod(0o711)
    config.stash[RUN] = run
    config.stash[PIPE] = subprocess.Popen(
        [sys.executable, "-I", "-S", str(REAPER), str(run)], stdin=subprocess.PIPE, start_new_session=True
    )


def _parent() -> str | None:
    """Where servers live: in memory where there is plenty, for they write and remove much that nobody keeps.

    Short (a socket's path has 107 bytes) and open to the servers' users, which pytest's own directories are not.
    """
    memory = Path("/dev/shm")
    if memory.is_dir() and os.access(memory, os.W_OK | os.X_OK):
        state = os.statvfs(memory)
        if state.f_bavail * state.f_frsize > 8 << 30 and not state.f_flag & os.ST_NOEXEC:
            return str(memory)
    return "/tmp" if os.access("/tmp", os.W_OK) else None


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of pytest-xdist where the run's servers are."""
    node.workerinput["fedq_run"] = str(node.config.stash[RUN])


def pytest_unconfigure(config: pytest.Config) -> None:
    """Let the reaper go to work, and wait for it."""
    if reaper := config.stash.get(PIPE, None):
        assert reaper.stdin is not None
        reaper.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):  # it goes on by itself
            reaper.wait(60)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Take addresses out of a test's name (`ids=repr` of an object): the workers must collect the same names."""
    item._nodeid = re.sub(r" at 0x[0-9a-f]+", "", item.nodeid)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Count the skips that a missing server caused: a green run that tested half must not look like a whole one."""
    reasons = (str(report.longrepr[2]) for report in terminalreporter.stats.get("skipped", []))
    missing = Counter(found.group(1) for reason in reasons if (found := re.match(r"Skipped: no (\w+): ", reason)))
    for server, count in sorted(missing.items()):
        terminalreporter.write_line(f"{count} skipped because no {server}", yellow=True, bold=True)


@pytest.fixture(scope="session")
def postgres(pytestconfig: pytest.Config) -> PostgresServer:
    """A PostgreSQL shared by all tests; take `postgres.new_database()` for tables of your own."""
    return _or_skip(lambda: shared(PostgresServer, pytestconfig.stash[RUN]))


@pytest.fixture(scope="session")
def mariadb(pytestconfig: pytest.Config) -> MariaDBServer:
    """A MariaDB shared by all tests; take `mariadb.new_database()` for tables of your own."""
    return _or_skip(lambda: shared(MariaDBServer, pytestconfig.stash[RUN]))


@pytest.fixture
def postgres_victim(pytestconfig: pytest.Config) -> Iterator[PostgresServer]:
    """A PostgreSQL of this test's own: `kill()`, `stop()`, `restart()`, `frozen()`."""
    yield from _victim(PostgresServer, pytestconfig.stash[RUN])


@pytest.fixture
def mariadb_victim(pytestconfig: pytest.Config) -> Iterator[MariaDBServer]:
    """A MariaDB of this test's own: `kill()`, `stop()`, `restart()`, `frozen()`."""
    yield from _victim(MariaDBServer, pytestconfig.stash[RUN])


@pytest.fixture
def fault_proxy() -> Iterator[Callable[[int], FaultProxy]]:
    """`p = fault_proxy(postgres.port)`, then `postgres.url_of("app", port=p.port)` and `p.set("blackhole")`."""
    started: list[FaultProxy] = []

    def start(upstream_port: int) -> FaultProxy:
        started.append(FaultProxy(upstream_port))
        return started[-1]

    yield start
    for proxy in started:
        proxy.stop()


@pytest.fixture(autouse=True)
def _own_settings(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No catalog, profile or IPython configuration of whoever runs the tests reaches a test."""
    for name in [name for name in os.environ if name.startswith("FEDQ_") and name != "FEDQ_PGBIN"]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)  # of another environment: IPython would warn of it
    home = tmp_path_factory.getbasetemp() / "home"
    home.mkdir(exist_ok=True)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "config"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))
    monkeypatch.setenv("IPYTHONDIR", str(home / "ipython"))
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(home / "jupyter"))
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(home / "jupyter-data"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(home / "jupyter-runtime"))


def _victim(kind: type[S], run: Path) -> Iterator[S]:
    root = run / f"{kind.engine}-{os.getpid()}-{next(_numbers)}"
    server = _or_skip(lambda: kind.start(root))
    yield server
    server.kill()
    shutil.rmtree(root, ignore_errors=True)


def _or_skip(start: Callable[[], S]) -> S:
    try:
        return start()
    except ServerUnavailable as missing:
        pytest.skip(str(missing))
