-- Loads into a Data Vault have a mode of their own.
ALTER TABLE headrace.receipts DROP CONSTRAINT receipts_mode_check;
ALTER TABLE headrace.receipts ADD CONSTRAINT receipts_mode_check CHECK (mode IN ('append', 'upsert', 'replace', 'vault'));
