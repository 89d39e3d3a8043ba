"""Secrets: referred to in the catalog, fetched when a connection is made, and scrubbed from every text that leaves
fedq.

    { env = "PW" } → SecretReference("env", "PW") → read_secret(…) → the password, in memory only

A secret is fetched late, so that a catalog can be loaded, shown and checked by someone who may not have it, and a
changed password is picked up by the next connection. Errors name the place and the source of a secret, never anything
it contains.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NoReturn

from fedq.catalog.model import SecretReference
from fedq.errors import CatalogWarning, SecretError, warn

COMMAND_SECONDS = 10.0


class Secret:
    """A secret text that does not show itself: repr, str and format are masked, pickle is refused, `reveal()` gives it.

    >>> secret = Secret("hunter2")
    >>> f"{secret}", repr(secret), secret == Secret("hunter2")
    ('***', "Secret('***')", True)
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The secret itself."""
        return self._value

    def __repr__(self) -> str:
        return "Secret('***')"

    def __str__(self) -> str:
        return "***"

    def __format__(self, spec: str) -> str:
        return format("***", spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled; refer to it by { env = … } or { file = … } instead")


class _Revealed(str):
    """A password on its way to a driver: the text itself, but masked where a traceback shows its arguments by repr."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


def read_secret(reference: SecretReference, *, environment: Mapping[str, str] | None = None) -> str:
    """The secret that `reference` refers to. Call it once per connection attempt of a database, from the thread that
    may prompt.

    Issues a CatalogWarning when a secret's file can be read by everybody.
    Raises: SecretError, which says where the reference stands and what is missing.
    """
    if reference.kind == "literal":
        return _Revealed(reference.value.reveal())
    if reference.kind == "env":
        return _Revealed(_from_environment(reference, os.environ if environment is None else environment))
    readers = {"keyring": _from_keyring, "file": _from_file, "command": _from_command, "prompt": _from_prompt}
    return _Revealed(readers[reference.kind](reference))


def _failed(reference: SecretReference, what: str, hint: str) -> SecretError:
    place = reference.place
    return SecretError(f"{place}: {what}", hint=hint, file=place.file, line=place.line, key=place.key)


def _from_environment(reference: SecretReference, environment: Mapping[str, str]) -> str:
    name = reference.value
    if name not in environment:
        raise _failed(
            reference, f"the environment variable {name} is not set", f"Set it before Python starts: export {name}=…"
        )
    return environment[name]


def _from_keyring(reference: SecretReference) -> str:
    service, _, user = reference.value.rpartition("/")
    try:
        import keyring
        import keyring.errors
    except ImportError as error:
        raise _failed(
            reference,
            "it is in the keyring, and the package keyring is not installed",
            'Install it: pip install "fedq[keyring]"',
        ) from error
    try:
        found: str | None = keyring.get_password(service, user)
    except keyring.errors.KeyringError as error:
        raise _failed(
            reference, "the keyring could not be opened", "Unlock it, or refer to the secret in another way."
        ) from error
    if found is None:
        raise _failed(
            reference,
            f"the keyring has no secret for {service!r}, user {user!r}",
            f"Store it: keyring set {service} {user}",
        )
    return found


def _from_file(reference: SecretReference) -> str:
    path = Path(reference.value)
    try:
        text = path.read_text(encoding="utf-8")
        status = path.stat()
    except OSError as error:
        what = f"the secret's file {path} cannot be read: {error.strerror}"
        raise _failed(reference, what, "Make the file, or change the path in the catalog.") from error
    except UnicodeDecodeError:
        raise _failed(reference, f"the secret's file {path} is not UTF-8 text", "Write it as plain text.") from None
    # what a container mounts below /run is made readable by the runtime, and is not ours to change
    if status.st_mode & 0o004 and status.st_uid == os.getuid() and not path.is_relative_to("/run"):
        _warn_readable(path, reference)
    return text.removesuffix("\n").removesuffix("\r")


def _warn_readable(path: Path, reference: SecretReference) -> None:
    message = f"{reference.place}: everybody on this machine can read {path}; run: chmod 600 {path}"
    warn(CatalogWarning(message, file=reference.place.file, key=reference.place.key))


def _from_command(reference: SecretReference) -> str:
    argv = list(reference.value)
    _refuse_foreign(reference)
    code, output = _run(reference, argv)
    if code != 0:
        raise _failed(
            reference, f"the command {argv[0]} ended with exit code {code}", "Run it in a shell to see what it says."
        )
    try:
        text = output.decode()
    except UnicodeDecodeError:
        raise _failed(
            reference, f"the command {argv[0]} did not print UTF-8 text", "It must print the secret alone."
        ) from None
    text = text.rstrip("\r\n")
    if not text:
        raise _failed(
            reference, f"the command {argv[0]} printed nothing", "It must print the secret on its standard output."
        )
    return text


def _refuse_foreign(reference: SecretReference) -> None:
    """A catalog is found by searching upwards, so one that another user left in a shared folder must not run commands
    as us.
    """
    file = reference.place.file
    if file is not None and Path(file).is_file() and Path(file).stat().st_uid not in (0, os.getuid()):
        raise _failed(
            reference,
            "the catalog belongs to another user, so its command was not run",
            "Copy the catalog to a file of your own, or use { env = … }.",
        )


def _run(reference: SecretReference, argv: list[str]) -> tuple[int, bytes]:
    import signal
    import subprocess

    try:
        # a group of its own, so that what the command started ends with it
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
        )
    except OSError as error:
        raise _failed(reference, f"the command {argv[0]} cannot be run: {error.strerror}", "Check its path.") from error
    try:
        output, _ = process.communicate(timeout=COMMAND_SECONDS)
        return process.returncode, output
    except subprocess.TimeoutExpired:
        what = f"the command {argv[0]} took longer than {COMMAND_SECONDS:g} s"
        raise _failed(reference, what, "It must not wait for input; unlock its store first.") from None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _from_prompt(reference: SecretReference) -> str:
    import getpass
    import sys

    # a notebook's kernel puts a function of its own in the place of getpass
    is_terminal = sys.stdin is not None and not sys.stdin.closed and sys.stdin.isatty()
    hint = "Run it interactively, or refer to the secret by { env = … }."
    if not is_terminal and getpass.getpass.__module__ == "getpass":
        raise _failed(reference, "it is asked for at a prompt, and nobody can be asked here", hint)
    try:
        return getpass.getpass(reference.value)
    except (EOFError, NotImplementedError):  # the second is a kernel whose front end takes no input
        raise _failed(reference, "it is asked for at a prompt, and no answer came", hint) from None


def mask(text: str, secrets: Iterable[str | Secret]) -> str:
    """`text` with every secret, plain or as it looks in a URL or a repr, replaced by `***`.

    >>> mask("login failed: app:p%40ss@db1, password 'p@ss'", ["p@ss"])
    "login failed: app:***@db1, password '***'"
    """
    shapes: set[str] = set()
    for secret in secrets:
        plain = secret.reveal() if isinstance(secret, Secret) else str(secret)
        shapes |= _shapes(plain)
    if not shapes:
        return text
    return re.sub("|".join(_expression(shape) for shape in sorted(shapes, key=len, reverse=True)), "***", text)


def _shapes(plain: str) -> set[str]:
    from urllib.parse import quote, quote_plus

    encoded = {quote(plain, safe=""), quote(plain), quote_plus(plain)}
    lower = {re.sub("%[0-9A-F]{2}", lambda match: match[0].lower(), shape) for shape in encoded}
    escaped = {
        repr(plain)[1:-1],
        plain.encode("unicode_escape").decode(),
        plain.replace("'", "''").replace("\\", "\\\\"),
    }
    return ({plain} | encoded | lower | escaped) - {""}


def _expression(shape: str) -> str:
    # one or two characters occur in every text: scrub them as whole words only
    return re.escape(shape) if len(shape) > 2 else rf"(?<!\w){re.escape(shape)}(?!\w)"
