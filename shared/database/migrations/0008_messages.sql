-- What members are told: in the app, on their devices, by mail.

CREATE TABLE notifications (
    id         uuid PRIMARY KEY,
    member_id  uuid NOT NULL REFERENCES members (id),
    type       text NOT NULL CHECK (type IN ('system', 'social', 'comp', 'order')),
    title      text NOT NULL,
    body       text NOT NULL,
    data       jsonb NOT NULL DEFAULT '{}',
    dedupe_key text NOT NULL,
    created_at timestamptz NOT NULL,
    read_at    timestamptz,
    UNIQUE (member_id, dedupe_key)
);
CREATE INDEX notifications_member ON notifications (member_id, created_at DESC, id DESC);
CREATE INDEX notifications_unread ON notifications (member_id, created_at) WHERE read_at IS NULL;

-- The exact unread count. Each change raises the revision, by which published copies recognise the newer one.
CREATE TABLE inboxes (
    member_id   uuid PRIMARY KEY REFERENCES members (id),
    unread      integer NOT NULL DEFAULT 0 CHECK (unread >= 0),
    all_read_at timestamptz,
    revision    bigint NOT NULL DEFAULT 0
);

CREATE TABLE notification_preferences (
    member_id uuid NOT NULL REFERENCES members (id),
    type      text NOT NULL CHECK (type IN ('system', 'social', 'comp', 'order')),
    push      boolean NOT NULL,
    email     boolean NOT NULL,
    PRIMARY KEY (member_id, type)
);

CREATE TABLE devices (
    id            uuid PRIMARY KEY,
    member_id     uuid NOT NULL REFERENCES members (id),
    platform      text NOT NULL CHECK (platform IN ('ios', 'android')),
    token         text NOT NULL UNIQUE,
    registered_at timestamptz NOT NULL
);
CREATE INDEX devices_member ON devices (member_id);

-- A push to one device: recorded before it is sent; one that is claimed and not finished may have been sent.
CREATE TABLE pushes (
    notification_id uuid NOT NULL REFERENCES notifications (id),
    device_id       uuid NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    status          text NOT NULL CHECK (status IN ('sending', 'sent', 'refused')),
    claimed_until   timestamptz NOT NULL,
    finished_at     timestamptz,
    PRIMARY KEY (notification_id, device_id)
);

CREATE TABLE mails (
    id                  uuid PRIMARY KEY,
    dedupe_key          text NOT NULL UNIQUE,
    member_id           uuid REFERENCES members (id),
    to_email            text NOT NULL,
    to_name             text NOT NULL,
    template            text NOT NULL,
    parameters          jsonb NOT NULL,
    status              text NOT NULL DEFAULT 'queued' CHECK (status IN ('queued', 'sent', 'refused')),
    queued_at           timestamptz NOT NULL,
    claimed_until       timestamptz,
    finished_at         timestamptz,
    provider_message_id text,
    CHECK ((status = 'queued') = (finished_at IS NULL))
);

-- The public activity feed, "Someone won $100!", newest first.
CREATE TABLE feed_items (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind        text NOT NULL,
    text        text NOT NULL,
    amount      micro_usdt,
    dedupe_key  text NOT NULL UNIQUE,
    happened_at timestamptz NOT NULL
);
