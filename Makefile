# What one does here; `make demo` and `make test` work on a fresh clone.
CARGO ?= cargo
# The same histories in every run of `make test`; `make test-long` tries others each time.
SEED := 2026
export HYDROMOTE_TOOLS := $(CURDIR)/.tools/bin

TOLD_ELSEWHERE := promotion:: rollbacks:: partial_rollbacks:: gates:: merges:: restarts:: rejections:: drift:: windows:: \
	modes:: deployed:: approvals:: comments::once comments::heard --skip base_was_changed --skip base_that_was_changed

# What is told on GitLab: all that is about forges. Not told there: what GitHub alone says of rules, merge queues and ways to
# merge (`merges::`, and two of others), a webhook's secret while it is replaced, calls that are left, and stories whose people
# write the prefix themselves.
TOLD_ON_GITLAB := promotion:: rollbacks:: partial_rollbacks:: gates:: restarts:: rejections:: drift:: windows:: modes:: \
	deployed:: approvals:: comments:: lanes:: retiring:: sharing:: strategies:: strategy_changes:: failures:: ownership:: \
	secrets:: hydration:: adopt:: dry_line:: renewal:: \
	--skip a_merge_that_the_forge_refuses --skip a_bundle_that_the_forge_refused --skip a_person_opens_the_pull_request \
	--skip who_may_goes_past_a_closed_window --skip while_few_calls_are_left --skip a_webhook_secret_that_is_replaced \
	--skip one_of_somebody_else_is_previewed

# Where people and the service act by turns, it ends the same without webhooks.
TOLD_ON_GITEA := promotion::staging promotion::a_commit promotion::the_first rejections::a_closed rejections::reopening \
	comments::answered comments::going_back comments::heard::code drift::a_command drift::drift_is drift::work_of \
	drift::a_foreign_commit gates::a_gate merges::a_merge_by_hand merges::a_person restarts::a_restart

.PHONY: help demo test prove meaning test-gitea test-gitea-stories test-gitlab test-destinations check-client test-long model crash faults tools lint fmt docs references image-check bench-replay bench-plan bench-recovery bench-webhooks bench-sandbox bench-hydrate bench-gitea bench-idle

help:
	@sed -n 's/^## //p' Makefile

## make demo        a local forge, the service and a story of promotions; stays up to be played with
demo: tools
	$(CARGO) run --locked --quiet -- demo $(ARGS)

## make test        every test but the long ones
test: tools
	@tools/fetch-renderers.sh --helm-3
	PROPTEST_RNG_SEED=$(SEED) $(CARGO) test --locked --workspace --exclude model

## make test-gitea  the adapter and the whole story on a real Gitea, built once from its Go module into .tools; minutes
test-gitea: tools
	@tools/fetch-gitea.sh
	$(CARGO) test --locked --test it gitea:: -- --ignored --skip gitea::cost --skip gitea::fleet --test-threads 2

## make test-gitea-stories  stories of tests/it told again on a real Gitea, each on one of its own; minutes
test-gitea-stories: tools
	@tools/fetch-gitea.sh
	HYDROMOTE_STORIES_ON=gitea $(CARGO) test --locked --test it -- --test-threads 4 $(TOLD_ON_GITEA)

## make check-client  a promotion's worth of calls on the local forge with GitHub's client library for Go
check-client:
	@tools/fetch-client.sh
	$(CARGO) test --locked --test it local_forge::independent -- --ignored --nocapture

## make test-destinations  stories told again with the environments in another repository, and on another forge; minutes
test-destinations: tools
	HYDROMOTE_STORIES_IN=another-repository $(CARGO) test --locked --test it -- $(TOLD_ELSEWHERE)
	HYDROMOTE_STORIES_IN=another-forge $(CARGO) test --locked --test it -- $(TOLD_ELSEWHERE)

## make test-gitlab  stories told again with the service on GitLab's API, before the local forge; minutes
test-gitlab: tools
	HYDROMOTE_STORIES_ON=gitlab $(CARGO) test --locked --test it -- $(TOLD_ON_GITLAB)

## make test-long   the property tests with many more histories, of an optimised build
test-long:
	PROPTEST_CASES=20000 $(CARGO) test --locked --package model properties

## make model       tries every state of small worlds, and rules broken on purpose; minutes (ONLY=lanes: those alone)
model:
	@told="$(or $(CARGO_TARGET_DIR),target)/model.txt"; mkdir -p "$$(dirname "$$told")"; \
	{ HYDROMOTE_MODEL_ONLY="$(ONLY)" $(CARGO) test --locked --package model \
		domain::model::everything -- --exact --ignored --nocapture 2>&1 || echo "make model: it does not hold"; } \
		| tee "$$told"; \
	! grep -q "^make model: it does not hold" "$$told" && grep " mutants caught$$" "$$told"

## make crash       kills the service around every outside act and compares the ends; long (ONLY="lanes hold": runs so called)
crash: tools
	@result="$(or $(CARGO_TARGET_DIR),target)/tmp/crash-runs.txt"; rm -f "$$result"; \
	HYDROMOTE_CRASH_ONLY="$(ONLY)" $(CARGO) test --locked --test it crashes::every_fail_point -- --exact --ignored; \
	ended=$$?; cat "$$result" && exit $$ended

## make faults      plays stories in which a seed decides what goes wrong, and compares the ends; minutes (SEEDS=500 FIRST_SEED=1)
faults: tools
	@result="$(or $(CARGO_TARGET_DIR),target)/tmp/faults.txt"; rm -f "$$result"; \
	HYDROMOTE_FAULTS_SEEDS="$(or $(SEEDS),500)" HYDROMOTE_FAULTS_FIRST_SEED="$(or $(FIRST_SEED),1)" \
		$(CARGO) test --locked --quiet --profile measured --test it faults::seeds::chosen -- --exact --ignored --nocapture >&2; \
	ended=$$?; cat "$$result" && exit $$ended

## make prove REPO=…  tries deeds on FILES=100 files of a checkout: no rendering may change while its key stays; minutes
prove: tools
	@result="$(or $(CARGO_TARGET_DIR),target)/tmp/prove.txt"; rm -f "$$result"; \
	HYDROMOTE_PROVE="$(abspath $(REPO))" HYDROMOTE_PROVE_FILES="$(or $(FILES),100)" \
		$(CARGO) test --locked --quiet --package hydrators --test wire closure::a_repository -- --exact --ignored >&2; \
	ended=$$?; cat "$$result" && exit $$ended

## make meaning REPO=…  reads every YAML file and rendering of a checkout before and after it is written in canonical text
meaning: tools
	@result="$(or $(CARGO_TARGET_DIR),target)/tmp/meaning.txt"; rm -f "$$result"; \
	HYDROMOTE_MEANING="$(abspath $(REPO))" \
		$(CARGO) test --locked --quiet --package hydrators --test wire meaning::corpus::a_repository -- --exact --ignored >&2; \
	ended=$$?; cat "$$result" && exit $$ended

## make tools       Helm and Kustomize, pinned and verified, into .tools/bin
tools:
	@tools/fetch-renderers.sh

## make lint        format and clippy, without warnings
lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings

## make fmt         formats the code
fmt:
	$(CARGO) fmt --all

## make docs        builds the code's documentation, without warnings
docs:
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps

## make references  writes the reference parts of docs/{configuration,messages,strategy}.md anew
references:
	HYDROMOTE_REFRESH_REFERENCES=1 $(CARGO) test --locked --quiet --test it documents::reference

## make image-check  runs what goes into the image: no rights, a read-only file system, both settings files
image-check:
	$(CARGO) build --locked --quiet
	docker/check.sh target/debug/hydromote

## make bench-replay REPO=… STRATEGY=…   plays a repository's history with a release build
bench-replay: tools
	$(CARGO) build --locked --release --quiet
	tools/bench-replay.sh target/release/hydromote "$(REPO)" "$(STRATEGY)" $(or $(COMMITS),30)

# A build as fast as a release; what was measured is printed, and nothing fails for being slow.
define measure
	@result="$(or $(CARGO_TARGET_DIR),target)/tmp/$(1).txt"; rm -f "$$result"; \
	$(CARGO) test --locked --quiet --profile measured --test it $(2) -- --exact --ignored >&2 && cat "$$result"
endef

## make bench-plan  looks at 10, 100 and 1,000 strategies of 3 environments and 5 lanes that are at rest; minutes
bench-plan: tools
	$(call measure,bench-plan,scale::many::strategies_at_rest)

## make bench-recovery  loses the database after 150 and 2,000 promotions, and counts what is read back; minutes
bench-recovery: tools
	$(call measure,bench-recovery,scale::year::a_year_is_read_back)

## make bench-webhooks  1,000 webhooks a second for a minute, in the middle of which the service is killed; two minutes
bench-webhooks: tools
	$(call measure,bench-webhooks,scale::flood::a_minute_of_webhooks)

## make bench-sandbox  renders a small kustomization with the sandbox and without, 300 times in turns; a minute
bench-sandbox: tools
	@result="$(or $(CARGO_TARGET_DIR),target)/tmp/bench-sandbox.txt"; rm -f "$$result"; \
	$(CARGO) test --locked --quiet --profile measured --package hydrators --test wire sandbox::cost -- --exact --ignored >&2 \
		&& cat "$$result"

## make bench-hydrate  renders 10, 100 and 1,000 roots, again and after one change, and replays commits beside a script; minutes
##                  with REPO=…, a clone of redhat-cop/gitops-catalog, its newest commits instead
bench-hydrate: export HYDROMOTE_REPLAYED = $(and $(REPO),$(abspath $(REPO)))
bench-hydrate: tools
	$(call measure,bench-hydrate,scale::hydration::generated_repositories)

## make bench-gitea  a promotion through three environments beside a real Gitea, and 50 strategies at rest; many minutes
bench-gitea: tools
	@tools/fetch-gitea.sh
	$(call measure,bench-gitea,gitea::cost::a_promotion_through_three_environments)

## make bench-idle  50 strategies at rest beside a real Gitea, and a start with them; minutes
bench-idle: tools
	@tools/fetch-gitea.sh
	$(call measure,bench-idle,gitea::fleet::strategies_at_rest)
