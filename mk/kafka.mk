# Apache Kafka, one node in the background, for `make demo-kafka` and for trying things.

KAFKA_PORT ?= 9092

.PHONY: kafka kafka-stop kafka-jars

kafka: ## Start a single Apache Kafka node in the background; KAFKA_PORT=9092 chooses the port
	@KAFKA_PORT=$(KAFKA_PORT) deploy/kafka/run.sh start

kafka-stop: ## Stop it; its data stays in .kafka/data
	@KAFKA_PORT=$(KAFKA_PORT) deploy/kafka/run.sh stop

kafka-jars: ## Fetch the jars of Apache Kafka once, for the tests and for working offline
	@deploy/kafka/run.sh jars
