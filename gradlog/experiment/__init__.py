"""Turn a configuration into an experiment and a run.

`loading` and `schema` read and check configurations, `Experiment` builds their parts, and `Run`
joins an experiment and its workdir.
"""
