# Two commands: `make demo` and `make test`. `make help` lists the rest.

SHELL := bash
PYTHON ?= python3
.DEFAULT_GOAL := help

.PHONY: help
help:  ## Show this help
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

.PHONY: demo
demo: setup  ## Set up what is missing, then watch a fleet at work
	@source scripts/env.sh && python3 -m skill_predictor.nodes.demo

.PHONY: test
test:  ## Set up what is missing, then run every test
	@$(PYTHON) scripts/set_up.py test
	@source scripts/env.sh && python3 -m pytest $(PYTEST_ARGS)

.PHONY: setup
setup:  ## Set up what is missing (environment, overlay, model)
	@$(PYTHON) scripts/set_up.py demo

.PHONY: clean
clean:  ## Remove the environment and the overlay (not the cache of weights)
	rm -rf .venv .overlay .set_up.log .pytest_cache
