"""A producer of TPC in Python: SQLite and the contracts in proto/, nothing else. The step numbers are those of docs/protocol.md, "Producer"."""
import json
import os
import pathlib
import socket
import sqlite3
import sys
import threading
import time
import uuid
from contextlib import contextmanager

import grpc
from tpc.v1 import message_pb2, reliable_message_service_pb2 as api
from tpc.v1.reliable_message_service_pb2_grpc import ReliableMessageServiceStub

GROUP, TOPIC, TAG = "PID_ORDERS", "ORDER_TOPIC", "PAID"
SCHEMA = pathlib.Path(__file__).parents[2] / "packages/client/sql/outbox.sqlite.sql"
PENDING, ACKNOWLEDGED, BARRIER = 10, 20, 90
NOW = "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"  # the database's clock, milliseconds
PREPARE_BUDGET = 0.25  # seconds that a business transaction waits for TPC at most
REFUSED = {  # TPC refuses this message; any other end of a prepare says nothing about it
    grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND, grpc.StatusCode.ALREADY_EXISTS, grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.OUT_OF_RANGE, grpc.StatusCode.UNIMPLEMENTED,
}


class Producer:
    """Writes messages in the transactions of a SQLite database, and sees to it that TPC learns what became of them."""

    def __init__(self, database, address, first_sweep_ms=10_000):
        self.database, self.first_sweep_ms = database, first_sweep_ms
        self.instance_id, self.stopped = str(uuid.uuid4()), threading.Event()
        self.tpc = ReliableMessageServiceStub(grpc.insecure_channel(address))
        db = self.connect()
        db.execute("PRAGMA journal_mode = WAL")
        db.executescript(SCHEMA.read_text())
        (self.store_id,) = db.execute("SELECT store_id FROM tpc_store_meta").fetchone()
        self.who = {"producer_group": GROUP, "store_id": self.store_id}
        self.max_body_bytes = 1024 * 1024  # until TPC tells its own limit

    def connect(self, busy_seconds=5.0):
        db = sqlite3.connect(self.database, timeout=busy_seconds, isolation_level=None, check_same_thread=False)
        db.execute("PRAGMA synchronous = FULL")  # a commit that was answered is on the disk
        return db

    def start(self):
        for work in (self.register, self.sweep, self.check_back):
            threading.Thread(target=self.repeat, args=(work,), daemon=True).start()

    def repeat(self, work):
        """Runs work for ever; it answers how many seconds to wait. TPC away, or a database that is locked: again later."""
        while not self.stopped.is_set():
            try:
                seconds = work()
            except (grpc.RpcError, sqlite3.OperationalError):
                seconds = 1.0
            self.stopped.wait(seconds)

    @contextmanager
    def transaction(self):
        """Gives (db, send). Commits at the end of the block, rolls back when it raises; send(body) answers the message key."""
        db, prepares = self.connect(), {}

        def send(body):
            if not 0 < len(body) <= self.max_body_bytes:  # what TPC would refuse must not commit
                raise ValueError(f"the body has {len(body)} bytes; 1 to {self.max_body_bytes} are allowed")
            message = message_pb2.OutgoingMessage(message_key=str(uuid.uuid4()), topic=TOPIC, tag=TAG, data=body, content_type="application/json")
            db.execute(  # step 1
                f"INSERT INTO tpc_outbox (message_key, producer_group, state, topic, tag, body, content_type, created_at, due_at)"
                f" VALUES (?, ?, {PENDING}, ?, ?, ?, ?, {NOW}, {NOW} + ?)",
                (message.message_key, GROUP, TOPIC, TAG, body, message.content_type, self.first_sweep_ms),
            )
            request = api.SaveMessageWaitingConfirmRequest(**self.who, message=message)
            prepares[message.message_key] = self.tpc.SaveMessageWaitingConfirm.future(request, timeout=PREPARE_BUDGET)  # step 2
            return message.message_key

        try:
            db.execute("BEGIN IMMEDIATE")  # the write lock from the start: check_back relies on it
            yield db, send
            for prepare in prepares.values():
                if prepare.code() in REFUSED:  # waits for the answer
                    raise prepare.exception()
            if any(db.execute("SELECT 1 FROM tpc_outbox WHERE message_key = ?", (key,)).fetchone() is None for key in prepares):
                raise RuntimeError("the outbox row is lost: a savepoint was rolled back, or an error was swallowed")
            db.execute("COMMIT")  # step 3; an error here means unknown: sweep and check_back find out
        finally:
            db.close()  # rolls back what is not committed
        for key in prepares:
            self.confirm(key)

    def confirm(self, key):  # step 4, not waited for
        request = api.ConfirmAndSendMessageRequest(producer_group=GROUP, message_key=key)
        self.when_ok(key, self.tpc.ConfirmAndSendMessage.future(request, timeout=5))

    def when_ok(self, key, call):
        """Marks the outbox row once the call is answered OK; any other end leaves it to the sweeper."""
        call.add_done_callback(lambda done: self.acknowledge(key) if done.code() == grpc.StatusCode.OK else None)

    def acknowledge(self, key):
        db = self.connect()
        db.execute(f"UPDATE tpc_outbox SET state = {ACKNOWLEDGED}, settled_at = {NOW}, due_at = NULL WHERE message_key = ? AND state = {PENDING}", (key,))
        db.close()

    def sweep(self):  # step 5
        db = self.connect()
        rows = db.execute(  # moving due_at on is the claim; the wait doubles up to about five minutes
            f"UPDATE tpc_outbox SET attempts = attempts + 1, due_at = {NOW} + (2000 << min(attempts, 7)) WHERE message_key IN"
            f" (SELECT message_key FROM tpc_outbox WHERE producer_group = ? AND due_at <= {NOW} ORDER BY due_at LIMIT 100)"
            f" RETURNING message_key, topic, tag, body, content_type", (GROUP,)
        ).fetchall()
        db.close()
        for key, topic, tag, body, content_type in rows:
            message = message_pb2.OutgoingMessage(message_key=key, topic=topic, tag=tag, data=body, content_type=content_type)
            request = api.SaveAndSendMessageRequest(**self.who, message=message, committed=True)
            self.when_ok(key, self.tpc.SaveAndSendMessage.future(request, timeout=5))
        return 0.5

    def check_back(self):  # step 6
        uncertain = self.tpc.FetchUncertainMessages(api.FetchUncertainMessagesRequest(**self.who, instance_id=self.instance_id), timeout=30).messages
        outcomes = [api.Outcome(message_key=each.message_key, verdict=self.verdict(each.message_key)) for each in uncertain]
        if outcomes:
            self.tpc.ReportOutcomes(api.ReportOutcomesRequest(**self.who, outcomes=outcomes), timeout=5)
        return 0

    def verdict(self, key):
        db = self.connect(busy_seconds=0.5)
        try:
            db.execute("BEGIN IMMEDIATE")  # SQLite's one write lock: with it in hand, no business transaction is open
            row = db.execute("SELECT state FROM tpc_outbox WHERE message_key = ?", (key,)).fetchone()
            if row is None:  # the barrier: from here on nobody can commit this key
                db.execute(
                    f"INSERT INTO tpc_outbox (message_key, producer_group, state, created_at, settled_at) VALUES (?, ?, {BARRIER}, {NOW}, {NOW})", (key, GROUP)
                )
            db.execute("COMMIT")
            return api.VERDICT_ROLLED_BACK if row is None or row[0] == BARRIER else api.VERDICT_COMMITTED
        except sqlite3.OperationalError:  # locked: perhaps by the very transaction that is asked about
            return api.VERDICT_IN_PROGRESS
        finally:
            db.close()

    def register(self):  # step 7
        request = api.RegisterProducerRequest(**self.who, instance_id=self.instance_id, topics=[TOPIC], host=socket.gethostname(), outbox_names_group=True)
        answer = self.tpc.RegisterProducer(request, timeout=5)
        self.max_body_bytes = answer.limits.max_body_bytes or self.max_body_bytes
        return answer.heartbeat_interval.ToTimedelta().total_seconds()


def main(item):
    producer = Producer(os.environ.get("ORDERS_DB", "orders.db"), os.environ.get("TPC_ADDRESS", "127.0.0.1:50051"))
    producer.start()
    try:
        with producer.transaction() as (db, send):
            db.execute("CREATE TABLE IF NOT EXISTS orders (item TEXT NOT NULL)")
            db.execute("INSERT INTO orders VALUES (?)", (item,))
            key = send(json.dumps({"item": item}).encode())
    except grpc.RpcError as refusal:
        sys.exit(f"not ordered: {refusal.details()}")
    print(f"ordered {item}: message {key}", flush=True)
    db = producer.connect()
    while db.execute("SELECT state FROM tpc_outbox WHERE message_key = ?", (key,)).fetchone()[0] == PENDING:
        time.sleep(0.05)
    print("TPC has it", flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
