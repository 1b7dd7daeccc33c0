-- The ledger, by months: one event for each generation, kept for ever and never changed, and sums of
-- it by minute, hour and day, which can be made anew from the events at any time.
alter table usage_events rename to usage_events_v003;
alter index usage_events_pkey rename to usage_events_v003_pkey;
alter index usage_events_by_tenant rename to usage_events_v003_by_tenant;

create table usage_events (
    request_id        text        not null check (char_length(request_id) between 1 and 130),
    tenant_id         uuid        not null,
    key_id            text        not null,
    -- the base model and the adapter's name then; names may mean something else today
    model             text        not null,
    adapter           text,
    adapter_version   char(64) check (adapter_version ~ '^[0-9a-f]{64}$'),
    prompt_tokens     bigint      not null check (prompt_tokens >= 0),
    cached_tokens     bigint      not null check (cached_tokens between 0 and prompt_tokens),
    completion_tokens bigint      not null check (completion_tokens >= 0),
    finish_reason     text        not null,
    -- the database's clock; windows of quotas, buckets of rollups and partitions follow it
    admitted_at       timestamptz not null,
    -- the server's clock
    started_at        timestamptz not null,
    scheduled_at      timestamptz,
    first_token_at    timestamptz,
    finished_at       timestamptz not null check (finished_at >= started_at),
    engine_ms         bigint      not null check (engine_ms >= 0),
    -- millionths of a micro-unit, by the prices of admitted_at: tokens times the price of a million
    cost_picos        bigint      not null check (cost_picos >= 0),
    -- A reservation has one moment of admission, so settling it twice meets the same key.
    constraint usage_events_key primary key (request_id, admitted_at)
) partition by range (admitted_at);

create index usage_events_of_tenant on usage_events (tenant_id, admitted_at, request_id);

create table usage_events_other partition of usage_events default;

create trigger usage_events_append_only
    before update or delete or truncate on usage_events
    for each statement execute function usage_events_are_final();
create trigger usage_events_append_only
    before update or delete or truncate on usage_events_other
    for each statement execute function usage_events_are_final();

-- Partitions of the month at a time and the two after it. The application owns no table, so this
-- runs with the rights of who made it, and does nothing else.
create function usage_partitions(at timestamptz) returns void
    language plpgsql security definer set search_path = public, pg_temp as $$
declare
    month timestamptz;
    name text;
begin
    for i in 0..2 loop
        month := date_trunc('month', at, 'UTC') + make_interval(months => i);
        month := date_trunc('month', month + interval '1 day', 'UTC');
        name := 'usage_events_' || to_char(month at time zone 'UTC', 'YYYY_MM');
        if to_regclass('public.' || name) is null then
            begin
                execute format(
                    'create table %I partition of usage_events for values from (%L) to (%L)',
                    name, month,
                    date_trunc('month', month + interval '32 days', 'UTC'));
                execute format(
                    'create trigger usage_events_append_only before update or delete or truncate'
                    ' on %I for each statement execute function usage_events_are_final()', name);
            exception
                -- another replica was faster
                when duplicate_table then null;
                -- events of that month are in usage_events_other already, and stay there
                when check_violation then null;
            end;
        end if;
    end loop;
end
$$;
select usage_partitions(clock_timestamp());

insert into usage_events (
    request_id, tenant_id, key_id, model, adapter, adapter_version, prompt_tokens, cached_tokens,
    completion_tokens, finish_reason, admitted_at, started_at, finished_at, engine_ms, cost_picos)
select generation_id, tenant_id, '', model, case when adapter_digest is not null then model end,
       adapter_digest, prompt_tokens, 0, completion_tokens, finish_reason, started_at, started_at,
       finished_at, 0, 0
from usage_events_v003;

-- adapter is '' for the base model: part of a key
create table usage_minutes (
    tenant_id         uuid        not null,
    starts_at         timestamptz not null,
    key_id            text        not null,
    model             text        not null,
    adapter           text        not null,
    requests          bigint      not null,
    prompt_tokens     bigint      not null,
    cached_tokens     bigint      not null,
    completion_tokens bigint      not null,
    engine_ms         bigint      not null,
    cost_picos        numeric     not null,
    primary key (tenant_id, starts_at, key_id, model, adapter)
) with (fillfactor = 70);
create table usage_hours (like usage_minutes including all) with (fillfactor = 70);
create table usage_days (like usage_minutes including all) with (fillfactor = 70);
-- sums over all tenants
create index usage_minutes_by_time on usage_minutes (starts_at);
create index usage_hours_by_time on usage_hours (starts_at);
create index usage_days_by_time on usage_days (starts_at);

-- Of one tenant, or with null of all. The times are midnights, UTC.
create function usage_rebuild(tenant uuid, since timestamptz, until timestamptz) returns void
    language plpgsql as $$
begin
    delete from usage_minutes where starts_at >= since and starts_at < until
      and (tenant is null or tenant_id = tenant);
    insert into usage_minutes
    select tenant_id, date_trunc('minute', admitted_at, 'UTC'), key_id, model,
           coalesce(adapter, ''), count(*), sum(prompt_tokens), sum(cached_tokens),
           sum(completion_tokens), sum(engine_ms), sum(cost_picos)
    from usage_events where admitted_at >= since and admitted_at < until
      and (tenant is null or tenant_id = tenant)
    group by 1, 2, 3, 4, 5;

    delete from usage_hours where starts_at >= since and starts_at < until
      and (tenant is null or tenant_id = tenant);
    insert into usage_hours
    select tenant_id, date_trunc('hour', starts_at, 'UTC'), key_id, model, adapter, sum(requests),
           sum(prompt_tokens), sum(cached_tokens), sum(completion_tokens), sum(engine_ms),
           sum(cost_picos)
    from usage_minutes where starts_at >= since and starts_at < until
      and (tenant is null or tenant_id = tenant)
    group by 1, 2, 3, 4, 5;

    delete from usage_days where starts_at >= since and starts_at < until
      and (tenant is null or tenant_id = tenant);
    insert into usage_days
    select tenant_id, date_trunc('day', starts_at, 'UTC'), key_id, model, adapter, sum(requests),
           sum(prompt_tokens), sum(cached_tokens), sum(completion_tokens), sum(engine_ms),
           sum(cost_picos)
    from usage_hours where starts_at >= since and starts_at < until
      and (tenant is null or tenant_id = tenant)
    group by 1, 2, 3, 4, 5;
end
$$;
select usage_rebuild(null, '-infinity', 'infinity');

-- Micro-units for a million tokens. The most specific one counts, and of those the latest.
create table prices (
    model      text        not null check (char_length(model) between 1 and 200),
    tenant_id  uuid references tenants (id),
    adapter    text,
    prompt     bigint      not null check (prompt between 0 and 1000000000000000),
    cached     bigint      not null check (cached between 0 and 1000000000000000),
    completion bigint      not null check (completion between 0 and 1000000000000000),
    valid_from timestamptz not null,
    unique nulls not distinct (model, tenant_id, adapter, valid_from)
);

create function usage_cost(
    of_tenant uuid, of_model text, of_adapter text, prompted bigint, cached_of_those bigint,
    completed bigint, at timestamptz) returns bigint language sql stable as $$
    select coalesce(
        (select (prompted - cached_of_those) * p.prompt + cached_of_those * p.cached
                + completed * p.completion
         from prices p
         where p.model = of_model
           and (p.tenant_id is null or p.tenant_id = of_tenant)
           and (p.adapter is null or p.adapter = of_adapter)
           and p.valid_from <= at
         order by (p.tenant_id is not null and p.adapter is not null) desc,
                  p.tenant_id is not null desc, p.adapter is not null desc, p.valid_from desc
         limit 1), 0)
$$;

-- With the rights of who asks, so that row-level security holds.
create view usage_rollups with (security_invoker = true) as
select 'minute' as granularity, * from usage_minutes
union all
select 'hour', * from usage_hours
union all
select 'day', * from usage_days;
