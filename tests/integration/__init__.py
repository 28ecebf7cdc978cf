"""Are the queries and locks right? Real Postgres; the clouds over the wire from emulators in this process."""
