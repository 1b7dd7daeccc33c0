-- Who administers, and what they did.
create table accounts (
    name          text primary key check (name ~ '^[a-z0-9][a-z0-9._@-]{0,62}$'),
    password_hash text        not null,
    role          text        not null check (role in ('viewer', 'operator', 'admin')),
    -- grows with every change, so that older sessions end
    revision      bigint      not null,
    created_at    timestamptz not null,
    disabled_at   timestamptz
);

create table oidc_rules (
    issuer text not null,
    claim  text not null,
    value  text not null,
    role   text not null check (role in ('viewer', 'operator', 'admin')),
    primary key (issuer, claim, value)
);

-- Each entry's hash covers the one before: none can be changed or taken out without all after it.
create table audit_log (
    number    bigint primary key check (number > 0),
    at        timestamptz not null,
    actor     text        not null,
    origin    text        not null,
    action    text        not null,
    tenant_id uuid,
    object    text        not null,
    detail    text        not null,
    hash      bytea       not null check (octet_length(hash) = 32)
);
create index audit_log_by_tenant on audit_log (tenant_id, number);

create function audit_log_is_final() returns trigger language plpgsql as $$
begin
    raise exception 'audit_log is append-only: % refused', tg_op
        using errcode = 'restrict_violation';
end
$$;
create trigger audit_log_append_only
    before update or delete or truncate on audit_log
    for each statement execute function audit_log_is_final();

-- What is left of a deleted tenant when its grace has ended is the ledger and its name there.
create function purge_tenant(tenant uuid) returns void language plpgsql as $$
begin
    perform pg_advisory_xact_lock(quota_lock(tenant));
    delete from api_keys where tenant_id = tenant;
    delete from adapters where tenant_id = tenant;
    delete from limits where tenant_id = tenant;
    delete from quota_windows where tenant_id = tenant;
    delete from webhook_endpoints where tenant_id = tenant;
    update tenants set status = 'purged', purge_at = null, name = 'purged ' || id
    where id = tenant and status = 'deleted';
end
$$;
