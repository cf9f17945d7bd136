# Every target sets up what it needs: `make demo` and `make test` work in a fresh clone.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
OUT ?= out

# Products in float32 sum in the order of the processor's kind; the texts and golden results are those of this one (docs/limits.md).
test test-slow golden-update docs-numbers: export OPENBLAS_CORETYPE := Haswell

.PHONY: help setup demo demo-kernel-ridge demo-performer docs test test-slow test-nojit coverage lint types imports check fmt validate bench bench-reference bench-history reports comparison golden-update docs-numbers mutants clean

help:            ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/ :/'

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

setup: $(VENV)/.installed   ## virtual environment with everything

demo: setup      ## kernel ridge on digits and a trained Performer on ListOps, with reports (side by side: most of it is compiling)
	@$(MAKE) --no-print-directory --jobs=2 demo-kernel-ridge demo-performer
	@cat $(OUT)/demo-performer.txt
	@echo 'Accuracy of the second run: 200 sequences on 2 programmed chips, a standard error of about 3 points.'

demo-kernel-ridge:
	@$(BIN)/hermes-sim run hermes_64 kernel_ridge_digits --out $(OUT)/kernel_ridge_digits --force

demo-performer: RUN := $(BIN)/hermes-sim run hermes_64_hetero performer_listops_full_short --draws 2 --samples 200
demo-performer:
	@mkdir -p $(OUT); said=$(OUT)/demo-performer.txt; \
	  $(RUN) --out $(OUT)/performer_listops_full_short --force >$$said 2>&1 || { cat $$said; exit 1; }

test: setup      ## the test suite, file by file on all cores
	$(BIN)/python -m pytest -n auto --dist loadfile

test-slow: setup ## long validations against the chip, more random programs
	$(BIN)/python -m pytest -m "slow or silicon" --durations=10

NOJIT := NUMBA_DISABLE_JIT=1 $(BIN)/python -m

test-nojit: setup ## tests of the compiled parts as plain Python
	$(NOJIT) pytest tests/engine tests/trace tests/nojit

coverage: setup  ## the same, and which lines of the compiled parts no test runs (coverage sees no machine code)
	$(NOJIT) coverage run -m pytest tests/engine tests/trace tests/nojit
	$(BIN)/python -m coverage report

lint: setup      ## ruff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup     ## mypy, strict
	$(BIN)/mypy

imports: setup   ## import contract
	$(BIN)/lint-imports

check: test lint types imports docs ## what CI runs (.ci/run: this in a fresh environment)

fmt: setup       ## format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The data sets that ship, at one of the five ratios s/d of the published experiment.
ACCURACY := accuracy --log2-ratio 3 --dataset letter --dataset magic --dataset eeg --dataset skin

validate: setup  ## our numbers beside the published ones: what a clone can check in about five minutes on two cores
	@failed=''; for what in chip baselines device engines; do \
	  $(BIN)/hermes-sim validate $$what || failed="$$failed $$what"; \
	done; \
	$(BIN)/hermes-sim validate $(ACCURACY) || test $$? = 1 || failed="$$failed accuracy"; \
	echo 'Accuracy: shares of cells within 2 standard errors are told; of a part of the cells they do not fail this target.'; \
	echo; echo 'Left out:'; \
	echo '- accuracy on ijcnn1 and cod-rna: they do not ship; hermes-sim data get NAME, then hermes-sim validate accuracy'; \
	echo '- accuracy at the four other ratios: a quarter of an hour or more; hermes-sim validate accuracy'; \
	echo '- whole figures and tables, with plots: hermes-sim reproduce (make reports)'; \
	echo '- SCALE-Sim itself, of which recorded cycles are compared: it needs an environment of its own (benchmarks/systolic.py)'; \
	test -z "$$failed" || { echo "FAILED:$$failed" >&2; exit 1; }

bench: setup     ## speed, as ratios in one run beside the stored ones (a quarter of an hour; rows: out/bench.json)
	@$(BIN)/python benchmarks/run.py --out $(OUT)/bench.json

bench-reference: setup ## the same, and today's ratios become the stored ones and part of the history, on an idle machine
	@$(BIN)/python benchmarks/run.py --out $(OUT)/bench.json --store

bench-history: setup ## ratios of the last commits
	@$(BIN)/python benchmarks/run.py --history

reports: setup   ## the published figures beside ours, with plots (reports/reproduction)
	$(BIN)/hermes-sim reproduce

comparison: setup ## kernel projection and Performer against all accelerators (reports/comparison, a quarter of an hour)
	$(BIN)/hermes-sim compare --study reports/comparison

golden-update: setup ## rewrite the golden results (tests/golden); CHANGELOG says why numbers changed
	$(BIN)/python -m pytest tests/golden --golden-update

$(VENV)/.docs: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[docs]'
	@touch $@

docs: $(VENV)/.docs ## the site, with the reference made from the sources; opens without a network
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet --site-dir $(OUT)/site
	@echo 'Site: $(OUT)/site/index.html'

docs-numbers: setup ## rerun what is behind the printed numbers of README.md, docs/ and the tutorial
	$(BIN)/python tools/docs_numbers.py --update
	$(BIN)/python tools/docs_notebook.py

mutants: setup   ## do the tests notice one-line bugs? (an hour on two cores)
	$(BIN)/python tools/mutants.py --json $(OUT)/mutants.json

clean:           ## remove what make made
	rm -rf $(VENV) $(OUT) build dist *.egg-info
