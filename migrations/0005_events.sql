-- What happened: domain events for streams, audit rows for people. Both carry the writing
-- transaction's id, because readers that need commit order compare it with the snapshot's xmin.
CREATE TABLE event (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    xid     xid8 NOT NULL DEFAULT pg_current_xact_id(),
    at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    team_id int NOT NULL,
    topic   text NOT NULL,
    object  text NOT NULL,
    code    text NOT NULL,
    detail  jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX event_team ON event (team_id, id);
CREATE INDEX event_object ON event (object, id);

CREATE TABLE audit (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    xid        xid8 NOT NULL DEFAULT pg_current_xact_id(),
    at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    team_id    int NOT NULL,
    actor      text NOT NULL,
    action     text NOT NULL,
    object     text NOT NULL,
    request_id text,
    detail     jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_team ON audit (team_id, id);
CREATE INDEX audit_object ON audit (object, id);
