# make run · make serve · make test · make lint · make bench · make evaluate DATA=folder DOMAIN=name
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
	$(BIN)/python benchmarks/busy.py

# The figures in docs/evaluation/, on what the recipes of the domains hold out of training. DATA holds
# the zips and folders named below; contact sheets stay in out/. Run again, it goes on where it was
# stopped. The paper's attack, for which a GPU helps: ATTACK='--iterations 100 --restarts 5'
DOMAIN ?= anime
# Never those of the evaluated network itself; and to anime any light drawn face is one of its own.
FEATURES ?= $(if $(filter anime cartoon,$(DOMAIN)),cat,anime)
ATTACK ?= --iterations 20 --restarts 1
FIGURES := out/evaluate/$(DOMAIN)
PAGE := docs/evaluation/$(DOMAIN)

anime := $(DATA)/anime-256.zip@-200:
cats := $(DATA)/cats-256.zip@-200:
selfies := $(DATA)/selfies-256.zip@-200:
natural := $(DATA)/natural-160.zip@-200:
day := $(DATA)/day-256.zip@-100:
portraits := $(DATA)/portraits-cc0-512.zip@-40:
portrait-faces := $(portraits)@face

#            images    held out  photos          seeds      other images
anime.is   := anime-256.zip 200  selfies         natural    selfies natural cats portraits
cat.is     := cats-256.zip  200  selfies         natural    selfies natural portrait-faces anime
night.is   := night-256.zip 100  day             natural    day natural selfies cats
cartoon.is := cartoon       200  portrait-faces  portraits  portrait-faces selfies natural anime
IS := $($(DOMAIN).is)
HELD := $(word 2,$(IS))
TARGET := $(DATA)/$(firstword $(IS))
MEASURED := --domain $(DOMAIN) --target '$(TARGET)@-$(HELD):' --overwrite

evaluate: $(VENV)/test.stamp
	@test -d '$(DATA)' -a -n '$(IS)' || { \
	  echo 'usage: make evaluate DATA=folder-of-the-images DOMAIN=anime|cat|night|cartoon' >&2; exit 2; }
	$(BIN)/translate evaluate translation $(FIGURES)/translation $(MEASURED) \
		--source '$($(word 3,$(IS)))' --features $(FEATURES)
	$(BIN)/translate evaluate generation $(FIGURES)/generation $(MEASURED) \
		--from '$($(word 4,$(IS)))' --training '$(TARGET)@:-$(HELD)' --features $(FEATURES)
	$(BIN)/translate evaluate ood $(FIGURES)/ood $(MEASURED) $(ATTACK) \
		$(foreach set,$(wordlist 5,9,$(IS)),--other '$($(set))')
	@mkdir -p $(PAGE)
	@echo '# The domain $(DOMAIN), measured by `make evaluate`' >$(PAGE)/README.md
	@for kind in translation generation ood; do \
		cp $(FIGURES)/$$kind/plot.png $(PAGE)/$$kind.png; \
		printf '\n## %s\n\n![%s](%s.png)\n\n' $$kind $$kind $$kind >>$(PAGE)/README.md; \
		cat $(FIGURES)/$$kind/table.md >>$(PAGE)/README.md; \
	done

clean:
	rm -rf $(VENV) out build dist *.egg-info
