"""Run the command line: `python -m gradlog --help`."""

from gradlog.cli.main import run

if __name__ == "__main__":
    run()
