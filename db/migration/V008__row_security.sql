-- The second wall. aril_data sees the rows of the tenant that its transaction names in aril.tenant,
-- and none if it names none; aril_control sees all. Forced, so that not even the owner is exempt.
create function current_tenant() returns uuid language sql stable as $$
    select nullif(current_setting('aril.tenant', true), '')::uuid
$$;

do $$
declare
    name text;
begin
    foreach name in array array[
        'api_keys', 'adapters', 'usage_events', 'usage_minutes', 'usage_hours', 'usage_days',
        'limits', 'quota_windows', 'reservations', 'webhook_events', 'webhook_deliveries'] loop
        execute format('alter table %I enable row level security', name);
        execute format('alter table %I force row level security', name);
        execute format(
            'create policy own on %I to aril_data using (tenant_id = current_tenant())'
            ' with check (tenant_id = current_tenant())', name);
        execute format(
            'create policy everything on %I to aril_control using (true) with check (true)', name);
    end loop;
    -- what has rows of no tenant in particular, which all may read and none may write
    foreach name in array array['prices', 'webhook_endpoints'] loop
        execute format('alter table %I enable row level security', name);
        execute format('alter table %I force row level security', name);
        execute format(
            'create policy own on %I to aril_data'
            ' using (tenant_id is null or tenant_id = current_tenant())'
            ' with check (tenant_id = current_tenant())', name);
        execute format(
            'create policy everything on %I to aril_control using (true) with check (true)', name);
    end loop;
    -- what is nobody's but the administration's
    foreach name in array array['audit_log', 'accounts', 'oidc_rules', 'replicas',
            'usage_events_v003'] loop
        execute format('alter table %I enable row level security', name);
        execute format('alter table %I force row level security', name);
        execute format(
            'create policy everything on %I to aril_control using (true) with check (true)', name);
    end loop;
end
$$;

alter table tenants enable row level security;
alter table tenants force row level security;
create policy own on tenants to aril_data using (id = current_tenant());
create policy everything on tenants to aril_control using (true) with check (true);

grant usage on schema public to aril_data, aril_control;

grant select on tenants, limits, prices, webhook_endpoints, usage_events, usage_rollups,
    key_revision to aril_data;
grant select, insert, delete on adapters to aril_data;
grant insert on usage_events, webhook_events, webhook_deliveries to aril_data;
grant select on webhook_events to aril_data;
grant select, insert, update on usage_minutes, usage_hours, usage_days to aril_data;
grant select, insert, update, delete on quota_windows, reservations to aril_data;
grant update (would_have_refused) on limits to aril_data;

grant select, insert, update, delete on
    tenants, api_keys, adapters, limits, quota_windows, reservations, replicas, prices,
    usage_minutes, usage_hours, usage_days, webhook_endpoints, webhook_events, webhook_deliveries,
    accounts, oidc_rules to aril_control;
grant select, insert on usage_events, audit_log to aril_control;
grant select on usage_rollups to aril_control;
grant select, update on key_revision to aril_control;

revoke execute on function usage_partitions(timestamptz) from public;
grant execute on function usage_partitions(timestamptz) to aril_control;
