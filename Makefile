# Two commands from a fresh clone: `make lab` to learn, `make test` to check.
PYTHON ?= python3
LAB_ARGS ?=
BIN := .venv/bin
WITHOUT_THREADS := OMP_NUM_THREADS=1 GOMP_SPINCOUNT=1000 COURSE_PROGRESS=off
PYTEST := $(WITHOUT_THREADS) $(BIN)/python -m pytest

.PHONY: lab html test check notebooks clean

lab: .venv/installed  ## install, check the machine, open the course
	$(BIN)/python -m course_lib doctor
	$(BIN)/python -m course_lib work
	$(BIN)/python -m course_lib lab $(LAB_ARGS)

html: .venv/installed  ## every notebook as a page, in build/html, with still pictures of the widgets
	$(BIN)/python -m course_lib.authoring.html_pages

test: .venv/installed-for-tests  ## everything: unit tests, every notebook at smoke budget, a real browser
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	COURSE_BUDGET=smoke $(PYTEST) -n 2 --dist loadfile --no-loadscope-reorder --durations=8 -q tests \
	  --nbval-lax --nbval-cell-timeout=120 notebooks solutions

check: .venv/installed-for-tests  ## the edit loop, three minutes at most; ONLY=dcgan for what has that name in it
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	COURSE_BUDGET=smoke $(PYTEST) -n 2 --dist loadfile --no-loadscope-reorder -q -m "not slow and not browser" $(if $(ONLY),-k "$(ONLY)") tests

notebooks: .venv/installed-for-tests  ## regenerate the exercises, execute again what changed, stamp it
	$(BIN)/python -m course_lib.authoring

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
	  || { echo "The course needs Python 3.11, 3.12 or 3.13; $(PYTHON) is $$($(PYTHON) --version 2>&1). Try: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip

.venv/installed: .venv/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet -c constraints.txt -e .
	@touch $@

.venv/installed-for-tests: .venv/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[test]"
	@touch .venv/installed $@

clean:  ## remove the environment; your work/ stays
	rm -rf .venv build *.egg-info .pytest_cache .ruff_cache .hypothesis
