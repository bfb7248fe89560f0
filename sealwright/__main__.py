"""Runs the command line as ``python -m sealwright``."""

from sealwright.cli import main

main()
