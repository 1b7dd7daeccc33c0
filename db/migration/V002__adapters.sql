-- A tenant's name for an adapter's bytes. Rows of several tenants may name the same digest; the
-- files <data>/adapters/<digest>/ exist once and live as long as a row names them.
create table adapters (
    id         uuid primary key,
    tenant_id  uuid        not null references tenants (id),
    name       text        not null check (name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$'),
    digest     char(64)    not null check (digest ~ '^[0-9a-f]{64}$'),
    rank       integer     not null check (rank between 1 and 256),
    targets    jsonb       not null check (jsonb_typeof(targets) = 'array'),
    parameters bigint      not null check (parameters > 0),
    bytes      bigint      not null check (bytes > 0),
    created_at timestamptz not null,
    unique (tenant_id, name)
);

create index adapters_by_digest on adapters (digest);
