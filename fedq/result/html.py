"""Tables as HTML for notebooks: self-contained, every character of data escaped, no script, light and dark by theme.

Our own few lines rather than tabulate's or pandas' HTML: those have no NULL of their own, no types under the names, and
no colours that follow the notebook's theme.
"""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from fedq.result.draw import Grid, clip, grid_of, options, visible

if TYPE_CHECKING:
    from fedq.result.table import Result

# JupyterLab's and VS Code's own colours where they exist, else translucent greys that are legible on light and dark.
# The long selectors outweigh JupyterLab's own, which would set text to the right (`:not(…) td` counts two classes).
STYLE = """<style>
.fedq{--q-line:var(--jp-border-color2,rgba(128,128,128,.35));--q-dim:var(--jp-ui-font-color2,rgba(128,128,128,1));\
--q-stripe:var(--jp-rendermime-table-row-background,rgba(128,128,128,.07));\
--q-warn:rgba(240,170,0,.13);--q-warn-line:rgb(220,150,0);color:var(--jp-ui-font-color1,inherit);font-size:13px}
.fedq .q-box{overflow-x:auto;max-width:100%}
.fedq .q-box table{border-collapse:collapse;border:none;margin:0;font-variant-numeric:tabular-nums}
.fedq .q-box table th,.fedq .q-box table td{padding:2px 10px;text-align:left;vertical-align:top;white-space:pre;\
border:none;max-width:60em;overflow:hidden;text-overflow:ellipsis}
.fedq .q-box thead th{border-bottom:1px solid var(--q-line);font-weight:600}
.fedq thead th small{display:block;font-weight:400;color:var(--q-dim);font-size:10px}
.fedq tbody tr:nth-child(even){background:var(--q-stripe)}
.fedq .q-box table .q-r{text-align:right}
.fedq .q-null,.fedq .q-foot,.fedq .q-dim{color:var(--q-dim)}
.fedq .q-null{font-style:italic;font-size:11px}
.fedq .q-foot{margin:4px 0 0 10px;font-size:11px}
.fedq .q-note{background:var(--q-warn);border-left:3px solid var(--q-warn-line);padding:4px 10px;margin:0 0 6px;\
white-space:pre-wrap;font-family:inherit;font-size:12px}
.fedq h4{margin:10px 0 4px 10px;font-size:13px}
</style>"""

NULL = '<span class="q-null">NULL</span>'


def escape(text: str) -> str:
    """Text that stands for itself in HTML, invisible characters written out."""
    return html.escape(visible(text))


def wrapped(*parts: str) -> str:
    """Pieces of HTML as one output, with the style they need."""
    return f'<div class="fedq">{STYLE}{"".join(parts)}</div>'


def grid_html(grid: Grid) -> str:
    """A grid as a table with its footer."""
    width = 4 * options().max_width
    sides = [' class="q-r"' if column.is_right else "" for column in grid.columns]
    heads = "".join(
        f"<th{side}>{escape(clip(column.name, width))}"
        + (f"<small>{escape(clip(column.type, width))}</small>" if column.type else "")
        + "</th>"
        for side, column in zip(sides, grid.columns, strict=True)
    )
    rows = "".join(
        "<tr>"
        + "".join(
            f"<td{side}>{NULL if text is None else escape(clip(text[: 4 * width], width))}</td>"
            for side, text in zip(sides, row, strict=True)
        )
        + "</tr>"
        for row in grid.rows
    )
    foot = f'<p class="q-foot">{escape(grid.footer)}</p>' if grid.footer else ""
    return f'<div class="q-box"><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>{foot}'


def draw_html(result: Result) -> str:
    """A result as HTML: the first rows and a footer."""
    return wrapped(grid_html(grid_of(result)))
