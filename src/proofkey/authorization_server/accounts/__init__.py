"""People with an account here: names, passwords, signing in."""
