# ENTRY, SEED, TRIALS and ARGS say what a target acts on. RECORD=1 lets a repetition replace what is
# shipped. PYTHON=python3 runs everything on a Python that has the packages already.
# TORCH_INDEX=URL takes torch from another index, as the one of builds for the CPU only.

# What these say reaches the programs as arguments. Neither make nor a shell runs any of it: the
# text is taken as it was written, and a recipe finds it in its environment. ARGS is words, split
# and quoted as a shell would.
WORDS := ENTRY SEED TRIALS ARGS RECORD VERDICTS PORT TORCH_INDEX TORCH TORCHVISION OLDEST
$(foreach name,$(WORDS),$(if $(value $(name)),$(eval override $(name) := $$(value $(name)))$(eval export $(name))))

ifeq ($(OS),Windows_NT)
PYTHON3 ?= python
VENV_PYTHON := .venv/Scripts/python.exe
VENV_UV := .venv/Scripts/uv.exe
else
PYTHON3 ?= python3
VENV_PYTHON := .venv/bin/python
VENV_UV := .venv/bin/uv
endif
PYTHON ?= $(VENV_PYTHON)
READY := $(if $(filter $(VENV_PYTHON),$(PYTHON)),.venv/.installed)
# By uv, which takes a sixth of pip's time: the one that is installed, else .venv's own. By pip where
# that fails, where pip is told of an index that uv knows nothing of, and with UV= always. Both take
# the versions that the lock file names.
UV ?= $(or $(shell command -v uv 2>/dev/null),$(VENV_UV))
PIP = $(PYTHON) -m pip
HAS_INDEX = $(PIP) config list | grep '[.]index-url=' >/dev/null
LOCKED := --constraint requirements.lock
INSTALL = { $(if $(UV),$(if $(filter $(VENV_UV),$(UV)),! $(HAS_INDEX) && )command -v "$(UV)" >/dev/null && "$(UV)" pip install --python $(PYTHON) $(LOCKED) $(1) || )$(PIP) install --disable-pip-version-check $(LOCKED) $(1); }
INSTALL_ALL = $(if $(TORCH_INDEX),$(call INSTALL,--no-deps --index-url "$$TORCH_INDEX" torch torchvision) && )$(call INSTALL,-r requirements-dev.txt)
SCRIPTS = $(shell $(PYTHON) -c 'import sysconfig; print(sysconfig.get_path("scripts"))')
PYTEST := $(PYTHON) -m pytest
WITH_ARGS = words=$$($(PYTHON3) -c 'import os, shlex, sys; sys.excepthook = lambda *error: print("make: ARGS:", error[1], file=sys.stderr); print(shlex.join(shlex.split(os.environ.get("ARGS", ""))))') || exit 2; eval "set -- $$words";
CHECK := set -f; $(PYTHON) check.py $$ENTRY
RECORDED := $(if $(RECORD),--record)

.DEFAULT_GOAL := help
.PHONY: help setup env-update lock verify train train-all reproduce search check check-model merge-verdicts \
	storm check-params comment view-results trial trials summary show-augment predict badge readme bench lint \
	format test test-judge test-oldest test-ray dist test-model test-training selftest selftest-wide fuzz coverage \
	clean clean-checkpoints export export-all cards pictures site serve test-site

help: ## list the targets
	@echo 'make TARGET [ENTRY=slim] [SEED=0] [RECORD=1] [ARGS="--flags of the program"]'
	@$(PYTHON3) -c 'import re, textwrap; [print(textwrap.fill("  %-15s " % name + text, 79, break_on_hyphens=False, subsequent_indent=" " * 18)) for name, text in re.findall(r"(?m)^([a-z-]+):.*## (.*)", open("Makefile", encoding="utf-8").read())]'

# --- environment ---

# Written last, so that an install that broke off is taken up again. pip talks on stderr: stdout is the program's.
.venv/.installed: requirements.txt requirements-dev.txt requirements.lock
	@$(PYTHON3) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo "Python 3.11 or newer is needed, $(PYTHON3) is: $$($(PYTHON3) --version 2>&1); name another with PYTHON3=python3.12" >&2; exit 1; }
	@$(VENV_PYTHON) -m pip --version >/dev/null 2>&1 || $(PYTHON3) -m venv --clear .venv >&2
	@$(if $(filter $(VENV_UV),$(UV)),$(PIP) install --quiet --disable-pip-version-check $(LOCKED) uv >&2 || true)
	@{ $(INSTALL_ALL); } >&2
	@touch $@

setup: $(READY) ## make .venv and install the requirements (every target does, once)
	@$(PYTHON) --version

env-update: $(READY) ## bring the environment to the requirements, then verify it
	$(INSTALL_ALL)
	$(PYTHON) environment.py

lock: ## resolve the requirements for all systems anew into requirements.lock; needs uv
	"$(UV)" pip compile --universal --python-version 3.11 --no-header --no-annotate --upgrade -o requirements.lock requirements-dev.txt

verify: $(READY) ## say which Python, packages, device and commit this is
	@$(PYTHON) environment.py

# --- the zoo ---

train: $(READY) ## train ENTRY (slim) with SEED (0), judge it; ARGS=--resume continues
	@$(WITH_ARGS) $(PYTHON) train.py "$${ENTRY:-slim}" --seed "$${SEED:-0}" --check $(RECORDED) "$$@"

trial: $(READY) ## try ENTRY (slim) by val over seeds: ARGS="--recipe.epochs 12 --against declared"
	@$(WITH_ARGS) $(PYTHON) train.py "$${ENTRY:-slim}" --trial "$$@"

train-all: $(READY) ## train every entry and seed that lacks evidence; ARGS="--jobs 2", "--ray auto"
	@$(WITH_ARGS) $(PYTHON) train.py --all "$$@"

reproduce: $(READY) ## train a recorded run again and compare; without ENTRY a fast one, by the week
	@$(WITH_ARGS) $(PYTHON) -m torchbudget reproduce $(if $(ENTRY),"$$ENTRY" "$${SEED:-0}",--in-turn) "$$@"

search: $(READY) ## search for a better recipe of ENTRY (slim) by val, TRIALS (30); ARGS="--jobs 2"
	@$(WITH_ARGS) $(PYTHON) search.py "$${ENTRY:-slim}" --trials "$${TRIALS:-30}" --seed "$${SEED:-0}" "$$@"

check: $(READY) ## judge ENTRY (all) by every gate, all shipped weights re-measured
	@$(WITH_ARGS) $(CHECK) "$$@"

merge-verdicts: $(READY) ## put the shards of a check together: ARGS="1.json 2.json --github"
	@$(WITH_ARGS) $(PYTHON) -m torchbudget merge-verdicts "$$@"

comment: ## keep the comment on the pull request that a workflow runs for; needs its GITHUB_TOKEN
	@$(PYTHON3) -I -S .github/post_comment.py reports/comment.md

check-model: $(READY) ## judge parameters and structure only; needs no data
	@$(WITH_ARGS) $(CHECK) --only params,structure "$$@"

check-params: $(READY) ## judge parameters only
	@$(WITH_ARGS) $(CHECK) --only params "$$@"

view-results: $(READY) ## print the table of the zoo; ARGS=--wide for all columns, --json for programs
	@$(WITH_ARGS) $(PYTHON) -m utils.table "$$@"

trials: $(READY) ## print the lab book: what was tried, judged by val; ARGS=--wide for all columns
	@$(WITH_ARGS) $(PYTHON) -m utils.trials_table "$$@"

summary: $(READY) ## print the layers of ENTRY (slim): shapes, parameters, multiply-adds
	@$(WITH_ARGS) $(PYTHON) -m utils.summary "$${ENTRY:-slim}" "$$@"

show-augment: $(READY) ## draw what each augmentation does, a row each
	@$(WITH_ARGS) $(PYTHON) -m utils.augment "$$@"

predict: $(READY) ## predict the digit on pictures by ENTRY (slim): make predict ARGS=samples/digit.png
	@$(WITH_ARGS) $(PYTHON) predict.py --entry "$${ENTRY:-slim}" "$$@"

export: $(READY) ## write exports/ENTRY.onnx (slim) with SEED (0), measured by ONNX Runtime
	@$(WITH_ARGS) $(PYTHON) -m utils.export "$${ENTRY:-slim}" --seed "$${SEED:-0}" "$$@"

export-all: $(READY) ## write exports/ENTRY.onnx with seed 0 of every entry of MNIST
	@$(WITH_ARGS) $(PYTHON) -m utils.export --all "$$@"

badge: $(READY) ## judge ENTRY (slim) by every gate and draw badges/ENTRY.svg
	@$(WITH_ARGS) $(PYTHON) check.py "$${ENTRY:-slim}" --badge "badges/$${ENTRY:-slim}.svg" "$$@"

readme: $(READY) ## write the table of the zoo into README.md and results.csv
	$(PYTHON) -m utils.table --readme
	$(PYTHON) -m utils.table --csv

cards: $(READY) ## write a model card for each entry into cards/
	$(PYTHON) -m utils.cards

pictures: $(READY) ## draw the README's pictures
	$(PYTHON) -m utils.pictures

bench: $(READY) ## measure seconds and memory: make bench ARGS="epoch startup"
	@$(WITH_ARGS) $(PYTHON) -m bench $(RECORDED) "$$@"

# --- the site ---

site: $(READY) ## build the site into site/; VERDICTS=FILE shows those of `check --json FILE`
	@$(WITH_ARGS) $(PYTHON) -m utils.pages $(if $(VERDICTS),--verdicts "$$VERDICTS") "$$@"

serve: $(READY) ## show site/ on http://127.0.0.1:8000 (PORT=8000), on this machine only
	@$(PYTHON) -m http.server "$${PORT:-8000}" --bind 127.0.0.1 --directory site

# --- the code ---

lint: $(READY) ## look for faults in code, types, imports against the design, and the workflows
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy
	$(PYTHON) -c 'from importlinter.cli import lint_imports_command; lint_imports_command()'
	"$(SCRIPTS)/actionlint"
	"$(SCRIPTS)/zizmor" --offline --no-progress --quiet .

format: $(READY) ## format the code and sort its imports
	$(PYTHON) -m ruff check --select I --fix .
	$(PYTHON) -m ruff format .

test: $(READY) ## run the suite but test-site, with the coverage of what judges
	@$(WITH_ARGS) $(PYTEST) --ignore=tests/site -n auto --dist worksteal --cov --cov-report=term-missing:skip-covered --cov-report=xml:reports/coverage.xml --junitxml=reports/junit.xml "$$@"

test-judge: $(READY) ## run the tests of the judge that ask for no Linux, make or shell
	@$(WITH_ARGS) $(PYTEST) tests/torchbudget/network tests/torchbudget/gates tests/torchbudget/data tests/torchbudget/declare tests/torchbudget/evidence tests/torchbudget/report tests/torchbudget/building/test_unconfined.py "$$@"

selftest: $(READY) ## run the corpus of planted violations and honest oddities
	@$(WITH_ARGS) $(PYTHON) -m pytest -q tests/violations "$$@"

fuzz: $(READY) ## hold every reader and command to its law on 10,000 mutated inputs (some minutes)
	@$(WITH_ARGS) PYTHONPATH=.:tests $(PYTHON) -m fuzz "$$@"

# What pyproject.toml names as the extra.
RAY = "$$($(PYTHON) -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["ray"])')"
INSTALL_RAY = $(call INSTALL,$(RAY)) >&2

storm: $(READY) ## kill, starve and crowd trainings for 15 minutes; all must end as if nothing had been
	$(INSTALL_RAY)
	@$(WITH_ARGS) PYTHONPATH=.:tests $(PYTHON) -m storm $(RECORDED) "$$@"

selftest-wide: $(READY) ## run models of torchvision, and of timm if it is there, through the static gates
	@$(WITH_ARGS) $(PYTHON) tests/violations/wide.py "$$@"

test-ray: $(READY) ## install Ray, then train and search on a cluster of two nodes on this machine
	$(INSTALL_RAY)
	@$(WITH_ARGS) $(PYTEST) tests/utils/test_engine_ray.py "$$@"

test-site: $(READY) ## build the site and use it in Chromium: sort, filter, draw, look for faults
	@$(WITH_ARGS) $(PYTEST) tests/site "$$@"

test-model: $(READY) ## run the tests of the networks and their structure
	@$(WITH_ARGS) $(PYTEST) tests/test_model.py tests/torchbudget/network "$$@"

test-training: $(READY) ## run the tests of training
	@$(WITH_ARGS) $(PYTEST) tests/test_train.py "$$@"

# The oldest versions that pyproject.toml claims.
TORCH ?= 2.11.0
TORCHVISION ?= 0.26.0
OLDEST ?= torch==$(TORCH) torchvision==$(TORCHVISION) numpy==2.0.0 safetensors==0.5.0 \
	msgspec==0.19.0 filelock==3.16.0 rich==13.9.0 pillow==11.0.0
export OLDEST
test-oldest: $(READY) ## install the oldest versions that are claimed, and test the judge on them
	@set -f; $(PYTHON) -m pip install --disable-pip-version-check $$OLDEST >&2
	@$(WITH_ARGS) $(PYTEST) tests/torchbudget/network tests/torchbudget/gates tests/torchbudget/building "$$@"

dist: $(READY) ## build the wheel and the sdist of torchbudget into dist/
	$(PYTHON) -m build --no-isolation

coverage: $(READY) ## fail where the last `make test` left more than 5 % of what judges uncovered
	$(PYTHON) -m coverage report --fail-under=95

clean: ## remove caches and reports
	rm -rf reports dist build site *.egg-info .coverage .pytest_cache .ruff_cache .mypy_cache .import_linter_cache .hypothesis
	find . -name .venv -prune -o -type d -name __pycache__ -prune -exec rm -rf {} +

clean-checkpoints: ## remove what interrupted runs would go on from
	rm -rf checkpoints
