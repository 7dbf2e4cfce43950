"""`python -m proofkey`."""

from proofkey.cli import main

if __name__ == "__main__":
    main()
