"""``python -m kerasnets`` is the command line."""

from kerasnets.cli import main

main()
