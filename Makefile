# Two commands for a newcomer: `make demo` and `make test`. Each makes its environment first.
# OLDEST=1 before or behind them takes the oldest versions that settings.ini allows.
VENV   ?= .venv$(if $(OLDEST),-oldest)
PYTHON ?= python3
BIN    := $(VENV)/bin
# Stale means: made for other requirements, or for a checkout in another folder.
STAMP  := $(VENV)/.installed-$(shell (pwd; cat settings.ini setup.py pyproject.toml) | cksum | cut -d' ' -f1)
export PATH := $(abspath $(BIN)):$(PATH)
export NO_ALBUMENTATIONS_UPDATE := 1

.PHONY: help demo test test-slow lab experiments export clean-nbs readme docs lint hooks sdist release
help:               ## what there is
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1\t/p' Makefile | while IFS='	' read -r name what; do printf '  make %-11s %s\n' "$$name" "$$what"; done
demo: $(STAMP)      ## train and evaluate on real photographs
	@semicls train elpv --recipe quick --name demo $$(grep -qsE '"status": *"(interrupted|running)"' runs/demo/run.json && echo --resume || echo --overwrite)
test: $(STAMP)      ## every check and test, offline, on CPU
	@bash .ci/check
test-slow: $(STAMP) ## the long ones too
	@python -m pip install -q --disable-pip-version-check -e '.[scale]' 'moto[server]' s3fs
	@bash .ci/check slow
lab: $(STAMP)       ## JupyterLab on the notebooks
	@jupyter lab nbs
experiments: $(STAMP) ## train what results.csv lacks, then run the notebooks that read it (JOBS=2, QUICK=1)
	@python nbs/experiments/run.py --show $(if $(JOBS),--jobs $(JOBS)) $(if $(QUICK),--quick $(if $(JOBS),,--jobs 2))
export: $(STAMP)    ## notebooks to library
	@nbdev_export
clean-nbs: $(STAMP) ## strip notebooks of what changes without meaning, make their pictures small
	@python .ci/shrink.py nbs/*.ipynb nbs/experiments/*.ipynb && nbdev_clean
readme: $(STAMP)    ## README.md from nbs/index.ipynb
	@python .ci/readme.py
docs: $(STAMP)      ## the docs site from the notebooks, into _site/
	@python .ci/docs.py
lint: $(STAMP)      ## ruff, and mypy on the signatures
	@ruff check --no-cache --config .ci/ruff.toml && mypy --config-file .ci/mypy.ini
hooks: $(STAMP)     ## git hooks: notebooks that merge, and checks before each commit
	@nbdev_install_hooks && pre-commit install
sdist: $(STAMP)     ## source package and wheel, into dist/
	@rm -rf dist && python -m build --no-isolation . >/dev/null && ls dist
release: sdist      ## check that a release is ready, tag it; pushing the tag is left to you
	@bash .ci/release

$(STAMP):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3,10))' 2>/dev/null || { \
	  echo "make: Python 3.10 or newer is needed, and '$(PYTHON)' is $$($(PYTHON) --version 2>&1 | head -n 1); name another one with PYTHON=" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "make: cannot make the environment $(VENV) (is the package python3-venv installed?)" >&2; exit 1; }
	@echo "installing into $(VENV): some minutes and 7 GB the first time" >&2
	@$(PYTHON) .ci/oldest.py >$(VENV)/oldest.txt
	@python -m pip install -q --no-compile --disable-pip-version-check $(if $(OLDEST),-c $(VENV)/oldest.txt) -e '.[dev]' >$(VENV)/install.log 2>&1 || { \
	  grep -qE 'NewConnectionError|ConnectTimeout|ReadTimeout|NameResolution|ProxyError|Temporary failure|No matching distribution' $(VENV)/install.log \
	  && echo "make: the package index cannot be reached, or lacks a package: $$(grep -E '^ERROR' $(VENV)/install.log | tail -n 1) (see $(VENV)/install.log)" >&2 \
	  || echo "make: the installation failed: $$(grep -E '^ERROR' $(VENV)/install.log | tail -n 1) (see $(VENV)/install.log)" >&2; exit 1; }
	@rm -f $(VENV)/.installed-*; touch $@
