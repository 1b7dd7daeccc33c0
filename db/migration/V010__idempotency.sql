-- Answers to requests that named themselves by an Idempotency-Key, so that the same request again
-- gets the same answer from any replica, for 24 hours. The answer is kept as it was sent; of the
-- request only a hash, by which a different one under the same key is told.
create table idempotent_answers (
    tenant_id     uuid        not null references tenants (id),
    key_id        text        not null check (char_length(key_id) between 1 and 64),
    name          text        not null check (char_length(name) between 1 and 255),
    request_hash  bytea       not null check (octet_length(request_hash) = 32),
    -- the ledger's: whoever takes over from a replica that died bills under the same id
    generation_id text        not null check (char_length(generation_id) between 1 and 128),
    streamed      boolean     not null,
    answer        text,
    -- who makes the answer, and until when it is believed to live; null once the answer is there
    holder        uuid,
    lease_until   timestamptz,
    created_at    timestamptz not null default now(),
    expires_at    timestamptz not null,
    primary key (tenant_id, key_id, name),
    check ((answer is null) = (holder is not null) and (holder is null) = (lease_until is null))
);

create index idempotent_answers_by_expiry on idempotent_answers (expires_at);
create index idempotent_answers_by_holder on idempotent_answers (holder) where holder is not null;

alter table idempotent_answers enable row level security;
alter table idempotent_answers force row level security;
create policy own on idempotent_answers to aril_data
    using (tenant_id = current_tenant()) with check (tenant_id = current_tenant());
create policy everything on idempotent_answers to aril_control using (true) with check (true);
grant select, insert, update, delete on idempotent_answers to aril_data, aril_control;
