"""The test servers do what the tests that use them take for granted."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.servers import FaultProxy, MariaDBServer, PostgresServer, Server
from tests.servers.base import free_port, is_alive


@pytest.fixture(params=["postgres", "mariadb"])
def server(request: pytest.FixtureRequest) -> Server:
    return request.getfixturevalue(request.param)


@pytest.fixture(params=["postgres_victim", "mariadb_victim"])
def victim(request: pytest.FixtureRequest) -> Server:
    return request.getfixturevalue(request.param)


def test_a_new_database_is_empty_and_writable_by_the_application(server: Server) -> None:
    first, second = server.new_database(), server.new_database("other")
    server.sql("CREATE TABLE t (a int); INSERT INTO t VALUES (1), (2)", first)
    assert server.sql("SELECT sum(a) FROM t", first) == [(3,)]
    assert first != second
    with pytest.raises(Exception, match=r"t.* (does not exist|doesn't exist)"):
        server.sql("SELECT * FROM t", second)


def test_the_application_is_no_superuser(postgres: PostgresServer, mariadb: MariaDBServer) -> None:
    assert postgres.sql("SELECT rolsuper FROM pg_roles WHERE rolname = current_user") == [(False,)]
    with pytest.raises(Exception, match="denied"):
        mariadb.sql("SET GLOBAL max_connections = 7")


def test_text_is_utf8_with_the_expected_collations(postgres: PostgresServer, mariadb: MariaDBServer) -> None:
    assert postgres.sql("SELECT 'ß€😀', 'a' < 'B', pg_encoding_to_char(encoding) FROM pg_database LIMIT 1") == [
        ("ß€😀", False, "UTF8")
    ]
    assert mariadb.sql("SELECT 'ß€😀', 'a' = 'A ', @@collation_database") == [("ß€😀", 1, "utf8mb4_general_ci")]


def test_the_server_is_not_in_utc_but_our_sessions_are(postgres: PostgresServer, mariadb: MariaDBServer) -> None:
    assert postgres.sql("SELECT reset_val, setting FROM pg_settings WHERE name = 'TimeZone'")[0][1] == "UTC"
    assert postgres.sql("SELECT extract(timezone FROM now() AT TIME ZONE 'UTC' AT TIME ZONE '<-03>+03')") == [(0,)]
    assert mariadb.sql("SELECT @@global.time_zone, @@session.time_zone") == [("-03:00", "+00:00")]


def test_a_killed_server_comes_back_with_its_data_on_its_port(victim: Server) -> None:
    victim.sql("CREATE TABLE t (a int); INSERT INTO t VALUES (7)")
    port, pid = victim.port, victim.pid
    victim.kill()
    assert not is_alive(pid)
    with pytest.raises(OSError):
        socket.create_connection((victim.host, port), timeout=1)
    victim.restart()
    assert victim.port == port
    assert victim.sql("SELECT count(*) FROM t")[0][0] in (
        0,
        1,
    )  # without fsync the last rows may be lost, the table not


def test_a_frozen_server_answers_again(victim: Server) -> None:
    connection = victim.connect()
    with victim.frozen():
        start = time.monotonic()
        raw = socket.create_connection((victim.host, victim.port), timeout=0.3)
        raw.sendall(b"\0\0\0\x08\x04\xd2\x16\x2f")  # PostgreSQL's SSLRequest, answered at once by a healthy server
        with pytest.raises(TimeoutError):
            raw.recv(1)
        assert time.monotonic() - start < 5
        raw.close()
    cursor = connection.cursor()
    cursor.execute("SELECT 1")
    assert cursor.fetchall() in ([(1,)], ((1,),))
    connection.close()


def test_a_missing_server_is_a_counted_skip(tmp_path: Path) -> None:
    (tmp_path / "test_needs.py").write_text("def test_one(mariadb): pass\ndef test_two(mariadb): pass\n")
    repo = Path(__file__).parents[1]
    program = (
        "import sys, pytest, tests.servers.mariadb as m\n"
        "def gone(name): raise m.ServerUnavailable('no MariaDB: apt-get install mariadb-server')\n"
        "m.mariadb_program = gone\n"
        "options = ['-q', '-p', 'no:cacheprovider', '-p', 'tests.conftest', '--rootdir', sys.argv[1]]\n"
        "sys.exit(pytest.main([*options, sys.argv[1]]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], cwd=repo, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 skipped because no MariaDB" in done.stdout


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda how: how.name)
def test_servers_stop_however_pytest_ends(how: signal.Signals, tmp_path: Path) -> None:
    note = tmp_path / "note"
    (tmp_path / "test_hangs.py").write_text(
        "import time, pathlib\n"
        "def test_hangs(postgres_victim):\n"
        f"    pathlib.Path({str(note)!r}).write_text(f'{{postgres_victim.pid}} {{postgres_victim.root}}')\n"
        "    time.sleep(100)\n"
    )
    pytest_process = subprocess.Popen(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "tests.conftest"]
        + ["--rootdir", str(tmp_path), str(tmp_path)],
        cwd=Path(__file__).parents[1],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    _wait(lambda: note.exists() and " " in note.read_text(), 60)
    pid, root = note.read_text().split()
    assert is_alive(int(pid))
    os.killpg(pytest_process.pid, how)
    pytest_process.wait(30)
    _wait(lambda: not is_alive(int(pid)) and not Path(root).parent.exists(), 15)


def _wait(condition, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)


# the fault proxy


@pytest.fixture
def echo():
    """A server that answers every byte with itself; 'big:N' is answered with N bytes."""
    import threading

    listener = socket.create_server(("127.0.0.1", 0))

    def serve(peer: socket.socket) -> None:
        with peer:
            try:
                while data := peer.recv(1 << 16):
                    peer.sendall(b"x" * int(data[4:]) if data.startswith(b"big:") else data)
            except OSError:
                pass

    def accept() -> None:
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(peer,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield listener.getsockname()[1]
    listener.close()


def _talk(port: int, timeout: float = 2.0) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=timeout)


def _receive(peer: socket.socket, size: int) -> int:
    got = 0
    while got < size and (data := peer.recv(1 << 16)):
        got += len(data)
    return got


def test_pass_counts_both_ways(echo: int, fault_proxy) -> None:
    proxy = fault_proxy(echo)
    with _talk(proxy.port) as peer:
        peer.sendall(b"big:100000")
        assert _receive(peer, 100_000) == 100_000
        assert proxy.counts() == {"accepted": 1, "open": 1, "up": 10, "down": 100_000}


def test_refuse_and_back(echo: int, fault_proxy) -> None:
    proxy = fault_proxy(echo)
    proxy.set("refuse")
    with pytest.raises(ConnectionRefusedError):
        _talk(proxy.port)
    proxy.set("pass")
    with _talk(proxy.port) as peer:
        peer.sendall(b"a")
        assert peer.recv(9) == b"a"


def test_blackhole_and_back(echo: int, fault_proxy) -> None:
    proxy = fault_proxy(echo)
    proxy.set("blackhole")
    with _talk(proxy.port, timeout=0.3) as peer:
        peer.sendall(b"a")
        with pytest.raises(TimeoutError):
            peer.recv(9)
        proxy.set("pass")
        peer.settimeout(2)
        assert peer.recv(9) == b"a"


def test_latency_is_not_throughput(echo: int, fault_proxy) -> None:
    proxy = fault_proxy(echo)
    proxy.set("latency", 0.05)
    with _talk(proxy.port) as peer:
        start = time.monotonic()
        peer.sendall(b"big:1000000")  # 61 chunks; 50 ms for each would be 3 s
        assert _receive(peer, 1_000_000) == 1_000_000
        assert 0.1 <= time.monotonic() - start < 1.5


def test_rate_and_delay_together(echo: int, fault_proxy) -> None:
    proxy = fault_proxy(echo)
    proxy.link(seconds=0.05, bytes_per_second=1_000_000)
    with _talk(proxy.port) as peer:
        start = time.monotonic()
        peer.sendall(b"big:300000")
        assert _receive(peer, 300_000) == 300_000
        assert 0.4 <= time.monotonic() - start < 2


@pytest.mark.parametrize("mode", ["rst_after", "fin_after"])
def test_cut_after_exactly_so_many_bytes(echo: int, fault_proxy, mode: str) -> None:
    proxy = fault_proxy(echo)
    proxy.set(mode, 50_000)
    with _talk(proxy.port) as peer:
        peer.sendall(b"big:100000")
        assert _receive(peer, 50_000) == 50_000
        if mode == "fin_after":
            assert peer.recv(9) == b""
        else:
            with pytest.raises(ConnectionResetError):
                peer.recv(9)


def test_reset_all_cuts_idle_connections(echo: int, fault_proxy) -> None:
    proxy = fault_proxy(echo)
    with _talk(proxy.port) as peer:
        peer.sendall(b"a")
        assert peer.recv(9) == b"a"
        proxy.reset_all()
        with pytest.raises(ConnectionResetError):
            peer.recv(9)


def test_nobody_behind_the_proxy_is_a_reset() -> None:
    # Where the reset is seen, at connect or at the first read, is a matter of luck.
    with FaultProxy(free_port()) as proxy, pytest.raises(ConnectionResetError), _talk(proxy.port) as peer:
        peer.recv(9)
