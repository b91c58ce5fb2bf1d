"""`python -m lmmix` is the command `lmmix`."""

from lmmix.cli import main

main()
