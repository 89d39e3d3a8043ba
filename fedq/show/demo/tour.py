"""The main job as a person would do it, printed step by step: the code that is shown is the code that runs.

Every step is a text that is printed with prompts and then executed in one namespace, like a session at the Python
prompt. A recorded transcript would read the same and prove nothing.
"""

from __future__ import annotations

import ast
import difflib
import io
import os
import shutil
import sys
import textwrap
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedq.show.demo import ensure

SALES = '''\
sales = """
    select c.country, p.category, sum(l.quantity * l.unit_price) as revenue
    from customers c
    join invoices i on i.customer_id = c.id
    join invoice_lines l on l.invoice_id = i.id
    join products p on p.sku = l.sku
    where c.country in ('BE', 'FR') and p.category in ('lights', 'brakes') and i.invoice_date >= date '2025-10-01'
    group by all
    order by revenue desc
"""'''


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to show: why, and the code."""

    title: str
    text: str
    code: str
    """CATALOG stands for the path of the catalog, in quotes."""


STEPS = (
    Step(
        "What there is, and where it lives",
        "One file, fedq.toml, says it. Nothing is opened before it is needed.",
        "import fedq\nfed = fedq.connect(CATALOG)\nfed.databases()\nfed.tables()",
    ),
    Step(
        "One query over three databases",
        "Customers are in SQLite, invoices in DuckDB, products in a CSV file. The query does not know. You are told:",
        SALES + "\nresult = fed.query(sales)\nresult",
    ),
    Step(
        "What ran where, and what could not",
        "The plan: what each database was sent, and the reason for everything that stayed here.",
        "print(fed.explain(sales))",
    ),
    Step(
        "On with the DataFrame",
        "Decimals are decimals: the sum is exact to the cent.",
        'frame = result.to_pandas()\nframe["revenue"].sum()',
    ),
    Step(
        "A hundred thousand web events join in",
        "Parquet files, one folder per month; only the months and the columns that the query needs are read.",
        'fed.query("""\n    select c.name, count(*) as looks, count(distinct e.sku) as articles\n'
        "    from events e join customers c on c.id = e.customer_id\n"
        "    where e.month = '2025-12' and c.country = :country\n"
        '    group by all order by looks desc, c.name limit 3\n""", {"country": "DK"}, on_cross_db="allow")',
    ),
)

MOVED = Step(
    "The invoices move to another database",
    "From DuckDB to SQLite, by one line of the catalog. (On a copy of the file: yours stays as it is.)",
    'copy = CATALOG\nmoved = fedq.connect(copy).assign("invoice*", "archive", save=True)',
)
SAME = Step(
    "",
    "No query changed. Neither did an answer:",
    'again = fedq.connect(copy).query(sales, on_cross_db="allow")\n'
    "print(sorted(result.origins), sorted(again.origins))\nagain.rows() == result.rows()",
)

NEXT = """\
What to type next

  make notebook                          the same in JupyterLab, in a checkout
  %load_ext fedq                         in a notebook of your own; then %%fedq select …
{activate}  cd {folder}
  fedq query -c "select city, count(*) from customers group by all order by all"
  fedq tables                            what there is; `fedq check` says what is wrong with it

  {catalog} is yours to edit: put in the URL of a database of your own.
"""


def tour(folder: Path) -> None:
    """Print the whole tour over the sample company in `folder`, which is built first where it is missing."""
    started = time.perf_counter()
    if isinstance(sys.stdout, io.TextIOWrapper):  # names with accents and tables with lines, whatever the locale
        sys.stdout.reconfigure(encoding="utf-8")
    print(_bold("Veldkamp & Zonen, a small wholesaler of bicycle parts"), _faint(f"(in {folder}/)"), flush=True)
    catalog = ensure(folder)
    names: dict[str, Any] = {}
    try:
        with _aloud():
            for number, step in enumerate(STEPS, 1):
                _show(step, number, names, catalog)
            with _copy_of(catalog) as copy:
                _show(MOVED, len(STEPS) + 1, names, copy)
                _show_difference(catalog, copy)
                _show(SAME, 0, names, copy)
        if names["again"].rows() != names["result"].rows():
            raise AssertionError("the answer changed with the place of a table: please report it")
    finally:
        for value in names.values():
            if hasattr(value, "close"):
                value.close()
    print(f"\n{_faint(f'{time.perf_counter() - started:.1f} s')}\n")
    print(NEXT.format(folder=folder, catalog=catalog, activate=_activate()))


def _activate() -> str:
    """The line that makes this shell find `fedq`, where it does not: `make demo` runs it by its path."""
    script = Path(sys.prefix) / "bin" / "activate"
    if shutil.which("fedq") or not script.exists():
        return ""
    return f"  {f'. {os.path.relpath(script)}':<38} so that this shell finds fedq\n"


def _show(step: Step, number: int, names: dict[str, Any], catalog: Path) -> None:
    if step.title:
        print(f"\n{_bold(f'{number}  {step.title}')}")
    print(_faint(textwrap.fill(step.text, 110)) + "\n")
    code = step.code.replace("CATALOG", repr(str(catalog)))
    for statement in ast.parse(code).body:
        source = (ast.get_source_segment(code, statement) or "").split("\n")
        print("\n".join(f"{'...' if at else '>>>'} {line}" for at, line in enumerate(source)))
        if not isinstance(statement, ast.Expr):
            exec(compile(ast.Module([statement], []), "<demo>", "exec"), names)
        elif (value := eval(compile(ast.Expression(statement.value), "<demo>", "eval"), names)) is not None:
            print(repr(value))


def _show_difference(catalog: Path, copy: Path) -> None:
    old, new = (path.read_text(encoding="utf-8").splitlines() for path in (catalog, copy))
    for line in difflib.unified_diff(old, new, lineterm="", n=0):
        if not line.startswith(("---", "+++", "@@")):
            print("    " + (_red if line[0] == "-" else _green)(f"{line[0]} {line[1:]}"))
    print()


@contextmanager
def _copy_of(catalog: Path) -> Iterator[Path]:
    """A catalog next to the real one, where its relative paths lead to the same files."""
    copy = catalog.with_name("fedq-moved.toml")
    copy.write_text(catalog.read_text(encoding="utf-8"), encoding="utf-8")
    try:
        yield copy
    finally:
        copy.unlink(missing_ok=True)


@contextmanager
def _aloud() -> Iterator[None]:
    """fedq's warnings as part of what is printed, each time and in its place."""

    def _show(message: Any, category: type[Warning], *_: Any, **__: Any) -> None:
        print(_amber(f"{category.__name__}: {message}") + "\n")

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = _show
        yield


def _coloured(code: str, text: str) -> str:
    wanted = sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
    return f"\x1b[{code}m{text}\x1b[0m" if wanted else text


def _bold(text: str) -> str:
    return _coloured("1", text)


def _faint(text: str) -> str:
    return _coloured("2", text)


def _amber(text: str) -> str:
    return _coloured("33", text)


def _red(text: str) -> str:
    return _coloured("31", text)


def _green(text: str) -> str:
    return _coloured("32", text)
