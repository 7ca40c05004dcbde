# Everything a checkout needs. `make` alone lists the targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# pytest spreads over the cores; torch keeps to one thread in each of its processes.
TEST := OMP_NUM_THREADS=1 TOKENIZERS_PARALLELISM=false $(BIN)/python -m pytest -n auto
.DEFAULT_GOAL := help
.PHONY: help install demo test test-all lint format schema measure clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(VENV)/installed ## set up .venv with everything (the other targets do it by themselves)

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "mt needs Python 3.11 or newer: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,export,marian,onnx,korean,plots]'
	@touch $@

demo: install ## train on the built-in corpus, evaluate, translate (a few minutes)
	$(BIN)/mt train --config demo
	$(BIN)/mt eval --model runs/demo
	$(BIN)/mt translate --model runs/demo "저는 어제 시장에서 사과를 세 개 샀어요." "민수는 내일 도서관에 갈 거예요?" "어제 비가 왔기 때문에 지영 씨는 우산을 샀어요."

test: install ## run the fast tests (a few minutes)
	$(TEST) -m "not slow"

test-all: install ## run all tests, the slow ones too
	$(TEST)

lint: install ## check style and unused code
	$(BIN)/ruff check .

format: install ## let ruff put imports and simple things right
	$(BIN)/ruff check --fix .

schema: install ## write what is generated: configs/schema.json and the README's file map
	$(BIN)/python scripts/make_schema.py
	$(BIN)/python scripts/make_file_map.py

measure: install ## measure start-up and a first translation as whole processes (needs a trained run)
	$(BIN)/python scripts/measure_startup.py

clean: ## remove .venv and what tools leave; runs/ stays
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache *.egg-info
