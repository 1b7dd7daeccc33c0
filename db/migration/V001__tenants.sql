-- Who the tenants are, and the keys they come with.
create table tenants (
    id         uuid primary key,
    name       text        not null unique check (name ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    status     text        not null default 'active' check (status in ('active', 'suspended')),
    created_at timestamptz not null
);

-- A key is aril_<key id>_<secret><checksum>. Only an HMAC of the secret is kept, under a pepper
-- that is not in the database: a stolen dump opens nothing.
create table api_keys (
    id          uuid primary key,
    tenant_id   uuid        not null references tenants (id),
    key_id      text        not null unique check (key_id ~ '^[0-9A-Za-z]{12}$'),
    secret_hash bytea       not null check (octet_length(secret_hash) = 32),
    label       text        not null check (char_length(label) between 1 and 100),
    created_at  timestamptz not null,
    expires_at  timestamptz,
    revoked_at  timestamptz
);

create index api_keys_by_tenant on api_keys (tenant_id, created_at);
