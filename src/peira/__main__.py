"""``python -m peira``: the command line."""

from peira.cli import main

if __name__ == "__main__":
    main()
