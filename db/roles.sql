-- The database roles Aril needs, made by a superuser, or by a role with CREATEROLE, once a server.
-- Again is no error. PostgreSQL 16 or newer. Afterwards set the two passwords and make the database:
--
--   alter role aril_owner password '…';
--   alter role aril_app password '…';
--   create database aril owner aril_owner;
--
-- aril_owner owns the tables and runs the migrations (spring.flyway.user). aril_app is what the
-- server works as (spring.datasource.username): it owns nothing, so that row-level security holds
-- for it. It has the rights of aril_data, which sees one tenant's rows in each transaction; those of
-- aril_control, which sees all tenants' rows, it has only where a transaction asks for them.
do $$
begin
    if not exists (select from pg_roles where rolname = 'aril_owner') then
        create role aril_owner login;
    end if;
    if not exists (select from pg_roles where rolname = 'aril_data') then
        create role aril_data nologin;
    end if;
    if not exists (select from pg_roles where rolname = 'aril_control') then
        create role aril_control nologin;
    end if;
    if not exists (select from pg_roles where rolname = 'aril_app') then
        create role aril_app login;
    end if;
end
$$;

grant aril_data to aril_app with inherit true, set true;
grant aril_control to aril_app with inherit false, set true;
