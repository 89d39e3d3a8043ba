"""`%fedq` and `%%fedq`: a query in a notebook, its value a result like any other."""

from __future__ import annotations

import atexit
import importlib
import sys
import threading
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from weakref import WeakKeyDictionary

from IPython.core.magic import Magics, line_cell_magic, magics_class, needs_local_scope, no_var_expand
from IPython.display import DisplayHandle, display
from traitlets import Bool, Float, Integer
from traitlets.config import Configurable

from fedq.catalog.suggest import nearest
from fedq.errors import CatalogError, CatalogWarning, FedqError, FedqWarning, NotAllowed, ParameterError, SQLSyntaxError
from fedq.show import options, render
from fedq.show.options import Options, Request
from fedq.show.progress import Display, Terminal, shown

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from fedq.federation import Federation

_CELL_STARTS = {
    "select",
    "with",
    "from",
    "values",
    "table",
    "describe",
    "show",
    "summarize",
    "pivot",
    "unpivot",
    "explain",
}


class Fedq(Configurable):
    """How fedq draws in this notebook: `%config Fedq.max_rows = 50`."""

    max_rows = Integer(20, help="Rows that are drawn of a result.").tag(config=True)
    max_width = Integer(60, help="Characters that are drawn of one cell.").tag(config=True)
    times = Bool(True, help="Say under a result how long it took.").tag(config=True)
    traceback = Bool(False, help="Show errors with all their frames.").tag(config=True)
    progress_after = Float(1.0, help="Seconds after which progress is shown.").tag(config=True)

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.observe(self._apply, names=["max_rows", "max_width", "times"])
        self._apply(None)

    def _apply(self, _: object) -> None:
        from fedq.result import draw

        draw.set_options(max_rows=self.max_rows, max_width=self.max_width, has_times=self.times)


class NotebookLine:
    """A line of output under the running cell."""

    def __init__(self) -> None:
        self._handle: DisplayHandle | None = None

    def show(self, text: str) -> None:
        """Show the line in place of the one before."""
        if self._handle is None:
            self._handle = _display(render.progress_line(text), display_id=True)
        else:
            self._handle.update(render.progress_line(text))  # type: ignore[no-untyped-call]

    def clear(self) -> None:
        """Remove it."""
        if self._handle is not None:
            self._handle.update(render.nothing())  # type: ignore[no-untyped-call]


def _display(shown: render.Shown, *, display_id: bool = False) -> DisplayHandle | None:
    handle: DisplayHandle | None = display(shown, display_id=display_id or None)  # type: ignore[no-untyped-call]
    return handle


@magics_class
class FedqMagics(Magics):
    """The magic of one IPython shell."""

    def __init__(self, shell: InteractiveShell, config: Fedq) -> None:
        super().__init__(shell=shell)
        self._ipython = shell
        self._config = config
        self._others: dict[tuple[str | None, str | None, float], Federation] = {}
        self._told: set[str] = set()
        """Warnings about catalogs that were shown already: every query reads the catalog again."""

    @no_var_expand
    @needs_local_scope
    @line_cell_magic
    def fedq(self, line: str, cell: str | None = None, local_ns: Mapping[str, Any] | None = None) -> Any:
        """Replaced below by `options.usage()`, which lists the options from where they are defined."""
        try:
            return self._run(line, cell, {**self._ipython.user_ns, **(local_ns or {})})
        except (FedqError, FedqWarning) as error:
            _shorten(error, is_full=self._config.traceback)
            raise

    fedq.__doc__ = options.usage()

    def _run(self, line: str, cell: str | None, variables: Mapping[str, Any]) -> Any:
        request = options.parse(line, cell)
        if cell is None and request.sql.lstrip().startswith(":"):
            return self._command(request)
        if not request.sql.strip():
            if cell is None and request.target is None:
                return render.glance(self._federation(request.options))
            raise SQLSyntaxError(
                "there is no SQL", hint="Write the query after the options, or in the cell under %%fedq."
            )
        if cell is not None:
            _check_first_line(line, request)
        value = self._query(request, variables)
        if request.target is None:
            return value
        self._ipython.user_ns[request.target] = value
        return None

    def _query(self, request: Request, variables: Mapping[str, Any]) -> Any:
        from fedq.show.notebook_names import data_frames, parameter_values

        chosen = request.options
        fed = self._federation(chosen)
        params = parameter_values(request.sql, chosen.params, variables)
        call = {**chosen.call(), "frames": data_frames(request.sql, variables)}
        if chosen.explain or chosen.analyze:
            return self._noted(chosen, lambda: fed.explain(request.sql, params or None, analyze=chosen.analyze, **call))
        with shown(self._display(chosen), after=self._config.progress_after) as progress:
            result = self._noted(chosen, lambda: fed.query(request.sql, params or None, listener=progress, **call))
        if chosen.rows is not None and chosen.to == "result":
            return result.drawn(chosen.rows)
        return result.to(chosen.to)

    def _noted(self, chosen: Options, work: Callable[[], Any]) -> Any:
        """Do the work and show fedq's warnings of it as one block; filters of the user hold, other warnings go on."""
        # No simplefilter: "ignore" still drops a warning and "error" still raises it.
        with warnings.catch_warnings(record=True) as caught:
            value = work()
        notes: list[Warning] = []
        for record in caught:
            if not isinstance(record.message, FedqWarning):
                warnings.showwarning(record.message, record.category, record.filename, record.lineno)
            elif not isinstance(record.message, CatalogWarning):
                notes.append(record.message)
            elif str(record.message) not in self._told:
                self._told.add(str(record.message))
                notes.append(record.message)
        if notes and not chosen.quiet:
            _display(render.warnings_block(notes))
        return value

    def _display(self, chosen: Options) -> Display | None:
        """Where progress goes: nowhere unless a person is looking."""
        if chosen.quiet or chosen.no_progress:
            return None
        kernel = getattr(self._ipython, "kernel", None)
        if kernel is not None:  # whoever runs a notebook unattended does not answer questions either
            return NotebookLine() if getattr(kernel, "_allow_stdin", False) else None
        return Terminal() if sys.stderr.isatty() else None

    def greet(self) -> None:
        """Say what was loaded."""
        print(self._noted(Options(), _greeting))

    def _federation(self, chosen: Options) -> Federation:
        """The default federation, or the one of another catalog or profile."""
        return cast("Federation", self._noted(chosen, lambda: self._find(chosen)))

    def _find(self, chosen: Options) -> Federation:
        from fedq import federation

        if chosen.catalog is None and chosen.profile is None:
            return federation.default()
        changed = Path(chosen.catalog).stat().st_mtime if chosen.catalog and Path(chosen.catalog).is_file() else 0.0
        key = (chosen.catalog, chosen.profile, changed)
        if key not in self._others:
            self._others[key] = federation.connect(chosen.catalog, profile=chosen.profile)
        return self._others[key]

    # --- %fedq :command

    def _command(self, request: Request) -> Any:
        name, _, argument = request.sql.strip()[1:].partition(" ")
        commands: dict[str, Callable[[str, Options], Any]] = {
            "tables": lambda _, chosen: self._federation(chosen).tables(),
            "columns": self._columns,
            "databases": lambda _, chosen: self._federation(chosen).databases(),
            "check": lambda _, chosen: self._federation(chosen).check(),
            "help": lambda code, _: render.code_help(code),
            "connect": self._connect,
            "move": self._move,
        }
        if name not in commands:
            near = nearest(name, commands)
            hint = f"Did you mean :{near}?" if near else f"There are {', '.join(f':{known}' for known in commands)}."
            raise ParameterError(f"%fedq has no command :{name}", hint=hint)
        value = self._noted(request.options, lambda: commands[name](argument.strip(), request.options))
        if request.target is None:
            return value
        self._ipython.user_ns[request.target] = value
        return None

    def _columns(self, table: str, chosen: Options) -> Any:
        if not table:
            raise ParameterError(":columns needs a table", hint="Write %fedq :columns users.")
        return self._federation(chosen).columns(table)

    def _connect(self, argument: str, chosen: Options) -> Any:
        """Add a database to the notebook's federation."""
        from fedq import federation

        name, equals, url = argument.partition("=")
        if not equals or not name.strip().isidentifier() or not url.strip():
            raise ParameterError(":connect needs name=URL", hint="Write %fedq :connect crm=sqlite:///crm.db.")
        try:
            catalog = self._federation(chosen).catalog
        except CatalogError as error:
            if error.facts.get("file"):  # there is a catalog, and it is wrong
                raise
            catalog = None
        fed = federation.connect(catalog, **{name.strip(): options.unquoted(url.strip())})
        federation.use(fed)
        return fed.databases()

    def _move(self, argument: str, chosen: Options) -> Any:
        raise NotAllowed(
            "moving tables is not available in this version",
            hint="Copy the rows with the database's own tools, then fed.assign(table, database, save=True).",
        )


def _check_first_line(line: str, request: Request) -> None:
    """Say what `%%fedq name` without `<<` was meant to be, before the parser says something else."""
    words = line.split()
    if len(words) != 1 or not words[0].isidentifier() or words[0].lower() in _CELL_STARTS:
        return
    if request.sql.startswith(line):
        raise SQLSyntaxError(
            f"the cell begins with {words[0]!r}, which is not SQL",
            hint=f"Write %%fedq {words[0]} << to assign the result to {words[0]}.",
            sql=request.sql,
            span=(0, len(words[0])),
        )


def _shorten(error: FedqError | FedqWarning, *, is_full: bool) -> None:
    """Let IPython show the error in a few lines, and with all its frames when `%tb` asks for it again."""
    is_shown = is_full

    def _draw() -> list[str]:
        nonlocal is_shown
        was_shown, is_shown = is_shown, True
        return [render.full_error_text(error) if was_shown else render.error_text(error)]

    error._render_traceback_ = _draw  # type: ignore[method-assign,union-attr]


# --- %load_ext

_loaded: WeakKeyDictionary[InteractiveShell, tuple[Fedq, Any]] = WeakKeyDictionary()


def load(shell: InteractiveShell) -> None:
    """Register the magic and completion, say which catalog was found, and load the engine while the user types."""
    from fedq.show.complete import register

    config = Fedq(parent=shell)
    magics = FedqMagics(shell, config)
    shell.register_magics(magics)
    _configurables(shell).append(config)
    _loaded[shell] = (config, register(shell))
    magics.greet()
    _Warming().start()


def unload(shell: InteractiveShell) -> None:
    """Take away what `load` brought."""
    if shell not in _loaded:
        return
    config, matcher = _loaded.pop(shell)
    for kind in ("line", "cell"):
        shell.magics_manager.magics[kind].pop("fedq", None)
    if config in _configurables(shell):
        _configurables(shell).remove(config)
    if matcher in shell.Completer.custom_matchers:
        shell.Completer.custom_matchers.remove(matcher)


def _configurables(shell: InteractiveShell) -> list[Any]:
    """What `%config` lists; IPython's annotation says that only shells are in it."""
    return cast("list[Any]", shell.configurables)


def _greeting() -> str:
    """One line: version, catalog, what is in it. Opens no connection."""
    from fedq import __version__
    from fedq.catalog.config import load_catalog

    loaded = sys.modules.get("fedq.federation")
    try:
        catalog = load_catalog() if loaded is None else loaded.default().catalog  # `use` may have chosen one
    except CatalogError as error:
        if not error.facts.get("file"):
            return f"fedq {__version__} · no fedq.toml found; %fedq :connect name=URL adds a database"
        return f"fedq {__version__} · {render.error_text(error)}"
    counts = [(len(catalog.databases), "database"), (len(catalog.tables), "table")]
    listed = " · ".join(
        f"{count} {noun}{'' if count == 1 else 's'}" for count, noun in counts if count or noun == "database"
    )
    return f"fedq {__version__} · catalog {render.short_path(catalog.file) if catalog.file else 'in code'} · {listed}"


class _Warming(threading.Thread):
    """Imports what the first query needs while the user types it."""

    MODULES = ("fedq.federation", "duckdb", "pyarrow", "fedq.show.notebook_names")

    def __init__(self) -> None:
        super().__init__(name="fedq-warming", daemon=True)
        self._stop_asked = threading.Event()

    def run(self) -> None:
        """Import one module after the other; a missing one is for the query to complain about."""
        # an interpreter that ends in the middle of an import may crash: it waits for the current one
        atexit.register(self._finish)
        for name in self.MODULES:
            if self._stop_asked.is_set():
                return
            try:
                importlib.import_module(name)
            except Exception:  # whatever it is, the query that needs the module says it
                return

    def _finish(self) -> None:
        self._stop_asked.set()
        self.join(10)
