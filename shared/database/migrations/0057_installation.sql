-- Which project this database serves. A deployment says it (functions/migrate), and a local stack, whose clock can be
-- moved, asks it first: a database that names another project is left alone.
CREATE TABLE installation (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    project text NOT NULL CHECK (project <> '')
);

-- -------------------------------------------------------------------------------------------------------------- rights
GRANT SELECT ON installation TO blakjaks_read;

-- enrolment: a deployment says for which project it is.
GRANT INSERT, UPDATE (project) ON installation TO blakjaks_enrolment;
