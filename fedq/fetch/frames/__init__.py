"""DataFrames in memory: anything with `__arrow_c_stream__`."""
