"""Servers that encrypt: every sslmode against a certificate that is right, another one's, or for another host."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import fedq
from fedq.errors import ConnectionFailed
from tests.conftest import RUN
from tests.servers import MariaDBServer, PostgresServer, Server, ServerUnavailable
from tests.servers.base import make_directory

ROWS = 30_000
SETTINGS: dict[str, Callable[[Path], tuple[str, ...]]] = {
    "postgres": lambda keys: ("ssl = on", f"ssl_cert_file = '{keys}/server.pem'", f"ssl_key_file = '{keys}/server.key'",
                              f"ssl_ca_file = '{keys}/ca.pem'"),
    "mysql": lambda keys: (f"ssl-cert={keys}/server.pem", f"ssl-key={keys}/server.key", f"ssl-ca={keys}/ca.pem"),
}  # fmt: skip
STARTS: dict[str, type[Server]] = {"postgres": PostgresServer, "mysql": MariaDBServer}
FILLED = {
    "postgres": f"CREATE TABLE items AS SELECT i AS id, repeat('é', 50) || i AS name FROM generate_series(1, {ROWS}) i",
    "mysql": f"CREATE TABLE items AS SELECT seq AS id, concat(repeat('é', 50), seq) AS name FROM seq_1_to_{ROWS}",
}
IS_ENCRYPTED = {
    "postgres": "select ssl from pg_stat_ssl where pid = pg_backend_pid()",
    "mysql": "select variable_value <> '' from information_schema.session_status where variable_name = 'ssl_cipher'",
}


@dataclass(frozen=True)
class Encrypting:
    """A server with a certificate for the host name `localhost` and no other, by a CA of its own."""

    kind: str
    server: Server
    keys: Path

    def connect(self, host: str = "localhost", **options: Any) -> fedq.Federation:
        url = self.server.url.replace("127.0.0.1", host)
        return fedq.connect({"version": 1, "databases": {"shop": {"url": url, "options": options}}})

    def ca(self, name: str = "ca") -> str:
        return str(self.keys / f"{name}.pem")


def make_keys(folder: Path) -> None:
    """Two CAs, and certificates of the first one for a server named localhost and for the user of a client."""

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    new = ("req", "-newkey", "rsa:2048", "-nodes")
    for name in ("ca", "other"):
        openssl(*new, "-x509", "-days", "2", "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.pem")
    (folder / "names").write_text("subjectAltName = DNS:localhost")
    openssl(*new, "-subj", "/CN=localhost", "-keyout", "server.key", "-out", "server.csr")
    signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2")
    openssl("x509", "-req", "-in", "server.csr", "-out", "server.pem", "-extfile", "names", *signed)


@pytest.fixture(scope="module", params=list(STARTS))
def encrypting(request: pytest.FixtureRequest) -> Iterator[Encrypting]:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    kind, root = request.param, request.config.stash[RUN] / f"tls-{request.param}-{os.getpid()}"
    keys = root.with_name(f"{root.name}-keys")
    try:
        probe = STARTS[kind](root)
        make_directory(keys, probe.os_user)
        make_keys(keys)
        for file in keys.iterdir():
            file.chmod(0o600)
            if probe.os_user is not None:
                shutil.chown(file, probe.os_user)
        server = STARTS[kind].start(root, settings=SETTINGS[kind](keys))
    except ServerUnavailable as missing:
        pytest.skip(str(missing))
    server.sql(FILLED[kind])
    yield Encrypting(kind, server, keys)
    server.kill()
    for folder in (root, keys):
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("mode", ["prefer", "require", "verify-ca", "verify-full"])
def test_rows_come_encrypted(encrypting: Encrypting, mode: str) -> None:
    trust = {"sslrootcert": encrypting.ca()} if mode.startswith("verify") else {}
    with encrypting.connect(sslmode=mode, **trust) as fed:
        assert fed.query(IS_ENCRYPTED[encrypting.kind], native="shop").scalar() in (True, 1)
        found = fed.query("select id, name from items where id > 0")
        assert len(found) == ROWS
        assert set(found.to_arrow()["name"].to_pylist()) == {"é" * 50 + str(each) for each in range(1, ROWS + 1)}


def test_a_certificate_alone_is_asked_for_the_right_host(encrypting: Encrypting) -> None:
    with encrypting.connect(sslrootcert=encrypting.ca()) as fed:
        assert fed.query("select count(*) from items").scalar() == ROWS
    with encrypting.connect("127.0.0.1", sslmode="verify-ca", sslrootcert=encrypting.ca()) as fed:
        assert fed.query("select count(*) from items").scalar() == ROWS


@pytest.mark.parametrize(("host", "ca", "mode"), [
    ("127.0.0.1", "ca", "verify-full"), ("localhost", "other", "verify-full"), ("localhost", "other", "verify-ca"),
])  # fmt: skip
def test_a_server_that_is_not_the_right_one_is_refused(encrypting: Encrypting, host: str, ca: str, mode: str) -> None:
    with encrypting.connect(host, sslmode=mode, sslrootcert=encrypting.ca(ca)) as fed:
        with pytest.raises(ConnectionFailed, match=r"certificate|secure") as error:
            fed.query("select count(*) from items")
    assert "sslrootcert" in (error.value.hint or "")


def test_what_is_cancelled_and_written_over_tls(encrypting: Encrypting) -> None:
    with encrypting.connect(sslmode="require") as fed:
        with pytest.raises(fedq.QueryTimeout):
            fed.query("select count(*) from items a, items b, items c where a.name < b.name", timeout=0.3)
        assert fed.write([{"id": 0, "name": "x"}], "items").rows == 1
        assert fed.query("select name from items where id = 0").scalar() == "x"
        assert fed.execute("delete from items where id = 0").rows == 1


def test_a_server_that_cannot_encrypt_is_refused(request: pytest.FixtureRequest) -> None:
    server = request.getfixturevalue("postgres")
    with fedq.connect(shop=f"{server.url}?sslmode=require") as fed:
        with pytest.raises(ConnectionFailed) as error:
            fed.query("select * from pg_class", using="shop")
    assert "sslmode" in (error.value.hint or "")
