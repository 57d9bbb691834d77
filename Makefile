# Every target is a visible command in the project's own virtual environment, made when needed.

VENV   ?= .venv
PYTHON ?= python3
PY     := $(VENV)/bin/python

DEMO   := .cache/demo-corpus/manifest.csv

# What `make train` trains on: a folder of recordings or a manifest; by default a synthesised demo.
DATA   ?= $(DEMO)
# Comma-separated labels to keep, and further options of `python -m train fit`.
LABELS ?=
FIT    ?=
# The demo needs no more to show that everything works.
QUICK   = $(if $(filter $(DEMO),$(DATA)),--epochs 60)
# What `make classify` classifies, and with which model (empty: the bundled one).
CLIP   ?= samples
MODEL  ?=
# The run that `make export` exports (empty: the newest).
RUN    ?=
# How many damaged files `make fuzz` tries, of which seed (empty: another one each time).
INPUTS ?= 1000000
SEED   ?=

# By way of the environment: names of files may hold quotes.
export DATA LABELS CLIP MODEL RUN

# Pinned, so that the same seed gives the same weights wherever the targets below are made.
TORCH  := torch==2.13.0
PIP    := $(PY) -m pip install --quiet --disable-pip-version-check
# The exact versions of everything else, which `make pins` writes.
PINS   := --constraint constraints.txt

.PHONY: setup train export classify test lint docs node bench bench-mfcc bench-training arm64 clean help \
  fuzz coverage mutants dist pins
.DEFAULT_GOAL := help

help:
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(PY):
	$(PYTHON) -m venv $(VENV)

# Stamps record which part of the dependencies is installed, so that each is installed once.
$(VENV)/device: $(PY) pyproject.toml constraints.txt
	$(PIP) $(PINS) -e .
	@touch $@

$(VENV)/docs: $(VENV)/device
	$(PIP) $(PINS) -e '.[docs]'
	@touch $@

$(VENV)/full: $(VENV)/device
	$(PIP) $(PINS) $(TORCH)
	$(PIP) $(PINS) -e '.[train,export,dev]'
	@touch $@

setup: $(VENV)/full ## everything for training, export and tests, in .venv

classify: $(VENV)/device ## the emotion of CLIP, with MODEL or the bundled model
	$(VENV)/bin/edge-ser classify $(if $(MODEL),--model "$$MODEL") "$$CLIP"

train: $(VENV)/full ## train on DATA (LABELS=a,b to choose; FIT='--resume' and other options)
	@if [ "$$DATA" = $(DEMO) ] && [ ! -e "$$DATA" ]; then \
	  $(PY) -m train demo-corpus $(dir $(DEMO)); fi
	$(PY) -m train fit --data "$$DATA" $(if $(LABELS),--labels "$$LABELS") $(QUICK) $(FIT)

export: $(VENV)/full ## the newest run, or RUN, as ONNX files with their parity report
	$(PY) -m export onnx $(if $(RUN),--run "$$RUN")

test: $(VENV)/full lint ## the linter and all tests
	$(PY) -m pytest

fuzz: $(VENV)/full ## other draws than those of `make test`: the property tests, then INPUTS files
	HYPOTHESIS_PROFILE=search $(PY) -m pytest -m hypothesis
	PYTHONPATH=tests $(PY) -m support.fuzz --sweeps --count $(INPUTS) $(if $(SEED),--seed $(SEED))

dist: $(VENV)/device ## the wheel and the source distribution, in dist/
	$(PIP) $(PINS) build
	$(PY) -m build --quiet --outdir dist .

pins: ## the newest versions that work together, to constraints.txt, for this Python
	rm -rf .cache/pins
	$(PYTHON) -m venv .cache/pins
	.cache/pins/bin/python -m pip install --quiet $(TORCH)
	.cache/pins/bin/python -m pip install --quiet build -e '.[train,export,dev]'
	.cache/pins/bin/python .ci/pins.py write

coverage: $(VENV)/full ## all tests, and which lines and branches of edge_runtime they miss
	@mkdir -p .cache
	$(PY) -m pytest --cov --cov-fail-under=95

mutants: $(VENV)/full ## which changes of mfcc.py, audio.py and stream.py no test notices (hours)
	$(PIP) mutmut==3.8.1
	ulimit -v 6000000; EDGE_SER_CORPORA=none $(PY) -m mutmut run  # some loop and fill the memory
	$(PY) -m mutmut results

lint: $(VENV)/full ## ruff and mypy
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy

docs: $(VENV)/docs ## the documentation, in .cache/site; fails on any warning
	NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict --quiet

node: ## the packages of examples/node, by which the tests run the model outside Python
	cd examples/node && npm install --ignore-scripts --no-audit --no-fund --no-package-lock --silent

bench: $(VENV)/full ## whole processes beside librosa + PyTorch
	$(PY) -m benchmarks.end_to_end

bench-mfcc: $(VENV)/full ## the front end beside librosa and others
	$(PY) -m benchmarks.mfcc

bench-training: $(VENV)/full ## seconds per epoch on DATA beside a straightforward loop
	$(PY) -m benchmarks.training --data "$$DATA"

arm64: ## the wheel in an emulated 64-bit ARM system: tests, sizes, the same answers? (as root)
	@deploy/arm64.sh --check
	@$(MAKE) --no-print-directory setup
	PY=$(PY) deploy/arm64.sh $(if $(filter file,$(origin DATA)),,$(DATA))

clean: ## remove caches and build products; runs, models and .venv stay
	rm -rf .cache .pytest_cache .mypy_cache .ruff_cache build dist *.egg-info
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
