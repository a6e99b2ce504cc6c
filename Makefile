# The two main commands: `make repro` runs the experiment, `make test` runs the tests. Both install what they need.
VENV ?= .venv
PYTHON ?= python3
PORT ?= 5000
MODE ?= short
ENGINE ?= joblib
# What installs the dependencies: uv (the user's own, or one in the environment) or pip. The default is uv, and pip if uv fails.
INSTALLER ?= uv
# TORCH=cpu installs torch without CUDA.
TORCH ?=
# GTSRB=… is a folder with your own copy of that data set.
SETTINGS = $(if $(GTSRB),-S "datasets.gtsrb.folder='$(GTSRB)'")

ifneq ($(words $(VENV)),1)
$(error VENV = $(VENV) contains a space, which make does not allow in a path)
endif
ifneq ($(findstring %,$(abspath $(VENV))),)
$(error MLflow does not run from an environment with a % in its path; choose another, such as VENV=/some/path)
endif
ifneq ($(words $(INSTALLER))$(filter-out uv pip,$(INSTALLER)),1)
$(error INSTALLER = $(INSTALLER); allowed: uv, pip)
endif
ifneq ($(filter-out cpu,$(TORCH)),)
$(error TORCH = $(TORCH); allowed: cpu, or nothing for the usual build of torch on this system)
endif
ifeq ($(INSTALLER)-$(strip $(TORCH)),pip-cpu)
$(error TORCH=cpu needs INSTALLER=uv, as pip cannot choose a build of torch)
endif
ifneq ($(and $(TORCH),$(wildcard $(VENV)/lib/python3*/site-packages/nvidia)),)
$(error TORCH = cpu, but $(VENV) contains CUDA; remove that folder, or choose another, such as VENV=.venv-cpu)
endif
BIN := $(VENV)/bin
# dvc.yaml says `python -m stages.…`, so the environment's own python has to be found first.
export PATH := $(abspath $(VENV))/bin:$(PATH)
# No telemetry, no update checks. DVC's are also switched off in .dvc/config, but after Ctrl-C it may not find that file.
export DVC_NO_ANALYTICS := true
export MLFLOW_DISABLE_TELEMETRY := true
export DO_NOT_TRACK := true
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# With the first, Python would not find the stages in the folder that they run in. With the second, which container images
# often set, each stage would compile torch and MLflow again, since uv installs no bytecode.
unexport PYTHONSAFEPATH
unexport PYTHONDONTWRITEBYTECODE

.PHONY: repro no-scm scenario study sweep attacks accounts defend audit test lint docs ui article scenarios bench clean help

repro: no-scm  ## Run all stages that are out of date: download, poison, train, evaluate, report, track
	$(BIN)/dvc repro
	@$(BIN)/python -m miseducation.commands.summary --next

# DVC has to be told if there is no git, or if the repository around this folder ignores it. git is asked about this folder,
# whatever the environment of a git hook says.
no-scm: $(VENV)/.installed
	@if [ ! -e .git ] && { told=$$(env -u GIT_DIR -u GIT_WORK_TREE -u GIT_INDEX_FILE git check-ignore . 2>&1); [ $$? -ne 1 ]; }; \
	then case $$told in *safe.directory*) echo "$$told" >&2; exit 1;; esac; $(BIN)/dvc config --local core.no_scm true; \
	elif grep -qs no_scm .dvc/config.local; then $(BIN)/dvc config --local --unset core.no_scm; fi
	@find dvc.lock pipelines/*/dvc.lock .dvc/tmp/rwlock -empty -delete 2>/dev/null || true  # DVC was killed while it wrote them

scenario: $(VENV)/.installed  ## Run a named set of parameters as an experiment: make scenario NAME=street-signs
	@$(BIN)/python -m miseducation.commands.scenario $(NAME) $(SETTINGS)

study: no-scm $(if $(filter ray,$(ENGINE)),$(VENV)/.installed-ray)  ## Train many models to answer a question: make study NAME=dose; on a cluster with ENGINE=ray RAY_ADDRESS=…
	@$(BIN)/python -m miseducation.commands.studies $(NAME)
	STUDY_ENGINE=$(ENGINE) $(BIN)/dvc repro pipelines/studies/dvc.yaml:track@$(NAME)

sweep:  ## How much poison does it take? Runs the study dose; takes some minutes
	@+$(MAKE) --no-print-directory study NAME=dose

attacks:  ## Which attacks get through? Runs the study attacks; takes half an hour
	@+$(MAKE) --no-print-directory study NAME=attacks
	@cat metrics/attacks/table.md

accounts: no-scm  ## How many accounts does an attacker need in a crowd of labellers? Takes seconds
	$(BIN)/dvc repro pipelines/accounts/dvc.yaml

# For a first look, the three that cover the most attacks.
QUICK_ONES = detect@scan detect@label_free_neighbours repair@i_bau
defend: no-scm  ## Would anyone have noticed? Tries all defences on the current result; QUICK=1 tries three
	@$(BIN)/python -m miseducation.commands.defences --check
	$(BIN)/dvc repro $(if $(filter-out 0,$(QUICK)),evaluate $(QUICK_ONES:%=pipelines/defences/dvc.yaml:%),pipelines/defences/dvc.yaml)
	@$(BIN)/python -m miseducation.commands.defences $(if $(filter-out 0,$(QUICK)),$(foreach one,$(QUICK_ONES),$(lastword $(subst @, ,$(one)))))

# DATA=… is a folder of pictures, an .npz file, a folder of .npy files, or a data set's name; TRUSTED=… names data that are
# known to be clean, in the same way; with WARN_ONLY=1, no verdict makes the command fail.
audit: export AUDIT_DATA := $(DATA)
audit: export AUDIT_TRUSTED := $(TRUSTED)
audit: no-scm  ## Is this data set poisoned? make audit DATA=../pictures; by default it looks at audit.data of params.yaml
	$(if $(filter-out poisoned suspicious mislabelled,$(FAIL_ON)),$(error FAIL_ON = $(FAIL_ON); allowed: poisoned, suspicious, mislabelled))@:
	$(BIN)/dvc repro pipelines/audit/dvc.yaml
	@$(BIN)/python -m miseducation.commands.audit $(if $(filter-out 0,$(WARN_ONLY)),--warn-only) $(if $(FAIL_ON),--fail-on $(FAIL_ON))

test: $(VENV)/.installed-test  ## Run the tests
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile

lint: $(VENV)/.installed-test  ## Check style, types and who imports whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

docs: $(VENV)/.installed-docs  ## Build the docs as a website in site/, with the API reference; needs no network
	$(BIN)/python -m sphinx --quiet --fail-on-warning --fresh-env --conf-dir docs . site
	@echo "site/index.html is the first page"

ui: $(VENV)/.installed  ## Show and compare the runs in MLflow, on http://127.0.0.1:5000 (or PORT=…)
	@$(BIN)/python -m miseducation.commands.ui --port $(PORT)

article: $(VENV)/.installed  ## Make the table of docs/results.md: 1 % and 5 % poison, seeds 1 to 5, as ten DVC experiments
	$(BIN)/python -m benchmarks.article

scenarios: $(VENV)/.installed  ## Make the table of docs/scenarios.md: four scenarios, seeds 1 to 5, as twenty DVC experiments
	$(BIN)/python -m benchmarks.scenarios $(NAME) $(SETTINGS)

bench: $(VENV)/.installed-bench  ## Measure the speed, and compare it with other tools and with what the machine could do; minutes, with MODE=full hours
	$(BIN)/dvc repro --quiet poison
	$(BIN)/python -m benchmarks.machine
	$(BIN)/python -m benchmarks.training --mode $(MODE)
	CIFAR10="$(CIFAR10)" GTSRB="$(GTSRB)" $(BIN)/python -m benchmarks.photographs
	$(BIN)/python -m benchmarks.pipeline --mode $(MODE)
	$(BIN)/python -m benchmarks.defences
	$(BIN)/python -m benchmarks.sweep --mode $(MODE)
	$(BIN)/python -m benchmarks.growth --mode $(MODE)
	KINETO_LOG_LEVEL=5 $(BIN)/python -m benchmarks.roofline --mode $(MODE)
	$(BIN)/python -m benchmarks.report

clean:  ## Remove the virtual environment and the tools' caches; data, models, runs and DVC's cache stay
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find miseducation stages tests benchmarks -name __pycache__ -prune -exec rm -rf {} +

help:  ## Print this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12
	@echo
	@echo "Options: VENV=path uses another virtual environment than .venv; PYTHON=python3.12 creates it"
	@echo "with another Python; INSTALLER=pip installs with pip instead of uv; TORCH=cpu installs torch without CUDA."

# Only the dependencies are installed: a copy of the library there might be imported instead of the work tree's.
TRY_PIP = { echo "uv could not install that; trying pip, which has its own settings" >&2; $(MAKE) --no-print-directory INSTALLER=pip $@; }
GIVE_UP = { echo "uv could not install that. To try pip, which has its own settings: make repro INSTALLER=pip" >&2; exit 1; }
PIP_TOO = $(and $(filter file,$(origin INSTALLER)),$(if $(TORCH),,yes))
define install-uv
	@echo "uv installs into $(VENV); the first time it downloads some gigabytes"
	@{ command -v uv >/dev/null || $(BIN)/python -m pip install --quiet --constraint constraints.txt uv; } && \
		uv pip install $$([ -t 2 ] || echo --quiet) --python $(BIN)/python --constraint constraints.txt \
		--requirements pyproject.toml $(if $(1),--extra $(1)) $(if $(TORCH),--torch-backend cpu) || \
		$(if $(PIP_TOO),$(TRY_PIP),$(GIVE_UP))
endef

# pip cannot install the dependencies without the library, so the library is removed again.
define install-pip
	@echo "pip installs into $(VENV); this takes minutes, during which it prints nothing"
	$(BIN)/python -m pip install --quiet --constraint constraints.txt '.$(if $(1),[$(1)])'
	$(BIN)/python -m pip uninstall --yes --quiet miseducation
endef

define install
	$(call install-$(strip $(INSTALLER)),$(1))
	@touch $@ $(VENV)/.installed
endef

$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(call install,)

$(VENV)/.installed-ray: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(call install,ray)

$(VENV)/.installed-test: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(call install,test)

$(VENV)/.installed-docs: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(call install,docs)

$(VENV)/.installed-bench: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(call install,bench)

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; if you have one under another name: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@if [ "$(TORCH)$$(uname -s)" = Linux ] && ! command -v nvidia-smi >/dev/null; then \
		echo "No NVIDIA GPU was found: make repro TORCH=cpu leaves out the gigabytes of CUDA that come with torch"; fi
