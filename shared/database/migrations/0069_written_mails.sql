-- Mails that admins write show the sender's postal address, and may replace those of the code (docs/mails.md).

-- The law wants the address in commercial mails: no campaign goes out before owners have set it.
INSERT INTO settings (name, value, description) VALUES
    ('postal_address', '""',
     'The sender''s postal address, which each mail of a campaign shows at its end (15 U.S.C. 7704). Campaigns are neither approved nor started without it.');

-- A template is for campaigns (marketing), or replaces the mail of the code that has this key, in its language.
ALTER TABLE mail_templates
    ADD COLUMN kind text NOT NULL DEFAULT 'marketing' CHECK (kind IN ('marketing', 'transactional')),
    ADD COLUMN key  text CHECK (length(key) BETWEEN 1 AND 60),
    ADD CONSTRAINT mail_templates_kind CHECK ((kind = 'transactional') = (key IS NOT NULL)),
    ADD CONSTRAINT mail_templates_key UNIQUE (key, language);

-- The variables that a version shows. It replaces a mail only as long as they are those of the mail.
ALTER TABLE mail_template_versions
    ADD COLUMN variables text[] NOT NULL DEFAULT '{}',
    ADD CONSTRAINT mail_template_versions_of UNIQUE (template_id, id);

-- Which version of a template replaces its mail, and which did before. Without one in force the mail is that of the code.
CREATE TABLE mail_publications (
    id           uuid PRIMARY KEY,
    template_id  uuid NOT NULL,
    version_id   uuid NOT NULL,
    published_by uuid NOT NULL REFERENCES members (id),
    published_at timestamptz NOT NULL,
    withdrawn_by uuid REFERENCES members (id),
    withdrawn_at timestamptz,
    FOREIGN KEY (template_id, version_id) REFERENCES mail_template_versions (template_id, id),
    CONSTRAINT mail_publications_withdrawn CHECK ((withdrawn_by IS NULL) = (withdrawn_at IS NULL))
);
CREATE UNIQUE INDEX mail_publications_in_force ON mail_publications (template_id) WHERE withdrawn_at IS NULL;
CREATE INDEX mail_publications_version ON mail_publications (template_id, version_id);
CREATE INDEX mail_publications_publisher ON mail_publications (published_by);
CREATE INDEX mail_publications_withdrawer ON mail_publications (withdrawn_by) WHERE withdrawn_by IS NOT NULL;

-- -------------------------------------------------------------------------------------------------------------- rights
GRANT SELECT ON mail_publications TO blakjaks_read;
GRANT INSERT, UPDATE (withdrawn_by, withdrawn_at) ON mail_publications TO blakjaks_campaigns;
