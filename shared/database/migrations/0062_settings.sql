-- Owners change settings (docs/admin.md, "Settings"): each change is a revision with its history.
ALTER TABLE settings
    ADD COLUMN revision   integer NOT NULL DEFAULT 1 CHECK (revision > 0),
    ADD COLUMN changed_at timestamptz;

CREATE TABLE setting_changes (
    id          uuid PRIMARY KEY,
    name        text        NOT NULL REFERENCES settings,
    revision    integer     NOT NULL,
    before      jsonb       NOT NULL,
    after       jsonb       NOT NULL,
    changed_by  uuid        NOT NULL REFERENCES members,
    approved_by uuid        REFERENCES members CHECK (approved_by <> changed_by),
    reason      text        NOT NULL,
    changed_at  timestamptz NOT NULL,
    UNIQUE (name, revision)
);
CREATE INDEX setting_changes_newest ON setting_changes (name, changed_at, id);
CREATE INDEX setting_changes_author ON setting_changes (changed_by);
CREATE INDEX setting_changes_second ON setting_changes (approved_by) WHERE approved_by IS NOT NULL;
SELECT make_append_only('setting_changes');

-- What one owner wishes a setting to become whose change needs two; it counts for the revision in force alone.
CREATE TABLE setting_wishes (
    name      text        NOT NULL REFERENCES settings,
    revision  integer     NOT NULL,
    wished_by uuid        NOT NULL REFERENCES members,
    value     jsonb       NOT NULL,
    reason    text        NOT NULL,
    wished_at timestamptz NOT NULL,
    PRIMARY KEY (name, revision, wished_by)
);
CREATE INDEX setting_wishes_by ON setting_wishes (wished_by);

-- -------------------------------------------------------------------------------------------------------------- rights
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'blakjaks_platform_settings') THEN
        CREATE ROLE blakjaks_platform_settings NOLOGIN;
    END IF;
END $$;
GRANT USAGE ON SCHEMA public TO blakjaks_platform_settings;
GRANT SELECT ON setting_changes, setting_wishes TO blakjaks_read;

-- platform_settings: owners change what the platform is tuned by.
GRANT UPDATE (value, revision, changed_at) ON settings TO blakjaks_platform_settings;
GRANT INSERT ON setting_changes TO blakjaks_platform_settings;
GRANT INSERT, UPDATE ON setting_wishes TO blakjaks_platform_settings;
