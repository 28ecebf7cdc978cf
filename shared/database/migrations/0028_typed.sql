-- How a large file of manufactured codes is written, found out when it is checked: each chunk is read in the same way.
ALTER TABLE code_imports
    ADD COLUMN encoding text NOT NULL DEFAULT 'utf-8' CHECK (encoding IN ('utf-8', 'utf-16-le', 'utf-16-be')),
    ADD COLUMN delimiter text NOT NULL DEFAULT ',' CHECK (delimiter IN (',', ';', E'\t', '|'));
