"""`python -m sopsync`."""

from sopsync.cli import main

main()
