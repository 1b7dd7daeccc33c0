package dev.aril.admin;

import dev.aril.api.ApiSettings;
import dev.aril.api.Blocking;
import dev.aril.tenancy.Actor;
import java.time.Duration;
import java.util.List;
import java.util.function.BiFunction;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.core.MethodParameter;
import org.springframework.core.io.buffer.DataBuffer;
import org.springframework.core.io.buffer.DataBufferUtils;
import org.springframework.core.task.support.TaskExecutorAdapter;
import org.springframework.http.CacheControl;
import org.springframework.http.MediaType;
import org.springframework.util.LinkedMultiValueMap;
import org.springframework.util.MultiValueMap;
import org.springframework.web.reactive.BindingContext;
import org.springframework.web.reactive.config.BlockingExecutionConfigurer;
import org.springframework.web.reactive.config.ResourceHandlerRegistry;
import org.springframework.web.reactive.config.WebFluxConfigurer;
import org.springframework.web.reactive.resource.LiteWebJarsResourceResolver;
import org.springframework.web.reactive.result.method.HandlerMethodArgumentResolver;
import org.springframework.web.reactive.result.method.annotation.ArgumentResolverConfigurer;
import org.springframework.web.server.ServerWebExchange;
import org.springframework.web.server.UnsupportedMediaTypeStatusException;
import org.springframework.web.server.session.CookieWebSessionIdResolver;
import org.springframework.web.server.session.WebSessionIdResolver;
import reactor.core.publisher.Mono;

/**
 * How Spring calls the handlers of this room: plain blocking methods, each on a virtual thread of
 * its own, with their arguments already read.
 */
@Configuration(proxyBeanMethods = false)
class AdminWeb implements WebFluxConfigurer {
    private final Blocking blocking;
    private final int bodyBytes;

    AdminWeb(Blocking blocking, ApiSettings api) {
        this.blocking = blocking;
        this.bodyBytes = Math.toIntExact(Math.min(api.bodyBytes(), 1 << 20));
    }

    @Override
    public void configureBlockingExecution(BlockingExecutionConfigurer configurer) {
        configurer
                .setExecutor(
                        new TaskExecutorAdapter(work -> {
                            var unused =
                                    blocking.start(() -> {
                                        work.run();
                                        return true;
                                    });
                        }))
                .setControllerMethodPredicate(handler ->
                        handler.getBeanType().getPackage() == AdminWeb.class.getPackage()
                                && !Mono.class.isAssignableFrom(
                                        handler.getReturnType().getParameterType()));
    }

    @Override
    public void configureArgumentResolvers(ArgumentResolverConfigurer configurer) {
        configurer.addCustomResolver(
                new Argument<>(LoggedIn.class, (exchange, type) -> Mono.just(who(exchange))),
                new Argument<>(
                        Actor.class,
                        (exchange, type) -> Mono.just(who(exchange).actor(exchange.getRequest()))),
                new Argument<>(
                        Query.class,
                        (exchange, type) ->
                                Mono.just(new Query(exchange.getRequest().getQueryParams()))),
                new Argument<>(
                        Form.class, (exchange, type) -> exchange.getFormData().map(AdminWeb::form)),
                new Argument<>(Fields.class, (exchange, type) -> fields(exchange)));
    }

    @Override
    public void addResourceHandlers(ResourceHandlerRegistry registry) {
        registry.addResourceHandler("/admin/assets/**")
                .addResourceLocations(
                        "classpath:/admin/assets/", "classpath:/META-INF/resources/webjars/")
                .setCacheControl(CacheControl.maxAge(Duration.ofMinutes(10)).cachePrivate())
                .resourceChain(true)
                .addResolver(new LiteWebJarsResourceResolver());
    }

    /** The session's cookie; Lax, because an issuer sends browsers back from another site. */
    @Bean
    WebSessionIdResolver webSessionIdResolver(AdminSettings settings) {
        CookieWebSessionIdResolver cookies = new CookieWebSessionIdResolver();
        cookies.setCookieName("aril-admin");
        cookies.addCookieInitializer(
                cookie -> cookie.path("/admin").httpOnly(true).sameSite("Lax"));
        if (settings.secureCookies()) {
            cookies.addCookieInitializer(cookie -> cookie.secure(true));
        }
        return cookies;
    }

    private static LoggedIn who(ServerWebExchange exchange) {
        return exchange.getRequiredAttribute(Policy.LOGGED_IN);
    }

    private Mono<Fields> fields(ServerWebExchange exchange) {
        MediaType type = exchange.getRequest().getHeaders().getContentType();
        return DataBufferUtils.join(exchange.getRequest().getBody(), bodyBytes)
                .map(AdminWeb::bytes)
                .defaultIfEmpty(new byte[0])
                .map(bytes -> {
                    if (bytes.length > 0
                            && (type == null
                                    || !type.isCompatibleWith(MediaType.APPLICATION_JSON))) {
                        throw new UnsupportedMediaTypeStatusException(
                                type, List.of(MediaType.APPLICATION_JSON));
                    }
                    return Fields.of(bytes);
                });
    }

    private static Form form(MultiValueMap<String, String> data) {
        MultiValueMap<String, String> fields = new LinkedMultiValueMap<>(data);
        fields.remove("_csrf");
        return new Form(new Query(fields));
    }

    private static byte[] bytes(DataBuffer buffer) {
        byte[] bytes = new byte[buffer.readableByteCount()];
        buffer.read(bytes);
        DataBufferUtils.release(buffer);
        return bytes;
    }

    /** An argument that is known by its type alone. */
    private record Argument<T>(
            Class<T> type, BiFunction<ServerWebExchange, Class<T>, Mono<T>> reader)
            implements HandlerMethodArgumentResolver {
        @Override
        public boolean supportsParameter(MethodParameter parameter) {
            return parameter.getParameterType() == type;
        }

        @Override
        public Mono<Object> resolveArgument(
                MethodParameter parameter, BindingContext binding, ServerWebExchange exchange) {
            return reader.apply(exchange, type).cast(Object.class);
        }
    }
}
