"""Everything a front end shows that is not a result: warnings, errors, the catalog at a glance, what a code means.

Each comes as text for terminals and as HTML for notebooks; nothing here decides anything.
"""

from __future__ import annotations

import inspect
import os
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fedq import errors
from fedq.catalog.suggest import nearest
from fedq.errors import FedqError, FedqWarning, ParameterError, QueryCancelled
from fedq.result.draw import grid_of, grid_text, visible
from fedq.result.html import escape, grid_html, wrapped

if TYPE_CHECKING:
    from fedq.federation import Federation
    from fedq.result import Result


@dataclass(frozen=True, slots=True)
class Shown:
    """Something to show: its text, and its HTML."""

    text: str
    html: str

    def __repr__(self) -> str:
        return self.text

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return {"text/plain": self.text, "text/html": self.html}


def warnings_block(warnings: Sequence[Warning]) -> Shown:
    """All warnings of a query as one block."""
    texts = [f"{type(warning).__name__} {visible_lines(str(warning))}" for warning in warnings]
    return Shown("\n".join(texts), wrapped(*(f'<div class="q-note">{_lines_html(text)}</div>' for text in texts)))


def _lines_html(text: str) -> str:
    head, *rest = text.split("\n")
    return "\n".join([f"<b>{escape(head)}</b>" if rest else escape(head), *map(escape, rest)])


def visible_lines(text: str) -> str:
    """Text whose line ends stay and whose other invisible characters are written out."""
    return "\n".join(visible(line) for line in text.split("\n"))


def progress_line(text: str) -> Shown:
    """The state of a running query."""
    return Shown(text, wrapped(f'<p class="q-foot">{escape(text)}</p>'))


def nothing() -> Shown:
    """What stands where a progress line was."""
    return Shown("", "")


def error_text(error: BaseException) -> str:
    """An error in a few lines, as a notebook shows it: kind, code, what, where, what to do."""
    return visible_lines(f"{type(error).__name__} {error}")


def full_error_text(error: BaseException) -> str:
    """The error with its frames and the driver's error it came from."""
    return "".join(traceback.format_exception(error))


def short_path(file: str) -> str:
    """The path from here where that is shorter."""
    relative = os.path.relpath(file)
    return file if relative.startswith("..") else f"./{relative}"


def glance(fed: Federation) -> Shown:
    """The catalog at a glance: databases, and tables with where they live."""
    where = short_path(fed.catalog.file) if fed.catalog.file else "made in code"
    profile = f" · profile {fed.catalog.profile}" if fed.catalog.profile else ""
    head = f"catalog {where}{profile}"
    sections = [("databases", fed.databases()), ("tables", _tables(fed))]
    text = [visible(head)]
    page = [f"<h4>{escape(head)}</h4>"]
    for title, found in sections:
        if isinstance(found, FedqError):
            text += ["", title, error_text(found)]
            page.append(f'<h4>{title}</h4><div class="q-note">{_lines_html(error_text(found))}</div>')
        else:
            drawn = grid_of(found.drawn(200))
            text += ["", title, grid_text(drawn, max_width=60)]
            page.append(f"<h4>{title}</h4>{grid_html(drawn)}")
    return Shown("\n".join(text), wrapped(*page))


def _tables(fed: Federation) -> Result | FedqError:
    try:
        return fed.tables()
    except FedqError as error:  # the databases are still worth showing
        return error


def code_help(code: str) -> Shown:
    """What an error code means and what to do about it; all codes when none is asked for.

    Raises:
        ParameterError: there is no such code.
    """
    codes = {kind.code: kind for kind in _kinds() if kind.code != "FQ000"}
    if not code:
        lines = [f"{number}  {kind.__name__:<22} {_first_line(kind)}" for number, kind in sorted(codes.items())]
        return _text_block("\n".join(lines))
    wanted = code.strip().upper()
    by_name = {kind.__name__.upper(): kind for kind in codes.values()}
    found = codes.get(wanted) or by_name.get(wanted)
    if found is None:
        near = nearest(wanted, [*codes, *by_name])
        hint = f"Did you mean {near}?" if near else "%fedq :help lists them."
        raise ParameterError(f"there is no error code {code}", hint=hint)
    return _text_block(f"{found.code} {found.__name__}\n{inspect.cleandoc(found.__doc__ or '')}")


def _text_block(text: str) -> Shown:
    return Shown(text, wrapped(f"<pre>{escape_lines(text)}</pre>"))


def escape_lines(text: str) -> str:
    """Text of several lines for HTML."""
    return "\n".join(escape(line) for line in text.split("\n"))


def _first_line(kind: type) -> str:
    return inspect.cleandoc(kind.__doc__ or "").partition("\n")[0]


def _kinds() -> Iterator[type[FedqError | FedqWarning | QueryCancelled]]:
    # errors before warnings: where both have a code, the error's text is the one to show
    for base in (FedqWarning, QueryCancelled, FedqError):
        for kind in vars(errors).values():
            if isinstance(kind, type) and issubclass(kind, base):
                yield kind
