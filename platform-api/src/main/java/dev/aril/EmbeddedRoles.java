package dev.aril;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import org.springframework.core.io.ClassPathResource;
import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.jdbc.datasource.SingleConnectionDataSource;
import org.springframework.jdbc.datasource.init.ResourceDatabasePopulator;
import org.springframework.jdbc.datasource.init.ScriptUtils;

/**
 * Whom the embedded database lets in: its owner, which migrates, and the application, which owns
 * nothing, so that row-level security holds for it. The superuser makes both and then stays out.
 *
 * @param superuser the superuser's password; those of the two follow from it
 */
record EmbeddedRoles(String url, String superuser) {
    static final String OWNER = "aril_owner";
    static final String APPLICATION = "aril_app";

    /** Of another role; the superuser's cannot be computed from it. */
    String password(String role) {
        try {
            MessageDigest hash = MessageDigest.getInstance("SHA-256");
            hash.update((superuser + ":" + role).getBytes(StandardCharsets.UTF_8));
            return HexFormat.of().formatHex(hash.digest());
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256", e);
        }
    }

    /** Again is no error: also hands over what an older version let the superuser own. */
    void make() {
        var connection = new SingleConnectionDataSource(url, "postgres", superuser, true);
        try {
            var script = new ResourceDatabasePopulator(new ClassPathResource("db/roles.sql"));
            script.setSeparator(ScriptUtils.EOF_STATEMENT_SEPARATOR);
            script.execute(connection);
            JdbcClient sql = JdbcClient.create(connection);
            sql.sql(
                            """
                            select set_config('aril.owner_password', :owner, false),
                                   set_config('aril.app_password', :application, false)
                            """)
                    .param("owner", password(OWNER))
                    .param("application", password(APPLICATION))
                    .query(_ -> {});
            sql.sql(
                            """
                            do $$
                            declare
                                what record;
                            begin
                                execute format('alter role aril_owner password %L',
                                    current_setting('aril.owner_password'));
                                execute format('alter role aril_app password %L',
                                    current_setting('aril.app_password'));
                                execute format('alter database %I owner to aril_owner',
                                    current_database());
                                for what in
                                    select c.relname, c.relkind from pg_class c
                                    where c.relnamespace = 'public'::regnamespace
                                      and c.relkind in ('r', 'p', 'v')
                                      and c.relowner <> 'aril_owner'::regrole
                                loop
                                    execute format('alter table public.%I owner to aril_owner',
                                        what.relname);
                                end loop;
                                for what in
                                    select p.oid::regprocedure as name from pg_proc p
                                    where p.pronamespace = 'public'::regnamespace
                                      and p.proowner <> 'aril_owner'::regrole
                                loop
                                    execute format('alter routine %s owner to aril_owner',
                                        what.name);
                                end loop;
                            end
                            $$
                            """)
                    .update();
        } finally {
            connection.destroy();
        }
    }
}
