-- The database, who owns it and who reads it. Changes nothing that is so already, but the passwords, which become those
-- of the files: so it runs at every start, and a password is changed by writing its file anew.
--
-- Run by psql as a superuser, with the paths of two files in the environment (STORE_PASSWORD_FILE,
-- GRAFANA_PASSWORD_FILE), and ADMIN_USER and ADMIN_PASSWORD if there is to be a user of that name who reads.
\set ON_ERROR_STOP on
\set store_password `cat "$STORE_PASSWORD_FILE"`
\set grafana_password `cat "$GRAFANA_PASSWORD_FILE"`
\set admin_user `printf %s "${ADMIN_USER:-}"`
\set admin_password `printf %s "${ADMIN_PASSWORD:-}"`
SELECT :'store_password' <> '' AND :'grafana_password' <> '' AS has_passwords \gset
\if :has_passwords
\else
    \warn 'STORE_PASSWORD_FILE and GRAFANA_PASSWORD_FILE must each name a file with a password in it'
    -- There is no command that ends psql with a failure; this does.
    SELECT 1 / 0 AS no_passwords;
\endif
-- Statements with passwords in them are for no log.
SET log_statement = 'none';
SET log_min_error_statement = 'panic';
SET client_min_messages = warning;

-- Metric-specs: its tables, and the views that its migrations make.
SELECT 'CREATE ROLE shadowline LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'shadowline') \gexec
ALTER ROLE shadowline LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD :'store_password';
SELECT 'CREATE DATABASE shadowline OWNER shadowline ENCODING ''UTF8'' TEMPLATE template0'
    WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'shadowline') \gexec
REVOKE ALL ON DATABASE shadowline FROM PUBLIC;

-- Grafana: reads, and not for long.
SELECT 'CREATE ROLE grafana LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'grafana') \gexec
ALTER ROLE grafana LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE CONNECTION LIMIT 20 PASSWORD :'grafana_password';
ALTER ROLE grafana SET default_transaction_read_only = on;
ALTER ROLE grafana SET statement_timeout = '30s';
GRANT CONNECT ON DATABASE shadowline TO grafana;

\connect shadowline
SET log_statement = 'none';
SET log_min_error_statement = 'panic';
SET client_min_messages = warning;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO grafana;
GRANT USAGE, CREATE ON SCHEMA public TO shadowline;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO grafana;
-- What the migrations make later.
ALTER DEFAULT PRIVILEGES FOR ROLE shadowline IN SCHEMA public GRANT SELECT ON TABLES TO grafana;

-- Whoever may open Adminer: reads what Grafana reads.
SELECT :'admin_user' <> '' AND :'admin_password' <> '' AS has_admin \gset
\if :has_admin
    SELECT format('CREATE ROLE %I LOGIN', :'admin_user')
        WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'admin_user') \gexec
    ALTER ROLE :"admin_user" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE INHERIT PASSWORD :'admin_password';
    ALTER ROLE :"admin_user" SET default_transaction_read_only = on;
    ALTER ROLE :"admin_user" SET statement_timeout = '5min';
    GRANT grafana TO :"admin_user";
\endif
