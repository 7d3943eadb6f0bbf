# The only doors that people and CI use. `make help` lists them.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SIZE ?= 1GB

.DEFAULT_GOAL := help
.PHONY: help build demo test lint format bench golden pictures clean

help: ## List the targets
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet 'maturin>=1.9,<2'
	touch $@

build: $(STAMP) ## Build the core and install the package with its development tools into .venv
	VIRTUAL_ENV=$(abspath $(VENV)) $(BIN)/maturin develop --release --quiet --extras dev

demo: build ## Make a small vLLM-like trace and explain it
	$(BIN)/nsys-llm-explain demo --out demo_report

test: build ## Run all tests, Rust and Python
	cargo test --quiet --workspace
	$(BIN)/python -m pytest

lint: build ## Check formatting, lints and types
	cargo fmt --all --check
	cargo clippy --quiet --workspace --all-targets -- -D warnings
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest nsys_llm_explainer._native
	$(BIN)/python -m nsys_llm_explainer.reference --check

format: build ## Format Rust and Python
	cargo fmt --all
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: build ## Time the report end to end on a generated export (SIZE=1GB)
	$(BIN)/python benches/python/bench.py --size $(SIZE)

golden: build ## Refresh golden reports, generated docs and examples
	$(BIN)/python -m nsys_llm_explainer.reference --write
	$(BIN)/python tests/golden/refresh.py
	$(BIN)/python tests/examples/refresh.py
	$(BIN)/python tests/real/schema_support.py

pictures: build ## Photograph the demo's report for the README (needs Chromium)
	$(BIN)/python docs/images/make.py
	$(BIN)/python docs/pictures/make.py

clean: ## Remove what the targets made
	rm -rf $(VENV) target demo_report
