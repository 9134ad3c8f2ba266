"""A checkpoint as one file that needs JAX and nothing of this repository."""

from gradlog.run.exporting.archive import check_archive
from gradlog.run.exporting.export import export_run

__all__ = ["check_archive", "export_run"]
