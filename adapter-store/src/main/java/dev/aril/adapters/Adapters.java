package dev.aril.adapters;

import dev.aril.engine.AdapterRejected;
import dev.aril.tenancy.TenantId;
import java.io.IOException;
import java.util.List;
import java.util.Optional;

/** Which adapters exist, whose are they, where are their bytes? All calls block. */
public final class Adapters {
    /** Refuses a name before an upload is read; {@link #publish} checks it again. */
    public void checkName(TenantId owner, String name) throws AdapterNameRefused {
        throw new UnsupportedOperationException(owner + name);
    }

    /** An empty folder to upload into. */
    public StagedUpload stage() throws IOException {
        throw new UnsupportedOperationException();
    }

    /**
     * Verifies the two files, makes them durable and registers them; when it returns, the adapter
     * can be asked for. The caller closes the upload afterwards in any case.
     *
     * @param name {@code [A-Za-z0-9][A-Za-z0-9._-]{0,63}}, not the base model's
     */
    public Adapter publish(TenantId owner, String name, StagedUpload upload)
            throws AdapterRejected, AdapterNameRefused, IOException {
        throw new UnsupportedOperationException(owner + name + upload);
    }

    /** A tenant's adapters, by name. */
    public List<Adapter> list(TenantId owner) {
        throw new UnsupportedOperationException(owner.toString());
    }

    public Optional<Adapter> find(TenantId owner, String name) {
        throw new UnsupportedOperationException(owner + name);
    }

    /**
     * Another tenant's adapter is indistinguishable from an absent one.
     *
     * @throws AdapterFilesMissing if it is registered but its files are gone
     */
    public Optional<ResolvedAdapter> resolve(TenantId owner, String model) {
        throw new UnsupportedOperationException(owner + model);
    }

    /**
     * @return whether the tenant had an adapter of that name
     */
    public boolean delete(TenantId owner, String name) {
        throw new UnsupportedOperationException(owner + name);
    }
}
