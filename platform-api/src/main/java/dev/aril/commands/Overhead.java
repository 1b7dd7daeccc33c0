package dev.aril.commands;

import dev.aril.ArilApplication;
import dev.aril.api.Spending;
import dev.aril.engine.Engine;
import dev.aril.tenancy.Actor;
import dev.aril.tenancy.ApiKeys;
import dev.aril.tenancy.Conservation;
import dev.aril.tenancy.KeyScope;
import dev.aril.tenancy.Limit;
import dev.aril.tenancy.Limits;
import dev.aril.tenancy.Metric;
import dev.aril.tenancy.QuotaScope;
import dev.aril.tenancy.Tenant;
import dev.aril.tenancy.Tenants;
import dev.aril.tenancy.UsageLedger;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import org.springframework.boot.SpringApplication;
import org.springframework.context.ConfigurableApplicationContext;
import org.springframework.context.support.GenericApplicationContext;
import org.springframework.util.FileSystemUtils;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/**
 * {@code overhead}: two servers with an engine that answers at once, one with authentication, quota
 * and ledger, one without, take turns under the same load; then the first takes all it can.
 */
@Command(
        name = "overhead",
        description = {
            "Measures what authentication, quota and ledger add to a request, with the database",
            "beside it on this machine, and how many settlements a second are durable."
        })
public final class Overhead implements Callable<Integer> {
    private static final List<Metric> METRICS =
            List.of(
                    Metric.REQUESTS_PER_MINUTE,
                    Metric.TOKENS_PER_MINUTE,
                    Metric.TOKENS_PER_DAY,
                    Metric.TOKENS_PER_MONTH,
                    Metric.CONCURRENT_REQUESTS);

    private static final long FAR_AWAY = 1_000_000_000_000L;

    /** Clients that send one request after the other, where all that is possible is wanted. */
    private static final int CLIENTS = 64;

    @Option(names = "--rate", defaultValue = "200", description = "requests a second (default 200)")
    private int rate;

    @Option(names = "--seconds", defaultValue = "10", description = "of a round (default 10)")
    private int seconds;

    @Option(names = "--rounds", defaultValue = "3", description = "of each server (default 3)")
    private int rounds;

    @Option(
            names = "--warm-up",
            defaultValue = "3",
            description = {
                "rounds of each server that do not count (default 3): the virtual machine compiles",
                "what they run, on cores it shares with the database"
            })
    private int warmUp;

    @Override
    public Integer call() throws Exception {
        if (rate < 1 || seconds < 1 || rounds < 1) {
            throw new IllegalArgumentException("--rate, --seconds and --rounds must be at least 1");
        }
        if (warmUp < 0) {
            throw new IllegalArgumentException("--warm-up must be at least 0");
        }
        Path data = Files.createTempDirectory("aril-overhead-");
        try (ConfigurableApplicationContext bare = start(data.resolve("bare"), new FreeSpending());
                ConfigurableApplicationContext whole = start(data.resolve("whole"), null)) {
            Load without = new Load(port(bare), "aril_anybody");
            Load with = new Load(port(whole), key(whole));
            Duration round = Duration.ofSeconds(seconds);
            for (int i = 0; i < warmUp; i++) {
                without.atRate(rate, round);
                with.atRate(rate, round);
            }
            List<Double> free = new ArrayList<>();
            List<Double> paid = new ArrayList<>();
            for (int i = 0; i < rounds; i++) {
                free.addAll(without.atRate(rate, round));
                paid.addAll(with.atRate(rate, round));
            }
            report("without", free);
            report("with", paid);
            System.out.printf(
                    "added by authentication, quota and ledger at %d requests/s: p50 %.2f ms, p99"
                            + " %.2f ms%n",
                    rate,
                    Load.quantile(paid, 0.5) - Load.quantile(free, 0.5),
                    Load.quantile(paid, 0.99) - Load.quantile(free, 0.99));
            double settled = with.closedLoop(CLIENTS, round);
            System.out.printf("durable settlements with %d clients: %.0f/s%n", CLIENTS, settled);
            return check(whole, with.answered());
        } finally {
            FileSystemUtils.deleteRecursively(data);
        }
    }

    private static void report(String which, List<Double> millis) {
        System.out.printf(
                "%-8s %6d requests: p50 %.2f ms, p99 %.2f ms%n",
                which, millis.size(), Load.quantile(millis, 0.5), Load.quantile(millis, 0.99));
    }

    /** A figure is worth something only if all of it is in the ledger. */
    private static int check(ConfigurableApplicationContext whole, long answered) {
        UsageLedger ledger = whole.getBean(UsageLedger.class);
        long[] events = {0};
        ledger.export(null, Instant.EPOCH, Instant.now().plusSeconds(60), event -> events[0]++);
        Conservation books = ledger.conservation();
        System.out.printf("answered %d, in the ledger %d%n", answered, events[0]);
        books.differences().forEach(System.out::println);
        return events[0] == answered && books.holds() ? 0 : 1;
    }

    /**
     * @param spending null for tenancy's
     */
    private static ConfigurableApplicationContext start(Path data, @Nullable Spending spending) {
        SpringApplication application = new SpringApplication(ArilApplication.class);
        application.addInitializers(context -> {
            GenericApplicationContext beans = (GenericApplicationContext) context;
            beans.registerBean("engine", Engine.class, InstantEngine::new);
            if (spending != null) {
                beans.registerBean("spending", Spending.class, () -> spending);
            }
        });
        return application.run(
                "--aril.data=" + data,
                "--aril.home=" + Installation.here().home(),
                "--aril.port=0",
                "--aril.bind=127.0.0.1",
                "--aril.demo=false",
                "--logging.level.dev.aril=WARN");
    }

    private static int port(ConfigurableApplicationContext server) {
        return server.getEnvironment().getRequiredProperty("local.server.port", Integer.class);
    }

    /** Of a tenant with every limit there is, none of which stands in the way. */
    private static String key(ConfigurableApplicationContext server) {
        Tenant tenant = server.getBean(Tenants.class).create(Actor.SERVER, "overhead");
        for (Metric metric : METRICS) {
            server.getBean(Limits.class)
                    .set(
                            Actor.SERVER,
                            tenant.id(),
                            Limit.hard(QuotaScope.TENANT, metric, FAR_AWAY));
        }
        return server.getBean(ApiKeys.class)
                .create(Actor.SERVER, tenant.id(), "overhead", KeyScope.ALL, null)
                .secret();
    }
}
