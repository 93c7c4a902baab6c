"""`python -m ablations` is `ablate`."""

from ablations.cli.process import command

if __name__ == "__main__":
    command()
