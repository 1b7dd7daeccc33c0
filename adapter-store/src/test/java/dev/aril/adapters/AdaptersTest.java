package dev.aril.adapters;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.aril.engine.AdapterRejected;
import dev.aril.engine.AdapterRejected.Part;
import dev.aril.engine.model.ModelConfig;
import dev.aril.engine.model.PeftAdapter;
import dev.aril.tenancy.Actor;
import dev.aril.tenancy.Limit;
import dev.aril.tenancy.Limits;
import dev.aril.tenancy.Metric;
import dev.aril.tenancy.Quota;
import dev.aril.tenancy.QuotaExceeded;
import dev.aril.tenancy.QuotaScope;
import dev.aril.tenancy.RowSecurity;
import dev.aril.tenancy.TenancySettings;
import dev.aril.tenancy.Tenant;
import dev.aril.tenancy.TenantId;
import dev.aril.tenancy.Tenants;
import dev.aril.tenancy.TestPostgres;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import java.util.UUID;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.springframework.beans.factory.annotation.Autowired;
import org.springframework.boot.autoconfigure.AutoConfigurationPackage;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.boot.test.context.SpringBootTest;
import org.springframework.context.annotation.Bean;
import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.test.context.DynamicPropertyRegistry;
import org.springframework.test.context.DynamicPropertySource;
import tools.jackson.databind.json.JsonMapper;

@SpringBootTest(
        properties = {
            "spring.flyway.locations=filesystem:../db/migration",
            "spring.jpa.hibernate.ddl-auto=validate"
        })
class AdaptersTest {
    private static final Path MODELS = Path.of("../models/novella-11m");
    private static final ModelConfig NOVELLA =
            ModelConfig.parse(new JsonMapper().readTree(MODELS.resolve("config.json").toFile()));

    /** What the engine's verify does, without the engine's weights. */
    private static final AdapterVerifier VERIFIER =
            folder -> {
                try (PeftAdapter adapter = PeftAdapter.read(folder, NOVELLA)) {
                    return adapter.summary();
                } catch (IOException e) {
                    throw new UncheckedIOException(e);
                }
            };

    @TempDir static Path data;

    @SpringBootApplication(scanBasePackages = {"dev.aril.tenancy", "dev.aril.adapters"})
    @AutoConfigurationPackage(basePackages = "dev.aril")
    static class App {
        @Bean
        TenancySettings tenancySettings() {
            return new TenancySettings(data.resolve("pepper"));
        }

        @Bean
        AdapterStoreSettings adapterStoreSettings() {
            return new AdapterStoreSettings(data, "novella-11m", 4096, 6 << 20);
        }

        @Bean
        AdapterVerifier adapterVerifier() {
            return VERIFIER;
        }
    }

    @DynamicPropertySource
    static void database(DynamicPropertyRegistry properties) {
        TestPostgres.register(properties);
    }

    @Autowired Tenants tenants;
    @Autowired Adapters adapters;
    @Autowired AdapterRows rows;
    @Autowired AdapterFiles files;
    @Autowired AdapterStoreSettings settings;
    @Autowired JdbcClient sql;
    @Autowired RowSecurity visible;
    @Autowired Quota quota;
    @Autowired Limits limits;

    private Tenant globe;
    private Tenant acme;

    @BeforeEach
    void twoTenants() {
        globe = tenants.create("globe-" + UUID.randomUUID());
        acme = tenants.create("acme-" + UUID.randomUUID());
    }

    @AfterEach
    void nothingIsLeftBehind() throws IOException {
        for (Tenant t : List.of(globe, acme)) {
            adapters.list(t.id()).forEach(a -> adapters.delete(t.id(), a.name()));
        }
        assertThat(onDisk()).isEmpty();
        assertThat(staged()).isEmpty();
    }

    @Test
    void aPublishedAdapterIsListedFoundAndResolved() throws Exception {
        Adapter published = publish(globe.id(), "shakespeare", "shakespeare");
        assertThat(published)
                .matches(a -> a.owner().equals(globe.id()) && a.rank() == 16)
                .matches(a -> a.parameters() == 651_264 && a.targets().size() == 7);
        assertThat(published.bytes()).isEqualTo(size("shakespeare"));
        assertThat(adapters.list(globe.id())).containsExactly(published);
        assertThat(adapters.find(globe.id(), "shakespeare")).contains(published);
        ResolvedAdapter resolved = adapters.resolve(globe.id(), "shakespeare").orElseThrow();
        assertThat(resolved.adapter()).isEqualTo(published);
        assertThat(resolved.ref().digest()).isEqualTo(published.digest());
        assertThat(VERIFIER.verify(resolved.ref().folder()).digest()).isEqualTo(published.digest());
        for (String file : List.of("adapter_config.json", "adapter_model.safetensors")) {
            assertThat(resolved.ref().folder().resolve(file))
                    .hasSameBinaryContentAs(MODELS.resolve("adapters/shakespeare").resolve(file));
        }
    }

    @Test
    void anotherTenantsAdapterIsAsGoodAsAbsent() throws Exception {
        publish(globe.id(), "mine", "shakespeare");
        assertThat(adapters.find(acme.id(), "mine")).isEmpty();
        assertThat(adapters.resolve(acme.id(), "mine")).isEmpty();
        assertThat(adapters.list(acme.id())).isEmpty();
        assertThat(adapters.delete(acme.id(), "mine")).isFalse();
        assertThat(adapters.resolve(globe.id(), "mine")).isPresent();
    }

    @Test
    void namesThatCannotBeAreNobodys() {
        for (String name : new String[] {"", "no", "a\0b", "../x", "é", "a".repeat(65)}) {
            assertThat(adapters.find(globe.id(), name)).isEmpty();
            assertThat(adapters.resolve(globe.id(), name)).isEmpty();
            assertThat(adapters.delete(globe.id(), name)).isFalse();
        }
    }

    @Test
    void theSameContentIsStoredOnceAndLivesAsLongAsOneNeedsIt() throws Exception {
        Adapter first = publish(globe.id(), "a", "sql");
        Adapter second = publish(globe.id(), "b", "sql");
        Adapter third = publish(acme.id(), "a", "sql");
        assertThat(second.digest()).isEqualTo(first.digest()).isEqualTo(third.digest());
        assertThat(second.id()).isNotEqualTo(first.id());
        assertThat(onDisk()).containsExactly(first.digest());

        assertThat(adapters.delete(globe.id(), "a")).isTrue();
        assertThat(adapters.delete(globe.id(), "a")).isFalse();
        assertThat(adapters.delete(globe.id(), "b")).isTrue();
        assertThat(adapters.resolve(acme.id(), "a")).isPresent();
        assertThat(onDisk()).containsExactly(first.digest());
        assertThat(adapters.delete(acme.id(), "a")).isTrue();
        assertThat(onDisk()).isEmpty();
    }

    @Test
    void namesAreChecked() throws Exception {
        publish(globe.id(), "taken", "sql");
        for (String name :
                new String[] {"", ".a", "-a", "a b", "a/b", "é", "a\n", "a".repeat(65)}) {
            assertRefused(name, AdapterNameRefused.Reason.MALFORMED);
        }
        assertRefused("novella-11m", AdapterNameRefused.Reason.RESERVED);
        assertRefused("taken", AdapterNameRefused.Reason.TAKEN);
        assertThat(onDisk()).hasSize(1);
        assertThat(publish(acme.id(), "taken", "sql").name()).isEqualTo("taken");
        assertThat(publish(globe.id(), "A" + "z".repeat(63), "sql").name()).hasSize(64);
    }

    private void assertRefused(String name, AdapterNameRefused.Reason reason) {
        AdapterNameRefused refusal =
                catchThrowableOfType(
                        AdapterNameRefused.class, () -> publish(globe.id(), name, "shakespeare"));
        assertThat(refusal.reason()).isEqualTo(reason);
        assertThat(refusal).hasMessageStartingWith("name ");
        assertThat(
                        catchThrowableOfType(
                                        AdapterNameRefused.class,
                                        () -> adapters.checkName(globe.id(), name))
                                .reason())
                .isEqualTo(reason);
    }

    @Test
    void aRefusedUploadLeavesNothingBehind() throws Exception {
        byte[] model = Files.readAllBytes(file("sql", Part.MODEL));
        model[model.length - 1] = (byte) 0x7f;
        model[model.length - 2] = (byte) 0xff;
        try (StagedUpload upload = adapters.stage()) {
            write(upload, Part.CONFIG, Files.readAllBytes(file("sql", Part.CONFIG)));
            write(upload, Part.MODEL, model);
            assertThatThrownBy(() -> adapters.publish(globe.id(), "x", upload))
                    .isInstanceOf(AdapterRejected.class)
                    .hasMessageContaining("NaN or infinity");
        }
        assertThat(adapters.list(globe.id())).isEmpty();
        assertThat(onDisk()).isEmpty();
        assertThat(staged()).isEmpty();
    }

    @Test
    void anUploadNeedsBothFilesWhole() throws Exception {
        try (StagedUpload upload = adapters.stage()) {
            AdapterRejected none =
                    catchThrowableOfType(
                            AdapterRejected.class, () -> adapters.publish(globe.id(), "x", upload));
            assertThat(none.part()).isEqualTo(Part.CONFIG);
            write(upload, Part.CONFIG, Files.readAllBytes(file("sql", Part.CONFIG)));
            AdapterRejected half =
                    catchThrowableOfType(
                            AdapterRejected.class, () -> adapters.publish(globe.id(), "x", upload));
            assertThat(half.part()).isEqualTo(Part.MODEL);
            assertThat(half).hasMessageContaining("adapter_model.safetensors is missing");
            WritableByteChannel open = upload.open(Part.MODEL);
            assertThatThrownBy(() -> adapters.publish(globe.id(), "x", upload))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("still being written");
            assertThatThrownBy(() -> upload.open(Part.MODEL))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("opened before");
            assertThat(open.isOpen()).isTrue();
        }
        assertThat(staged()).isEmpty();
    }

    @Test
    void aFileMayBeAsLargeAsItsLimitAndNoLarger() throws Exception {
        try (StagedUpload upload = adapters.stage();
                WritableByteChannel config = upload.open(Part.CONFIG)) {
            assertThat(config.write(ByteBuffer.allocate(4000))).isEqualTo(4000);
            assertThat(config.write(ByteBuffer.allocate(96))).isEqualTo(96);
            UploadTooLarge refusal =
                    catchThrowableOfType(
                            UploadTooLarge.class, () -> config.write(ByteBuffer.allocate(1)));
            assertThat(refusal.part()).isEqualTo(Part.CONFIG);
            assertThat(refusal.limitBytes()).isEqualTo(4096);
            assertThat(refusal).hasMessage("adapter_config must have at most 4096 bytes");
        }
    }

    /** One name, many uploads: one wins, and no bytes of the losers stay. */
    @Test
    void simultaneousUploadsOfOneName() throws Exception {
        List<Callable<Boolean>> tries = new ArrayList<>();
        for (int i = 0; i < 8; i++) {
            String content = i % 2 == 0 ? "sql" : "shakespeare";
            tries.add(() -> {
                try {
                    publish(globe.id(), "wanted", content);
                    return true;
                } catch (AdapterNameRefused e) {
                    assertThat(e.reason()).isEqualTo(AdapterNameRefused.Reason.TAKEN);
                    return false;
                }
            });
        }
        assertThat(all(tries)).containsOnlyOnce(true);
        Adapter winner = adapters.find(globe.id(), "wanted").orElseThrow();
        assertThat(onDisk()).containsExactly(winner.digest());
        assertThat(adapters.resolve(globe.id(), "wanted")).isPresent();
    }

    /** The last owner's delete against another's publish of the same bytes: never a row alone. */
    @Test
    void publishingWhileOthersDelete() throws Exception {
        List<Callable<Boolean>> tries = new ArrayList<>();
        for (int thread = 0; thread < 4; thread++) {
            Tenant tenant = thread % 2 == 0 ? globe : acme;
            String name = "n" + thread;
            tries.add(() -> {
                for (int i = 0; i < 8; i++) {
                    Adapter adapter = publish(tenant.id(), name, "sql");
                    assertThat(adapters.resolve(tenant.id(), name).orElseThrow().adapter())
                            .isEqualTo(adapter);
                    assertThat(adapters.delete(tenant.id(), name)).isTrue();
                }
                return true;
            });
        }
        assertThat(all(tries)).containsOnly(true);
        assertThat(onDisk()).isEmpty();
    }

    @Test
    void aTenantThatDoesNotExistOwnsNothing() throws Exception {
        assertThatThrownBy(() -> publish(new TenantId(UUID.randomUUID()), "x", "sql"))
                .isInstanceOf(org.springframework.dao.DataIntegrityViolationException.class);
        assertThat(onDisk()).isEmpty();
    }

    @Test
    void noMoreAdaptersAndBytesThanTheTenantsLimits() throws Exception {
        limits.set(Actor.SERVER, globe.id(), Limit.hard(QuotaScope.TENANT, Metric.ADAPTERS, 2));
        publish(globe.id(), "a", "sql");
        publish(globe.id(), "b", "sql");
        assertThatThrownBy(() -> publish(globe.id(), "c", "shakespeare"))
                .isInstanceOfSatisfying(
                        QuotaExceeded.class,
                        e -> assertThat(e.refusal().metric()).isEqualTo(Metric.ADAPTERS));
        // what was refused left nothing on disk
        assertThat(onDisk()).hasSize(1);
        adapters.delete(globe.id(), "b");
        limits.set(
                Actor.SERVER,
                globe.id(),
                Limit.hard(QuotaScope.TENANT, Metric.STORED_BYTES, size("sql") + size("sql") - 1));
        assertThatThrownBy(() -> publish(globe.id(), "b", "sql"))
                .isInstanceOf(QuotaExceeded.class)
                .hasMessageContaining("stored_bytes");
        limits.set(
                Actor.SERVER,
                globe.id(),
                Limit.hard(QuotaScope.TENANT, Metric.STORED_BYTES, size("sql") + size("sql")));
        publish(globe.id(), "b", "sql");
        publish(acme.id(), "a", "sql");
    }

    @Test
    void lostFilesAreReportedAndAnUploadMendsThem() throws Exception {
        Adapter adapter = publish(globe.id(), "lost", "sql");
        Path model = files.folder(adapter.digest()).resolve("adapter_model.safetensors");
        Files.delete(model);
        assertThatThrownBy(() -> adapters.resolve(globe.id(), "lost"))
                .isInstanceOf(AdapterFilesMissing.class)
                .hasMessageContaining("lost")
                .hasMessageNotContaining(data.toString());
        adapters.sweep();
        assertThat(adapters.find(globe.id(), "lost")).isPresent();
        publish(acme.id(), "again", "sql");
        assertThat(adapters.resolve(globe.id(), "lost")).isPresent();
        assertThat(model).hasSameBinaryContentAs(file("sql", Part.MODEL));
    }

    /** What a kill -9 can leave: folders of dead servers, and bytes whose row was not committed. */
    @Test
    void theNextStartSweepsUp() throws Exception {
        Adapter kept = publish(globe.id(), "kept", "sql");
        Path dead = Files.createDirectories(data.resolve("staging").resolve("dead-server"));
        Files.createFile(dead.resolve("lock"));
        Files.writeString(Files.createDirectory(dead.resolve("upload")).resolve("x"), "x");
        Path orphan = Files.createDirectories(data.resolve("adapters").resolve("0".repeat(64)));
        Files.writeString(orphan.resolve("adapter_config.json"), "{}");
        Path foreign = Files.createDirectories(data.resolve("adapters").resolve("notes"));
        try (AdapterFiles otherServer = AdapterFiles.open(settings);
                StagedUpload running = otherServer.stage();
                WritableByteChannel channel = running.open(Part.CONFIG)) {
            adapters.sweep();
            assertThat(dead).doesNotExist();
            assertThat(orphan).doesNotExist();
            assertThat(foreign).exists();
            assertThat(running.folder()).exists();
            assertThat(channel.isOpen()).isTrue();
            assertThat(adapters.resolve(globe.id(), "kept").orElseThrow().adapter())
                    .isEqualTo(kept);
        } finally {
            Files.delete(foreign);
        }
    }

    @Test
    void anotherServerOnTheSameFolderSeesTheSame() throws Exception {
        try (AdapterFiles otherFiles = AdapterFiles.open(settings)) {
            Adapters other =
                    new Adapters(
                            rows,
                            otherFiles,
                            VERIFIER,
                            settings,
                            sql,
                            visible,
                            quota,
                            java.time.InstantSource.system());
            Adapter adapter = publish(globe.id(), "shared", "sql");
            assertThat(other.resolve(globe.id(), "shared").orElseThrow().adapter())
                    .isEqualTo(adapter);
            assertThat(other.delete(globe.id(), "shared")).isTrue();
            assertThat(adapters.resolve(globe.id(), "shared")).isEmpty();
        }
    }

    private Adapter publish(TenantId owner, String name, String content) throws Exception {
        try (StagedUpload upload = adapters.stage()) {
            for (Part part : Part.values()) {
                write(upload, part, Files.readAllBytes(file(content, part)));
            }
            return adapters.publish(owner, name, upload);
        }
    }

    private static void write(StagedUpload upload, Part part, byte[] bytes) throws IOException {
        try (WritableByteChannel channel = upload.open(part)) {
            ByteBuffer buffer = ByteBuffer.wrap(bytes);
            while (buffer.hasRemaining()) {
                buffer.limit(Math.min(bytes.length, buffer.position() + 65_536));
                channel.write(buffer);
                buffer.limit(bytes.length);
            }
        }
    }

    private static Path file(String adapter, Part part) {
        return MODELS.resolve("adapters").resolve(adapter).resolve(AdapterFiles.fileName(part));
    }

    private static long size(String adapter) throws IOException {
        return Files.size(file(adapter, Part.CONFIG)) + Files.size(file(adapter, Part.MODEL));
    }

    private static <T> List<T> all(List<Callable<T>> tasks) throws Exception {
        List<T> out = new ArrayList<>();
        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            for (Future<T> f : threads.invokeAll(tasks)) {
                out.add(f.get());
            }
        }
        return out;
    }

    private static TreeSet<String> onDisk() throws IOException {
        return names(data.resolve("adapters"));
    }

    /** Everything under staging but the lock of the running server. */
    private static TreeSet<String> staged() throws IOException {
        TreeSet<String> out = new TreeSet<>();
        for (String server : names(data.resolve("staging"))) {
            out.addAll(names(data.resolve("staging").resolve(server)));
        }
        out.remove("lock");
        return out;
    }

    private static TreeSet<String> names(Path folder) throws IOException {
        TreeSet<String> out = new TreeSet<>();
        try (Stream<Path> all = Files.list(folder)) {
            all.forEach(p -> out.add(p.getFileName().toString()));
        }
        return out;
    }
}
