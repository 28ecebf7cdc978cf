-- Second factors, lock-outs, devices, verification, keys of access tokens.
SELECT 1;
