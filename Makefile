# Every target sets itself up: a clone, Python 3.11 or newer and make are enough.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

.PHONY: help setup demo test browser-test kill-test spark-test effects-test celery-test kubernetes-test check format up down status airflow compose-test docs site tutorial proof release-test bench serving-load real-backtest lock clean
help:  ## what there is to do
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 16

setup: $(READY)  ## install the locked dependencies into .venv
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Gauntlet needs Python 3.11 or newer")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing the locked dependencies into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet "uv>=0.9"
	@$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps -e .
	@touch $@

demo: setup  ## six Mondays of a pharmacy chain, then two challengers on live traffic
	@$(BIN)/gauntlet demo

# Four workers keep two cores busy while tests wait for servers and processes; WORKERS=3 for fewer. All
# of them, and every process that a test starts, share compiled modules, so a setting that forbids
# them is lifted.
test: setup  ## every behaviour once, in its smallest form; also the examples in docstrings
	@PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(or $(WORKERS),4) --dist loadfile --no-loadscope-reorder

browser-test: setup  ## the pages in a real browser, on a desk and on a telephone; needs Chromium
	@$(BIN)/python -c 'import sys; from tests.support.services.browser import programs; sys.exit(not programs())' || { \
	  echo "Chromium and its driver are not installed. On Debian: apt-get install chromium chromium-driver"; exit 1; }
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m 'proof or not proof' tests/e2e/browser

# Large optional dependencies that one test needs have an environment of their own: PySpark with its
# jars is half a gigabyte, EconML with its compiler a fifth of one, the schemas of Kubernetes a tenth.
.venv-%/.ready: $(READY)
	@test -x .venv-$*/bin/python || $(PYTHON) -m venv .venv-$*
	@echo "Installing the locked dependencies and the extra $* into .venv-$* ..."
	@$(BIN)/uv pip install --quiet --compile-bytecode --python .venv-$*/bin/python -c requirements.lock -e '.[dev,$*]'
	@touch $@

spark-test: .venv-spark/.ready  ## every command on Spark as on DuckDB; needs Java 17; ENGINE='local[2]' or standalone
	@OMP_NUM_THREADS=1 .venv-spark/bin/python -m pytest tests/property/test_spark_twin.py
	@OMP_NUM_THREADS=1 ENGINE="$(ENGINE)" .venv-spark/bin/python -m pytest tests/contract/engines

effects-test: .venv-effects/.ready  ## the causal forest of EconML against known and published effects
	@OMP_NUM_THREADS=1 .venv-effects/bin/python -m pytest tests/oracle/test_causal_forest_oracle.py

celery-test: .venv-celery/.ready  ## a retraining by two Celery workers, one of which is killed; needs PostgreSQL
	@OMP_NUM_THREADS=1 .venv-celery/bin/python -m pytest tests/deploy/test_celery.py

kubernetes-test: .venv-kubernetes/.ready  ## manifests and the pods of tasks under the schemas of Kubernetes
	@OMP_NUM_THREADS=1 .venv-kubernetes/bin/python -m pytest tests/dags/test_dag_pods.py tests/deploy/test_kubernetes.py

kill-test: setup  ## every command killed at random moments and run again: at least 200 kills; KILLS=20 for fewer
	@OMP_NUM_THREADS=1 $(BIN)/python -m tests.support.kills.campaign --kills $(or $(KILLS),200)

check: setup  ## lint, types, import contracts, documentation, tutorial, tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@$(MAKE) --no-print-directory site tutorial
	@$(MAKE) --no-print-directory test

format: setup  ## put the code into its one form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

up: setup  ## start MLflow and Airflow on loopback
	@$(BIN)/python deploy/stack.py up

down:  ## stop what `make up` started
	@$(BIN)/python deploy/stack.py down

status:  ## what of it is running
	@$(BIN)/python deploy/stack.py status

airflow: setup  ## a command of the Airflow that `make up` started: make airflow ARGS="dags list"
	@$(BIN)/python deploy/stack.py airflow $(ARGS)

compose-test: setup  ## the container stack on a real Docker engine: one scheduled retraining
	@$(BIN)/python -m tests.compose

docs: setup  ## the generated pages: docs/findings.md and docs/options.md
	@$(BIN)/python -m pipelines.reporting.findings_page > docs/findings.md
	@$(BIN)/typer pipelines.cli.app utils docs --name gauntlet --title Options --output docs/options.md

site: setup  ## the documentation as a site in build/site; a broken link is an error
	@$(BIN)/sphinx-build -W --keep-going -n -q -c docs -d build/doctrees . build/site
	@echo "The site is in build/site/docs/index.html"

tutorial: setup  ## follow docs/tutorial.md step by step and compare what it prints
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m proof tests/docs/test_tutorial.py

proof: setup  ## the long simulations, as a table in docs/proof.md, and the tests at length
	@OMP_NUM_THREADS=1 $(BIN)/python -m tests.montecarlo.proof --out docs/proof.md
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m proof
	@GAUNTLET_REPLICATIONS=300 OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/montecarlo
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest --hypothesis-profile thorough tests/property \
	  tests/contract/test_suite_runners.py tests/unit/features/engine/test_distribution.py

release-test: test proof browser-test kubernetes-test spark-test effects-test celery-test kill-test  ## all tests but compose-test, before a release

bench: setup  ## benchmarks against another side, into benchmarks/RESULTS.md; ROWS=1000000 for one size
	@OMP_NUM_THREADS=1 $(BIN)/python benchmarks/run_all.py $(if $(ROWS),--rows $(ROWS))
	@OMP_NUM_THREADS=1 $(BIN)/python benchmarks/backtest.py
	@OMP_NUM_THREADS=1 $(BIN)/python benchmarks/backfill.py
	@OMP_NUM_THREADS=1 $(BIN)/python benchmarks/serving.py
	@$(BIN)/python benchmarks/start.py

serving-load: setup  ## a minute at RATE=500 requests a second while the champion is switched ten times
	@OMP_NUM_THREADS=1 $(BIN)/python benchmarks/serving.py --load $(or $(RATE),500)

real-backtest: setup  ## gauntlet backtest of every real set, into docs/real-backtest.md; SET=name for one
	@OMP_NUM_THREADS=1 $(BIN)/python -m tests.real.backtest $(if $(SET),--set $(SET))

lock: setup  ## resolve pyproject.toml anew into requirements.lock, with a hash of every file
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --extra dev --no-header \
	  --no-annotate --no-emit-index-url --no-emit-find-links --generate-hashes --upgrade \
	  pyproject.toml -o requirements.lock

clean:  ## remove the environment and everything that was made
	rm -rf $(VENV) .venv-celery .venv-effects .venv-kubernetes .venv-spark build .gauntlet .airflow .pytest_cache .mypy_cache .ruff_cache .hypothesis
