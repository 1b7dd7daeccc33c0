package dev.aril;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.ExtensionContext.Namespace;
import org.junit.jupiter.api.extension.ParameterContext;
import org.junit.jupiter.api.extension.ParameterResolver;
import org.springframework.util.FileSystemUtils;

/** Hands every test class the one {@link Deployment}, started when the first asks for it. */
final class Deployed implements ParameterResolver {
    private record Shared(Deployment deployment) implements AutoCloseable {
        @Override
        public void close() throws Exception {
            deployment.close();
            FileSystemUtils.deleteRecursively(deployment.data());
        }
    }

    static Deployment of(ExtensionContext context) {
        return context.getRoot()
                .getStore(Namespace.create(Deployed.class))
                .computeIfAbsent(
                        Shared.class,
                        key -> {
                            try {
                                Path data = Files.createTempDirectory("aril-deployment-");
                                return new Shared(Deployment.start(data));
                            } catch (IOException e) {
                                throw new UncheckedIOException(e);
                            }
                        },
                        Shared.class)
                .deployment();
    }

    @Override
    public boolean supportsParameter(ParameterContext parameter, ExtensionContext context) {
        return parameter.getParameter().getType() == Deployment.class;
    }

    @Override
    public Object resolveParameter(ParameterContext parameter, ExtensionContext context) {
        return of(context);
    }
}
