package dev.aril;

import dev.aril.adapters.AdapterNameRefused;
import dev.aril.adapters.Adapters;
import dev.aril.adapters.StagedUpload;
import dev.aril.engine.AdapterRejected;
import dev.aril.engine.AdapterRejected.Part;
import dev.aril.tenancy.ApiKeys;
import dev.aril.tenancy.Tenant;
import dev.aril.tenancy.Tenants;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.springframework.stereotype.Component;
import tools.jackson.databind.json.JsonMapper;

/**
 * Three tenants to try the server with, made at the first start through the same doors as any
 * other.
 *
 * <p>The keys are written last, so a start that was cut short is completed by the next one: what is
 * there stays, and keys that nobody has seen are replaced by new ones.
 */
@Component
final class DemoTenants {
    private record Demo(String tenant, String adapter) {}

    private static final List<Demo> DEMOS =
            List.of(
                    new Demo("holmes", "sherlock"),
                    new Demo("globe", "shakespeare"),
                    new Demo("acme", "sql"));

    private final Tenants tenants;
    private final ApiKeys keys;
    private final Adapters adapters;
    private final ArilSettings settings;

    DemoTenants(Tenants tenants, ApiKeys keys, Adapters adapters, ArilSettings settings) {
        this.tenants = tenants;
        this.keys = keys;
        this.adapters = adapters;
        this.settings = settings;
    }

    /** Tenant name to key; readable by its owner only. */
    Path keysFile() {
        return settings.data().resolve("demo-keys.json");
    }

    /**
     * @return the new keys by tenant, or empty if everything was there
     */
    Optional<Map<String, String>> seed() throws IOException {
        if (Files.exists(keysFile())
                && DEMOS.stream().allMatch(demo -> tenants.find(demo.tenant()).isPresent())) {
            return Optional.empty();
        }
        Map<String, String> issued = new LinkedHashMap<>();
        for (Demo demo : DEMOS) {
            Tenant tenant =
                    tenants.find(demo.tenant()).orElseGet(() -> tenants.create(demo.tenant()));
            if (adapters.find(tenant.id(), demo.adapter()).isEmpty()) {
                publish(tenant, demo.adapter());
            }
            issued.put(tenant.name(), keys.issue(tenant.id(), "demonstration"));
        }
        PrivateFile.write(
                keysFile(),
                JsonMapper.shared().writerWithDefaultPrettyPrinter().writeValueAsString(issued)
                        + "\n");
        return Optional.of(issued);
    }

    private void publish(Tenant tenant, String adapter) throws IOException {
        Path folder = settings.model().checkpoint().resolve("adapters").resolve(adapter);
        try (StagedUpload upload = adapters.stage()) {
            copy(folder.resolve("adapter_config.json"), upload, Part.CONFIG);
            copy(folder.resolve("adapter_model.safetensors"), upload, Part.MODEL);
            adapters.publish(tenant.id(), adapter, upload);
        } catch (AdapterRejected | AdapterNameRefused e) {
            throw new IOException(
                    "the demonstration adapter in "
                            + folder
                            + " is refused; --aril.demo=false starts without it",
                    e);
        }
    }

    private static void copy(Path file, StagedUpload upload, Part part) throws IOException {
        try (FileChannel from = FileChannel.open(file);
                WritableByteChannel to = upload.open(part)) {
            ByteBuffer buffer = ByteBuffer.allocate(1 << 16);
            while (from.read(buffer) >= 0) {
                buffer.flip();
                while (buffer.hasRemaining()) {
                    to.write(buffer);
                }
                buffer.clear();
            }
        }
    }
}
