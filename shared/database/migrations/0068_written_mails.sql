-- What the law wants at the end of commercial mails (docs/mails.md): none is sent before owners have set it.
INSERT INTO settings (name, value, description) VALUES
    ('postal_address', '""',
     'The sender''s postal address, which each mail of a campaign shows at its end (15 U.S.C. 7704). Campaigns are neither approved nor started without it.');
