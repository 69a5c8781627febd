# How diyc-agent is built, checked, tested and packed: `make help` lists the targets.

BUN := node_modules/.bin/bun

.DEFAULT_GOAL := help
LAB_LONG = bash packaging/bootstrap.sh test && $(BUN) test/lab/lab.ts doctor --fix && $(BUN) packaging/payload.ts build/payload

.PHONY: sim lab-storage lab-upgrade test-long help bootstrap build check fix unit golden test payload demo lab bench rpm rpm-aarch64 repo tarball clean

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | column -t -s '|'

bootstrap: ## install what is missing on this machine: node, npm, the locked packages
	@bash packaging/bootstrap.sh

build: bootstrap ## dist/diyc-agent, the one binary
	@$(BUN) packaging/build.ts

check: bootstrap ## types, lint with the walls, dead code
	@$(BUN) test/run.ts check

fix: bootstrap ## format and apply the safe fixes
	@node_modules/.bin/biome check --write

sim: bootstrap ## a million steps of fleets that upgrade under faults; STEPS=n for another number
	@$(BUN) test/simulation/long.ts $(STEPS)

unit: bootstrap ## unit tests only, the quick round
	@$(BUN) test/run.ts unit

golden: bootstrap ## record the golden files anew; read the diff before committing
	@GOLDEN_RECORD=1 $(BUN) test ./test/golden

test: bootstrap ## everything: check, every tier, the lab; ends with the total
	@bash packaging/bootstrap.sh test
	@$(BUN) test/run.ts all

payload: build ## build/payload: the files of the package, laid out as on a host
	@rm -rf build/payload
	@$(BUN) packaging/payload.ts build/payload

demo: payload ## a cluster of real hosts on this machine, step by step
	@$(BUN) test/lab/lab.ts doctor --fix
	@$(BUN) test/lab/lab.ts demo --payload build/payload

lab: payload ## bring the lab up and leave it running; `bun test/lab/lab.ts down` ends it
	@$(BUN) test/lab/lab.ts doctor --fix
	@$(BUN) test/lab/lab.ts up --payload build/payload

lab-storage: payload ## emulated machines: the longer storage scenarios (make test runs the brief ones)
	@$(BUN) test/lab/vm/storage-lab.ts doctor --fix
	@$(BUN) test/lab/vm/storage-lab.ts test --part long --payload build/payload

lab-upgrade: payload ## real hosts: the longer upgrade scenarios (make test runs the brief ones)
	@$(BUN) test/lab/lab.ts doctor --fix
	@$(BUN) test/lab/lab.ts test --part upgrade --payload build/payload

test-long: build ## the lab on other generations: Debian trixie and sid, the v2 store, the seed after the network
	@$(LAB_LONG)
	@$(BUN) test/lab/lab.ts test --payload build/payload --seed dir
	@$(BUN) test/lab/lab.ts test --payload build/payload --old-flannel --only three-nodes-ready --only ping-matrix --only reboot-all-at-once
	@$(BUN) test/lab/lab.ts test --payload build/payload --suite trixie
	@$(BUN) test/lab/lab.ts test --payload build/payload --suite sid

bench: build ## the budgets, as ratios of one run
	@$(BUN) bench/bench.ts

rpm: build ## dist/diyc-agent-VERSION-1.ARCH.rpm
	@bash packaging/bootstrap.sh rpm
	@$(BUN) packaging/rpm.ts

rpm-aarch64: bootstrap ## the same for aarch64, cross-compiled; what was packed is run by an emulator
	@bash packaging/bootstrap.sh cross
	@$(BUN) packaging/build.ts --target aarch64
	@$(BUN) packaging/rpm.ts --target aarch64

repo: rpm ## dist/repo: the RPMs in dist/ as a repository for dnf and rpm-ostree; `make rpm-aarch64 repo` for both
	@bash packaging/bootstrap.sh rpm
	@$(BUN) packaging/repo.ts

tarball: build ## the same files as one archive rooted at /
	@$(BUN) packaging/tarball.ts

clean: ## remove what was built; node_modules stays
	rm -rf build dist
