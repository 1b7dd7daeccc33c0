-- Less work for each request: the windows of a minute are halves of a second, so that the last 60
-- seconds are at most 121 rows, of which the oldest is counted whole.

-- Where a moment is counted.
create or replace function quota_window(metric text, at timestamptz) returns timestamptz
    language sql stable as $$
    select case
        when metric in ('requests_per_minute', 'tokens_per_minute')
            then date_bin('500 milliseconds', at, 'epoch')
        when metric = 'tokens_per_day' then date_trunc('day', at, 'UTC')
        when metric = 'tokens_per_month' then date_trunc('month', at, 'UTC')
        else 'epoch'::timestamptz
    end
$$;

-- When a window no longer counts; null where it always does.
create or replace function quota_until(metric text, starts_at timestamptz) returns timestamptz
    language sql stable as $$
    select case
        when metric in ('requests_per_minute', 'tokens_per_minute')
            then starts_at + interval '60.5 seconds'
        when metric = 'tokens_per_day' then starts_at + interval '24 hours'
        when metric = 'tokens_per_month'
            then date_trunc('month', starts_at + interval '32 days', 'UTC')
    end
$$;

create or replace function quota_reserve(op jsonb, replica uuid, at timestamptz) returns quota_answer
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
    answer.requests_ms := case when answer.requests_hard is not null then 60500 end;
    answer.tokens_ms := case when answer.tokens_hard is not null then 60500 end;
    insert into reservations (
        id, tenant_id, key_id, adapter, request_id, tokens, admitted_at, replica)
    values ((op ->> 'id')::uuid, tenant, of_key, of_adapter, op ->> 'request', held, at, replica);
    perform quota_move(tenant, of_key, of_adapter, at, 0, 0, held, 1, at);
    return answer;
end
$$;

-- The counters made so far have the narrower windows: made anew. Row-level security holds for the
-- owner too, who has no tenant.
alter table limits no force row level security;
alter table quota_windows no force row level security;
alter table reservations no force row level security;
alter table usage_events no force row level security;
select quota_count(tenant_id, scope, subject, metric, clock_timestamp()) from limits
where metric in ('requests_per_minute', 'tokens_per_minute');
alter table limits force row level security;
alter table quota_windows force row level security;
alter table reservations force row level security;
alter table usage_events force row level security;
