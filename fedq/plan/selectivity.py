"""What share of a table's rows passes a condition: from most common values, bounds and distinct counts, else guesses.

    status = 'O' AND day >= DATE '1998-01-01' AND day < DATE '1998-04-01'
    0.49 (a most common value)  ·  0.04 (between two bounds), halved in effect for they may go together  →  0.028

Conditions on one column are taken together, since a lower and an upper end are anything but independent; those on
several columns are multiplied with decreasing weight, because columns of one table rarely are independent either. What
no rule covers is tried on the values that the statistics hold.
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fedq.bind.resolve import BoundTable
from fedq.catalog.scale import number, on_scale
from fedq.catalog.schema import Column
from fedq.catalog.statistics import ColumnStatistics
from fedq.plan.constants import NotPushed, comparable, constant, members
from fedq.plan.sample import like_pattern, passes
from fedq.sql import copied, every, exp, first, is_rest

Resolve = Callable[[exp.Column], tuple[BoundTable, Column] | None]

#: shares where nothing is known
EQUAL, RANGE, CLOSED_RANGE, LIKE, NULLS, OTHER = 0.02, 0.3, 0.1, 0.1, 0.05, 0.3
#: a value beyond the ends that the statistics know: they may be old
_BEYOND = 0.001
#: members of a long list that are looked up
_TRIED = 500
#: bytes of a text that decide where between two bounds it lies
_TEXT_BYTES = 7
_NO_STATISTICS = ColumnStatistics()
_OPERATORS: dict[type[exp.Expr], str] = {
    exp.EQ: "=", exp.NEQ: "<>", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">=",
}  # fmt: skip
#: comparisons that are one end of a range
_ENDED = (exp.LT, exp.LTE, exp.GT, exp.GTE)
_FLIPPED = {"=": "=", "<>": "<>", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


@dataclass(frozen=True, slots=True)
class Share:
    """A share of rows between 0 and 1, and whether it rests on statistics alone."""

    value: float
    is_known: bool


@dataclass(frozen=True, slots=True)
class _End:
    """One end of a range: where its smallest or largest value lies on the scale, and whether it belongs to it."""

    place: Any
    is_included: bool


def share(node: exp.Expr, resolve: Resolve, params: Mapping[str, Any] | None = None) -> float:
    """The share of the rows of one table that passes a condition on it; between 0 and 1."""
    return share_of([node], resolve, params).value


def share_of(nodes: Sequence[exp.Expr], resolve: Resolve, params: Mapping[str, Any] | None = None) -> Share:
    """The share that passes all of the conditions; better than the product of their shares."""
    return _Estimator(resolve, params or {}).all_of(nodes)


def distinct(table: BoundTable, column: Column) -> float | None:
    """How many different values a column has; None is unknown."""
    return _Facts.of(table, column).distinct


@dataclass(frozen=True, slots=True)
class _Facts:
    """What is known of one column, with everything that follows from keys and types."""

    column: Column
    rows: float | None
    known: ColumnStatistics
    is_unique: bool

    @staticmethod
    def of(table: BoundTable, column: Column) -> _Facts:
        """What the table's statistics say of one column."""
        schema = table.schema
        found = schema.statistics.columns.get(column.physical) if schema.statistics is not None else None
        rows = schema.rows
        if rows is None and schema.statistics is not None:
            rows = schema.statistics.rows
        return _Facts(column, rows, found or _NO_STATISTICS, schema.key == (column.physical,))

    @property
    def distinct(self) -> float | None:
        """Different values."""
        if self.is_unique and self.rows is not None:
            return max(1.0, self.rows)
        known = self.known.distinct
        if known is None and self.column.type.family == "boolean":
            return 2.0
        if self.column.type.family not in ("integer", "date") or self.known.low is None or self.known.high is None:
            return None if known is None else max(1.0, known)
        unit = 86_400.0 if self.column.type.family == "date" else 1.0
        span = max(1.0, (number(self.known.high) - number(self.known.low)) / unit + 1)
        if known is not None:
            return max(1.0, min(known, span))
        # a narrow domain is full, as a rule; of a wide one nobody knows how much of it is used
        return max(1.0, min(span, self.rows)) if self.rows is not None and span <= 2 * self.rows else None


class _Estimator:
    """Walks one condition."""

    def __init__(self, resolve: Resolve, params: Mapping[str, Any]) -> None:
        self._resolve, self._params = resolve, params

    def all_of(self, nodes: Sequence[exp.Expr]) -> Share:
        """AND: ranges of one column together, the rest with decreasing weight."""
        ends: dict[str, tuple[_Facts, list[_End], list[_End]]] = {}
        shares: list[Share] = []
        for node in (part for whole in nodes for part in _conjuncts(whole)):
            found = self._range(node)
            if found is None:
                shares.append(self.one(node))
                continue
            facts, low, high = found
            _, lows, highs = ends.setdefault(facts.column.name.lower(), (facts, [], []))
            lows += [low] if low is not None else []
            highs += [high] if high is not None else []
        for facts, lows, highs in ends.values():
            low = max(lows, key=lambda end: end.place, default=None)
            high = min(highs, key=lambda end: end.place, default=None)
            shares.append(_between(facts, low, high))
        product = 1.0
        for position, part in enumerate(sorted(shares, key=lambda part: part.value)[:4]):
            product *= part.value ** (0.5**position)
        return Share(_clamped(product), all(part.is_known for part in shares))

    def one(self, node: exp.Expr) -> Share:
        """Any condition."""
        node = node.unnest()
        match node:
            case exp.And():
                return self.all_of([node])
            case exp.Or():
                return self._any_of(list(node.flatten()))
            case exp.Not():
                return self._opposite(node.this)
            case exp.Boolean():
                return Share(1.0 if node.this else 0.0, is_known=True)
        if first(node, exp.Select) is not None:
            return Share(OTHER, is_known=False)
        if node.args.get("negate"):
            positive = copied(node)
            positive.set("negate", None)
            return self._opposite(positive)
        return self._leaf(node)

    def _any_of(self, sides: Sequence[exp.Expr]) -> Share:
        parts = [self.one(side) for side in sides]
        missed = 1.0
        for part in parts:
            missed *= 1.0 - part.value
        return Share(_clamped(1.0 - missed), all(part.is_known for part in parts))

    def _opposite(self, node: exp.Expr) -> Share:
        part, facts = self.one(node), self._facts(node)
        is_null_test = isinstance(node.unnest(), exp.Is)
        nulls = facts.known.nulls if facts is not None and not is_null_test else 0.0
        return Share(_clamped(1.0 - part.value - nulls), part.is_known)

    def _facts(self, node: exp.Expr) -> _Facts | None:
        """The one column that a condition is about; None where there are none, several, or one that is not resolved."""
        found = [self._resolve(column) for column in every(node, exp.Column)]
        known = {(place[0].name, place[1].name): place for place in found if place is not None}
        return _Facts.of(*next(iter(known.values()))) if len(known) == 1 and None not in found else None

    def _range(self, node: exp.Expr) -> tuple[_Facts, _End | None, _End | None] | None:
        """A condition that is a range of one bare column: the column, lower end, upper end."""
        node = node.unnest()
        if isinstance(node, exp.Between) and isinstance(node.this.unnest(), exp.Column):
            facts = self._facts(node)
            low, high = (self._constant(node.args[side], facts) for side in ("low", "high"))
            if facts is None or low is None or high is None:
                return None
            return facts, _End(on_scale(low), is_included=True), _End(on_scale(high), is_included=True)
        facts = self._facts(node) if isinstance(node, _ENDED) else None
        compared = self._comparison(node, facts) if facts is not None else None
        if facts is None or compared is None:
            return None
        operator, value = compared
        end = _End(on_scale(value), is_included="=" in operator)
        return (facts, end, None) if ">" in operator else (facts, None, end)

    def _comparison(self, node: exp.Expr, facts: _Facts) -> tuple[str, Any] | None:
        """A bare column, the one that the condition is about, compared with a constant."""
        operator = _OPERATORS.get(type(node))
        if operator is None:
            return None
        left, right = node.this.unnest(), node.expression.unnest()
        if not isinstance(left, exp.Column):
            left, right, operator = right, left, _FLIPPED[operator]
        value = self._constant(right, facts) if isinstance(left, exp.Column) else None
        return None if value is None else (operator, value)

    def _constant(self, node: exp.Expr, facts: _Facts | None) -> Any:
        """A constant as a value of the column's type; None where it is none or NULL."""
        if facts is None or first(node, exp.Column) is not None:
            return None
        try:
            found = constant(node, self._params)
            if facts.column.type.family == "timestamptz" and isinstance(found.value, dt.datetime):
                return found.value
            return comparable(found, facts.column.type)
        except NotPushed:
            return None

    def _leaf(self, node: exp.Expr) -> Share:
        ranged = self._range(node)
        if ranged is not None:
            return _between(*ranged)
        facts = self._facts(node)
        if facts is None:
            return self._pair(node)
        compared = self._comparison(node, facts)
        if compared is not None:
            equal = _equal(facts, compared[1])
            return equal if compared[0] == "=" else Share(_clamped(1 - facts.known.nulls - equal.value), equal.is_known)
        bare = isinstance(node, exp.Column) or (
            isinstance(node.this, exp.Expr) and isinstance(node.this.unnest(), exp.Column)
        )
        match node:
            case exp.Is() if bare and isinstance(node.expression, exp.Null):
                share = facts.known.null_share
                return Share(NULLS, is_known=False) if share is None else Share(_clamped(share), is_known=True)
            case exp.In() if bare and node.expressions:
                return self._among(node, facts)
            case exp.Like() if bare:
                return self._like(node, facts)
            case exp.Column():
                return _equal(facts, True)
        return self._tried(node, facts, _guess(node))

    def _pair(self, node: exp.Expr) -> Share:
        """A condition on two columns, or on none that is known."""
        found = [self._resolve(column) for column in every(node, exp.Column)]
        counts = [_Facts.of(*place).distinct for place in found if place is not None]
        known = [count for count in counts if count is not None]
        if isinstance(node, exp.EQ) and len(found) == 2 and len(known) == 2:
            return Share(1.0 / max(known), is_known=True)
        return Share(_guess(node), is_known=False)

    def _among(self, node: exp.In, facts: _Facts) -> Share:
        if any(map(is_rest, node.expressions)):
            return self._among_many(node, facts)
        values = [self._constant(item, facts) for item in node.expressions]
        parts = [_equal(facts, value) for value in dict.fromkeys(value for value in values if value is not None)]
        parts += [Share(EQUAL, is_known=False) for value in values if value is None]
        total = sum(part.value for part in parts)
        return Share(_clamped(min(total, 1.0 - facts.known.nulls)), all(part.is_known for part in parts))

    def _among_many(self, node: exp.In, facts: _Facts) -> Share:
        """A long list, of which some members stand for all."""
        try:
            found = members(node, self._params)
            some = [_equal(facts, comparable(one, facts.column.type)) for one in found[:: -(-len(found) // _TRIED)]]
        except NotPushed:
            return Share(1.0 - facts.known.nulls, is_known=False)
        total = sum(part.value for part in some) / len(some) * len(found)
        return Share(_clamped(min(total, 1.0 - facts.known.nulls)), all(part.is_known for part in some))

    def _like(self, node: exp.Like, facts: _Facts) -> Share:
        """A pattern: its fixed beginning is a range; what follows is tried on the values there are."""
        pattern = like_pattern(node, self._params)
        if pattern is None:
            return Share(LIKE, is_known=False)
        text = str(constant(node.expression, self._params).value)
        prefix = text[: min((text.find(mark) for mark in "%_" if mark in text), default=len(text))]
        if prefix == text:
            return _equal(facts, text)
        bounds, line = facts.known.cuts, facts.known.line
        if not prefix or len(bounds) < 2:
            return self._tried(node, facts, LIKE)
        frequent = sum(frequency for value, frequency in facts.known.most_common if pattern.fullmatch(value))
        found = max(0.0, _part_below(line, on_scale(prefix) + b"\xff") - _part_below(line, on_scale(prefix)))
        if text != prefix + "%":
            matching = sum(pattern.fullmatch(bound) is not None for bound in bounds) / len(bounds)
            found = matching or min(found, 0.5 / len(bounds))
        return Share(_clamped(frequent + facts.known.rest * found), is_known=True)

    def _tried(self, node: exp.Expr, facts: _Facts, guess: float) -> Share:
        """A condition tried on every value that the statistics hold."""
        total, frequent, rest, bounds = 0, 0.0, facts.known.rest, facts.known.cuts
        for value, frequency in facts.known.most_common:
            answer = passes(node, value, facts.column.type, self._params)
            if answer is None:
                return Share(guess, is_known=False)
            frequent += frequency if answer else 0.0
        for value in bounds:
            answer = passes(node, value, facts.column.type, self._params)
            if answer is None:
                return Share(guess, is_known=False)
            total += answer
        if not bounds:
            is_whole = bool(facts.known.most_common) and rest < 0.02
            return Share(_clamped(frequent + (0.0 if is_whole else rest * guess)), is_whole)
        return Share(_clamped(frequent + rest * (total or 0.5) / len(bounds)), is_known=True)


def _conjuncts(node: exp.Expr) -> list[exp.Expr]:
    node = node.unnest()
    return [part for side in node.flatten() for part in _conjuncts(side)] if isinstance(node, exp.And) else [node]


def _guess(node: exp.Expr) -> float:
    """What is assumed of a condition of which nothing is known."""
    match node:
        case exp.EQ():
            return EQUAL
        case exp.NEQ():
            return 1.0 - EQUAL
        case exp.In():
            return 1.0 if any(map(is_rest, node.expressions)) else min(1.0, EQUAL * max(1, len(node.expressions)))
        case exp.Between():
            return CLOSED_RANGE
        case exp.Like() | exp.ILike():
            return LIKE
        case exp.Is():
            return NULLS
    return OTHER


def _equal(facts: _Facts, value: Any) -> Share:
    """The share of the rows whose value is this one."""
    wanted, known = on_scale(value), facts.known
    for common, frequency in known.frequent:
        if common == wanted:
            return Share(_clamped(frequency), is_known=True)
    count = facts.distinct
    if count is None:
        if known.frequent and known.rest < 0.02:
            return Share(known.rest, is_known=True)
        return Share(min(EQUAL, *(frequency for _, frequency in known.frequent), 1.0), is_known=False)
    others = max(1.0, count - len(known.frequent))
    least = min((frequency for _, frequency in known.frequent), default=1.0)
    return Share(_clamped(min(known.rest / others, least)), is_known=True)


def _between(facts: _Facts, low: _End | None, high: _End | None) -> Share:
    """The share of the rows in a range."""
    known = facts.known
    frequent = sum(frequency for place, frequency in known.frequent if _is_within(place, low, high))
    line = known.line
    if not line:
        if known.frequent and known.rest < 0.02:
            return Share(_clamped(frequent), is_known=True)
        guess = CLOSED_RANGE if low is not None and high is not None else RANGE
        return Share(_clamped(frequent + known.rest * guess), is_known=False)
    start = 0.0 if low is None else _part_below(line, low.place)
    end = 1.0 if high is None else _part_below(line, high.place)
    part = max(0.0, end - start)
    count = facts.distinct
    if low is not None and high is not None and low.is_included and high.is_included and count is not None:
        part = max(part, min(1.0, 1.0 / count) if low.place <= high.place else 0.0)
    is_beyond = (low is not None and low.place > line[-1]) or (high is not None and high.place < line[0])
    least = _BEYOND if is_beyond else 0.0
    return Share(_clamped(max(frequent + known.rest * part, min(least, known.rest))), is_known=True)


def _is_within(place: Any, low: _End | None, high: _End | None) -> bool:
    if low is not None and not (place > low.place or (low.is_included and place == low.place)):
        return False
    return high is None or place < high.place or (high.is_included and place == high.place)


def _part_below(ordered: Sequence[Any], wanted: Any) -> float:
    """The share of equally full parts that lies below a value; between two bounds it is taken to grow evenly."""
    if wanted <= ordered[0]:
        return 0.0
    if wanted >= ordered[-1]:
        return 1.0
    position = bisect_left(ordered, wanted)
    low, high = ordered[position - 1], ordered[position]
    if isinstance(low, bytes):
        low, high, wanted = _as_numbers(low, high, wanted)
    inside = (wanted - low) / (high - low) if high > low else 0.5
    return (position - 1 + min(1.0, max(0.0, inside))) / (len(ordered) - 1)


def _as_numbers(*texts: bytes) -> list[float]:
    """Texts as numbers in the same order: the bytes after what they begin with in common."""
    shared = 0
    while shared < min(map(len, texts)) and len({text[shared] for text in texts}) == 1:
        shared += 1
    return [float(int.from_bytes(text[shared : shared + _TEXT_BYTES].ljust(_TEXT_BYTES, b"\0"))) for text in texts]


def _clamped(value: float) -> float:
    return min(1.0, max(0.0, value))
