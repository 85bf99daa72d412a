# `make run` and `make test` are all a newcomer needs: each makes the virtual environment it wants first.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
RUN_ARGS ?=
# make lab [KERNEL=6.1,7.2] [VARIANT=lockdown-integrity] [TESTS="tests/live/test_counts.py -k forks"] [JOBS=2]
KERNEL ?=
VARIANT ?=
TESTS ?=
GUESTS ?=
JOBS ?= 2
NAME ?= $(error name the fixture: make fixture NAME=6.18-lockdown-integrity)

.PHONY: run test lint bench fixture fixtures clean test-live test-pythons lab-environment lab-setup lab lab-docs

run: $(VENV)/.run
	@$(BIN)/kdiag snapshot $(RUN_ARGS); status=$$?; \
	if [ $$status -eq 1 ] || [ $$status -eq 2 ]; then \
		echo "(exit code $$status: the host has findings, kdiag itself is well)"; \
	else exit $$status; fi

test: $(VENV)/.test
	$(BIN)/python -m pytest -q -n auto

lint: $(VENV)/.lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/vermin --target=3.9- --no-tips --violations --eval-annotations kdiag

bench: $(VENV)/.bench
	$(BIN)/python -m bench

# Records every host and every capture of tracefs again, in the lab's guests; takes half an hour.
fixtures: $(VENV)/.lab
	$(BIN)/python -m fixtures.record_hosts

fixture: $(VENV)/.run
	$(BIN)/python -m fixtures.record $(NAME)

test-live: $(VENV)/.test
	$(BIN)/python -m pytest -q tests/live

test-pythons: $(VENV)/.test
	$(BIN)/python -m lab pythons -- -n auto

lab-environment: $(VENV)/.lab

lab-setup: $(VENV)/.lab
	$(BIN)/python -m lab setup --kernel "$(KERNEL)"

lab: $(VENV)/.lab
	$(BIN)/python -m lab test --kernel "$(KERNEL)" --variant "$(VARIANT)" --guests "$(GUESTS)" --tests "$(TESTS)" --jobs $(JOBS)

lab-docs: $(VENV)/.lab
	$(BIN)/python -m lab docs

# The pip of a distribution may be too old for an editable install without setup.py (21.2 on RHEL 9).
$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check --upgrade 'pip>=22.1'

$(VENV)/.run: pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install -q --disable-pip-version-check -e .
	@$(BIN)/python -m compileall -q kdiag
	@touch $@

$(VENV)/.test: pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install -q --disable-pip-version-check -e '.[test]'
	@touch $@ $(VENV)/.run

$(VENV)/.lab: pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install -q --disable-pip-version-check -e '.[test,lab]'
	@touch $@ $(VENV)/.run $(VENV)/.test

$(VENV)/.lint: pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install -q --disable-pip-version-check -e '.[test,lint,bench]'
	@touch $@ $(VENV)/.run $(VENV)/.test

$(VENV)/.bench: pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install -q --disable-pip-version-check -e '.[bench]'
	@touch $@ $(VENV)/.run

clean:
	rm -rf $(VENV) $(VENV)-lab build *.egg-info .pytest_cache .mypy_cache .ruff_cache
