# What people type. Everything else, in the activated environment: python -m bigearth --help
PYTHON = .venv/bin/python

BENCHES = $(filter-out %superresolution.py,$(wildcard tests/bench/bench_*.py))

.PHONY: help setup study test test-cluster test-fresh lint fuzz bench publish kernel verify-results
help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

setup: ## what lacks in the system (with apt and root), .venv, source builds; does nothing the second time
	@./setup.sh

study: setup ## the whole study on a miniature archive; leaves scratch/results/mini
	$(PYTHON) -m bigearth study papermill_runs/mini.yaml

test: ## every test that needs no cluster
	@./setup.sh test
	$(PYTHON) -m pytest tests --ignore=tests/hosts $(PYTEST)

test-cluster: ## the tests on a real Slurm and JupyterHub, started on this machine
	@./setup.sh cluster
	$(PYTHON) -m pytest tests/hosts $(PYTEST)

test-fresh: ## the README's commands on bare Debian 12 and 13, made with mmdebstrap (needs root; SCRATCH=folder)
	tests/fresh/run.sh $(SCRATCH)

lint: setup ## form, types, imports, declared dependencies
	.venv/bin/ruff check .
	.venv/bin/ruff format --check bigearth tests slurm
	.venv/bin/mypy
	.venv/bin/deptry .

fuzz: setup ## thousands of broken inputs, counted by kind (FUZZ="--inputs 1000 --seed 2 --kind cube": fewer, others)
	$(PYTHON) -m tests.fuzz $(FUZZ)

bench: setup ## speed, as ratios within one run; leaves scratch/results/bench (REAL_DATA=folder: DSen2 on a real scene too)
	.venv/bin/uv sync -q --frozen --inexact --extra $(or $(shell cat .venv/extra 2>/dev/null),train) --group bench
	n=0; for script in $(BENCHES); do \
		n=$$((n + 1)); echo "== $$n of $(words $(BENCHES)): $$script"; $(PYTHON) $$script || exit 1; done
	$(PYTHON) tests/bench/bench_superresolution.py $(if $(REAL_DATA),--real-data $(REAL_DATA))

publish: setup ## execute the published studies and benchmarks on a clean commit, and put them into results/
	.venv/bin/uv sync -q --frozen --inexact --extra $(or $(shell cat .venv/extra 2>/dev/null),train) --group bench
	$(PYTHON) -m bigearth publish

kernel: setup ## a Jupyter kernel with this environment, for JupyterHub (SITE=juwels: with its modules)
	$(PYTHON) slurm/install_kernel.py $(if $(SITE),--site $(SITE))

verify-results: setup ## compare the committed results/mini with a fresh run
	$(PYTHON) tests/verify_results.py
