-- When each service of others has answered us, and told us something, last (GET /v1/admin/integrations, docs/admin.md).
CREATE INDEX payment_operations_answered ON payment_operations (answered_at) WHERE evidence IN ('reply', 'lookup');
CREATE INDEX age_checks_decided ON age_checks (decided_at) WHERE decided_at IS NOT NULL;
CREATE INDEX tax_reports_done ON tax_reports (done_at) WHERE done_at IS NOT NULL;
CREATE INDEX fulfilments_answered ON fulfilments (answered_at) WHERE evidence IN ('reply', 'lookup');
CREATE INDEX mails_answered ON mails (finished_at) WHERE status IN ('sent', 'refused');
CREATE INDEX webhook_deliveries_source ON webhook_deliveries (source, received_at);
