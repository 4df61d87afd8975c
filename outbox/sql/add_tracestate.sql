ALTER TABLE outbox ADD COLUMN tracestate TEXT
