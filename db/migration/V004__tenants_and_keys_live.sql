-- Tenants and keys change: suspension, deletion with grace, scopes, rotation, and a revision by which
-- every replica notices.
do $$
begin
    if not exists (select from pg_roles where rolname = 'aril_data')
            or not exists (select from pg_roles where rolname = 'aril_control') then
        raise exception 'the roles aril_data and aril_control are missing'
            using hint = 'run db/roles.sql as a superuser, then start again';
    end if;
end
$$;

alter table tenants drop constraint tenants_status_check;
alter table tenants add constraint tenants_status_check
    check (status in ('active', 'suspended', 'deleted', 'purged'));
-- A purged tenant keeps its row for the ledger's sake and lets go of its name.
alter table tenants drop constraint tenants_name_check;
alter table tenants add constraint tenants_name_check
    check (name ~ '^[a-z0-9][a-z0-9-]{0,62}$' or (status = 'purged' and name = 'purged ' || id));
alter table tenants add column purge_at timestamptz;
alter table tenants add constraint tenants_purge_at_check
    check ((status = 'deleted') = (purge_at is not null));

alter table api_keys add column scopes text[] not null default '{inference,adapters,usage}'
    check (scopes <@ '{inference,adapters,usage}' and cardinality(scopes) > 0);
-- Two secrets under one key id while a rotation overlaps: usage and limits go on under that id.
alter table api_keys add column rotated_at timestamptz;
alter table api_keys add column previous_hash bytea check (octet_length(previous_hash) = 32);
alter table api_keys add column previous_until timestamptz;
alter table api_keys add constraint api_keys_previous_check
    check ((previous_hash is null) = (previous_until is null));

-- What a replica has cached of keys and tenants is good as long as this number is the one it read
-- before. A row and not a sequence: it must change when the change commits, not before.
create table key_revision (
    only_row boolean primary key default true check (only_row),
    revision bigint  not null
);
insert into key_revision (revision) values (1);

create function keys_changed() returns trigger language plpgsql as $$
begin
    update key_revision set revision = revision + 1;
    perform pg_notify('aril_keys', '');
    return null;
end
$$;

-- Not on insert: a key that did not exist was never answered for.
create trigger api_keys_changed after update or delete on api_keys
    for each statement execute function keys_changed();
create trigger tenants_changed after update or delete on tenants
    for each statement execute function keys_changed();
