# Two commands: `make app` sets everything up and serves the app, `make test` sets everything up and runs every check.
# bootstrap.py does the work, with Python alone; where there is no make, `python bootstrap.py app` is the same.
VENV := .venv
BIN := $(VENV)/bin
# Once there is an environment its own Python does: that of the system may be too old for it.
PYTHON ?= $(shell test -x $(BIN)/python -a -e $(VENV)/.installed && echo $(BIN)/python || echo python3)
ARGS ?=

.PHONY: app test dev lint browser nginx clean

app:
	@$(PYTHON) bootstrap.py app $(ARGS)

test:
	@$(PYTHON) bootstrap.py test

dev:
	@$(PYTHON) bootstrap.py dev

lint: dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

browser:
	@$(PYTHON) bootstrap.py browser

nginx:
	@$(PYTHON) bootstrap.py nginx

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache
