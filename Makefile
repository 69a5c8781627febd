# How diyc-agent is built, checked, tested and packed: `make help` lists the targets.

BUN := node_modules/.bin/bun
VERSION = $(shell sed -n 's/^  "version": "\(.*\)",/\1/p' package.json)

.DEFAULT_GOAL := help
.PHONY: help build check unit golden test demo lab bench rpm tarball clean bootstrap lint-fix

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | column -t -s '|'

bootstrap: ## install what is missing on this machine: node, npm, the locked packages
	@bash packaging/bootstrap.sh

build: bootstrap ## dist/diyc-agent, the one binary
	@$(BUN) packaging/build.ts

check: bootstrap ## types, lint with the walls, dead code
	@$(BUN) test/run.ts check

lint-fix: bootstrap ## format and apply the safe fixes
	@node_modules/.bin/biome check --write

unit: bootstrap ## unit tests only, the quick round
	@$(BUN) test/run.ts unit

golden: bootstrap ## record the golden files anew; read the diff before committing
	@GOLDEN_RECORD=1 $(BUN) test ./test/golden

test: bootstrap ## everything: check, every tier, the lab; ends with the total
	@bash packaging/bootstrap.sh test
	@$(BUN) test/run.ts all

demo: build ## a cluster of real hosts on this machine, step by step
	@$(BUN) test/lab/lab.ts demo

lab: build ## bring the lab up and leave it running
	@$(BUN) test/lab/lab.ts up

bench: build ## the budgets, as ratios of one run
	@$(BUN) bench/bench.ts

rpm: build ## dist/diyc-agent-VERSION-1.ARCH.rpm
	@bash packaging/bootstrap.sh rpm
	@$(BUN) packaging/rpm.ts

tarball: build ## the same files as one archive rooted at /
	@$(BUN) packaging/tarball.ts

clean: ## remove what was built; node_modules stays
	rm -rf build dist
