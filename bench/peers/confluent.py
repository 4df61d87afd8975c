"""A plain consumer with confluent-kafka-python: every record as a line `PARTITION OFFSET VALUE` on
standard output, written out after each batch of at most 500.

usage: confluent.py BROKERS TOPIC [NAME=VALUE...]   settings of the library"""
import sys

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

PARTITIONS = 2
BATCH = 500


def main(brokers, topic, *settings):
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": "bench",
                         "enable.auto.commit": False}
                        | dict(setting.split("=", 1) for setting in settings))
    consumer.assign([TopicPartition(topic, each, OFFSET_BEGINNING) for each in range(PARTITIONS)])
    out = sys.stdout.buffer
    while True:
        for record in consumer.consume(BATCH, timeout=0.1):
            if record.error():
                sys.exit(f"confluent: {record.error()}")
            out.write(b"%d %d %b\n" % (record.partition(), record.offset(), record.value()))
        out.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
