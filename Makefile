# Everything a user needs; `make help` lists it.
VENV := .venv
PY := $(VENV)/bin/python
PYTHON ?= python3
DATA ?=
ACDC ?=
MSCMR ?=
CHAOS ?=
NCI ?=
BRATS ?=
HIPPOCAMPUS ?=
PROFILE ?= auto
ROWS ?=
ARGS ?=
RUN = $(PY) -m benchmarks run $(1) --profile $(PROFILE) $(if $(DATA),--data '$(DATA)') $(if $(ROWS),--rows '$(ROWS)') $(ARGS)

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 30

install: $(VENV)/.installed ## make .venv and install weakseg with its optional mirror to W&B

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --constraint constraints.txt --editable '.[wandb]'
	@touch $@

$(VENV)/.tested: $(VENV)/.installed
	$(PY) -m pip install --quiet --constraint constraints.txt --editable '.[wandb,test]'
	@touch $@

reproduce-acdc: $(VENV)/.installed ## the ACDC table; DATA=/path/to/ACDC, PROFILE=paper|gpu|cpu|quick|tiny, ROWS="pCE; AttenScribble" or all, ARGS for the rest
	@$(call RUN,acdc)

reproduce-acdc-strokes: $(VENV)/.installed ## shorter strokes on ACDC; options as above
	@$(call RUN,acdc-strokes)

reproduce-acdc-ablation: $(VENV)/.installed ## parts of AttenScribble on ACDC
	@$(call RUN,acdc-ablation)

reproduce-mscmr: $(VENV)/.installed ## the MSCMR table; DATA=/path/to/MSCMR_dataset's folder
	@$(call RUN,mscmr)

reproduce-chaos: $(VENV)/.installed ## the CHAOS table; DATA=/path/to/CHAOS (with Train_Sets)
	@$(call RUN,chaos)

reproduce-nnunet: $(VENV)/.installed ## every method on your data; DATA=/path/to/DatasetXXX_Name, ARGS='--scribbles interior' where it has no strokes
	@$(call RUN,nnunet)

reproduce-nci-online: $(VENV)/.installed ## streams of NCI-ISBI 2013; DATA=/path to both collections and the labels
	@$(call RUN,nci-online)

reproduce-brats-online: $(VENV)/.installed ## streams of BraTS 2015; DATA=/path to HGG and LGG
	@$(call RUN,brats-online)

reproduce-hippocampus-online: $(VENV)/.installed ## streams of the Decathlon's hippocampus; DATA=/path to Task04_Hippocampus's folder
	@$(call RUN,hippocampus-online)

reproduce-all: $(VENV)/.installed ## every table but nnunet; ACDC=, MSCMR=, CHAOS=, NCI=, BRATS=, HIPPOCAMPUS=/path to real data, phantoms otherwise
	@for table in acdc acdc-strokes acdc-ablation; do $(MAKE) --no-print-directory reproduce-$$table DATA='$(ACDC)' || exit $$?; done
	@$(MAKE) --no-print-directory reproduce-mscmr DATA='$(MSCMR)'
	@$(MAKE) --no-print-directory reproduce-chaos DATA='$(CHAOS)'
	@$(MAKE) --no-print-directory reproduce-nci-online DATA='$(NCI)'
	@$(MAKE) --no-print-directory reproduce-brats-online DATA='$(BRATS)'
	@$(MAKE) --no-print-directory reproduce-hippocampus-online DATA='$(HIPPOCAMPUS)'

reproduce-tiny: $(VENV)/.installed ## the ACDC table in a minute or two, a few steps a row; its numbers mean nothing
	@$(PY) -m benchmarks run acdc --profile tiny $(ARGS)

status: $(VENV)/.installed ## what has been computed so far
	@$(PY) -m benchmarks status

tables: $(VENV)/.installed ## render all results again from their CSV files
	@$(PY) -m benchmarks render

audit: $(VENV)/.installed ## check every committed number against its per-case values and its record
	@$(PY) -m benchmarks audit

propagation: $(VENV)/.tested ## proxy masks against slices drawn; ARGS='--data hippocampus=/path brats2015=/path'
	@$(PY) -m benchmarks.propagation $(ARGS)

kernels: $(VENV)/.tested ## time and memory of losses against their plain forms, registration against SimpleITK
	@$(PY) -m benchmarks.kernels

test: $(VENV)/.tested ## run the tests, installing what they need
	$(PY) -m pytest -n 2

lint: $(VENV)/.tested ## ruff and mypy
	$(VENV)/bin/ruff check --no-cache .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

clean: ## remove runs and generated data, keep results
	rm -rf runs data

.PHONY: help install status tables audit propagation kernels test lint clean
.PHONY: reproduce-acdc reproduce-acdc-strokes reproduce-acdc-ablation reproduce-mscmr reproduce-chaos reproduce-nnunet reproduce-all reproduce-tiny
.PHONY: reproduce-nci-online reproduce-brats-online reproduce-hippocampus-online
.DEFAULT_GOAL := help
