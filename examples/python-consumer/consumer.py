"""A consumer of TPC in Python: RocketMQ's own client, SQLite and the contracts in proto/. The step numbers are those of docs/protocol.md, "Consumer"."""
import json
import os
import pathlib
import socket
import sqlite3
import sys
import threading
import time
import uuid

import grpc
from rocketmq import ClientConfiguration, Credentials, FilterExpression, SimpleConsumer
from tpc.v1 import reliable_message_service_pb2 as api
from tpc.v1.reliable_message_service_pb2_grpc import ReliableMessageServiceStub

GROUP, TOPIC, TAGS = "CID_SHIPPING", "ORDER_TOPIC", ["PAID"]
SCHEMA = pathlib.Path(__file__).parents[2] / "packages/client/sql/inbox.sqlite.sql"
RECEIVED, CONSUMED, DEAD = 10, 30, 50  # states of an inbox row
REPORT_RECEIVED, REPORT_CONSUMED, REPORT_DEAD = 1, 2, 3
NOW = "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"  # the database's clock, milliseconds
ROW = f"consumer_group = '{GROUP}' AND message_key = ? AND generation = ?"
LEASE_MS, INVISIBLE_SECONDS, MAX_ATTEMPTS = 60_000, 60, 16


class BadMessage(Exception):
    """The message is wrong, and trying again cannot help."""


class Consumer:
    """Stores what arrives, handles it once, reports it to TPC."""

    def __init__(self, database, tpc_address, broker_endpoints, handle):
        self.database, self.handle = database, handle
        self.instance_id, self.idle = str(uuid.uuid4()), False
        self.tpc = ReliableMessageServiceStub(grpc.insecure_channel(tpc_address))
        subscription = {TOPIC: FilterExpression(" || ".join(TAGS))}
        self.broker = SimpleConsumer(ClientConfiguration(broker_endpoints, Credentials()), GROUP, subscription, await_duration=5)
        db = self.connect()
        db.execute("PRAGMA journal_mode = WAL")
        db.executescript(SCHEMA.read_text())
        (self.store_id,) = db.execute("SELECT store_id FROM tpc_store_meta").fetchone()

    def connect(self):
        db = sqlite3.connect(self.database, timeout=5.0, isolation_level=None)
        db.execute("PRAGMA synchronous = FULL")  # a commit that was answered is on the disk
        return db

    def run(self):
        """Never returns; raises what TPC refuses for good."""
        self.broker.startup()
        first = self.poll()  # step 1: the group has its place in the topic before TPC counts on it
        self.register()
        print("registered", flush=True)
        self.store_all(first)
        for work in (self.receive, self.handle_due, self.report):
            threading.Thread(target=self.repeat, args=(work,), daemon=True).start()
        while True:
            time.sleep(self.register())

    def repeat(self, work):
        while True:
            try:
                work()
                time.sleep(0.1)
            except Exception as error:  # the broker or TPC away, a database that is locked: again in a second
                print(f"{work.__name__}: {type(error).__name__}", flush=True)
                self.idle = False
                time.sleep(1)

    def register(self):
        """Registers, however long that takes; answers how many seconds later it is to be repeated."""
        who = {"consumer_group": GROUP, "store_id": self.store_id, "instance_id": self.instance_id, "host": socket.gethostname()}
        while True:
            try:
                subscription = api.Subscription(topic=TOPIC, tags=TAGS, idle=self.idle)  # one flag for each topic, where there are several
                answer = self.tpc.RegisterConsumer(api.RegisterConsumerRequest(**who, subscriptions=[subscription], idle=self.idle), timeout=5)
                return answer.heartbeat_interval.ToTimedelta().total_seconds()
            except grpc.RpcError as error:
                if error.code() in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.FAILED_PRECONDITION):
                    raise
                time.sleep(1)

    def poll(self):
        messages = self.broker.receive(32, INVISIBLE_SECONDS)
        self.idle = not messages
        return messages

    def receive(self):
        self.store_all(self.poll())

    def store_all(self, messages):
        db = self.connect()
        for message in messages:
            if message.corrupted:
                continue  # not acknowledged: the broker gives it again
            if "tpc-key" in message.properties and message.properties.get("tpc-only-group", GROUP) == GROUP:
                self.store(db, message, message.properties["tpc-key"], int(message.properties.get("tpc-generation", "1")))
            self.broker.ack(message)
        db.close()

    def store(self, db, message, key, generation):  # steps 2 and 3: stored first, acknowledged then
        db.execute("BEGIN IMMEDIATE")
        (newest,) = db.execute(f"SELECT max(generation) FROM tpc_inbox WHERE consumer_group = '{GROUP}' AND message_key = ?", (key,)).fetchone()
        if newest is None or newest < generation:
            db.execute(
                f"INSERT INTO tpc_inbox (consumer_group, message_key, generation, state, topic, tag, body, due_at, received_at, report_kind, report_due_at)"
                f" VALUES ('{GROUP}', ?, ?, {RECEIVED}, ?, ?, ?, {NOW}, {NOW}, {REPORT_RECEIVED}, {NOW} + 10000)",
                (key, generation, message.topic, message.tag or "", message.body),
            )
        elif newest == generation:  # here already: when it is settled, TPC may not know, so it is reported again
            db.execute(f"UPDATE tpc_inbox SET report_due_at = {NOW} WHERE {ROW} AND state IN ({CONSUMED}, {DEAD})", (key, generation))
        db.execute("COMMIT")

    def handle_due(self):  # step 4
        db = self.connect()
        claim, due = str(uuid.uuid4()), f"SELECT rowid FROM tpc_inbox WHERE consumer_group = '{GROUP}' AND due_at <= {NOW} ORDER BY due_at LIMIT 32"
        rows = db.execute(
            f"UPDATE tpc_inbox SET claim = ?, due_at = {NOW} + {LEASE_MS} WHERE rowid IN ({due}) RETURNING message_key, generation, body, attempts", (claim,)
        ).fetchall()
        for key, generation, body, attempts in rows:
            mine = (key, generation, RECEIVED, claim)
            try:
                db.execute("BEGIN IMMEDIATE")
                if self.settle(db, mine, CONSUMED, REPORT_CONSUMED, "", ""):
                    self.handle(db, body)
                db.execute("COMMIT")
            except Exception as error:  # whatever the handler raises
                if db.in_transaction:
                    db.execute("ROLLBACK")
                reason = "BAD_MESSAGE" if isinstance(error, BadMessage) else "RETRIES_EXHAUSTED" if attempts + 1 >= MAX_ATTEMPTS else None
                if reason:
                    self.settle(db, mine, DEAD, REPORT_DEAD, reason, str(error))
                else:
                    again = f"UPDATE tpc_inbox SET claim = NULL, attempts = attempts + 1, last_error = ?, due_at = {NOW} + (1000 << min(attempts, 8))"
                    db.execute(f"{again} WHERE {ROW} AND state = ? AND claim = ?", (str(error), *mine))
        db.close()

    def settle(self, db, mine, state, report_kind, reason, error):
        """The fenced mark: false when another process has the message by now."""
        return db.execute(
            f"UPDATE tpc_inbox SET state = ?, report_kind = ?, reason = ?, last_error = ?, report_due_at = {NOW}, finished_at = {NOW},"
            f" claim = NULL, due_at = NULL, attempts = attempts + 1 WHERE {ROW} AND state = ? AND claim = ?",
            (state, report_kind, reason, error, *mine),
        ).rowcount == 1

    def report(self):  # step 5
        db = self.connect()
        due = f"SELECT message_key, generation, report_kind, reason, last_error FROM tpc_inbox WHERE report_due_at <= {NOW} LIMIT 100"
        for key, generation, kind, reason, error in db.execute(due).fetchall():
            delivery = {"consumer_group": GROUP, "message_key": key, "generation": generation}
            if kind == REPORT_RECEIVED:
                self.tpc.ConfirmReceiveMessage(api.ConfirmReceiveMessageRequest(**delivery), timeout=5)
            elif kind == REPORT_CONSUMED:
                self.tpc.ConfirmConsumedMessage(api.ConfirmConsumedMessageRequest(**delivery), timeout=5)
            else:
                self.tpc.ReportConsumeFailure(api.ReportConsumeFailureRequest(**delivery, reason=reason, detail=error), timeout=5)
            said = f"UPDATE tpc_inbox SET reported_kind = report_kind, reported_at = {NOW}, report_due_at = NULL WHERE {ROW} AND report_kind = ?"
            db.execute(said, (key, generation, kind))
        db.close()


def ship(db, body):
    """The business: what it writes through db commits together with the mark that the message is consumed."""
    item = json.loads(body).get("item")
    if not item:
        raise BadMessage("item is missing")
    db.execute("INSERT INTO shipments VALUES (?)", (item,))
    print(f"shipping {item}", flush=True)


if __name__ == "__main__":
    setting = os.environ.get
    consumer = Consumer(setting("SHIPPING_DB", "shipping.db"), setting("TPC_ADDRESS", "127.0.0.1:50051"), setting("BROKER_ENDPOINTS", "127.0.0.1:8081"), ship)
    consumer.connect().execute("CREATE TABLE IF NOT EXISTS shipments (item TEXT NOT NULL)")
    try:
        consumer.run()
    except grpc.RpcError as refusal:
        sys.exit(f"not registered: {refusal.details()}")
