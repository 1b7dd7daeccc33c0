-- What may be spent, and what is: exact over all servers that share this database.
--
-- Every decision about a tenant is made under that tenant's advisory lock, held until its commit is
-- visible, and by this database's clock, read under the lock. Locks are taken in one order. So the
-- decisions about a tenant happen one after the other, whoever makes them.
create table limits (
    tenant_id          uuid    not null references tenants (id),
    scope              text    not null check (scope in ('tenant', 'key', 'adapter')),
    -- the key's id or the adapter's name
    subject            text    not null check ((scope = 'tenant') = (subject = '')),
    metric             text    not null check (metric in (
        'requests_per_minute', 'tokens_per_minute', 'tokens_per_day', 'tokens_per_month',
        'concurrent_requests', 'adapters', 'stored_bytes')),
    hard               bigint check (hard >= 0),
    soft               bigint check (soft >= 0),
    shadow             boolean not null,
    raised_to          bigint check (raised_to > hard),
    raised_until       timestamptz,
    would_have_refused bigint  not null default 0,
    primary key (tenant_id, scope, subject, metric),
    check (hard is not null or soft is not null),
    check ((raised_to is null) = (raised_until is null)),
    check (scope = 'tenant' or metric not in ('adapters', 'stored_bytes'))
);

-- The counters, kept only where there is a limit. A window of a minute is quarters of a second: the
-- last 60 seconds are at most 241 rows, of which the oldest is counted whole.
create table quota_windows (
    tenant_id uuid        not null,
    scope     text        not null,
    subject   text        not null,
    metric    text        not null,
    starts_at timestamptz not null,
    used      bigint      not null check (used >= 0),
    reserved  bigint      not null check (reserved >= 0),
    primary key (tenant_id, scope, subject, metric, starts_at)
) with (fillfactor = 50);

-- Servers that are alive say so every few seconds.
create table replicas (
    id      uuid primary key,
    seen_at timestamptz not null
);

-- A row for each generation under way.
create table reservations (
    id          uuid primary key,
    tenant_id   uuid        not null,
    key_id      text        not null,
    adapter     text,
    request_id  text        not null,
    tokens      bigint      not null check (tokens >= 0),
    admitted_at timestamptz not null,
    replica     uuid        not null,
    -- what was spent so far, as an event; what is owed if the server dies
    checkpoint  jsonb
) with (fillfactor = 70);
create index reservations_by_replica on reservations (replica);
create index reservations_by_tenant on reservations (tenant_id);

-- Warnings on their way out, written with what they warn of.
create table webhook_endpoints (
    id         uuid primary key,
    -- null: the warnings of all tenants
    tenant_id  uuid references tenants (id),
    url        text        not null check (char_length(url) between 1 and 2000),
    active     boolean     not null,
    created_at timestamptz not null
);
create index webhook_endpoints_by_tenant on webhook_endpoints (tenant_id);

create table webhook_events (
    id         uuid primary key,
    tenant_id  uuid        not null,
    type       text        not null,
    payload    jsonb       not null,
    -- the same warning again is none
    sameness   text        not null,
    created_at timestamptz not null,
    unique (tenant_id, sameness)
);

create table webhook_deliveries (
    id          uuid primary key,
    event_id    uuid        not null references webhook_events (id),
    endpoint_id uuid        not null references webhook_endpoints (id) on delete cascade,
    tenant_id   uuid        not null,
    state       text        not null check (state in ('pending', 'delivered', 'dead')),
    attempts    integer     not null,
    next_at     timestamptz,
    last_error  text,
    created_at  timestamptz not null,
    check ((state = 'pending') = (next_at is not null))
);
create index webhook_deliveries_due on webhook_deliveries (next_at) where state = 'pending';
create index webhook_deliveries_by_time on webhook_deliveries (created_at, id);

create function quota_lock(tenant uuid) returns bigint language sql immutable as $$
    select hashtextextended(tenant::text, 4)
$$;

-- Where a moment is counted.
create function quota_window(metric text, at timestamptz) returns timestamptz
    language sql stable as $$
    select case
        when metric in ('requests_per_minute', 'tokens_per_minute')
            then date_bin('250 milliseconds', at, 'epoch')
        when metric = 'tokens_per_day' then date_trunc('day', at, 'UTC')
        when metric = 'tokens_per_month' then date_trunc('month', at, 'UTC')
        else 'epoch'::timestamptz
    end
$$;

-- The first window that counts at a moment.
create function quota_since(metric text, at timestamptz) returns timestamptz
    language sql stable as $$
    select quota_window(
        metric,
        case when metric in ('requests_per_minute', 'tokens_per_minute')
            then at - interval '60 seconds' else at end)
$$;

-- When a window no longer counts; null where it always does.
create function quota_until(metric text, starts_at timestamptz) returns timestamptz
    language sql stable as $$
    select case
        when metric in ('requests_per_minute', 'tokens_per_minute')
            then starts_at + interval '60.25 seconds'
        when metric = 'tokens_per_day' then starts_at + interval '24 hours'
        when metric = 'tokens_per_month'
            then date_trunc('month', starts_at + interval '32 days', 'UTC')
    end
$$;

create function quota_amount(metric text, tokens bigint) returns bigint language sql immutable as $$
    select case when metric in ('requests_per_minute', 'concurrent_requests') then 1 else tokens end
$$;

create function quota_warn(
    tenant uuid, of_scope text, of_subject text, of_metric text, soft bigint, hard bigint,
    reached bigint, at timestamptz) returns void language plpgsql as $$
declare
    fresh uuid;
begin
    insert into webhook_events (id, tenant_id, type, payload, sameness, created_at)
    select gen_random_uuid(), tenant, 'quota.soft_limit_reached',
           jsonb_build_object(
               'tenant_id', tenant, 'tenant', t.name, 'scope', of_scope, 'subject', of_subject,
               'metric', of_metric, 'soft_limit', soft, 'hard_limit', hard, 'reached', reached,
               'window_start', case when quota_until(of_metric, at) is not null
                   then quota_window(of_metric, at) end),
           -- once a day, once a month, and else once an hour
           concat_ws(' ', of_scope, of_subject, of_metric, soft,
               case when of_metric in ('tokens_per_day', 'tokens_per_month')
                   then quota_window(of_metric, at) else date_trunc('hour', at, 'UTC') end),
           at
    from tenants t where t.id = tenant
    on conflict (tenant_id, sameness) do nothing
    returning id into fresh;
    if fresh is not null then
        insert into webhook_deliveries (
            id, event_id, endpoint_id, tenant_id, state, attempts, next_at, created_at)
        select gen_random_uuid(), fresh, e.id, tenant, 'pending', 0, at, at
        from webhook_endpoints e
        where e.active and (e.tenant_id = tenant or e.tenant_id is null);
    end if;
end
$$;

-- Moves what counts under every limit that applies: what is spent and what is held.
create function quota_move(
    tenant uuid, of_key text, of_adapter text, admitted timestamptz, tokens_used bigint,
    requests_used bigint, tokens_held bigint, requests_held bigint, at timestamptz)
    returns void language plpgsql as $$
declare
    warn record;
begin
    if tokens_held < 0 or requests_held < 0 then
        -- What was held has its row, and a negative row to insert would break its own check.
        update quota_windows w
        set used = w.used + case l.metric when 'concurrent_requests' then 0
                when 'requests_per_minute' then requests_used else tokens_used end,
            reserved = w.reserved + case
                when l.metric in ('requests_per_minute', 'concurrent_requests')
                then requests_held else tokens_held end
        from limits l
        where l.tenant_id = tenant and l.metric not in ('adapters', 'stored_bytes')
          and (l.scope = 'tenant' or (l.scope = 'key' and l.subject = of_key)
               or (l.scope = 'adapter' and l.subject = of_adapter))
          and w.tenant_id = tenant and w.scope = l.scope and w.subject = l.subject
          and w.metric = l.metric and w.starts_at = quota_window(l.metric, admitted);
    else
        insert into quota_windows as w (
            tenant_id, scope, subject, metric, starts_at, used, reserved)
        select tenant, l.scope, l.subject, l.metric, quota_window(l.metric, admitted),
               case l.metric when 'concurrent_requests' then 0
                   when 'requests_per_minute' then requests_used else tokens_used end,
               case when l.metric in ('requests_per_minute', 'concurrent_requests')
                   then requests_held else tokens_held end
        from limits l
        where l.tenant_id = tenant and l.metric not in ('adapters', 'stored_bytes')
          and (l.scope = 'tenant' or (l.scope = 'key' and l.subject = of_key)
               or (l.scope = 'adapter' and l.subject = of_adapter))
          -- what is past counts no more
          and quota_window(l.metric, admitted) >= quota_since(l.metric, at)
        on conflict (tenant_id, scope, subject, metric, starts_at) do update
            set used = w.used + excluded.used, reserved = w.reserved + excluded.reserved;
    end if;

    if tokens_used > 0 or requests_used > 0 then
        for warn in
            select l.scope, l.subject, l.metric, l.soft, l.hard, s.used,
                   quota_amount(l.metric, tokens_used) as added
            from limits l
            cross join lateral (
                select coalesce(sum(w.used), 0)::bigint as used from quota_windows w
                where w.tenant_id = tenant and w.scope = l.scope and w.subject = l.subject
                  and w.metric = l.metric and w.starts_at >= quota_since(l.metric, at)) s
            where l.tenant_id = tenant and l.soft is not null
              and l.metric not in ('adapters', 'stored_bytes', 'concurrent_requests')
              and (l.scope = 'tenant' or (l.scope = 'key' and l.subject = of_key)
                   or (l.scope = 'adapter' and l.subject = of_adapter))
              and s.used >= l.soft
        loop
            if warn.used - warn.added < warn.soft then
                perform quota_warn(tenant, warn.scope, warn.subject, warn.metric, warn.soft,
                    warn.hard, warn.used, at);
            end if;
        end loop;
    end if;
end
$$;

-- Makes one counter anew from the rows it counts. Under the tenant's lock.
create function quota_count(tenant uuid, of_scope text, of_subject text, of_metric text,
    at timestamptz) returns void language plpgsql as $$
begin
    delete from quota_windows
    where tenant_id = tenant and scope = of_scope and subject = of_subject and metric = of_metric;
    if of_metric in ('adapters', 'stored_bytes') then
        return;
    end if;
    insert into quota_windows (tenant_id, scope, subject, metric, starts_at, used, reserved)
    select tenant, of_scope, of_subject, of_metric, c.starts_at, sum(c.used), sum(c.reserved)
    from (
        select quota_window(of_metric, e.admitted_at) as starts_at,
               quota_amount(of_metric, e.prompt_tokens + e.completion_tokens) as used,
               0 as reserved
        from usage_events e
        where e.tenant_id = tenant and of_metric <> 'concurrent_requests'
          and e.admitted_at >= quota_since(of_metric, at)
          and (of_scope = 'tenant' or (of_scope = 'key' and e.key_id = of_subject)
               or (of_scope = 'adapter' and e.adapter = of_subject))
        union all
        select quota_window(of_metric, r.admitted_at), 0, quota_amount(of_metric, r.tokens)
        from reservations r
        where r.tenant_id = tenant
          and (of_scope = 'tenant' or (of_scope = 'key' and r.key_id = of_subject)
               or (of_scope = 'adapter' and r.adapter = of_subject))) c
    group by c.starts_at;
end
$$;

create type quota_answer as (
    n             integer,
    outcome       text,
    admitted_at   timestamptz,
    metric        text,
    scope         text,
    subject       text,
    hard          bigint,
    used          bigint,
    amount        bigint,
    reset_at      timestamptz,
    requests_hard bigint,
    requests_left bigint,
    requests_ms   bigint,
    tokens_hard   bigint,
    tokens_left   bigint,
    tokens_ms     bigint
);

create function quota_reserve(op jsonb, replica uuid, at timestamptz) returns quota_answer
    language plpgsql as $$
declare
    answer quota_answer;
    tenant uuid := op ->> 'tenant';
    of_key text := op ->> 'key';
    of_adapter text := op ->> 'adapter';
    held bigint := op ->> 'tokens';
    l record;
    leaves timestamptz;
    freed_at timestamptz;
    lefts bigint;
    requests_spent bigint;
    tokens_spent bigint;
begin
    answer.outcome := 'admitted';
    answer.admitted_at := at;
    for l in
        select li.scope, li.subject, li.metric, li.shadow, li.soft,
               case when li.raised_until > at then li.raised_to else li.hard end as hard,
               quota_amount(li.metric, held) as amount,
               (select coalesce(sum(w.used + w.reserved), 0)::bigint from quota_windows w
                where w.tenant_id = tenant and w.scope = li.scope and w.subject = li.subject
                  and w.metric = li.metric and w.starts_at >= quota_since(li.metric, at)) as spent
        from limits li
        where li.tenant_id = tenant and li.metric not in ('adapters', 'stored_bytes')
          and (li.scope = 'tenant' or (li.scope = 'key' and li.subject = of_key)
               or (li.scope = 'adapter' and li.subject = of_adapter))
    loop
        if l.metric = 'concurrent_requests' and l.spent + 1 >= l.soft and l.spent < l.soft then
            perform quota_warn(
                tenant, l.scope, l.subject, l.metric, l.soft, l.hard, l.spent + 1, at);
        end if;
        continue when l.hard is null;
        if l.spent + l.amount > l.hard then
            if l.shadow then
                update limits set would_have_refused = would_have_refused + 1
                where tenant_id = tenant and scope = l.scope and subject = l.subject
                  and metric = l.metric;
                continue;
            end if;
            -- when enough of it has passed: null is never
            leaves := null;
            if l.amount <= l.hard then
                if l.metric in ('requests_per_minute', 'tokens_per_minute') then
                    select quota_until(l.metric, s.starts_at) into leaves
                    from (
                        select w.starts_at,
                               sum(w.used + w.reserved) over (order by w.starts_at) as passed
                        from quota_windows w
                        where w.tenant_id = tenant and w.scope = l.scope
                          and w.subject = l.subject and w.metric = l.metric
                          and w.starts_at >= quota_since(l.metric, at)) s
                    where s.passed >= l.spent + l.amount - l.hard
                    order by s.starts_at limit 1;
                else
                    leaves := coalesce(
                        quota_until(l.metric, quota_window(l.metric, at)),
                        at + interval '1 second');
                end if;
            end if;
            if answer.outcome = 'admitted' or leaves is null
                    or (answer.reset_at is not null and leaves > answer.reset_at) then
                answer.outcome := 'refused';
                answer.metric := l.metric;
                answer.scope := l.scope;
                answer.subject := l.subject;
                answer.hard := l.hard;
                answer.used := l.spent;
                answer.amount := l.amount;
                answer.reset_at := leaves;
            end if;
        end if;
        continue when l.shadow;
        -- what is left of the tightest once this request is admitted
        lefts := greatest(l.hard - l.spent - l.amount, 0);
        if l.metric = 'requests_per_minute'
                and (answer.requests_left is null or lefts < answer.requests_left) then
            answer.requests_hard := l.hard;
            answer.requests_left := lefts;
            requests_spent := l.spent;
        elsif l.metric = 'tokens_per_minute'
                and (answer.tokens_left is null or lefts < answer.tokens_left) then
            answer.tokens_hard := l.hard;
            answer.tokens_left := lefts;
            tokens_spent := l.spent;
        end if;
    end loop;
    if answer.outcome = 'refused' then
        answer.requests_left := greatest(answer.requests_hard - requests_spent, 0);
        answer.tokens_left := greatest(answer.tokens_hard - tokens_spent, 0);
        answer.requests_ms := case when answer.requests_hard is not null then 0 end;
        answer.tokens_ms := case when answer.tokens_hard is not null then 0 end;
        for l in
            select w.metric, max(quota_until(w.metric, w.starts_at)) as free_at
            from quota_windows w
            where w.tenant_id = tenant
              and w.metric in ('requests_per_minute', 'tokens_per_minute')
              and (w.scope = 'tenant' or (w.scope = 'key' and w.subject = of_key)
                   or (w.scope = 'adapter' and w.subject = of_adapter))
              and w.starts_at >= quota_since(w.metric, at) and w.used + w.reserved > 0
            group by w.metric
        loop
            lefts := ceil(extract(epoch from l.free_at - at) * 1000);
            if l.metric = 'requests_per_minute' then
                answer.requests_ms := lefts;
            else
                answer.tokens_ms := lefts;
            end if;
        end loop;
        return answer;
    end if;
    answer.requests_ms := case when answer.requests_hard is not null then 60250 end;
    answer.tokens_ms := case when answer.tokens_hard is not null then 60250 end;
    insert into reservations (
        id, tenant_id, key_id, adapter, request_id, tokens, admitted_at, replica)
    values ((op ->> 'id')::uuid, tenant, of_key, of_adapter, op ->> 'request', held, at, replica);
    perform quota_move(tenant, of_key, of_adapter, at, 0, 0, held, 1, at);
    return answer;
end
$$;

create function usage_add(tenant uuid, of_key text, of_model text, of_adapter text,
    admitted timestamptz, prompted bigint, cached_of_those bigint, completed bigint, ms bigint,
    cost bigint) returns void language plpgsql as $$
begin
    insert into usage_minutes as u values (
        tenant, date_trunc('minute', admitted, 'UTC'), of_key, of_model, coalesce(of_adapter, ''),
        1, prompted, cached_of_those, completed, ms, cost)
    on conflict (tenant_id, starts_at, key_id, model, adapter) do update set
        requests = u.requests + 1, prompt_tokens = u.prompt_tokens + prompted,
        cached_tokens = u.cached_tokens + cached_of_those,
        completion_tokens = u.completion_tokens + completed, engine_ms = u.engine_ms + ms,
        cost_picos = u.cost_picos + cost;
    insert into usage_hours as u values (
        tenant, date_trunc('hour', admitted, 'UTC'), of_key, of_model, coalesce(of_adapter, ''),
        1, prompted, cached_of_those, completed, ms, cost)
    on conflict (tenant_id, starts_at, key_id, model, adapter) do update set
        requests = u.requests + 1, prompt_tokens = u.prompt_tokens + prompted,
        cached_tokens = u.cached_tokens + cached_of_those,
        completion_tokens = u.completion_tokens + completed, engine_ms = u.engine_ms + ms,
        cost_picos = u.cost_picos + cost;
    insert into usage_days as u values (
        tenant, date_trunc('day', admitted, 'UTC'), of_key, of_model, coalesce(of_adapter, ''),
        1, prompted, cached_of_those, completed, ms, cost)
    on conflict (tenant_id, starts_at, key_id, model, adapter) do update set
        requests = u.requests + 1, prompt_tokens = u.prompt_tokens + prompted,
        cached_tokens = u.cached_tokens + cached_of_those,
        completion_tokens = u.completion_tokens + completed, engine_ms = u.engine_ms + ms,
        cost_picos = u.cost_picos + cost;
end
$$;

create function quota_settle(op jsonb, at timestamptz) returns quota_answer language plpgsql as $$
declare
    answer quota_answer;
    tenant uuid := op ->> 'tenant';
    held reservations;
    admitted timestamptz;
    request text := op ->> 'request';
    prompted bigint := op ->> 'prompt';
    cached_of_those bigint := op ->> 'cached';
    completed bigint := op ->> 'completion';
    ms bigint := op ->> 'ms';
    known usage_events;
    cost bigint;
begin
    delete from reservations where id = (op ->> 'id')::uuid and tenant_id = tenant
    returning * into held;
    admitted := coalesce(held.admitted_at, (op ->> 'admitted')::timestamptz, at);
    -- Under the tenant's lock, so that one request has one event, whatever its moment is said to be
    -- within a day.
    select * into known from usage_events
    where request_id = request and tenant_id = tenant
      and admitted_at between admitted - interval '1 day' and admitted + interval '1 day';
    if found and known.finish_reason = 'lost' and op ->> 'reason' <> 'lost' then
        -- The sweeper took this server for dead and wrote down its checkpoint: the rest is owed.
        request := request || ':2';
        admitted := known.admitted_at;
        prompted := greatest(prompted - known.prompt_tokens, 0);
        cached_of_those := least(cached_of_those, prompted);
        completed := greatest(completed - known.completion_tokens, 0);
        ms := greatest(ms - known.engine_ms, 0);
    elsif found then
        admitted := known.admitted_at;
    end if;
    cost := usage_cost(
        tenant, op ->> 'model', op ->> 'adapter', prompted, cached_of_those, completed, admitted);
    insert into usage_events (
        request_id, tenant_id, key_id, model, adapter, adapter_version, prompt_tokens,
        cached_tokens, completion_tokens, finish_reason, admitted_at, started_at, scheduled_at,
        first_token_at, finished_at, engine_ms, cost_picos)
    values (
        request, tenant, op ->> 'key', op ->> 'model', op ->> 'adapter', op ->> 'version',
        prompted, cached_of_those, completed, op ->> 'reason', admitted,
        (op ->> 'started')::timestamptz, (op ->> 'scheduled')::timestamptz,
        (op ->> 'first')::timestamptz, (op ->> 'finished')::timestamptz, ms, cost)
    on conflict (request_id, admitted_at) do nothing;
    answer.outcome := case when found then 'recorded' else 'already' end;
    if found then
        perform usage_add(tenant, op ->> 'key', op ->> 'model', op ->> 'adapter', admitted,
            prompted, cached_of_those, completed, ms, cost);
        perform quota_move(tenant, op ->> 'key', op ->> 'adapter', admitted, prompted + completed,
            1, -coalesce(held.tokens, 0), case when held.id is null then 0 else -1 end, at);
    elsif held.id is not null then
        perform quota_move(
            tenant, held.key_id, held.adapter, held.admitted_at, 0, 0, -held.tokens, -1, at);
    end if;
    answer.admitted_at := admitted;
    return answer;
end
$$;

-- A server's book-keeping of a few milliseconds, in one transaction. Each element of the batch:
--   do        reserve, settle, checkpoint or cancel
--   tenant    whose row-level security everything about it is done under
--   id        of the reservation
--   request, key, adapter, tokens                       for reserve
--   request, key, adapter, admitted and the event's fields  for settle and checkpoint
-- Answers one row for each element: admitted, refused, recorded, already, kept, gone, cancelled.
-- ahead is added to the clock, for tests.
create function quota_books(batch jsonb, replica uuid, ahead interval) returns setof quota_answer
    -- planned once: the statements are small, and planning each anew costs as much as they do
    language plpgsql set plan_cache_mode = force_generic_plan as $$
declare
    answer quota_answer;
    op jsonb;
    n integer := 0;
    at timestamptz;
    held reservations;
begin
    if current_setting('synchronous_commit') = 'off' then
        perform set_config('synchronous_commit', 'on', true);
    end if;
    perform pg_advisory_xact_lock(k)
    from (select distinct quota_lock((e ->> 'tenant')::uuid) as k
          from jsonb_array_elements(batch) e order by k) keys;
    at := clock_timestamp() + ahead;
    for op in select e from jsonb_array_elements(batch) e loop
        perform set_config('aril.tenant', op ->> 'tenant', true);
        case op ->> 'do'
            when 'reserve' then
                answer := quota_reserve(op, replica, at);
            when 'settle' then
                answer := quota_settle(op, at);
            when 'checkpoint' then
                update reservations set checkpoint = op where id = (op ->> 'id')::uuid;
                answer := null;
                answer.outcome := case when found then 'kept' else 'gone' end;
            when 'cancel' then
                delete from reservations where id = (op ->> 'id')::uuid returning * into held;
                if found then
                    perform quota_move(held.tenant_id, held.key_id, held.adapter,
                        held.admitted_at, 0, 0, -held.tokens, -1, at);
                end if;
                answer := null;
                answer.outcome := 'cancelled';
        end case;
        answer.n := n;
        n := n + 1;
        return next answer;
    end loop;
end
$$;

-- Settles or frees what servers left that have not been seen for a while, some at a time; as
-- aril_control. Answers how many.
create function quota_sweep(silent interval, most integer) returns integer language plpgsql as $$
declare
    batch jsonb;
begin
    select jsonb_agg(
        case when r.checkpoint is null
            then jsonb_build_object('do', 'cancel', 'tenant', r.tenant_id, 'id', r.id)
            else r.checkpoint || '{"do": "settle", "reason": "lost"}'
        end)
    into batch
    from (
        select s.* from reservations s
        left join replicas p on p.id = s.replica
        where p.id is null or p.seen_at < clock_timestamp() - silent
        limit most) r;
    if batch is null then
        delete from replicas p where p.seen_at < clock_timestamp() - silent - interval '1 hour';
        return 0;
    end if;
    return (select count(*)
            from quota_books(batch, '00000000-0000-0000-0000-000000000000', '0 seconds'));
end
$$;

-- One more adapter of a tenant: no row when it fits. Under the tenant's lock until the caller's
-- transaction ends.
create function quota_admit_adapter(tenant uuid, bytes bigint) returns setof quota_answer
    language plpgsql as $$
declare
    answer quota_answer;
    l record;
    at timestamptz;
begin
    perform pg_advisory_xact_lock(quota_lock(tenant));
    at := clock_timestamp();
    for l in
        select li.metric, li.shadow, li.soft,
               case when li.raised_until > at then li.raised_to else li.hard end as hard,
               case li.metric when 'adapters' then 1 else quota_admit_adapter.bytes end as amount,
               (select case li.metric when 'adapters' then count(*)
                    else coalesce(sum(a.bytes), 0)::bigint end
                from adapters a where a.tenant_id = tenant) as stored
        from limits li
        where li.tenant_id = tenant and li.metric in ('adapters', 'stored_bytes')
        order by li.metric
    loop
        if l.stored + l.amount > l.hard then
            if not l.shadow then
                answer.outcome := 'refused';
                answer.metric := l.metric;
                answer.scope := 'tenant';
                answer.subject := '';
                answer.hard := l.hard;
                answer.used := l.stored;
                answer.amount := l.amount;
                return next answer;
                return;
            end if;
            update limits set would_have_refused = would_have_refused + 1
            where tenant_id = tenant and scope = 'tenant' and metric = l.metric;
        end if;
        if l.stored + l.amount >= l.soft and l.stored < l.soft then
            perform quota_warn(
                tenant, 'tenant', '', l.metric, l.soft, l.hard, l.stored + l.amount, at);
        end if;
    end loop;
end
$$;

-- Every counter that is not the sum of the rows it counts; as aril_control. One statement sees one
-- moment, so it may run while others write.
create function quota_faults(at timestamptz)
    returns table (what text, counted numeric, summed numeric) language sql stable as $$
    with counters as (
        select w.tenant_id, w.scope, w.subject, w.metric, w.starts_at, w.used, w.reserved
        from quota_windows w where w.starts_at >= quota_since(w.metric, at) or w.reserved > 0
    ), wanted as (
        select l.tenant_id, l.scope, l.subject, l.metric, quota_window(l.metric, r.admitted_at)
                   as starts_at,
               0::bigint as used, quota_amount(l.metric, r.tokens) as reserved
        from limits l join reservations r on r.tenant_id = l.tenant_id
            and (l.scope = 'tenant' or (l.scope = 'key' and l.subject = r.key_id)
                 or (l.scope = 'adapter' and l.subject = r.adapter))
        where l.metric not in ('adapters', 'stored_bytes')
        union all
        select l.tenant_id, l.scope, l.subject, l.metric, quota_window(l.metric, e.admitted_at),
               quota_amount(l.metric, e.prompt_tokens + e.completion_tokens), 0
        from limits l join usage_events e on e.tenant_id = l.tenant_id
            and e.admitted_at >= quota_since(l.metric, at)
            and (l.scope = 'tenant' or (l.scope = 'key' and l.subject = e.key_id)
                 or (l.scope = 'adapter' and l.subject = e.adapter))
        where l.metric not in ('adapters', 'stored_bytes', 'concurrent_requests')
    ), sums as (
        select tenant_id, scope, subject, metric, starts_at, sum(used) as used,
               sum(reserved) as reserved
        from wanted group by 1, 2, 3, 4, 5
    )
    select concat_ws(' ', 'used', tenant_id, scope, subject, metric, starts_at),
           coalesce(c.used, 0), coalesce(s.used, 0)
    from counters c full join sums s using (tenant_id, scope, subject, metric, starts_at)
    where coalesce(c.used, 0) <> coalesce(s.used, 0)
      -- of the past only what is held is compared
      and starts_at >= quota_since(metric, at)
    union all
    select concat_ws(' ', 'reserved', tenant_id, scope, subject, metric, starts_at),
           coalesce(c.reserved, 0), coalesce(s.reserved, 0)
    from counters c full join sums s using (tenant_id, scope, subject, metric, starts_at)
    where coalesce(c.reserved, 0) <> coalesce(s.reserved, 0)
    union all
    select concat_ws(' ', 'rollup', tenant_id, width), coalesce(r.n, 0), coalesce(e.n, 0)
    from (
        select tenant_id, 'minutes' as width,
               sum(requests + 3 * prompt_tokens + 5 * completion_tokens + 7 * cost_picos) as n
        from usage_minutes group by 1
        union all
        select tenant_id, 'hours',
               sum(requests + 3 * prompt_tokens + 5 * completion_tokens + 7 * cost_picos)
        from usage_hours group by 1
        union all
        select tenant_id, 'days',
               sum(requests + 3 * prompt_tokens + 5 * completion_tokens + 7 * cost_picos)
        from usage_days group by 1) r
    full join (
        select tenant_id, w.width,
               sum(1 + 3 * prompt_tokens + 5 * completion_tokens + 7 * cost_picos::numeric) as n
        from usage_events, (values ('minutes'), ('hours'), ('days')) w (width)
        group by 1, 2) e using (tenant_id, width)
    where coalesce(r.n, 0) <> coalesce(e.n, 0)
$$;
