package dev.aril.adapters;

import dev.aril.adapters.AdapterNameRefused.Reason;
import dev.aril.engine.AdapterRef;
import dev.aril.engine.AdapterRejected;
import dev.aril.engine.AdapterSummary;
import dev.aril.tenancy.Quota;
import dev.aril.tenancy.QuotaExceeded;
import dev.aril.tenancy.RowSecurity;
import dev.aril.tenancy.TenantId;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.time.InstantSource;
import java.time.temporal.ChronoUnit;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.regex.Pattern;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.springframework.dao.DataIntegrityViolationException;
import org.springframework.jdbc.core.simple.JdbcClient;

/**
 * Which adapters exist, whose are they, where are their bytes? All calls block.
 *
 * <p>A row is written only after its bytes are durable, and bytes are removed only when no row of
 * any tenant names them. Both happen under one advisory lock for each digest, in the database, so
 * that several servers may share the folder.
 */
public final class Adapters {
    private static final Logger LOG = LoggerFactory.getLogger(Adapters.class);
    private static final Pattern NAME = Pattern.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,63}");

    private final AdapterRows rows;
    private final AdapterFiles files;
    private final AdapterVerifier verifier;
    private final String baseModel;
    private final JdbcClient sql;
    private final RowSecurity visible;
    private final Quota quota;
    private final InstantSource clock;

    Adapters(
            AdapterRows rows,
            AdapterFiles files,
            AdapterVerifier verifier,
            AdapterStoreSettings settings,
            JdbcClient sql,
            RowSecurity visible,
            Quota quota,
            InstantSource clock) {
        this.rows = rows;
        this.files = files;
        this.verifier = verifier;
        this.baseModel = settings.baseModel();
        this.sql = sql;
        this.visible = visible;
        this.quota = quota;
        this.clock = clock;
    }

    /** Refuses a name before an upload is read; {@link #publish} checks it again. */
    public void checkName(TenantId owner, String name) throws AdapterNameRefused {
        if (!NAME.matcher(name).matches()) {
            throw new AdapterNameRefused(
                    Reason.MALFORMED,
                    "name must be 1 to 64 letters, digits and the characters . _ - and begin with a"
                            + " letter or digit");
        }
        if (name.equals(baseModel)) {
            throw new AdapterNameRefused(
                    Reason.RESERVED, "name " + name + " is the base model's; choose another");
        }
        if (exists(owner, name)) {
            throw taken(name);
        }
    }

    private boolean exists(TenantId owner, String name) {
        return visible.of(owner, () -> rows.existsByTenantIdAndName(owner.value(), name));
    }

    /** An empty folder to upload into. */
    public StagedUpload stage() throws IOException {
        return files.stage();
    }

    /**
     * Verifies the two files, makes them durable and registers them; when it returns, the adapter
     * can be asked for. The caller closes the upload afterwards in any case.
     *
     * @param name {@code [A-Za-z0-9][A-Za-z0-9._-]{0,63}}, not the base model's
     * @throws QuotaExceeded if the tenant may not keep one more, or not so many bytes
     */
    public Adapter publish(TenantId owner, String name, StagedUpload upload)
            throws AdapterRejected, AdapterNameRefused, IOException {
        checkName(owner, name);
        long bytes = upload.seal();
        AdapterSummary summary = verifier.verify(upload.folder());
        Adapter adapter =
                new Adapter(
                        new AdapterId(UUID.randomUUID()),
                        owner,
                        name,
                        summary.digest(),
                        summary.rank(),
                        summary.targets(),
                        summary.parameters(),
                        bytes,
                        // the database's resolution, so that what is answered is what is stored
                        clock.instant().truncatedTo(ChronoUnit.MICROS));
        boolean registered = false;
        try {
            register(adapter, upload);
            registered = true;
        } catch (DataIntegrityViolationException e) {
            if (exists(owner, name)) {
                throw taken(name);
            }
            throw e;
        } catch (UncheckedIOException e) {
            throw e.getCause();
        } finally {
            if (!registered) {
                removeUnused(adapter.digest());
            }
        }
        return adapter;
    }

    /** A tenant's adapters, by name. */
    public List<Adapter> list(TenantId owner) {
        return visible.of(owner, () -> rows.findByTenantIdOrderByName(owner.value())).stream()
                .map(AdapterRow::adapter)
                .toList();
    }

    public Optional<Adapter> find(TenantId owner, String name) {
        return NAME.matcher(name).matches()
                ? visible.of(owner, () -> rows.findByTenantIdAndName(owner.value(), name))
                        .map(AdapterRow::adapter)
                : Optional.empty();
    }

    /**
     * Another tenant's adapter is indistinguishable from an absent one.
     *
     * @throws AdapterFilesMissing if it is registered but its files are gone
     */
    public Optional<ResolvedAdapter> resolve(TenantId owner, String model) {
        Optional<Adapter> found = find(owner, model);
        if (found.isPresent() && !files.complete(found.get().digest())) {
            // Asked again, because it may just have been deleted, or its files put back.
            found = find(owner, model);
            if (found.isPresent() && !files.complete(found.get().digest())) {
                throw new AdapterFilesMissing(found.get());
            }
        }
        return found.map(a -> new ResolvedAdapter(a, ref(a.digest())));
    }

    /**
     * Requests that run on with the adapter keep it as long as the engine has it loaded.
     *
     * @return whether the tenant had an adapter of that name
     */
    public boolean delete(TenantId owner, String name) {
        if (!NAME.matcher(name).matches()) {
            return false;
        }
        Optional<String> digest =
                visible.of(
                        owner,
                        () ->
                                rows.findByTenantIdAndName(owner.value(), name)
                                        .map(AdapterRow::adapter)
                                        .filter(a -> rows.deleteRow(a.id().value()) == 1)
                                        .map(Adapter::digest));
        digest.ifPresent(this::removeUnused);
        return digest.isPresent();
    }

    /**
     * At the start: removes what a killed server left, and tells which adapters lost their files.
     */
    void sweep() throws IOException {
        files.sweepStaging();
        Set<String> present = files.digests();
        Set<String> named = visible.ofAll(rows::digests);
        Set<String> unused = new HashSet<>(present);
        unused.removeAll(named);
        unused.forEach(this::removeUnused);
        for (String digest : named) {
            if (!files.complete(digest)) {
                LOG.error(
                        "the files of adapter {} are missing: restore {}, or delete the adapters of"
                                + " that digest and upload them again",
                        digest,
                        files.folder(digest));
            }
        }
    }

    private void register(Adapter adapter, StagedUpload upload) {
        visible.of(
                adapter.owner(),
                () -> {
                    lock(adapter.digest());
                    try {
                        files.adopt(upload, adapter.digest());
                    } catch (IOException e) {
                        throw new UncheckedIOException(e);
                    }
                    // Last, because it keeps the tenant's requests waiting until the commit.
                    quota.admitAdapter(adapter.owner(), adapter.bytes());
                    return rows.saveAndFlush(new AdapterRow(adapter));
                });
    }

    private void removeUnused(String digest) {
        try {
            Optional<Path> retired =
                    visible.ofAll(() -> {
                        lock(digest);
                        return rows.existsByDigest(digest) ? Optional.empty() : retire(digest);
                    });
            if (retired.isPresent()) {
                AdapterFiles.deleteTree(retired.get());
            }
        } catch (IOException | RuntimeException e) {
            // No row names them, so nobody can be served them; the next start tries again.
            LOG.warn("the unused files of adapter {} cannot be removed yet", digest, e);
        }
    }

    private Optional<Path> retire(String digest) {
        try {
            return files.retire(digest);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Until the transaction's end, nobody else takes in or removes files of this digest. */
    private void lock(String digest) {
        sql.sql("select pg_advisory_xact_lock(:key)")
                .param("key", Long.parseUnsignedLong(digest.substring(0, 16), 16))
                .query(_ -> {});
    }

    private AdapterRef ref(String digest) {
        return new AdapterRef(digest, files.folder(digest));
    }

    private static AdapterNameRefused taken(String name) {
        return new AdapterNameRefused(
                Reason.TAKEN,
                "name "
                        + name
                        + " is taken by another adapter of yours; delete it or choose another");
    }
}
