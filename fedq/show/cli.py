"""The shell command: stdout is data, stderr is notes, the exit code says what went wrong.

0 ok · 1 SQL or data · 2 usage or catalog · 3 connection · 4 timeout · 130 Ctrl-C
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from fedq.errors import (
    CatalogError,
    ConnectionFailed,
    DriverMissing,
    FedqError,
    FedqWarning,
    ParameterError,
    QueryCancelled,
    QueryTimeout,
    ResultError,
    SecretError,
)

if TYPE_CHECKING:
    from fedq.federation import Federation
    from fedq.result import Result

FORMATS = ("table", "csv", "json", "jsonl", "parquet", "md")
OK, FAILED, USAGE, CONNECTION, TIMEOUT, INTERRUPTED = 0, 1, 2, 3, 4, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    try:
        parsed = _parser().parse_args(arguments)
        code: int = parsed.run(parsed)
        return code
    except BrokenPipeError:  # whoever read has enough: `fedq query … | head`
        _drop_output()
        return OK
    except (QueryCancelled, KeyboardInterrupt) as error:
        _note(str(error) if isinstance(error, QueryCancelled) else "stopped")
        return INTERRUPTED
    except (FedqError, FedqWarning) as error:
        from fedq.show.render import error_text

        _note(error_text(error))
        return exit_code(error)


def exit_code(error: BaseException) -> int:
    """The exit code of an error."""
    if isinstance(error, CatalogError | SecretError) or (
        isinstance(error, ParameterError) and error.facts.get("option")
    ):
        return USAGE
    if isinstance(error, QueryTimeout):
        return TIMEOUT
    if isinstance(error, ConnectionFailed | DriverMissing):
        return CONNECTION
    return FAILED


# --- the commands


def _query(parsed: argparse.Namespace) -> int:
    from fedq.show.progress import Terminal, shown

    sql, params = _sql(parsed), _params(parsed)
    display = Terminal() if sys.stderr.isatty() and not parsed.quiet else None
    with _open(parsed) as fed, shown(display) as progress:
        result: Result = _noted(parsed, lambda: fed.query(sql, params, listener=progress, **_call(parsed)))
    _write(result, parsed)
    if parsed.stats:
        facts = {name: value for name, value in result.provenance().items() if name != "plan"}
        _note(json.dumps({"rows": len(result), **facts}))
    elif not parsed.quiet and parsed.format != "table":
        from fedq.result.draw import footer, visible

        _note(visible(footer(result, len(result), len(result.columns))))
    return OK


def _explain(parsed: argparse.Namespace) -> int:
    sql, params = _sql(parsed), _params(parsed)
    with _open(parsed) as fed:
        plan = _noted(parsed, lambda: fed.explain(sql, params, analyze=parsed.analyze, **_call(parsed)))
    _print(str(plan))
    return OK


def _tables(parsed: argparse.Namespace) -> int:
    with _open(parsed) as fed:
        _write(_noted(parsed, fed.tables), parsed)
    return OK


def _check(parsed: argparse.Namespace) -> int:
    with _open(parsed) as fed:
        report = _noted(parsed, fed.check)
    _print(str(report))
    if report.ok:
        return OK
    causes = {exit_code(problem) for problem in report.problems}
    return CONNECTION if causes == {CONNECTION} else USAGE


def _assign(parsed: argparse.Namespace) -> int:
    with _open(parsed) as fed:
        changed = _noted(parsed, lambda: fed.assign(parsed.table, parsed.database, save=True))
        _note(f"{parsed.table} is now in {parsed.database} ({changed.catalog.file})")
    return OK


def _move(parsed: argparse.Namespace) -> int:
    _note(f"fedq {parsed.name} is not available in this version; nothing was done")
    return USAGE


def _demo(parsed: argparse.Namespace) -> int:
    from fedq.show import demo

    with _output():
        demo.run(parsed.directory)
    return OK


# --- what they share


def _open(parsed: argparse.Namespace) -> Federation:
    from fedq.federation import connect

    fed: Federation = _noted(parsed, lambda: connect(parsed.catalog, profile=parsed.profile))
    return fed


def _noted(parsed: argparse.Namespace, work: Callable[[], Any]) -> Any:
    """Do the work; fedq's warnings go to stderr, also when it fails."""
    from fedq.show.render import error_text

    with warnings.catch_warnings(record=True) as caught:  # no filter of ours: PYTHONWARNINGS holds
        try:
            value = work()
        finally:
            notes = [record.message for record in caught if isinstance(record.message, FedqWarning)]
            if not getattr(parsed, "quiet", False):
                for note in notes:
                    _note(error_text(note))
    return value


@contextmanager
def _output() -> Iterator[TextIO]:
    """Standard output, written to the end. Raises: ResultError where it cannot be."""
    if sys.stdout is None:
        raise ResultError("standard output is closed", hint="Redirect it to a file, or to /dev/null.")
    try:
        yield sys.stdout
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        if error.filename is not None:  # of a file
            raise
        _drop_output()
        message = f"standard output cannot be written: {error.strerror}"
        raise ResultError(message, hint="What is there is not whole. Make room, or write elsewhere.") from error


def _drop_output() -> None:
    """Let Python have somewhere to flush to when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _print(text: str) -> None:
    with _output() as out:
        out.write(text + "\n")


def _note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _call(parsed: argparse.Namespace) -> dict[str, Any]:
    names = ("using", "native", "limit", "timeout", "on_cross_db", "max_pull", "freshness", "engine")
    return {name: getattr(parsed, name) for name in names if getattr(parsed, name) is not None}


def _sql(parsed: argparse.Namespace) -> str:
    """The text of `-c`, of the file of `-f`, or of stdin."""
    is_stdin = parsed.rest == ["-"]
    if parsed.rest and not is_stdin:
        parsed.fail(f"{parsed.rest[0]!r} is no option; the query stands after -c, as one argument in quotes")
    if (parsed.command is not None) + (parsed.file is not None) + is_stdin != 1:
        parsed.fail("the query is given once: after -c, in a file after -f, or with - on standard input")
    if parsed.command is not None:
        return str(parsed.command)
    if parsed.file not in (None, "-"):
        try:
            return Path(parsed.file).read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            parsed.fail(f"cannot read {parsed.file}: {getattr(error, 'strerror', None) or 'it is not UTF-8 text'}")
    try:
        return sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError:
        return str(parsed.fail("stdin is not UTF-8 text"))


def _params(parsed: argparse.Namespace) -> dict[str, Any] | None:
    from fedq.show.options import parameter

    pairs = [parameter(text) for text in parsed.param]
    if len({name for name, _ in pairs}) < len(pairs):
        raise ParameterError("a parameter is given twice", hint="Keep one -p of each name.", option="-p")
    return dict(pairs) or None


def _write(result: Result, parsed: argparse.Namespace) -> None:
    """The rows on stdout, all of them; below a table, on stderr, what it is."""
    with _output() as out:
        if parsed.format == "parquet":
            _write_parquet(result, out)
        else:
            _write_text(result, parsed.format, out)
    if parsed.format == "table" and not parsed.quiet:
        from fedq.result.draw import footer, visible

        _note(visible(footer(result, len(result), len(result.columns))))


def _write_text(result: Result, form: str, out: TextIO) -> None:
    if hasattr(out, "reconfigure"):  # the same bytes whatever the locale
        out.reconfigure(encoding="utf-8", errors="surrogateescape", newline="\n")
    if form in ("csv", "json", "jsonl"):
        if form == "csv":
            result.to_csv(out)
        else:
            result.to_json(out, lines=form == "jsonl")
        return
    from fedq.result.draw import Grid, GridColumn, grid_markdown, grid_text
    from fedq.result.values import texts

    cells = result.cells()
    columns = tuple(GridColumn(each.name, str(each.type), each.type.is_numeric) for each in cells)
    grid = Grid(columns, tuple(zip(*map(texts, cells), strict=True)))
    out.write((grid_markdown(grid) if form == "md" else grid_text(grid)) + "\n")


def _write_parquet(result: Result, out: TextIO) -> None:
    if out.isatty():
        raise ParameterError(
            "Parquet is not for a terminal", hint="Redirect it: fedq query … --format parquet > x.parquet"
        )
    whole = io.BytesIO()  # nothing is written of what cannot be written whole
    result.to_parquet(whole)
    out.buffer.write(whole.getbuffer())


# --- how they are called


def _parser() -> argparse.ArgumentParser:
    from fedq import __version__

    parser = argparse.ArgumentParser(prog="fedq", description="One SQL over all your databases.")
    parser.add_argument("--version", action="version", version=f"fedq {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    query = _command(commands, "query", _query, "run one SELECT; the rows go to stdout")
    _add_sql(query)
    _add_format(query)
    query.add_argument("--stats", action="store_true", help="one JSON line about the query on stderr")

    explain = _command(commands, "explain", _explain, "show what would run where")
    _add_sql(explain)
    explain.add_argument("--analyze", action="store_true", help="run it, and show what each part took")

    _add_format(_command(commands, "tables", _tables, "list the tables and where they live"))
    _command(commands, "check", _check, "list every problem of the catalog")

    assign = _command(commands, "assign", _assign, "re-assign a table: edit its line in the catalog file")
    assign.add_argument("table", help="a table, or a pattern such as 'auth_*'")
    assign.add_argument("database")

    for name in ("move", "moves"):
        move = _command(commands, name, _move, "not available in this version")
        move.add_argument("rest", nargs="*", help=argparse.SUPPRESS)
        move.set_defaults(name=name)

    shows = "make sample databases and show the main job on them"
    demo = commands.add_parser("demo", help=shows, description=f"{shows[:1].upper()}{shows[1:]}.")
    demo.add_argument("directory", nargs="?", default="sample_dbs", help="where to put them (default: sample_dbs)")
    demo.set_defaults(run=_demo)
    return parser


def _command(
    commands: Any, name: str, run: Callable[[argparse.Namespace], int], help_text: str
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=help_text, description=help_text[:1].upper() + help_text[1:] + "."
    )
    parser.add_argument("--catalog", metavar="PATH", help="the catalog file (default: the nearest fedq.toml)")
    parser.add_argument("--profile", metavar="NAME", help="a profile of the catalog")
    parser.add_argument("--quiet", action="store_true", help="no notes on stderr, only errors")
    parser.set_defaults(run=run, fail=parser.error)
    return parser


def _add_format(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--format", choices=FORMATS, default="table", help="form of the rows (default: table)")


def _add_sql(parser: argparse.ArgumentParser) -> None:
    from fedq.show.options import OPTIONS

    parser.add_argument("-c", "--command", metavar="SQL", help="the query")
    parser.add_argument("-f", "--file", metavar="FILE", help="a file with the query")
    # any number of them, so that an option that is not there is what argparse complains about, and not its value
    parser.add_argument("rest", nargs="*", default=[], metavar="-", help="read the query from stdin")
    parser.add_argument(
        "-p", "--param", metavar="NAME=VALUE", action="append", default=[], help="a value for :NAME; may be repeated"
    )
    for option in OPTIONS:
        if option.field in ("using", "native", "limit", "timeout", "on_cross_db", "max_pull", "freshness", "engine"):
            parser.add_argument(
                option.flag,
                metavar=option.metavar,
                type=_typed(option.convert, option.field),
                choices=option.choices or None,
                help=option.help,
            )


def _typed(convert: Callable[[str], Any], name: str) -> Callable[[str], Any]:
    """A converter whose name argparse puts into its message."""

    def _typed(text: str) -> Any:
        return convert(text)

    _typed.__name__ = name
    return _typed
