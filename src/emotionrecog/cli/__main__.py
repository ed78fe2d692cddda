"""Run the command line with ``python -m emotionrecog.cli``."""

import sys

from emotionrecog.cli import main

if __name__ == "__main__":
    sys.exit(main())
