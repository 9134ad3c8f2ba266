"""Many overrides of one configuration, trained, evaluated and compared."""

from pathlib import Path

from ml_collections import ConfigDict

from gradlog.cli.verbs.options import Options, SweepOptions
from gradlog.sweeps import SweepFolder, make_plan, slurm_settings
from gradlog.sweeps.local import run_locally
from gradlog.sweeps.running import Launch, run, show
from gradlog.sweeps.slurm import check_slurm, run_on_slurm


def sweep(options: Options) -> None:
    """Runs a sweep's file in a folder, or shows what it would run."""
    base = options.config or ConfigDict()
    plan = make_plan(options.sweep.file, base, options.overridden)
    folder = SweepFolder(Path(options.workdir).expanduser().absolute())
    if options.sweep.dry_run:
        show(folder, plan)
    else:
        run(folder, plan, _launcher(options.sweep))


def _launcher(asked: SweepOptions) -> Launch:
    if asked.launcher == "local":
        return lambda works, ended: run_locally(works, asked.jobs, ended)
    check_slurm()
    parameters = slurm_settings(asked.file)
    return lambda works, ended: run_on_slurm(works, asked.jobs, ended, parameters)
