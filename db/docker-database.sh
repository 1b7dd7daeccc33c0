#!/bin/sh
# Run once by the postgres image, after roles.sql: the two passwords, and the database.
set -eu
psql -v ON_ERROR_STOP=1 -v password="$POSTGRES_PASSWORD" <<'SQL'
alter role aril_owner password :'password';
alter role aril_app password :'password';
create database aril owner aril_owner;
SQL
