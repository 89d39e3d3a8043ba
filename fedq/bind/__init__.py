"""SQL text → bound query: every parameter typed, every table resolved to where it lives, every column to its table.

parse.py    one statement that may run, as text and tree
params.py   :name, $name and ? found in tokens and bound
resolve.py  table names → placements → schemas
scope.py    query blocks: which names mean which tables, which columns are used
check.py    what user SQL may not call
compare.py  comparisons whose meaning would be a guess
bound.py    the steps, and what they hand to planning
"""
