"""Run the command line: `python main.py --help`."""

from gradlog.cli.main import run

if __name__ == "__main__":
    run()
