"""Where the roles meet the world: clock, entropy, settings, keys, stores, transport."""
