"""One file per endpoint; each reads top to bottom as its section does."""
