"""`make schema`: writes shared/database/schema.sql, the schema that all migrations together make, for people to read.

It is read from the catalogs of Postgres, because pg_dump is not on every machine and writes each version differently.
The monthly partitions are left out: their names depend on the day. So is the owner, who may do everything.
"""

import argparse
import re
import textwrap
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

from pg8000.dbapi import Connection

from emulators import cloud
from emulators.bootstrap import ROOT
from emulators.postgres import Postgres
from shared.database import migrate

FILE = ROOT / "shared" / "database" / "schema.sql"
LINE_CHARACTERS_MAX = 119  # and a comma
HEADER = """\
-- The schema after all migrations, for people to read. `make schema` writes this file, and a test compares it with what
-- the migrations make. Nothing runs it. To change the schema, add a migration to shared/database/migrations and write
-- this file anew.
--
-- The order is: types; tables, each with its indexes and triggers; views; functions; rights, role by role.
-- A table that says PARTITION BY has a partition for each month, made by ensure_month_partitions.
"""

TYPES = """
    SELECT typname, string_agg(quote_literal(enumlabel), ', ' ORDER BY enumsortorder)
    FROM pg_type JOIN pg_enum ON enumtypid = pg_type.oid WHERE typnamespace = 'public'::regnamespace
    GROUP BY typname ORDER BY typname
"""
DOMAINS = """
    SELECT typname, format_type(typbasetype, typtypmod),
        (SELECT string_agg(' ' || pg_get_constraintdef(oid, true), '' ORDER BY conname)
         FROM pg_constraint WHERE contypid = pg_type.oid AND contype <> 'n')
    FROM pg_type WHERE typnamespace = 'public'::regnamespace AND typtype = 'd' ORDER BY typname
"""
TABLES = """
    SELECT relname, reloptions, CASE relkind WHEN 'p' THEN pg_get_partkeydef(oid) END
    FROM pg_class WHERE relnamespace = 'public'::regnamespace AND NOT relispartition AND relkind IN ('r', 'p')
    ORDER BY relname
"""
COLUMNS = """
    SELECT relname, attname,
        replace(format_type(atttypid, atttypmod), 'timestamp with time zone', 'timestamptz'),
        attnotnull, attidentity, attgenerated, pg_get_expr(adbin, adrelid, true)
    FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped
        LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE relnamespace = 'public'::regnamespace AND NOT relispartition AND relkind IN ('r', 'p')
    ORDER BY relname, attnum
"""
CONSTRAINTS = """
    SELECT relname, conname, pg_get_constraintdef(pg_constraint.oid, true)
    FROM pg_class JOIN pg_constraint ON conrelid = pg_class.oid
    WHERE relnamespace = 'public'::regnamespace AND NOT relispartition
      AND contype IN ('p', 'u', 'x', 'c', 'f') AND conparentid = 0
    ORDER BY relname, array_position('{p,u,x,c,f}', contype::text), conname
"""
INDEXES = """
    SELECT relname, pg_get_indexdef(indexrelid, 0, true)
    FROM pg_class JOIN pg_index ON indrelid = pg_class.oid
    WHERE relnamespace = 'public'::regnamespace AND NOT relispartition
      AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid AND conrelid = indrelid)
    ORDER BY relname, indexrelid::regclass::text
"""
TRIGGERS = """
    SELECT relname, pg_get_triggerdef(pg_trigger.oid, true)
    FROM pg_class JOIN pg_trigger ON tgrelid = pg_class.oid AND NOT tgisinternal
    WHERE relnamespace = 'public'::regnamespace AND NOT relispartition ORDER BY relname, tgname
"""
VIEWS = """
    SELECT relname, pg_get_viewdef(oid, true) FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND NOT relispartition AND relkind = 'v' ORDER BY relname
"""
FUNCTIONS = """
    SELECT pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    ORDER BY oid::regprocedure::text
"""
# (role, privilege, kind of object, object, column or ''). A role of null is PUBLIC, everybody.
RIGHTS = """
    SELECT rolname, privilege_type, kind, object, of_column FROM (
        SELECT CASE relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END AS kind, relname::text AS object,
            '' AS of_column, relowner AS owner, relacl AS rights
        FROM pg_class WHERE relnamespace = 'public'::regnamespace AND NOT relispartition
        UNION ALL SELECT 'TABLE', relname, attname, relowner, attacl
        FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid AND NOT attisdropped
        WHERE relnamespace = 'public'::regnamespace AND NOT relispartition
        UNION ALL SELECT 'FUNCTION', oid::regprocedure::text, '', proowner, proacl
        FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    ) AS objects, aclexplode(rights) AS given LEFT JOIN pg_roles ON pg_roles.oid = grantee
    WHERE grantee <> owner
"""
MAY_ENTER = """
    SELECT privilege_type, string_agg(coalesce(rolname, 'PUBLIC'), ', ' ORDER BY rolname)
    FROM pg_namespace, aclexplode(nspacl) LEFT JOIN pg_roles ON pg_roles.oid = grantee
    WHERE nspname = 'public' AND grantee <> nspowner GROUP BY privilege_type ORDER BY privilege_type
"""
NEW_OBJECTS = """
    SELECT rolname, privilege_type, CASE defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' END
    FROM pg_default_acl, aclexplode(defaclacl) JOIN pg_roles ON oid = grantee WHERE grantee <> defaclrole
"""
CLOSED_FUNCTIONS = """
    SELECT oid::regprocedure::text FROM pg_proc
    WHERE pronamespace = 'public'::regnamespace
      AND proacl IS NOT NULL AND NOT EXISTS (SELECT FROM aclexplode(proacl) WHERE grantee = 0)
    ORDER BY oid::regprocedure::text
"""
# What the catalogs hold and the text below would not show.
NOT_SHOWN = """
    SELECT 'relation ' || relname FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND NOT relispartition AND relkind NOT IN ('r', 'p', 'i', 'I', 'v')
      AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_class.oid AND deptype = 'i')
    UNION ALL SELECT 'extension ' || extname FROM pg_extension WHERE extname <> 'plpgsql'
    UNION ALL SELECT 'policy ' || polname FROM pg_policy
    UNION ALL SELECT 'rule ' || rulename FROM pg_rewrite JOIN pg_class ON pg_class.oid = ev_class
        WHERE relnamespace = 'public'::regnamespace AND NOT relispartition AND rulename <> '_RETURN'
    UNION ALL SELECT 'statistics ' || stxname FROM pg_statistic_ext
    UNION ALL SELECT 'event trigger ' || evtname FROM pg_event_trigger
    UNION ALL SELECT 'schema ' || nspname FROM pg_namespace
        WHERE nspname NOT IN ('public', 'information_schema') AND nspname NOT LIKE 'pg\\_%'
    UNION ALL SELECT 'trigger ' || tgname || ', which is off' FROM pg_trigger WHERE tgenabled <> 'O'
    UNION ALL SELECT 'function ' || proname FROM pg_proc
        WHERE pronamespace = 'public'::regnamespace AND prokind <> 'f'
"""


class NotShown(Exception):
    """The schema has something of a kind that this module does not write."""


def dump(connection: Connection) -> str:
    """The schema of the connected database, the same text on each version of Postgres. Raises NotShown."""
    connection.execute_simple("SET search_path = public")
    if missing := _rows(connection, NOT_SHOWN):
        raise NotShown(", ".join(name for (name,) in missing))
    parts = [HEADER, *_types(connection), *_tables(connection), *_views(connection)]
    parts += [f"{text.replace('public.', '', 1).rstrip()};\n" for (text,) in _rows(connection, FUNCTIONS)]
    return "\n".join([*parts, *_rights(connection)])


def _rows(connection: Connection, query: str) -> list[list[Any]]:
    return list(connection.execute_simple(query).rows or [])


def _types(connection: Connection) -> Iterator[str]:
    enums = [_wrapped(f"CREATE TYPE {name} AS ENUM ({labels});") for name, labels in _rows(connection, TYPES)]
    domains = [
        f"CREATE DOMAIN {name} AS {base}{_clean(check or '')};" for name, base, check in _rows(connection, DOMAINS)
    ]
    yield "\n".join([*enums, *domains]) + "\n"


def _tables(connection: Connection) -> Iterator[str]:
    columns, constraints, indexes, triggers = (
        _by_table(_rows(connection, query)) for query in (COLUMNS, CONSTRAINTS, INDEXES, TRIGGERS)
    )
    for name, options, partition_key in _rows(connection, TABLES):
        lines = _columns(columns[name])
        lines += [f"CONSTRAINT {constraint} {text}" for constraint, text in constraints.get(name, [])]
        end = f" PARTITION BY {partition_key}" if partition_key else ""
        end += f" WITH ({', '.join(options)})" if options else ""
        body = ",\n".join(_wrapped(line, margin="    ") for line in map(_clean, lines))
        after = [_wrapped(f"{_clean(text)};") for (text,) in [*indexes.get(name, []), *triggers.get(name, [])]]
        yield "\n".join([f"CREATE TABLE {name} (\n{body}\n){end};", *after]) + "\n"


def _by_table(rows: list[list[Any]]) -> dict[str, list[list[Any]]]:
    return {table: [row[1:] for row in group] for table, group in groupby(rows, key=lambda row: str(row[0]))}


def _columns(columns: list[list[Any]]) -> list[str]:
    names = max(len(column[0]) for column in columns)
    types = max(len(column[1]) for column in columns)
    return [
        f"{name:<{names}}  {type_name:<{types}}  {_column_end(*rest)}".rstrip() for name, type_name, *rest in columns
    ]


def _column_end(is_not_null: bool, identity: str, generated: str, default: str | None) -> str:
    words = ["NOT NULL"] if is_not_null else []
    if identity:
        words.append(f"GENERATED {'ALWAYS' if identity == 'a' else 'BY DEFAULT'} AS IDENTITY")
    elif generated:
        words.append(f"GENERATED ALWAYS AS ({default}) {'STORED' if generated == 's' else 'VIRTUAL'}")
    elif default:
        words.append(f"DEFAULT {default}")
    return " ".join(words)


def _views(connection: Connection) -> Iterator[str]:
    for name, text in _rows(connection, VIEWS):
        # Up to version 15 Postgres writes the only relation of a query before each of its columns.
        short = text if " JOIN " in text else re.sub(r"\b\w+\.(?=\w)", "", text)
        yield f"CREATE VIEW {name} AS\n{_clean(short)}\n"


def _rights(connection: Connection) -> Iterator[str]:
    """The rights of each role: in the schema at all, with tables to come, then role by role."""
    entering = [f"GRANT {right} ON SCHEMA public TO {roles};" for right, roles in _rows(connection, MAY_ENTER)]
    yield "\n".join(_wrapped(line) for line in entering) + "\n"
    new: dict[tuple[str, str], set[str]] = {}
    for role, privilege, kind in _rows(connection, NEW_OBJECTS):
        new.setdefault((kind, role), set()).add(privilege)
    yield "".join(
        f"ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT {', '.join(sorted(privileges))} ON {kind} TO {role};\n"
        for (kind, role), privileges in sorted(new.items())
    )
    closed = [name for (name,) in _rows(connection, CLOSED_FUNCTIONS)]
    yield _wrapped(f"REVOKE EXECUTE ON FUNCTION {', '.join(closed)} FROM PUBLIC;") + "\n"
    by_role: dict[str, list[list[str]]] = {}
    for role, *right in _rows(connection, RIGHTS):
        by_role.setdefault(role or "PUBLIC", []).append(right)
    for role, rights in sorted(by_role.items()):
        yield "\n".join(_wrapped(f"GRANT {text} TO {role};") for text in sorted(_grants(rights))) + "\n"


def _grants(rights: Iterable[list[str]]) -> Iterator[str]:
    """The objects of one kind on which a role has the same privileges share a line; columns have a line a table."""
    privileges: dict[tuple[str, str], set[str]] = {}
    columns: dict[tuple[str, str], set[str]] = {}
    for privilege, kind, name, column in rights:
        if column:
            columns.setdefault((privilege, name), set()).add(column)
        else:
            privileges.setdefault((kind, name), set()).add(privilege)
    objects: dict[tuple[str, str], list[str]] = {}
    for (kind, name), of_object in sorted(privileges.items()):
        objects.setdefault((kind, ", ".join(sorted(of_object))), []).append(name)
    for (kind, words), names in objects.items():
        yield f"{words} ON {kind} {', '.join(names)}"
    for (privilege, name), of_table in columns.items():
        yield f"{privilege} ({', '.join(sorted(of_table))}) ON TABLE {name}"


def _clean(text: str) -> str:
    """The text without the types of literals and the usual kind of index, with IN for what Postgres writes as ANY."""
    text = text.replace(" USING btree ", " ").replace("timestamp with time zone", "timestamptz")
    text = re.sub(r"('(?:[^']|'')*')::\w+(\[\])?", r"\1", text)
    text = re.sub(r"= ANY \(ARRAY\[([^\]]*)\]\)", r"IN (\1)", text)
    return re.sub(r"<> ALL \(ARRAY\[([^\]]*)\]\)", r"NOT IN (\1)", text)


def _wrapped(text: str, margin: str = "") -> str:
    return textwrap.fill(
        text,
        LINE_CHARACTERS_MAX,
        initial_indent=margin,
        subsequent_indent=margin + "    ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def migrated(postgres: Postgres) -> str:
    """The schema that the migrations make in a new database of this server."""
    logins = cloud.Logins()
    cloud.make_database(postgres, logins)
    access = postgres.access
    owner = Connection(
        cloud.OWNER_LOGIN,
        host=access.host,
        port=access.port,
        database=cloud.DATABASE,
        password=logins.owner,
        ssl_context=False,
    )
    try:
        owner.autocommit = True
        migrate.apply(owner, migrate.load(), datetime.now(UTC), contract=True)
        return dump(owner)
    finally:
        owner.close()


def main() -> None:
    """Make a database for it, apply all migrations, write the file."""
    argparse.ArgumentParser(description=__doc__, prog="make schema").parse_args()
    postgres = Postgres(durable=False, vacuums=False)
    postgres.start()
    try:
        FILE.write_text(migrated(postgres), encoding="utf-8")
    finally:
        postgres.stop()


if __name__ == "__main__":
    main()
