"""Entry point of ``python -m sealwright``."""

from sealwright.cli import main

main()
