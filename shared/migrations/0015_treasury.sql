-- Manual transfers and their approvals, reconciliation, treasury snapshots, the ledger's seal.
SELECT 1;
