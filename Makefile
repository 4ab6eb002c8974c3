# Everything a user needs; `make help` lists it.
VENV := .venv
PY := $(VENV)/bin/python
PYTHON ?= python3
DATA ?=
PROFILE ?= auto
ROWS ?=
ARGS ?=
RUN = $(PY) -m benchmarks run $(1) --profile $(PROFILE) $(if $(DATA),--data '$(DATA)') $(if $(ROWS),--rows '$(ROWS)') $(ARGS)

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 18

install: $(VENV)/.installed ## make .venv and install weakseg with its optional mirror to W&B

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --constraint constraints.txt --editable '.[wandb]'
	@touch $@

$(VENV)/.tested: $(VENV)/.installed
	$(PY) -m pip install --quiet --constraint constraints.txt --editable '.[wandb,test]'
	@touch $@

reproduce-acdc: $(VENV)/.installed ## the ACDC table; DATA=/path/to/ACDC, PROFILE=paper|gpu|cpu|quick|tiny, ROWS="pCE; AttenScribble", ARGS for the rest
	@$(call RUN,acdc)

reproduce-tiny: $(VENV)/.installed ## the ACDC table in a minute, a few steps a row; its numbers mean nothing
	@$(PY) -m benchmarks run acdc --profile tiny $(ARGS)

status: $(VENV)/.installed ## what has been computed so far
	@$(PY) -m benchmarks status acdc

tables: $(VENV)/.installed ## render all results again from their CSV files
	@$(PY) -m benchmarks render acdc

kernels: $(VENV)/.installed ## time and memory of the costly losses against their plain forms
	@$(PY) -m benchmarks.kernels

test: $(VENV)/.tested ## run the tests, installing what they need
	$(PY) -m pytest -n 2

lint: $(VENV)/.tested ## ruff and mypy
	$(VENV)/bin/ruff check --no-cache .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

clean: ## remove runs and generated data, keep results
	rm -rf runs data

.PHONY: help install reproduce-acdc reproduce-tiny status tables kernels test lint clean
.DEFAULT_GOAL := help
