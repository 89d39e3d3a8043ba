"""Front ends: the notebook magic with its completion, and the shell command. Nothing below imports them.

| module           | does                                                               |
|------------------|--------------------------------------------------------------------|
| `magic`          | `%fedq`, `%%fedq`, `%load_ext fedq`                                |
| `options`        | takes a magic's line apart: options, name, SQL                     |
| `notebook_names` | variables for parameters, DataFrames for tables                    |
| `complete`       | Tab: asks the catalog without making the user wait                 |
| `suggest`        | Tab: what may stand at the cursor                                  |
| `progress`       | one line about a long query                                        |
| `render`         | warnings, errors, the catalog at a glance                          |
| `cli`            | `fedq query`, `explain`, `tables`, `check`, `assign`, `demo`       |
"""
