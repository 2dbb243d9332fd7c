# make run · make serve · make test · make lint · make bench · make evaluate DATA=folder
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run serve test lint bench browser evaluate clean

# A stamp per set of packages: installed again only when the lists change.
$(VENV)/run.stamp: requirements.txt pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt -e .
	@touch $@

$(VENV)/test.stamp: $(VENV)/run.stamp
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev,train,evaluate]'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --upgrade \
		--target $(VENV)/hub-oldest 'huggingface-hub==1.16.0'  # tests/test_hub_oldest.py
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

# The figures in docs/evaluation.md. DATA holds the zips named below; contact sheets stay in out/.
# The paper's attack, for which a GPU helps: ATTACK='--iterations 100 --restarts 5'
DOMAIN ?= anime
FEATURES ?= $(DOMAIN)
ATTACK ?= --iterations 40 --restarts 1
FIGURES := out/evaluate/$(DOMAIN)
HELD_OUT := --domain $(DOMAIN) --target '$(DATA)/anime-256.zip@-200:'

evaluate: $(VENV)/test.stamp
	@test -d '$(DATA)' || { echo 'usage: make evaluate DATA=folder-of-the-zips'; exit 2; }
	$(BIN)/translate evaluate translation $(FIGURES)/translation $(HELD_OUT) --overwrite \
		--source '$(DATA)/selfies-256.zip@-200:' --features $(FEATURES)
	$(BIN)/translate evaluate generation $(FIGURES)/generation $(HELD_OUT) --overwrite \
		--from '$(DATA)/natural-160.zip@-200:' --training '$(DATA)/anime-256.zip@:-200' \
		--features $(FEATURES)
	$(BIN)/translate evaluate ood $(FIGURES)/ood $(HELD_OUT) --overwrite $(ATTACK) \
		--other '$(DATA)/selfies-256.zip@-200:' --other '$(DATA)/natural-160.zip@-200:' \
		--other '$(DATA)/cats-256.zip@-200:' --other '$(DATA)/portraits-cc0-512.zip'
	@mkdir -p docs/evaluation
	@for kind in translation generation ood; do \
		cp $(FIGURES)/$$kind/table.md docs/evaluation/$$kind.md; \
		cp $(FIGURES)/$$kind/plot.png docs/evaluation/$$kind.png; \
	done

clean:
	rm -rf $(VENV) out build dist *.egg-info
