"""Many overrides of one configuration, trained, evaluated and compared."""

from pathlib import Path

from ml_collections import ConfigDict

from gradlog.cli.verbs.options import Options, SweepOptions
from gradlog.sweeps import SweepFolder, make_plan, run_sweep, show_sweep_plan
from gradlog.sweeps.launchers import Launcher, check_slurm, run_locally, run_on_slurm
from gradlog.sweeps.plan import read_slurm_settings


def sweep(options: Options) -> None:
    """Runs a sweep's file in a folder, or shows what it would run."""
    base = options.config or ConfigDict()
    plan = make_plan(options.sweep.file, base, options.overridden)
    folder = SweepFolder(Path(options.workdir).expanduser().absolute())
    if options.sweep.dry_run:
        show_sweep_plan(folder, plan)
    else:
        run_sweep(folder, plan, _launcher(options.sweep))


def _launcher(asked: SweepOptions) -> Launcher:
    if asked.launcher == "local":
        return lambda tasks, on_end: run_locally(tasks, asked.jobs, on_end)
    check_slurm()
    parameters = read_slurm_settings(asked.file)
    return lambda tasks, on_end: run_on_slurm(tasks, asked.jobs, on_end, parameters)
