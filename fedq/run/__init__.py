"""Plan → result: order the fetches, ship keys, feed the engine, enforce limits, cancel."""
