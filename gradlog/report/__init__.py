"""Reports: what a run or a sweep has come to, as one page of HTML that needs nothing else."""

from gradlog.report.writing import write_report

__all__ = ["write_report"]
