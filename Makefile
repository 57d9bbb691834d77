# Every target is a visible command in the project's own virtual environment, created when needed.

VENV   ?= .venv
PYTHON ?= python3
PY     := $(VENV)/bin/python

DEMO   := .cache/demo-corpus/manifest.csv

# The data of `make train`: a folder of recordings or a manifest [default: a synthesised demo].
DATA   ?= $(DEMO)
# Comma-separated labels to keep, and further options of `python -m train fit`.
LABELS ?=
FIT    ?=
# Enough for the demo.
QUICK   = $(if $(filter $(DEMO),$(DATA)),--epochs 60)
# The input of `make classify`, and its model (empty: the bundled one).
CLIP   ?= samples
MODEL  ?=
# The folder and the title of the page of `make web`.
WEB    ?= .cache/web
TITLE  ?= edge-ser
# The run that `make export` exports (empty: the newest). NAME is the model's name in its card. It
# counts on the command line only, because some systems have a variable of this name.
RUN    ?=
NAMED   = $(if $(filter command,$(firstword $(origin NAME))),--name "$$NAME")
# The number of damaged files that `make fuzz` tries, and their seed (empty: the time).
INPUTS ?= 1000000
SEED   ?=
# Processes of `make test`, and options of `make pins`, such as --upgrade.
WORKERS ?= 2
PIN    ?=
# The tests of a file run in one process, so that what they share is made once.
PARALLEL := -n $(WORKERS) --dist loadfile --no-loadscope-reorder
# The Python of `make home-assistant`.
HA_PYTHON ?= python3.13

# The folder of the corpora, for the reports of the repository.
CORPORA ?= .
PROTOCOL = $(PY) -m evaluate protocol --resume
FOUR    := --labels angry,happy,neutral,sad --auxiliary all

# Passed in the environment, because file names may contain quotes.
export DATA LABELS CLIP MODEL RUN CORPORA WEB TITLE

# pytest stores the test modules with their rewritten assertions: rewriting them takes ten seconds.
unexport PYTHONDONTWRITEBYTECODE

# Pinned, so that the same seed gives the same weights on every machine.
TORCH  := torch==2.13.0
PIP    := $(PY) -m pip install --quiet --disable-pip-version-check
# The exact versions of everything else, written by `make pins`.
PINS   := --constraint constraints.txt

.PHONY: setup train export c c-all classify test test-fast lint docs node web bench bench-mfcc bench-training \
  report-speed report-scores arm64 clean help fuzz coverage mutants dist pins home-assistant
.DEFAULT_GOAL := help

help:
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(PY):
	$(PYTHON) -m venv $(VENV)

# Stamps record the installed parts of the dependencies.
$(VENV)/device: $(PY) pyproject.toml constraints.txt
	$(PIP) $(PINS) -e .
	@touch $@

$(VENV)/docs: $(VENV)/device
	$(PIP) $(PINS) -e '.[docs]'
	@touch $@

$(VENV)/full: $(VENV)/device
	$(PIP) $(PINS) $(TORCH)
	$(PIP) $(PINS) -e '.[train,export,dev,docs]'
	@touch $@ $(VENV)/docs

setup: $(VENV)/full ## install everything for training, export, tests and docs, in .venv

classify: $(VENV)/device ## classify CLIP with MODEL or the bundled model
	$(VENV)/bin/edge-ser classify $(if $(MODEL),--model "$$MODEL") "$$CLIP"

train: $(VENV)/full ## train on DATA (LABELS=a,b selects; FIT='--resume' passes options)
	@if [ "$$DATA" = $(DEMO) ] && [ ! -e "$$DATA" ]; then \
	  $(PY) -m train demo-corpus $(dir $(DEMO)); fi
	$(PY) -m train fit --data "$$DATA" $(if $(LABELS),--labels "$$LABELS") $(QUICK) $(FIT)

export: $(VENV)/full ## export RUN, or the newest run, as ONNX with a parity report (NAME=mine)
	$(PY) -m export onnx $(if $(RUN),--run "$$RUN") $(NAMED)

c: $(VENV)/full ## write MODEL as C99, and compile its program .cache/c/edge-ser-c
	$(PY) -m export c $(if $(MODEL),--model "$$MODEL") --out .cache/c
	$(CC) -std=c99 -O2 -o .cache/c/edge-ser-c .cache/c/program/*.c .cache/c/src/engine/*.c -lm

c-all: $(VENV)/full ## fuzz the C library, and write its report (CORPORA: emodb and others; an hour)
	$(PY) -m benchmarks.c_fuzz --seconds 600
	cd "$$CORPORA" && PYTHONPATH=$(CURDIR) $(CURDIR)/$(PY) -m benchmarks.c_engine --data emodb \
	  --data ravdess --data nemo --data tess --out $(CURDIR)/reports/c-engine.md

test: $(VENV)/full lint ## run the linters and all tests
	$(PY) -m pytest $(PARALLEL) -m "not timing"
	$(PY) -m pytest -m timing

test-fast: $(VENV)/full ## run the fast tests, within a minute
	$(PY) -m pytest $(PARALLEL) -m "not slow and not timing"

fuzz: $(VENV)/full ## property tests with new examples, then INPUTS damaged files
	HYPOTHESIS_PROFILE=search $(PY) -m pytest -m hypothesis
	PYTHONPATH=tests $(PY) -m support.fuzz --sweeps --count $(INPUTS) $(if $(SEED),--seed $(SEED))

dist: $(VENV)/device ## build the wheel and the source distribution, in dist/
	$(PIP) $(PINS) build
	$(PY) -m build --quiet --outdir dist .

# Home Assistant pins all its packages, and works with an older bug fix release of Python than it
# demands.
HA      := .cache/home-assistant
HA_PIP  := $(HA)/bin/python -m pip install --quiet --disable-pip-version-check \
  --ignore-requires-python
home-assistant: ## test the MQTT entities in Home Assistant (HA_PYTHON=python3.13)
	[ -x $(HA)/bin/python ] || $(HA_PYTHON) -m venv $(HA)
	$(HA_PIP) --no-deps homeassistant==2026.2.3
	$(HA_PIP) pytest-homeassistant-custom-component==0.13.316 homeassistant==2026.2.3 paho-mqtt \
	  --constraint $$(echo $(HA)/lib/python*/site-packages/homeassistant/package_constraints.txt)
	PYTHONPATH=. $(HA)/bin/python -m pytest --noconftest -p no:cacheprovider \
	  -c tests/home_assistant/pytest.ini tests/home_assistant

pins: ## write the versions of all dependencies to constraints.txt (PIN=--upgrade: newest)
	$(PYTHON) -m venv .cache/pins
	.cache/pins/bin/python -m pip install --quiet uv packaging
	.cache/pins/bin/python .ci/pins.py write $(TORCH) $(PIN)

coverage: $(VENV)/full ## run all tests, and list the lines and branches of edge_runtime they miss
	@mkdir -p .cache
	$(PY) -m pytest $(PARALLEL) -m "not timing" --cov --cov-report=
	$(PY) -m pytest -m timing --cov --cov-append --cov-fail-under=95

mutants: $(VENV)/full ## list changes of the front end that no test detects (hours)
	$(PIP) mutmut==3.8.1
	ulimit -v 6000000; EDGE_SER_CORPORA=none $(PY) -m mutmut run  # some mutants fill the memory
	$(PY) -m mutmut results

lint: $(VENV)/full ## check format, style, types, spelling and the layers of the packages
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy
	$(VENV)/bin/codespell
	$(VENV)/bin/lint-imports

docs: $(VENV)/docs ## build the documentation, in .cache/site; warnings are errors
	NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict --quiet

node: ## install the packages of examples/node and tests/browser, for the tests under Node.js
	for folder in examples/node tests/browser; do (cd $$folder && npm install --ignore-scripts \
	  --no-audit --no-fund --no-package-lock --silent) || exit; done

web: $(VENV)/full ## build the page without a server in WEB (MODEL: another model)
	$(PY) -m scripts.build_web $(if $(MODEL),--model "$$MODEL") --out "$$WEB" --title "$$TITLE"

bench: $(VENV)/full ## time whole processes next to librosa + PyTorch
	$(PY) -m benchmarks.end_to_end

bench-mfcc: $(VENV)/full ## time the front end next to librosa and others
	$(PY) -m benchmarks.mfcc

bench-training: $(VENV)/full ## time epochs on DATA next to a simple training loop
	$(PY) -m benchmarks.training --data "$$DATA"

report-speed: $(VENV)/full ## write the speed reports of the repository (CORPORA: emodb and others)
	$(PY) -m benchmarks.end_to_end --rounds 15 --out reports/end-to-end.md
	$(PY) -m benchmarks.mfcc --data "$$CORPORA/emodb" --out reports/mfcc-speed.md
	$(PY) -m benchmarks.throughput --data "$$CORPORA/emodb" --out reports/throughput.md
	$(PY) -m benchmarks.training --data "$$CORPORA/ravdess" --rounds 9 \
	  --out reports/training-speed.md

report-scores: $(VENV)/full ## write the reports of the protocols (CORPORA: as above; many hours)
	$(PROTOCOL) --protocol loso --report reports/emodb --seeds 2 --data "$$CORPORA/emodb" \
	  --recipe default --recipe studio
	$(PROTOCOL) --protocol actor-folds --report reports/ravdess8 --seeds 2 \
	  --data "$$CORPORA/ravdess"
	$(PROTOCOL) --protocol actor-folds --report reports/ravdess4 --seeds 2 \
	  --data "$$CORPORA/ravdess" $(FOUR)
	$(PROTOCOL) --protocol actor-folds --report reports/ravdess4-recipes \
	  --data "$$CORPORA/ravdess" $(FOUR) --recipe default --recipe studio
	$(PROTOCOL) --protocol leave-corpus-out --report reports/leave-corpus-out --seeds 3 \
	  --data "$$CORPORA/emodb" --data "$$CORPORA/ravdess" --data "$$CORPORA/nemo" \
	  --data "$$CORPORA/tess" --noise "$$CORPORA/noise" $(FOUR) --recipe corpora

arm64: ## test the wheel in an emulated 64-bit ARM system (as root)
	@deploy/arm64.sh --check
	@$(MAKE) --no-print-directory setup
	PY=$(PY) deploy/arm64.sh $(if $(filter file,$(origin DATA)),,$(DATA))

clean: ## remove caches and build products; keep runs, models and .venv
	rm -rf .cache .pytest_cache .mypy_cache .ruff_cache build dist *.egg-info
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
