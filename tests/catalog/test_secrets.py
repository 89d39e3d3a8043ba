"""Secrets come from where the catalog says, show themselves nowhere, and errors say what is missing without a value."""

from __future__ import annotations

import copy
import dataclasses
import json
import os
import pickle
import pty
import subprocess
import sys
import textwrap
import time
import traceback
import warnings
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import fedq.catalog.secrets
from fedq.catalog.config import load_catalog
from fedq.catalog.model import Place, SecretReference
from fedq.catalog.secrets import Secret, mask, read_secret
from fedq.errors import CatalogWarning, SecretError

CANARY = "fq-CANARY-7f3a"
PLACE = Place("fedq.toml", 7, "databases.crm.password")


def refer(kind: Any, value: Any) -> SecretReference:
    return SecretReference(kind, value, PLACE)


def refused(reference: SecretReference, **options: Any) -> SecretError:
    """The error of a secret that cannot be had; it has the place and no canary."""
    with pytest.raises(SecretError) as caught:
        read_secret(reference, **options)
    error = caught.value
    assert (error.code, error.file, error.line, error.key) == ("FQ102", "fedq.toml", 7, "databases.crm.password")
    assert "fedq.toml:7 [databases.crm.password]" in str(error)
    assert CANARY not in "".join(traceback.format_exception(error))
    return error


# --- Secret


def test_a_secret_does_not_show_itself() -> None:
    secret = Secret(CANARY)
    shown = [
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret!r:>20}",
        f"{secret:>10}",
        f"{secret} {secret!r}",
        repr([secret]),
        repr(dataclasses.asdict(refer("literal", secret))),
        str(refer("literal", secret)),
        repr(copy.deepcopy(secret)),
        repr(copy.copy(secret)),
    ]
    assert all(CANARY not in text for text in shown)
    assert secret.reveal() == CANARY
    assert not hasattr(secret, "__dict__")
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps({"a": secret})
    with pytest.raises(TypeError):
        json.dumps(secret)


def test_secrets_are_equal_by_value_and_unlike_texts() -> None:
    assert Secret("a") == Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a"), "a"}) == 2
    assert copy.deepcopy(Secret("a")) == Secret("a")


def test_what_is_read_works_as_a_text_and_is_masked_in_tracebacks() -> None:
    password = read_secret(refer("literal", Secret(CANARY)))
    assert isinstance(password, str) and password == CANARY and password.encode() == CANARY.encode()
    assert f"{password}" == CANARY and repr(password) == "'***'"


# --- where they come from


def test_from_the_environment() -> None:
    assert read_secret(refer("env", "PW"), environment={"PW": " x "}) == " x "
    error = refused(refer("env", "CRM_PW"), environment={"PW": CANARY})
    assert "environment variable CRM_PW is not set" in error.message


def test_the_process_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEDQ_TEST_PW", "x")
    assert read_secret(refer("env", "FEDQ_TEST_PW")) == "x"


@pytest.mark.parametrize(
    ("content", "secret"), [("pw\n", "pw"), ("pw\r\n", "pw"), ("pw", "pw"), (" p w \n\n", " p w \n"), ("", "")]
)
def test_from_a_file_without_its_last_line_end(tmp_path: Path, content: str, secret: str) -> None:
    file = tmp_path / "pw"
    file.write_bytes(content.encode())
    file.chmod(0o600)
    assert read_secret(refer("file", str(file))) == secret


def test_a_file_that_everybody_can_read_is_warned_of(tmp_path: Path) -> None:
    file = tmp_path / "pw"
    file.write_text(CANARY)
    file.chmod(0o644)
    with pytest.warns(CatalogWarning, match="chmod 600") as caught:
        assert read_secret(refer("file", str(file))) == CANARY
    assert caught[0].filename == __file__
    assert CANARY not in str(caught[0].message)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    assert "No such file" in refused(refer("file", str(tmp_path / "none"))).message
    assert "Is a directory" in refused(refer("file", str(tmp_path))).message
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    assert "not UTF-8" in refused(refer("file", str(tmp_path / "binary"))).message


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-I", "-c", code)


def test_from_a_command() -> None:
    assert read_secret(refer("command", python(f"print({CANARY!r})"))) == CANARY
    assert read_secret(refer("command", ("printf", "%s", "a; echo $HOME"))) == "a; echo $HOME", "no shell"


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (f"import sys; print({CANARY!r}); print({CANARY!r}, file=sys.stderr); sys.exit(3)", "exit code 3"),
        ("pass", "printed nothing"),
        ("import sys; sys.stdout.buffer.write(b'\\xff')", "UTF-8"),
    ],
)
def test_a_command_that_fails(code: str, says: str) -> None:
    assert says in refused(refer("command", python(code))).message


def test_a_command_that_is_not_there() -> None:
    assert "cannot be run: No such file" in refused(refer("command", ("/no/such/program",))).message


def test_a_command_that_hangs_is_ended_with_all_it_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fedq.catalog.secrets, "COMMAND_SECONDS", 0.5)
    mark = tmp_path / "child"
    started = time.monotonic()
    error = refused(refer("command", ("sh", "-c", f"sleep 60 & echo $! > {mark}; wait")))
    assert "took longer than 0.5 s" in error.message
    assert time.monotonic() - started < 5
    child = int(mark.read_text())
    deadline = time.monotonic() + 5
    while is_running(child):
        assert time.monotonic() < deadline, "the command's child is still there"
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file to somebody else")
def test_a_command_of_somebody_elses_catalog_is_not_run(tmp_path: Path) -> None:
    (tmp_path / "fedq.toml").write_text(
        '[databases.a]\nurl = "mysql://u@h/d"\npassword = { command = ["echo", "x"] }\n'
    )
    reference = load_catalog(tmp_path, environment={}).databases["a"].password
    assert reference is not None and read_secret(reference) == "x"
    os.chown(tmp_path / "fedq.toml", 65534, 65534)
    with pytest.raises(SecretError, match="belongs to another user"):
        read_secret(reference)


def test_paths_in_a_catalog_are_relative_to_it(tmp_path: Path) -> None:
    script = tmp_path / "get"
    script.write_text("#!/bin/sh\necho from-script\n")
    script.chmod(0o700)
    (tmp_path / "pw").write_text("from-file\n")
    (tmp_path / "pw").chmod(0o600)
    (tmp_path / "fedq.toml").write_text(
        '[databases.a]\nurl = "mysql://u@h/d"\npassword = { command = ["./get"] }\n'
        '[databases.b]\nurl = "mysql://u@h/d"\npassword = { file = "pw" }\n'
    )
    databases = load_catalog(tmp_path, environment={}).databases
    found = [read_secret(database.password) for database in databases.values() if database.password]
    assert found == ["from-script", "from-file"]


KEYRING = """
class KeyringError(Exception): ...
def get_password(service, user):
    if service == "locked": raise errors.KeyringError("locked")
    return {("fedq", "crm"): "from-keyring"}.get((service, user))
"""


def in_new_python(code: str, folder: Path) -> str:
    root = Path(__file__).parents[2]
    start = f"import sys; sys.path[:0] = [{str(folder)!r}, {str(root)!r}]\n"
    imports = "from fedq.catalog.secrets import read_secret\nfrom fedq.catalog.model import SecretReference\n"
    done = subprocess.run(
        [sys.executable, "-I", "-c", start + imports + textwrap.dedent(code)],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    return done.stdout + done.stderr


def test_from_the_keyring(tmp_path: Path) -> None:
    """The package stands in a folder of the test: which keyrings a machine has is not ours to test, how we ask is."""
    (tmp_path / "keyring").mkdir()
    (tmp_path / "keyring" / "errors.py").write_text("class KeyringError(Exception): ...\n")
    (tmp_path / "keyring" / "__init__.py").write_text("from keyring import errors\n" + KEYRING)
    code = """
        for name in ("fedq/crm", "fedq/none", "locked/x"):
            try:
                print(str(read_secret(SecretReference("keyring", name))))
            except Exception as error:
                print(type(error).__name__, error, type(error.__cause__).__name__)
    """
    lines = in_new_python(code, tmp_path).splitlines()
    assert lines[0] == "from-keyring"
    assert "no secret for 'fedq', user 'none'" in lines[1] and "keyring set fedq none" in lines[2]
    assert "SecretError" in lines[3] and "could not be opened" in lines[3] and "KeyringError" in lines[4]


def test_without_the_keyring_package_the_error_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "keyring.py").write_text("raise ImportError('not here')")
    out = in_new_python('read_secret(SecretReference("keyring", "fedq/crm"))', tmp_path)
    assert "fedq.errors.SecretError: FQ102" in out and 'pip install "fedq[keyring]"' in out


def test_nobody_to_ask_is_an_error(tmp_path: Path) -> None:
    out = in_new_python('read_secret(SecretReference("prompt", "Password: "))', tmp_path)
    assert "nobody can be asked here" in out


def test_from_a_prompt_on_a_terminal() -> None:
    root = Path(__file__).parents[2]
    code = (
        f"import sys; sys.path.insert(0, {str(root)!r})\n"
        "from fedq.catalog.secrets import read_secret\nfrom fedq.catalog.model import SecretReference\n"
        "print('got', len(read_secret(SecretReference('prompt', 'Password of crm: '))))"
    )
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, "-I", "-c", code])
    shown = b""
    while b"Password of crm: " not in shown:
        shown += os.read(terminal, 1000)
    os.write(terminal, f"{CANARY}\n".encode())
    try:
        while chunk := os.read(terminal, 1000):
            shown += chunk
    except OSError:  # how Linux says that the other side has closed
        pass
    os.waitpid(pid, 0)
    os.close(terminal)
    assert f"got {len(CANARY)}".encode() in shown and CANARY.encode() not in shown


# --- mask


@given(st.text(min_size=3).filter(lambda text: text.strip("*")), st.text())
def test_a_masked_text_has_no_form_of_the_secret(secret: str, around: str) -> None:
    from urllib.parse import quote, quote_plus

    forms = [secret, quote(secret, safe=""), quote_plus(secret), repr(secret)[1:-1]]
    masked = mask(f"{around}<{'> <'.join(forms)}>", [Secret(secret)])
    assert masked.endswith("<***> <***> <***> <***>")


def test_masking_knows_short_and_overlapping_secrets() -> None:
    assert mask("a cat; a=1", ["a"]) == "*** cat; ***=1"
    assert mask("pw and pw-long", ["pw", "pw-long"]) == "*** and ***"
    assert mask("p%2fw P%2Fw", ["p/w", "P/w"]) == "*** ***"
    assert mask("nothing", ["", Secret("")]) == "nothing"
    assert mask("nothing", []) == "nothing"


def test_no_warning_for_a_mapping_whose_password_may_come_from_anywhere() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        catalog = load_catalog({"databases": {"a": {"url": "mysql://u@h/d", "password": CANARY}}}, environment={})
    assert CANARY not in repr(catalog)
    assert CANARY not in repr(dataclasses.asdict(catalog.databases["a"]))
