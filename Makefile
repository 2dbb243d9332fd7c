# make run · make serve · make test · make lint · make bench
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run serve test lint bench browser clean

# A stamp per set of packages: installed again only when the lists change.
$(VENV)/run.stamp: requirements.txt pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt -e .
	@touch $@

$(VENV)/test.stamp: $(VENV)/run.stamp
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev,train]'
	@touch $@

run: $(VENV)/run.stamp
	$(BIN)/translate image examples/astronaut.jpg out/astronaut-anime.png --domain anime --overwrite

serve: $(VENV)/run.stamp
	$(BIN)/translate serve

# The tests drive Debian's chromium.
browser:
	@command -v chromium >/dev/null || { \
	  if [ "$$(id -u)" = 0 ]; then as=; elif command -v sudo >/dev/null; then as=sudo; else \
	    echo "The tests need the package chromium: let root run apt-get install chromium." >&2; exit 1; \
	  fi; \
	  $$as apt-get update -qq && $$as apt-get install -y -qq --no-install-recommends chromium; }

lint: $(VENV)/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

test: lint browser
	$(BIN)/python -m pytest

bench: $(VENV)/test.stamp
	$(BIN)/python benchmarks/engine.py
	$(BIN)/python benchmarks/batch.py
	$(BIN)/python benchmarks/web.py

clean:
	rm -rf $(VENV) out build dist *.egg-info
