"""What a user typed after `%fedq` or `%%fedq`: options, then a name, then SQL that nothing here touches.

    --using archive -p id=3 totals << select '--no' where a<<:id
    └── options ──────┘ └ name ┘  └── SQL, byte for byte ──┘

Not argparse and not shlex: both would take quotes and backslashes out of the SQL, and end the cell with a usage text
instead of an error that says which option was meant.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from fedq.catalog.suggest import nearest
from fedq.errors import ParameterError

FORMS = ("result", "pandas", "polars", "arrow", "dicts", "relation")
POLICIES = ("warn", "error", "allow")

_OPTION = re.compile(r"\s*(--[A-Za-z][A-Za-z0-9-]*|-[A-Za-z])")
_TARGET = re.compile(r"\s*([^\W\d]\w*)\s*<<")
_VALUE = re.compile(r"""(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^\s"'])+""")


@dataclass(frozen=True, slots=True)
class Options:
    """The options of one magic, settled."""

    to: str = "result"
    using: str | Mapping[str, str] | None = None
    native: str | None = None
    params: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    limit: int | None = None
    rows: int | None = None
    timeout: float | str | None = None
    explain: bool = False
    analyze: bool = False
    on_cross_db: str | None = None
    max_pull: int | str | None = None
    freshness: str | None = None
    engine: str | None = None
    catalog: str | None = None
    profile: str | None = None
    quiet: bool = False
    no_progress: bool = False

    def call(self) -> dict[str, Any]:
        """The options that `Federation.query` has too, where they were given."""
        names = ("using", "native", "limit", "timeout", "on_cross_db", "max_pull", "freshness", "engine")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}


@dataclass(frozen=True, slots=True)
class Option:
    """One option: how it is written and read."""

    flag: str
    help: str
    metavar: str = ""
    """Empty for a switch."""
    convert: Callable[[str], Any] = str
    choices: tuple[str, ...] = ()
    short: str = ""

    @property
    def field(self) -> str:
        """The name in `Options`."""
        return "params" if self.flag == "--param" else self.flag[2:].replace("-", "_")


def _whole(text: str) -> int:
    number = int(text)
    if number < 0:
        raise ValueError("a negative number")
    return number


def number_or_text(text: str) -> Any:
    """`30` as a number, `30s` and `2GB` as they are."""
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return text


def placement(text: str) -> Any:
    """`archive`, or `orders=archive,users=crm` as a mapping.

    >>> placement("archive"), placement("orders=archive,users=crm")
    ('archive', {'orders': 'archive', 'users': 'crm'})
    """
    if "=" not in text:
        return text
    pairs = [part.partition("=") for part in text.split(",")]
    if not all(name and database for name, _, database in pairs):
        raise ValueError("not table=database")
    return {name.strip(): database.strip() for name, _, database in pairs}


OPTIONS = (
    Option("--to", "form of the value", "FORM", choices=FORMS),
    Option("--using", "read every table from DB, or orders=DB,users=DB", "DB", placement),
    Option("--native", "send the text as written to DB, in its own dialect", "DB"),
    Option("--param", "a value for :NAME, JSON or else text; may be repeated", "NAME=VALUE", short="-p"),
    Option("--limit", "at most N rows in the result", "N", _whole),
    Option("--rows", "draw at most N rows", "N", _whole),
    Option("--timeout", "stop after that long, here and in the databases: 30, 30s, 5m", "TIME", number_or_text),
    Option("--explain", "show what would run where; run nothing"),
    Option("--analyze", "run, and show what each part took"),
    Option("--on-cross-db", "what to do about a query over several databases", "POLICY", choices=POLICIES),
    Option("--max-pull", "rows or size (2GB) that may be pulled at most", "MAX", number_or_text),
    Option("--freshness", "session, any, strong, or how old rows may be: 5s", "RULE"),
    Option("--engine", "engine that joins", "NAME"),
    Option("--catalog", "another catalog file", "PATH"),
    Option("--profile", "a profile of the catalog", "NAME"),
    Option("--quiet", "no warnings, no progress"),
    Option("--no-progress", "no progress"),
)
BY_FLAG = {flag: option for option in OPTIONS for flag in (option.flag, option.short) if flag}


@dataclass(frozen=True, slots=True)
class Request:
    """A magic taken apart."""

    options: Options
    target: str | None
    """The variable that gets the value: `name <<`."""
    sql: str


def parse(line: str, cell: str | None = None) -> Request:
    """Take apart the line after `%fedq`, or the line after `%%fedq` and the cell under it.

    >>> parse("--limit 5 top << select 1 << 2").sql
    ' select 1 << 2'

    Raises:
        ParameterError: an option that does not exist, has no value or a wrong one.
    """
    values: dict[str, Any] = {}
    at = 0
    while match := _OPTION.match(line, at):
        at = _take(line, match, values)
    target = _TARGET.match(line, at)
    if target:
        at = target.end()
    rest = line[at:]
    sql = rest if cell is None else cell if not rest.strip() else f"{rest}\n{cell}"
    return Request(Options(**values), target[1] if target else None, sql)


def _take(line: str, match: re.Match[str], values: dict[str, Any]) -> int:
    """Read one option with its value into `values`; returns where it ends."""
    flag, at = match[1], match.end()
    option = BY_FLAG.get(flag)
    if option is None:
        near = nearest(flag, BY_FLAG)
        hint = f"Did you mean {near}?" if near else "%fedq? lists the options; SQL starts after the last one."
        raise ParameterError(f"%fedq has no option {flag}", hint=hint, option=flag)
    if not option.metavar:
        if line[at : at + 1] not in ("", " ", "\t"):
            raise ParameterError(f"{flag} takes no value", hint=f"Write {flag} alone.", option=flag)
        values[option.field] = True
        return at
    gap = re.compile(r"\s*=?\s*" if option.short == flag else r"=|\s+").match(line, at)
    found = _VALUE.match(line, gap.end() if gap else at)
    if found is None:
        raise ParameterError(
            f"{flag} needs a value", hint=f"Write {flag} {option.metavar}: {option.help}.", option=flag
        )
    if option.field == "params":
        name, value = parameter(found[0])
        params = values.setdefault("params", {})
        if name in params:
            raise ParameterError(f"parameter {name!r} is given twice", hint="Keep one -p of that name.", parameter=name)
        params[name] = value
    else:
        values[option.field] = convert(option, unquoted(found[0]))
    return found.end()


def convert(option: Option, text: str) -> Any:
    """An option's value as what it stands for.

    Raises:
        ParameterError: it is none of the choices, or not a number.
    """
    if option.choices and text not in option.choices:
        near = nearest(text, option.choices)
        hint = f"Did you mean {near}?" if near else f"It can be {', '.join(option.choices)}."
        raise ParameterError(f"{option.flag} cannot be {text!r}", hint=hint, option=option.flag)
    try:
        return option.convert(text)
    except ValueError as error:
        hint = f"Write {option.flag} {option.metavar}: {option.help}."
        raise ParameterError(f"{option.flag} cannot be {text!r}", hint=hint, option=option.flag) from error


def parameter(text: str) -> tuple[str, Any]:
    """`name=value` of `-p`: the value is JSON where it is one, else text; quotes around it make it text.

    >>> parameter("id=3"), parameter("country=NL"), parameter("code='007'"), parameter("price=1.10")
    (('id', 3), ('country', 'NL'), ('code', '007'), ('price', Decimal('1.10')))
    """
    if text[:1] in "\"'" and text[-1:] == text[:1] and "=" in text:
        text = unquoted(text)
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise ParameterError(f"-p {text} is not NAME=VALUE", hint="Write -p country=NL.", option="-p")
    if len(value) > 1 and value[0] in "\"'" and value[-1] == value[0]:
        return name, unquoted(value)
    return name, json_or_text(value)


def json_or_text(text: str) -> Any:
    """A JSON scalar or list, numbers as DuckDB reads them (1.5 is DECIMAL, 1e5 is DOUBLE); other text as it is."""

    def _decimal_or_float(digits: str) -> Any:
        return float(digits) if "e" in digits.lower() else Decimal(digits)

    def _not_a_number(_: str) -> Any:
        raise ValueError("NaN and Infinity are not JSON")

    try:
        value = json.loads(text, parse_float=_decimal_or_float, parse_constant=_not_a_number)
    except ValueError:
        return text
    return text if isinstance(value, dict) else value


def unquoted(text: str) -> str:
    """A value without the quotes that held its blanks together; a backslash keeps the character after it.

    >>> unquoted("'my file.toml'"), unquoted(r"C:\\data")
    ('my file.toml', 'C:\\\\data')
    """
    pieces = re.findall(r""""((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|([^"']+)""", text)
    return "".join(re.sub(r"\\(.)", r"\1", double or single) or plain for double, single, plain in pieces)


def usage() -> str:
    """The help of the magic."""
    lines = [
        "One SQL over all your databases.",
        "",
        "    %fedq [options] [name <<] select …     the value is the result",
        "    %%fedq [options] [name <<]             the SQL is the cell; with a name it is assigned and not shown",
        "    %fedq                                  the catalog at a glance",
        "    %fedq :tables | :columns T | :databases | :check | :help FQ201 | :connect name=URL",
        "",
        "Options come before the SQL; everything after them is SQL, byte for byte.",
        ":name takes the notebook's variable; a DataFrame is a table by its name (@name insists on the DataFrame).",
        "",
    ]
    for option in OPTIONS:
        written = f"{option.short}, {option.flag}" if option.short else option.flag
        if option.metavar:
            written += f" {'{' + ','.join(option.choices) + '}' if option.choices else option.metavar}"
        lines.append(
            f"    {written:<36} {option.help}" if len(written) <= 36 else f"    {written}\n{'':41}{option.help}"
        )
    return "\n".join(lines)
