-- The search of the audit log (GET /v1/admin/audit-log): each filter alone reads an index, newest lines first.
CREATE INDEX audit_logs_newest ON audit_logs (created_at, id);
CREATE INDEX audit_logs_of_action ON audit_logs (action, created_at, id);
CREATE INDEX audit_logs_of_actor ON audit_logs (actor_id, created_at, id);
CREATE INDEX audit_logs_of_thing ON audit_logs (resource_id, created_at, id);
DROP INDEX audit_logs_action, audit_logs_actor;
