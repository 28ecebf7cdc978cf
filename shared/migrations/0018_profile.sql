-- Profiles, avatars, preferences, devices for push, broadcasts, export and erasure.
SELECT 1;
