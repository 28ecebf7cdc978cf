-- Prizes beyond the scan that wins them: the new member guarantee, sales that unlock comps, trips.

INSERT INTO settings (name, value, description) VALUES
    ('concierge_email', '"concierge@blakjaks.com"', 'Who is told that a winner has chosen a trip.'),
    ('trip_destinations', '[
        {"key": "african_safari", "title": "African big game safari", "value": 160000},
        {"key": "disney_world", "title": "Disney World", "value": 150000},
        {"key": "monaco_f1", "title": "Monaco Formula 1 VIP", "value": 135000},
        {"key": "las_vegas_high_roller", "title": "Las Vegas high-roller", "value": 130000},
        {"key": "hawaii", "title": "Hawaii", "value": 110000},
        {"key": "alaska", "title": "Alaska", "value": 105000},
        {"key": "las_vegas_f1", "title": "Las Vegas Formula 1 VIP", "value": 100000},
        {"key": "scotland_golf_whiskey", "title": "Golf and whiskey tour, Scotland", "value": 85000},
        {"key": "hunting_lodge", "title": "Hunting lodge", "value": 85000},
        {"key": "bespoke_gunsmith", "title": "Bespoke gunsmith", "value": 85000},
        {"key": "ritz_paris", "title": "Ritz Paris imperial suite", "value": 85000},
        {"key": "badrutts_palace", "title": "Badrutt''s Palace", "value": 85000},
        {"key": "aspen", "title": "Aspen", "value": 85000},
        {"key": "masters_golf", "title": "Masters golf VIP", "value": 80000},
        {"key": "nba_finals", "title": "NBA finals courtside", "value": 80000},
        {"key": "super_bowl", "title": "Super Bowl", "value": 80000},
        {"key": "world_series", "title": "World Series VIP", "value": 75000},
        {"key": "yellowstone_grand_teton", "title": "Yellowstone and Grand Teton", "value": 75000},
        {"key": "deep_sea_fishing", "title": "Deep sea fishing", "value": 75000},
        {"key": "fighter_jet", "title": "Fighter jet", "value": 70000},
        {"key": "ufc_championship", "title": "UFC championship VIP", "value": 65000}
     ]', 'What the winner of a trip may choose from: a key that stays, a title, the value in USD.');

-- Who is promised the new member guarantee, how many comps of it they were given, and when the next is due; no day
-- when it is over. One row per member, born when the e-mail address is verified.
CREATE TABLE guarantees (
    member_id   uuid PRIMARY KEY REFERENCES members (id),
    verified_on date NOT NULL,
    given       integer NOT NULL DEFAULT 0 CHECK (given BETWEEN 0 AND 12),
    next_on     date
);
CREATE INDEX guarantees_due ON guarantees (next_on, member_id) WHERE next_on IS NOT NULL;
INSERT INTO guarantees (member_id, verified_on, next_on)
SELECT id, CAST(email_verified_at AT TIME ZONE 'UTC' AS date), CAST(email_verified_at AT TIME ZONE 'UTC' AS date)
FROM members WHERE email_verified_at IS NOT NULL;

-- Tins sold by day of sale, less refunds; what unlocks comps is their sum over the trailing 91 days.
CREATE TABLE tins_sold_daily (
    day    date NOT NULL,
    source text NOT NULL CHECK (source ~ '^[a-z_]+$'),
    tins   bigint NOT NULL CHECK (tins >= 0),
    PRIMARY KEY (day, source)
);

-- What the winner of a trip has chosen, and how far the concierge is. The destination is kept as it was offered.
CREATE TABLE trips (
    comp_id                uuid PRIMARY KEY REFERENCES comps (id),
    destination            text NOT NULL,
    title                  text NOT NULL,
    value                  micro_usdt NOT NULL CHECK (value > 0),
    state                  text NOT NULL DEFAULT 'chosen'
                           CHECK (state IN ('chosen', 'concierge_contacted', 'chip_mailed')),
    chosen_at              timestamptz NOT NULL,
    concierge_contacted_at timestamptz,
    chip_mailed_at         timestamptz,
    tracking_number        text,
    CHECK ((state <> 'chosen') = (concierge_contacted_at IS NOT NULL)),
    CHECK ((state = 'chip_mailed') = (chip_mailed_at IS NOT NULL)),
    CHECK ((state = 'chip_mailed') = (tracking_number IS NOT NULL))
);

-- A trip is chosen once and goes one step at a time.
CREATE FUNCTION trip_changed() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.comp_id, NEW.destination, NEW.title, NEW.value, NEW.chosen_at)
       IS DISTINCT FROM (OLD.comp_id, OLD.destination, OLD.title, OLD.value, OLD.chosen_at) THEN
        PERFORM refuse('trip_chosen', format('the choice of trip %s is made', OLD.comp_id));
    END IF;
    IF (OLD.state, NEW.state) NOT IN (('chosen', 'concierge_contacted'), ('concierge_contacted', 'chip_mailed')) THEN
        PERFORM refuse('trip_transition', format('trip %s: %s to %s', OLD.comp_id, OLD.state, NEW.state));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER trip_changed BEFORE UPDATE ON trips FOR EACH ROW EXECUTE FUNCTION trip_changed();
