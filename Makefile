# `make demo` trains and evaluates on handwritten digits; `make test` runs the tests.
# Both make `.venv` and install what they need into it first.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN := runs/digits
STUDIES := $(sort $(filter-out configs/toy/mixture.py,$(wildcard configs/toy/*.py configs/theory/*.py)))
INSTALLED := $(VENV)/.installed
INSTALLED_DEV := $(VENV)/.installed-dev
INSTALLED_DOCS := $(VENV)/.installed-docs

# The steps of the demo need each other.
.NOTPARALLEL:

.PHONY: demo train eval sample figures test test-quick test-isa test-slow site docs chaos fuzz mutations lint format clean

demo: train eval sample
	@echo "demo done: look at $(RUN)/samples, $(RUN)/curves.png and $(RUN)/eval"

train: $(INSTALLED)
	$(BIN)/python main.py --config=configs/digits.py --workdir=$(RUN) --mode=train

eval: $(INSTALLED)
	$(BIN)/python main.py --workdir=$(RUN) --mode=eval

sample: $(INSTALLED)
	$(BIN)/python main.py --workdir=$(RUN) --mode=sample

# Each claim of docs/score_matching.md: its study trains what it needs and draws its pictures.
figures: $(INSTALLED)
	@for file in $(STUDIES); do \
		workdir=runs/$$(basename $$file .py); \
		$(BIN)/python main.py --config=$$file --workdir=$$workdir --mode=study || exit; \
		cp $$workdir/study/*.png docs/figures/; \
		cp $$workdir/study/*.gif docs/figures/ 2>/dev/null || true; \
	done

test: $(INSTALLED_DEV)
	$(BIN)/python -m pytest -n 2 --dist loadfile

# Folders that compile little, for a second Python: processes, solvers, distributions.
QUICK := sde_lib ode distributions
test-quick: $(INSTALLED_DEV)
	$(BIN)/python -m pytest -n 2 --dist loadfile $(addprefix tests/,$(QUICK))

# Under narrower vector instructions sums are rounded in other orders. Of the tests those that see
# it: arrays of other codes, networks, densities in float32. For one set: `make test-isa ISA=AVX2`.
ROUNDED := $(wildcard tests/*/test_*golden*.py) $(addprefix tests/, codec/test_codecs.py \
	distributions/test_empirical.py evaluation/test_inception.py likelihood/test_ode_truth.py \
	likelihood/test_scipy.py likelihood/test_truncated_normal.py \
	likelihood/test_truth_of_stored_data.py losses/test_score_flow.py models/test_networks.py \
	models/test_pinned.py sampling/test_diffusers.py sde_lib/test_sdes.py \
	training/test_official_steps.py)
ISA := SSE4_2 AVX2 AVX512
test-isa: $(INSTALLED_DEV)
	@for isa in $(ISA); do \
		echo "Tests of rounding under --xla_cpu_max_isa=$$isa"; \
		XLA_FLAGS="$$XLA_FLAGS --xla_cpu_max_isa=$$isa" \
			$(BIN)/python -m pytest -n 2 --dist loadfile $(ROUNDED) || exit; \
	done

test-slow: $(INSTALLED_DEV)
	XLA_FLAGS= $(BIN)/python -m pytest -m slow

# The pages and the reference of the API, in docs/_build.
site: $(INSTALLED_DOCS)
	$(BIN)/python -m sphinx -W --keep-going -q docs docs/_build

# The same, and every block of code of the README and the pages, run.
docs: site
	$(BIN)/python -m pytest -m slow -n 2 --dist load tests/docs

# Runs that are killed at any moment, and checkpoints that are damaged.
chaos: $(INSTALLED_DEV)
	$(BIN)/python -m pytest -m slow -s tests/chaos

# A thousand mutated flags, configurations and files; data sets against another reader.
fuzz: $(INSTALLED_DEV)
	$(BIN)/python -m pytest -m slow tests/fuzz

# Some hundred small mutations of the code, each of which some test must catch.
mutations: $(INSTALLED_DEV)
	$(BIN)/python tests/mutations.py

lint: $(INSTALLED_DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

format: $(INSTALLED_DEV)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) .jax_cache .pytest_cache .ruff_cache build docs/_build gradlog.egg-info

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)

$(INSTALLED): requirements.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

# The package itself is installed as a link to this checkout, with its extras.
$(INSTALLED_DEV): pyproject.toml $(INSTALLED)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

$(INSTALLED_DOCS): pyproject.toml $(INSTALLED_DEV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev,docs]'
	@touch $@
