package dev.aril.admin;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.Locale;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.regex.Pattern;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.springframework.beans.factory.config.BeanPostProcessor;
import org.springframework.boot.test.context.TestConfiguration;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Import;
import org.springframework.jdbc.datasource.DelegatingDataSource;
import org.springframework.test.context.TestPropertySource;

/**
 * The same matrix with the application's own filter taken out: every {@code tenant_id = ?} of every
 * statement is made true on its way to the driver, so that row-level security stands alone.
 */
@TestPropertySource(properties = "aril.test.folder=without-filter")
@Import(RowSecurityMatrixTest.WithoutFilter.class)
final class RowSecurityMatrixTest extends TenantMatrixTest {
    private static final Pattern FILTER =
            Pattern.compile("([\\w.]*tenant_id\\s*=\\s*\\?)", Pattern.CASE_INSENSITIVE);
    private static final AtomicInteger DISARMED = new AtomicInteger();

    @AfterEach
    void theFilterWasOut() {
        assertThat(DISARMED.get()).isGreaterThan(50);
    }

    @TestConfiguration(proxyBeanMethods = false)
    static class WithoutFilter {
        @Bean
        static BeanPostProcessor disarm() {
            return new BeanPostProcessor() {
                @Override
                public Object postProcessAfterInitialization(Object bean, String name) {
                    return bean instanceof DataSource database && name.equals("dataSource")
                            ? new Disarmed(database)
                            : bean;
                }
            };
        }
    }

    private static final class Disarmed extends DelegatingDataSource {
        Disarmed(DataSource database) {
            super(database);
        }

        @Override
        public Connection getConnection() throws SQLException {
            Connection real = super.getConnection();
            return (Connection)
                    Proxy.newProxyInstance(
                            Connection.class.getClassLoader(),
                            new Class<?>[] {Connection.class},
                            (proxy, method, arguments) -> pass(real, method, arguments));
        }

        private static @Nullable Object pass(
                Connection real, Method method, @Nullable Object @Nullable [] arguments)
                throws Throwable {
            if (method.getName().equals("prepareStatement")
                    && arguments != null
                    && arguments[0] instanceof String sql
                    && sql.stripLeading().toLowerCase(Locale.ROOT).startsWith("select")) {
                String open = FILTER.matcher(sql).replaceAll("($1 or true)");
                if (!open.equals(sql)) {
                    DISARMED.incrementAndGet();
                    arguments[0] = open;
                }
            }
            try {
                return method.invoke(real, arguments);
            } catch (InvocationTargetException e) {
                throw e.getCause();
            }
        }
    }
}
