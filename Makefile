# make train, make test: each sets up .venv when it has to, and installs nothing the second time.
PYTHON ?= python3
VENV ?= .venv
ARGS ?=
# Where torch comes from. On Linux the default index serves CUDA builds (gigabytes); for the CPU build:
#   make train TORCH_INDEX=https://download.pytorch.org/whl/cpu
TORCH_INDEX ?=
PIP := $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: help train test lint clean
help:  ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

train: $(VENV)/.installed  ## train an LSTM on the sunspots; pass overrides with ARGS="model=gru seeds=5"
	$(VENV)/bin/python train.py $(if $(ARGS),$(ARGS),model=lstm)

test: $(VENV)/.installed-dev  ## run the full test suite
	$(VENV)/bin/python -m pytest -n 2

lint: $(VENV)/.installed-dev  ## check style and types
	$(VENV)/bin/ruff check . && $(VENV)/bin/ruff format --check . && $(VENV)/bin/mypy

clean:  ## remove the virtual environment
	rm -rf $(VENV)

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Installing PyTorch and the rest into $(VENV), once; this can take minutes."
	$(PIP) $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) torch
	$(PIP) -e .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(PIP) -e ".[dev]"
	touch $@
