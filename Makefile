# `make demo` trains and scores the requests recogniser, `make test` runs everything that must pass.
# Each makes its own virtual environment from the pinned packages; nothing but CPython, pip, make and git is needed.

PYTHON ?= python3
export PIP_DISABLE_PIP_VERSION_CHECK = 1

DEMO = .venv-demo
TEST = .venv-test
NEWEST = .venv-newest
STUDIO = .venv-label-studio

.PHONY: demo test lint docs unit newest studio browser bench clean

demo: $(DEMO)/installed
	$(DEMO)/bin/python -m spacy project run all
	@echo "Scores on the requests test data (metrics/requests.json):"
	@cat metrics/requests.json

# CONLL2003 is a folder with test.txt; without it, made-up sentences of the same lengths are measured.
CONLL2003 ?= ../shared/data/conll2003

# The levers are measured once `project run conll2003` has left a pipeline.
LEVERS = $(if $(wildcard training/conll2003/model-best),--pipeline training/conll2003/model-best --gold corpus/conll2003/test.spacy)

bench: $(DEMO)/installed
	$(DEMO)/bin/python -m benchmarks --conll2003 $(CONLL2003) $(LEVERS)

test: lint docs unit newest studio browser

lint: $(TEST)/installed
	$(TEST)/bin/ruff check .
	$(TEST)/bin/ruff format --check .
	$(TEST)/bin/mypy

# The site of documentation, in site/. A link that leads nowhere, or a name that is not there, is an error.
docs: $(TEST)/installed
	NO_MKDOCS_2_WARNING=1 $(TEST)/bin/mkdocs build --strict

# A process a core, each with one thread: tests are many small things, which threads do not speed up.
PYTEST = -m pytest -n logical --dist loadfile --no-loadscope-reorder
unit newest: export OMP_NUM_THREADS = 1

unit: $(TEST)/installed
	$(TEST)/bin/python $(PYTEST)

# The newest transformers, with quantised bases and a server of models, without spacy-transformers: what depends on
# their versions. What is marked `real` has run above, on the same weights.
ON_NEWEST = tests/base tests/encoder tests/generative tests/integration tests/llm/backends tests/pipeline tests/shim \
	tests/test_imports.py tests/workflows/test_systems.py::test_bert_without_spacy_transformers_names_the_package
newest: $(NEWEST)/installed
	$(NEWEST)/bin/python $(PYTEST) -m "not real" $(ON_NEWEST)

# A real Label Studio server, which the tests start on this machine, in an environment of its own.
studio: $(TEST)/installed $(STUDIO)/installed
	LABEL_STUDIO=$(STUDIO)/bin/label-studio $(TEST)/bin/python -m pytest -m studio tests/experts tests/active

# Pages are opened in a browser where there is one.
browser:
	@for name in chromium chromium-browser google-chrome google-chrome-stable; do \
		command -v $$name >/dev/null && exit 0; \
	done; \
	echo "Not tested: pages in a browser. Get one with 'apt-get install chromium' (Debian, Ubuntu) or" \
		"'brew install --cask chromium' (macOS), and give 'make test' again."

$(DEMO)/installed: setup.cfg pyproject.toml constraints.txt
	$(PYTHON) -m venv $(DEMO)
	$(DEMO)/bin/python -m pip install -q -c constraints.txt -e ".[project]"
	touch $@

$(TEST)/installed: setup.cfg pyproject.toml constraints.txt
	$(PYTHON) -m venv $(TEST)
	$(TEST)/bin/python -m pip install -q -c constraints.txt -e ".[all,dev,docs]"
	touch $@

$(NEWEST)/installed: setup.cfg pyproject.toml constraints-newest.txt
	$(PYTHON) -m venv $(NEWEST)
	$(NEWEST)/bin/python -m pip install -q -c constraints-newest.txt -e ".[project,llm,serve,quantized,dev]"
	touch $@

# The database, too, is made once: its migrations take longer than all tests that use it.
$(STUDIO)/installed: constraints-label-studio.txt
	$(PYTHON) -m venv $(STUDIO)
	$(STUDIO)/bin/python -m pip install -q --upgrade pip
	$(STUDIO)/bin/python -m pip install -q -c constraints-label-studio.txt label-studio
	LABEL_STUDIO_BASE_DATA_DIR=$(CURDIR)/$(STUDIO) COLLECT_ANALYTICS=false LATEST_VERSION_CHECK=false \
		$(STUDIO)/bin/label-studio version
	touch $@

clean:
	rm -rf $(DEMO) $(TEST) $(NEWEST) $(STUDIO) build site *.egg-info corpus training metrics packages pages
