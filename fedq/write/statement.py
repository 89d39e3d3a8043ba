"""A writing statement taken apart by its tokens, so that what it computes can be asked as a query.

    update orders o set total = total * 1.1, day = :d from customers c where c.id = o.cid and c.country = 'NL'
    target orders, alias o · total ← "total * 1.1", day ← "$d" · others "customers c" · condition "c.id = o.cid and …"

The pieces are slices of the user's text, never a tree written anew: a query made of them means what the user wrote.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from fedq.dialects.duckdb import DUCKDB
from fedq.errors import NotAllowed, SQLSyntaxError
from fedq.sql import Edit, Token, TokenType, apply_edits, exp, parse, span_of, tokenize

Span = tuple[int, int]
_OPEN = {TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE}
_CLOSE = {TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE}
_NO_WORDS = (TokenType.IDENTIFIER, TokenType.STRING)
#: what an expression is made of that needs no row
_CONSTANT = (
    exp.Literal, exp.Boolean, exp.Null, exp.Neg, exp.Paren, exp.Cast, exp.DataType, exp.DataTypeParam, exp.Parameter,
    exp.Placeholder, exp.Var, exp.Add, exp.Sub, exp.Mul, exp.Div,
)  # fmt: skip
#: the rows that an INSERT … ON CONFLICT would insert, as its query of the rows that are there calls them
EXCLUDED = "fedq excluded"
_SOME = "Choose them by their key: WHERE id IN (SELECT id FROM t … ORDER BY … LIMIT …)."
_HINT = "execute() takes INSERT, UPDATE and DELETE; anything else goes to one database as written, with native=."


@dataclass(frozen=True, slots=True)
class Assignment:
    """`column = expression` of an UPDATE."""

    column: str
    span: Span | None
    expression: str
    tree: exp.Expr
    is_default: bool = False
    is_constant: bool = False
    """Whether it is the same for every row."""


@dataclass(frozen=True, slots=True)
class OnConflict:
    """What an INSERT does with rows whose key is there: nothing, or an update of those that are there."""

    keys: tuple[tuple[str, Span | None], ...]
    """The columns it names; empty where it names none."""
    assignments: tuple[Assignment, ...] = ()
    """Empty is DO NOTHING. A column `c` of `excluded` is written `"fedq excluded"."fedq excluded c"`."""
    condition: str = ""
    excluded: tuple[tuple[str, Span | None], ...] = ()
    """The columns of `excluded` that they read."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One INSERT, UPDATE or DELETE."""

    kind: Literal["insert", "update", "delete"]
    text: str
    target: exp.Table
    alias: str
    """The name by which the statement knows its target."""
    prefix: str = ""
    """`WITH …` in front of it."""
    columns: tuple[tuple[str, Span | None], ...] | None = None
    """The columns an INSERT names."""
    query: str = ""
    """What an INSERT inserts; empty for DEFAULT VALUES."""
    is_by_name: bool = False
    is_replacing: bool = False
    """INSERT OR REPLACE."""
    on_conflict: OnConflict | None = None
    assignments: tuple[Assignment, ...] = ()
    others: str = ""
    """The FROM of an UPDATE, the USING of a DELETE."""
    condition: str = ""
    returning: str = ""

    @property
    def written(self) -> str:
        """The target as the user wrote it."""
        start, end = self.span or (0, 0)
        return self.text[start:end]

    @property
    def span(self) -> Span | None:
        """Where the target stands in the text."""
        return span_of(self.target.this, self.target.args.get("db"), self.target.args.get("catalog"))


def parse_statement(text: str) -> Statement:
    """The one writing statement of a text.

    >>> parse_statement("delete from t where a > 1").condition
    'a > 1'

    Raises: SQLSyntaxError, NotAllowed.
    """
    trees = parse(text)
    if not trees:
        raise SQLSyntaxError("the statement is empty", hint="Write an INSERT, UPDATE or DELETE.")
    if len(trees) > 1:
        hint = "Run them one by one, in fed.transaction() where they belong together."
        raise NotAllowed(f"the text holds {len(trees)} statements; execute() runs one", hint=hint)
    tree, tokens = trees[0], _without_end(tokenize(text))
    if isinstance(tree, exp.Query):
        raise NotAllowed("this statement reads, and execute() writes", hint="Use query().", sql=text)
    reader = next((read for kind, read in _READERS.items() if isinstance(tree, kind)), None)
    if reader is None:
        verb = text.split(None, 1)[0].upper()[:20]
        raise NotAllowed(f"{verb} cannot be sent to execute()", hint=_HINT)
    if tree.args.get("returning") is None:
        return reader(text, tree, tokens)
    at = _first(tokens, "RETURNING")
    return replace(reader(text, tree, tokens[:at]), returning=_slice(text, tokens, at + 1, len(tokens)))


def _insert(text: str, tree: exp.Expr, tokens: Sequence[Token]) -> Statement:
    named = tree.this if isinstance(tree.this, exp.Schema) else None
    target = named.this if named is not None else tree.this
    if not isinstance(target, exp.Table):
        raise NotAllowed("INSERT writes into a table", hint=_HINT, sql=text)
    at = _first(tokens, "INTO", after=_first(tokens, "INSERT")) + 1
    at = _past(tokens, at, span_of(target.this))
    if at < len(tokens) and tokens[at].text.upper() == "AS" and tokens[at].token_type not in _NO_WORDS:
        at += 2
    if named is not None:
        at = _closing(tokens, at) + 1
    if tree.args.get("by_name"):
        at += 2
    end = _first(tokens, "ON", after=at, then="CONFLICT", default=len(tokens))
    columns = None
    if named is not None:
        columns = tuple((node.name, span_of(node)) for node in named.expressions)
    return Statement(
        "insert", text, target, target.alias_or_name, prefix=_prefix(text, tokens, "INSERT"), columns=columns,
        query="" if tree.args.get("default") else _slice(text, tokens, at, end),
        is_by_name=bool(tree.args.get("by_name")),
        is_replacing=str(tree.args.get("alternative") or "").lower() == "replace",
        on_conflict=_on_conflict(text, tree, tokens[end:]),
    )  # fmt: skip


def _on_conflict(text: str, tree: exp.Expr, tokens: Sequence[Token]) -> OnConflict | None:
    conflict = tree.args.get("conflict")
    if str(tree.args.get("alternative") or "").lower() == "ignore":
        return OnConflict(())
    if conflict is None:
        return None
    keys = [getattr(each, "this", each) for each in conflict.args.get("conflict_keys") or ()]
    refused = next((name for name in ("duplicate", "constraint", "index_predicate") if conflict.args.get(name)), None)
    if refused is not None or not all(isinstance(key, exp.Column) and not key.table for key in keys):
        hint = "Write ON CONFLICT (the columns of the key) DO NOTHING, or … DO UPDATE SET a = excluded.a."
        raise NotAllowed("this form of ON CONFLICT is not supported by execute()", hint=hint, sql=text)
    named = tuple((key.name, span_of(key.this)) for key in keys)
    if conflict.args["action"].name.upper() == "DO NOTHING":
        return OnConflict(named)
    start = _first(tokens, "SET") + 1
    where = _first(tokens, "WHERE", after=start, default=len(tokens))
    edits = _edits(conflict)
    assignments = tuple(
        replace(_assignment(text, node, piece), expression=_edited(text, piece[_equals(piece) + 1 :], edits))
        for node, piece in zip(conflict.expressions, _split(tokens[start:where]), strict=True)
    )
    read = tuple((column.name, span_of(column.this)) for column in _of_excluded(conflict))
    return OnConflict(named, assignments, _edited(text, tokens[where + 1 :], edits), read)


def excluded(name: str) -> str:
    """What a column of `excluded` is called in the rows that are to be inserted: as no column of a table is.

    >>> excluded("n")
    'fedq excluded n'
    """
    return f"{EXCLUDED} {name.lower()}"


def _of_excluded(tree: exp.Expr) -> Iterator[exp.Column]:
    return (column for column in tree.find_all(exp.Column) if column.table.lower() == "excluded")


def _edits(tree: exp.Expr) -> list[Edit]:
    """`excluded.n` as a column of the rows that are to be inserted; a bare `n` is then the table's own."""
    edits = []
    for column in _of_excluded(tree):
        span = span_of(column.this, column.args.get("table"))
        if span is not None:
            edits.append(Edit(*span, f"{DUCKDB.quote(EXCLUDED)}.{DUCKDB.quote(excluded(column.name))}"))
    return edits


def _edited(text: str, tokens: Sequence[Token], edits: Sequence[Edit]) -> str:
    """The text of some tokens, with the edits that are in it."""
    if not tokens:
        return ""
    start, end = tokens[0].start, tokens[-1].end + 1
    inside = [Edit(edit.start - start, edit.end - start, edit.text) for edit in edits if start <= edit.start < end]
    return apply_edits(text[start:end], inside)


def _update(text: str, tree: exp.Expr, tokens: Sequence[Token]) -> Statement:
    target = tree.this
    if not isinstance(target, exp.Table) or target.args.get("joins"):
        raise NotAllowed("UPDATE changes one table", hint="Write UPDATE t SET … FROM others WHERE ….", sql=text)
    _refuse_limit("UPDATE", text, tree)
    start = _first(tokens, "SET", after=_first(tokens, "UPDATE")) + 1
    others = _first(tokens, "FROM", after=start, not_after="DISTINCT", default=len(tokens))
    where = _first(tokens, "WHERE", after=min(others, start), default=len(tokens))
    others = min(others, where)
    nodes = tree.expressions
    pieces = list(_split(tokens[start:others]))
    if len(pieces) != len(nodes):
        raise SQLSyntaxError("the SET of this UPDATE cannot be read", sql=text, hint="Write SET a = …, b = ….")
    assignments = tuple(_assignment(text, node, piece) for node, piece in zip(nodes, pieces, strict=True))
    return Statement(
        "update", text, target, target.alias_or_name, prefix=_prefix(text, tokens, "UPDATE"), assignments=assignments,
        others=_slice(text, tokens, others + 1, where), condition=_slice(text, tokens, where + 1, len(tokens)),
    )  # fmt: skip


def _assignment(text: str, node: exp.Expr, tokens: Sequence[Token]) -> Assignment:
    column = node.this
    if not isinstance(node, exp.EQ) or not isinstance(column, exp.Column):
        hint = "Write SET a = …, b = … one by one."
        raise NotAllowed("SET assigns to columns, one expression each", sql=text, hint=hint)
    expression = _slice(text, tokens, _equals(tokens) + 1, len(tokens))
    is_constant = all(isinstance(part, _CONSTANT) for part in node.expression.walk())
    is_default = expression.upper() == "DEFAULT"
    return Assignment(column.name, span_of(column.this), expression, node.expression, is_default, is_constant)


def _equals(tokens: Sequence[Token]) -> int:
    return next(index for index, token in enumerate(tokens) if token.token_type is TokenType.EQ)


def _delete(text: str, tree: exp.Expr, tokens: Sequence[Token]) -> Statement:
    target = tree.this
    if not isinstance(target, exp.Table) or tree.args.get("tables"):
        raise NotAllowed("DELETE removes rows of one table", hint="Write DELETE FROM t USING others WHERE ….", sql=text)
    _refuse_limit("DELETE", text, tree)
    start = _first(tokens, "DELETE")
    using = _first(tokens, "USING", after=start, default=len(tokens))
    where = _first(tokens, "WHERE", after=start, default=len(tokens))
    using = min(using, where)
    return Statement(
        "delete", text, target, target.alias_or_name, prefix=_prefix(text, tokens, "DELETE"),
        others=_slice(text, tokens, using + 1, where), condition=_slice(text, tokens, where + 1, len(tokens)),
    )  # fmt: skip


def _refuse_limit(verb: str, text: str, tree: exp.Expr) -> None:
    """DuckDB has neither; as a part of the condition they would mean something by chance."""
    word = next((word for word in ("ORDER", "LIMIT") if tree.args.get(word.lower())), None)
    if word is not None:
        raise NotAllowed(f"{verb} has no {'ORDER BY' if word == 'ORDER' else word}", hint=_SOME, sql=text)


def _truncate(text: str, tree: exp.Expr, tokens: Sequence[Token]) -> Statement:
    [target, *others] = tree.expressions
    if others or target.args.get("only") or any(value for name, value in tree.args.items() if name != "expressions"):
        hint = "Write TRUNCATE t; what else the database can do goes to it as written, with native=."
        raise NotAllowed("TRUNCATE empties one table, without options", hint=hint, sql=text)
    return Statement("delete", text, target, target.alias_or_name)


_READERS = {exp.Insert: _insert, exp.Update: _update, exp.Delete: _delete, exp.TruncateTable: _truncate}


def _without_end(tokens: Sequence[Token]) -> Sequence[Token]:
    count = len(tokens)
    while count and tokens[count - 1].token_type is TokenType.SEMICOLON:
        count -= 1
    return tokens[:count]


def _prefix(text: str, tokens: Sequence[Token], verb: str) -> str:
    return _slice(text, tokens, 0, _first(tokens, verb))


def _slice(text: str, tokens: Sequence[Token], start: int, end: int) -> str:
    """The text of some tokens; what stands between them too."""
    return text[tokens[start].start : tokens[end - 1].end + 1] if start < end else ""


def _top(tokens: Sequence[Token]) -> Iterator[tuple[int, Token]]:
    """The tokens outside of all brackets."""
    depth = 0
    for index, token in enumerate(tokens):
        depth -= token.token_type in _CLOSE
        if depth == 0 and token.token_type not in _CLOSE:
            yield index, token
        depth += token.token_type in _OPEN


def _first(
    tokens: Sequence[Token],
    word: str,
    *,
    after: int = 0,
    then: str | None = None,
    not_after: str | None = None,
    default: int = 0,
) -> int:
    """The first place of a keyword outside of brackets."""
    for index, token in _top(tokens):
        if index < after or token.text.upper() != word or token.token_type in _NO_WORDS:
            continue
        if then is not None and not (index + 1 < len(tokens) and tokens[index + 1].text.upper() == then):
            continue
        if not_after is None or tokens[index - 1].text.upper() != not_after:
            return index
    return default


def _past(tokens: Sequence[Token], at: int, span: Span | None) -> int:
    """The first token after a place in the text."""
    assert span is not None
    return next((index for index in range(at, len(tokens)) if tokens[index].start >= span[1]), len(tokens))


def _closing(tokens: Sequence[Token], at: int) -> int:
    depth = 0
    for index in range(at, len(tokens)):
        depth += (tokens[index].token_type in _OPEN) - (tokens[index].token_type in _CLOSE)
        if depth == 0:
            return index
    return len(tokens)


def _split(tokens: Sequence[Token]) -> Iterator[Sequence[Token]]:
    start = 0
    for index, token in _top(tokens):
        if token.token_type is TokenType.COMMA:
            yield tokens[start:index]
            start = index + 1
    if tokens:
        yield tokens[start:]
