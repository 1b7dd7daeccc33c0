-- What was spent: one row a generation, never changed afterwards.
-- adapter_digest has no foreign key: a row outlives the adapter it was made with.
create table usage_events (
    generation_id     text primary key check (char_length(generation_id) between 1 and 128),
    tenant_id         uuid        not null references tenants (id),
    model             text        not null,
    adapter_digest    char(64) check (adapter_digest ~ '^[0-9a-f]{64}$'),
    prompt_tokens     integer     not null check (prompt_tokens >= 0),
    completion_tokens integer     not null check (completion_tokens >= 0),
    finish_reason     text        not null,
    started_at        timestamptz not null,
    finished_at       timestamptz not null check (finished_at >= started_at)
);

create index usage_events_by_tenant on usage_events (tenant_id, finished_at);

create function usage_events_are_final() returns trigger language plpgsql as $$
begin
    raise exception 'usage_events is append-only: % refused', tg_op
        using errcode = 'restrict_violation';
end
$$;

create trigger usage_events_append_only
    before update or delete or truncate on usage_events
    for each statement execute function usage_events_are_final();
