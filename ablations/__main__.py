"""`python -m ablations` is `ablate`."""

import sys

from ablations.cli.parser import main

if __name__ == "__main__":
    sys.exit(main())
