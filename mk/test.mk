# The tests: the fast loop, all of them, and what is run rarely. CONTRIBUTING.md says when to run which.

.PHONY: quick test soak

quick: needs ## Runs the tests that need no server and take no time; the loop while working
	@CARGO="$(CARGO)" mk/quick.sh

test: needs ## Runs every test, on one Apache Kafka and one PostgreSQL
	@CARGO="$(CARGO)" mk/test.sh $(BIN)

soak: build ## Runs the long form of the tests that rarely fail
	SHADOWLINE_TESTS=soak $(CARGO) test --release --locked -p shadowline-cli --test chaos
