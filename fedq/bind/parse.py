"""One statement that may run: text with bound parameters, and its tree."""

from __future__ import annotations

from fedq.catalog.suggest import nearest
from fedq.errors import NotAllowed, ReadOnlyError, SQLSyntaxError
from fedq.sql import exp, first, parse, tokenize

_READS = (exp.Select, exp.SetOperation, exp.Values, exp.Subquery, exp.Pivot, exp.Summarize, exp.Describe)
#: what may follow a PIVOT
_ENDS = ("order by", "order", "limit", "offset")
_VERBS = ("SELECT", "WITH", "VALUES", "FROM", "PIVOT", "UNPIVOT", "DESCRIBE", "SUMMARIZE")
_QUERIES = "A query is one SELECT, WITH, VALUES, FROM, PIVOT, DESCRIBE or SUMMARIZE."
#: what to write instead of what people of other tools write
_INSTEAD = {
    "EXPLAIN": "Write fed.explain(sql), %%fedq --explain or fedq explain.",
    "SHOW": "Write fed.tables(), %fedq :tables or fedq tables; DESCRIBE t for the columns of a table.",
}
_WRITES = (exp.Insert, exp.Update, exp.Delete, exp.Merge, exp.Create, exp.Drop, exp.Alter, exp.TruncateTable)


def parse_query(text: str) -> exp.Expr:
    """The tree of the one reading statement in `text`.

    >>> type(parse_query("select 1")).__name__
    'Select'

    Raises: SQLSyntaxError, NotAllowed, ReadOnlyError.
    """
    trees = _parsed(text)
    if not trees:
        raise SQLSyntaxError("the query is empty", hint="Write a SELECT.")
    if len(trees) > 1:
        raise NotAllowed(f"the text holds {len(trees)} statements; a query is one", hint="Run them one by one.")
    tree = trees[0]
    if (write := first(tree, *_WRITES)) is not None:
        verb = "TRUNCATE" if isinstance(write, exp.TruncateTable) else type(write).__name__.upper()
        message = f"query() only reads, and this is a statement that writes ({verb})"
        is_native = verb not in ("INSERT", "UPDATE", "DELETE", "TRUNCATE")
        hint = f"Run it with execute({'…, native=' if is_native else ''})."
        raise ReadOnlyError(message, hint=hint)
    if not isinstance(tree, _READS):
        verb = text.split(None, 1)[0].strip(";").upper()[:20]
        if (near := nearest(verb, _VERBS)) is not None:
            start = text.index(text.split(None, 1)[0])
            message, span = f"the query begins with {verb}", (start, start + len(verb))
            raise SQLSyntaxError(message, hint=f"Did you mean {near}?", sql=text, span=span)
        raise NotAllowed(f"{verb} is not a query", hint=_INSTEAD.get(verb, _QUERIES))
    return tree


def _parsed(text: str) -> tuple[exp.Expr, ...]:
    """The trees of a text; of `PIVOT … ORDER BY … LIMIT …`, which sqlglot does not know, the tree of its PIVOT.

    What follows a PIVOT speaks of its result only, unless it reads tables of its own.
    """
    try:
        return parse(text)
    except SQLSyntaxError:
        tokens = tokenize(text)
        words = [token.text.lower() for token in tokens]
        ends = [
            index
            for index, word in enumerate(words)
            if word in _ENDS and words[:index].count("(") == words[:index].count(")")
        ]
        if words[0] != "pivot" or not ends or {"select", "from"} & set(words[ends[0] :]):
            raise
        return parse(text[: tokens[ends[0]].start])
