package dev.aril.admin;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.Objects;
import org.springframework.http.MediaType;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RestController;
import org.yaml.snakeyaml.LoaderOptions;
import org.yaml.snakeyaml.Yaml;
import org.yaml.snakeyaml.constructor.SafeConstructor;
import tools.jackson.databind.json.JsonMapper;

/**
 * /openapi/admin.json and /openapi/v1.json: both planes, described by hand in {@code
 * openapi/*.yaml}. A test holds them against the handlers, and thousands of generated requests
 * against the answers.
 */
@RestController
final class OpenApiDocuments {
    private final byte[] admin = json("admin");
    private final byte[] tenants = json("v1");

    @GetMapping(path = "/openapi/admin.json", produces = MediaType.APPLICATION_JSON_VALUE)
    byte[] admin() {
        return admin.clone();
    }

    @GetMapping(path = "/openapi/v1.json", produces = MediaType.APPLICATION_JSON_VALUE)
    byte[] v1() {
        return tenants.clone();
    }

    private static byte[] json(String name) {
        try (InputStream in =
                OpenApiDocuments.class.getResourceAsStream("/openapi/" + name + ".yaml")) {
            LoaderOptions ours = new LoaderOptions();
            ours.setMaxAliasesForCollections(10_000);
            Map<String, Object> document =
                    new Yaml(new SafeConstructor(ours)).load(Objects.requireNonNull(in, name));
            return JsonMapper.shared()
                    .writeValueAsString(document)
                    .getBytes(StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
