package dev.aril.api;

import static org.assertj.core.api.Assertions.assertThat;

import dev.aril.tenancy.Tenant;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.Socket;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import reactor.core.publisher.Hooks;
import tools.jackson.databind.JsonNode;

/** What a tenant brings, sees and removes; whatever is refused leaves nothing behind. */
final class AdapterUploadsTest extends ApiTest {
    private static final String ADAPTERS = "/v1/adapters";
    private static final Part CONFIG = file("adapter_config", "{\"peft_type\":\"LORA\"}");

    /** Of its own content, so that each test has its own digest. */
    private final Part model = file("adapter_model", "tensors " + System.nanoTime());

    private record Part(String name, boolean file, byte[] content) {}

    @AfterEach
    void nothingIsLeftInStaging() throws Exception {
        for (int i = 0; i < 500 && !staged().isEmpty(); i++) {
            Thread.sleep(10);
        }
        assertThat(staged()).isEmpty();
    }

    @Test
    void anUploadedAdapterServes() throws Exception {
        HttpResponse<String> response = upload(text("name", "mine"), CONFIG, model);
        assertThat(response.statusCode()).isEqualTo(201);
        JsonNode adapter = json(response);
        assertThat(adapter.propertyNames())
                .containsExactly(
                        "id",
                        "object",
                        "created",
                        "name",
                        "parent",
                        "digest",
                        "rank",
                        "target_modules",
                        "parameters",
                        "bytes");
        assertThat(adapter.get("object").stringValue()).isEqualTo("adapter");
        assertThat(adapter.get("name").stringValue()).isEqualTo("mine");
        assertThat(adapter.get("parent").stringValue()).isEqualTo("novella-11m");
        assertThat(adapter.get("bytes").intValue())
                .isEqualTo(CONFIG.content().length + model.content().length);
        String digest = adapter.get("digest").stringValue();
        assertThat(names("adapters")).contains(digest);
        assertThat(
                        Files.readAllBytes(
                                DATA.resolve("adapters/" + digest + "/adapter_model.safetensors")))
                .isEqualTo(model.content());

        assertThat(json(send(request(ADAPTERS + "/mine").GET()))).isEqualTo(adapter);
        assertThat(json(send(request(ADAPTERS).GET())).get("data").get(0)).isEqualTo(adapter);
        assertThat(answer("mine")).isEqualTo("<" + digest.substring(0, 6) + ">hi");
        assertThat(usage().getFirst().adapterVersion()).isEqualTo(digest);
        assertThat(usage().getFirst().adapter()).isEqualTo("mine");
    }

    @Test
    void partsComeInAnyOrder() throws Exception {
        assertThat(upload(model, text("name", "any"), CONFIG).statusCode()).isEqualTo(201);
        assertThat(upload(CONFIG, model, text("name", "order")).statusCode()).isEqualTo(201);
    }

    @Test
    void largeFilesArriveWhole() throws Exception {
        byte[] bytes = new byte[200 * 1024];
        new Random(System.nanoTime()).nextBytes(bytes);
        bytes[0] = 1;
        HttpResponse<String> response =
                upload(text("name", "large"), CONFIG, new Part("adapter_model", true, bytes));
        assertThat(response.statusCode()).isEqualTo(201);
        String digest = json(response).get("digest").stringValue();
        assertThat(
                        Files.readAllBytes(
                                DATA.resolve("adapters/" + digest + "/adapter_model.safetensors")))
                .isEqualTo(bytes);
    }

    @Test
    void anothersAdapterIsAsAbsentAsNone() throws Exception {
        upload(text("name", "secret"), CONFIG, model);
        Tenant other = tenants.create("other" + Long.toString(System.nanoTime(), 36));
        key = keys.issue(other.id(), "test");
        for (String path : new String[] {"/v1/adapters/", "/v1/models/"}) {
            HttpResponse<String> foreign = send(request(path + "secret").GET());
            HttpResponse<String> absent = send(request(path + "absent").GET());
            assertThat(foreign.statusCode()).isEqualTo(404);
            assertThat(foreign.body()).isEqualTo(absent.body().replace("absent", "secret"));
        }
        assertThat(send(request("/v1/adapters/secret").DELETE()).statusCode()).isEqualTo(404);
        HttpResponse<String> foreign = send(post("/v1/completions", completion("secret")));
        HttpResponse<String> absent = send(post("/v1/completions", completion("absent")));
        assertThat(foreign.statusCode()).isEqualTo(404);
        assertThat(foreign.body()).isEqualTo(absent.body().replace("absent", "secret"));
        assertThat(json(send(request(ADAPTERS).GET())).get("data")).isEmpty();
    }

    @Test
    void modelsAreTheBaseAndTheTenantsAdapters() throws Exception {
        upload(text("name", "mine"), CONFIG, model);
        JsonNode list = json(send(request("/v1/models").GET()));
        assertThat(list.get("object").stringValue()).isEqualTo("list");
        assertThat(list.get("data")).hasSize(2);
        assertThat(list.get("data").get(0).toString())
                .isEqualTo(
                        "{\"id\":\"novella-11m\",\"object\":\"model\",\"created\":1700000000,"
                                + "\"owned_by\":\"aril\",\"max_model_len\":1024}");
        JsonNode mine = list.get("data").get(1);
        assertThat(mine.get("id").stringValue()).isEqualTo("mine");
        assertThat(mine.get("parent").stringValue()).isEqualTo("novella-11m");
        assertThat(json(send(request("/v1/models/mine").GET()))).isEqualTo(mine);
        HttpResponse<String> slashes = send(request("/v1/models/a/b%20c").GET());
        assertThat(slashes.statusCode()).isEqualTo(404);
        assertThat(error(slashes).get("message").stringValue()).contains("`a/b c`");
        slashes = send(request("/v1/models/a%2Fb").GET());
        assertThat(slashes.statusCode()).isEqualTo(400);
        assertThat(error(slashes).get("message").stringValue()).contains("URL");
    }

    @Test
    void deletedIsGone() throws Exception {
        String digest =
                json(upload(text("name", "mine"), CONFIG, model)).get("digest").stringValue();
        HttpResponse<String> response = send(request(ADAPTERS + "/mine").DELETE());
        assertThat(response.statusCode()).isEqualTo(200);
        assertThat(json(response).get("deleted").booleanValue()).isTrue();
        assertThat(send(request(ADAPTERS + "/mine").GET()).statusCode()).isEqualTo(404);
        assertThat(send(post("/v1/completions", completion("mine"))).statusCode()).isEqualTo(404);
        assertThat(names("adapters")).doesNotContain(digest);
        assertThat(send(request(ADAPTERS + "/mine").DELETE()).statusCode()).isEqualTo(404);
    }

    @Test
    void refusedFormsNameThePart() throws Exception {
        refused("name", "is missing", CONFIG, model);
        refused("adapter_config", "is missing", text("name", "x"), model);
        refused("adapter_model", "is missing", text("name", "x"), CONFIG);
        refused("name", "sent twice", text("name", "x"), text("name", "x"), CONFIG, model);
        refused("adapter_config", "sent twice", text("name", "x"), CONFIG, CONFIG, model);
        refused("adapter_model", "sent twice", text("name", "x"), model, CONFIG, model);
        refused("extra", "Unknown part", text("name", "x"), CONFIG, model, text("extra", "1"));
        refused("name", "not a file", file("name", "x"), CONFIG, model);
        refused(
                "adapter_config",
                "must be a file",
                text("name", "x"),
                text("adapter_config", "{}"),
                model);
        refused("name", "1 to 64", text("name", "a/b"), CONFIG, model);
        refused("name", "1 to 64", text("name", ""), CONFIG, model);
        refused("name", "too long", text("name", "a".repeat(300)), CONFIG, model);
        refused("name", "base model's", text("name", "novella-11m"), CONFIG, model);
        refused(
                "adapter_config",
                "peft_type",
                text("name", "x"),
                file("adapter_config", "{}"),
                model);
        refused("adapter_model", "zip", text("name", "x"), CONFIG, file("adapter_model", "PK\3\4"));
        refused("name", "is missing");
    }

    @Test
    void aTakenNameIsRefusedAndTheFirstStays() throws Exception {
        String digest =
                json(upload(text("name", "mine"), CONFIG, model)).get("digest").stringValue();
        HttpResponse<String> again =
                upload(text("name", "mine"), CONFIG, file("adapter_model", "others"));
        assertThat(again.statusCode()).isEqualTo(400);
        assertThat(error(again).get("code").stringValue()).isEqualTo("adapter_name_taken");
        assertThat(json(send(request(ADAPTERS + "/mine").GET())).get("digest").stringValue())
                .isEqualTo(digest);
    }

    @Test
    void tooLargeFilesAre413() throws Exception {
        for (Part part :
                List.of(
                        new Part("adapter_config", true, new byte[4 * 1024 + 1]),
                        new Part("adapter_model", true, new byte[200 * 1024 + 1]),
                        new Part("adapter_model", true, new byte[20_000_000]))) {
            HttpResponse<String> response = upload(text("name", "x"), part);
            assertThat(response.statusCode()).isEqualTo(413);
            assertThat(error(response).get("param").stringValue()).isEqualTo(part.name());
            assertThat(error(response).get("code").stringValue()).isEqualTo("payload_too_large");
        }
    }

    /** Refusals in mid-upload, many at a time: no buffer is let go of twice or never. */
    @Test
    void refusedUploadsLoseNoBuffers() throws Exception {
        List<Throwable> dropped = Collections.synchronizedList(new ArrayList<>());
        // Long heads after the refused part, each in several network buffers: the parser holds some
        // of them when the refusal cancels it.
        Part[] parts = new Part[200];
        Arrays.fill(parts, text("extra" + "a".repeat(8000), "1"));
        parts[0] = text("name", "x");
        Hooks.onErrorDropped(dropped::add);
        try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
            List<Future<Integer>> answers = new ArrayList<>();
            for (int i = 0; i < 60; i++) {
                answers.add(threads.submit(() -> upload(parts).statusCode()));
            }
            for (Future<Integer> answer : answers) {
                assertThat(answer.get()).isEqualTo(400);
            }
        } finally {
            Hooks.resetOnErrorDropped();
        }
        assertThat(dropped).isEmpty();
    }

    @Test
    void bodiesThatAreNoForms() throws Exception {
        HttpResponse<String> response =
                send(
                        request(ADAPTERS)
                                .header("Content-Type", "multipart/form-data; boundary=xyz")
                                .POST(BodyPublishers.ofString("this is no form")));
        assertThat(response.statusCode()).isEqualTo(400);
        error(response);
        response =
                send(
                        request(ADAPTERS)
                                .header("Content-Type", "multipart/form-data")
                                .POST(BodyPublishers.ofString("--x--")));
        assertThat(response.statusCode()).isEqualTo(400);
        error(response);
        assertThat(send(post(ADAPTERS, "{}")).statusCode()).isEqualTo(415);
    }

    @Test
    void anUploadCutShortLeavesNothing() throws Exception {
        byte[] body = form(text("name", "cut"), CONFIG, model);
        try (Socket socket = new Socket("127.0.0.1", port)) {
            socket.getOutputStream()
                    .write(
                            ("POST "
                                            + ADAPTERS
                                            + " HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer "
                                            + key
                                            + "\r\nContent-Type: multipart/form-data; boundary="
                                            + BOUNDARY
                                            + "\r\nContent-Length: "
                                            + body.length
                                            + "\r\n\r\n")
                                    .getBytes(StandardCharsets.UTF_8));
            socket.getOutputStream().write(body, 0, body.length - 40);
            socket.getOutputStream().flush();
            for (int i = 0; i < 500 && staged().isEmpty(); i++) {
                Thread.sleep(10);
            }
            assertThat(staged()).hasSize(1);
        }
        nothingIsLeftInStaging();
        assertThat(send(request(ADAPTERS + "/cut").GET()).statusCode()).isEqualTo(404);
    }

    private void refused(String param, String message, Part... parts) throws Exception {
        List<String> before = names("adapters");
        HttpResponse<String> response = upload(parts);
        assertThat(response.statusCode()).as(response.body()).isEqualTo(400);
        assertThat(error(response).get("param").stringValue()).isEqualTo(param);
        assertThat(error(response).get("message").stringValue()).contains(message);
        assertThat(names("adapters")).isEqualTo(before);
        assertThat(json(send(request(ADAPTERS).GET())).get("data")).isEmpty();
    }

    private String answer(String name) throws Exception {
        return json(send(post("/v1/completions", completion(name))))
                .at("/choices/0/text")
                .stringValue();
    }

    private static String completion(String name) {
        return "{\"model\":\"" + name + "\",\"prompt\":\"hi\"}";
    }

    private static final String BOUNDARY = "----aril";

    private HttpResponse<String> upload(Part... parts) throws Exception {
        HttpRequest.Builder request =
                request(ADAPTERS)
                        .header("Content-Type", "multipart/form-data; boundary=" + BOUNDARY)
                        .POST(BodyPublishers.ofByteArray(form(parts)));
        return send(request);
    }

    private static byte[] form(Part... parts) throws IOException {
        ByteArrayOutputStream form = new ByteArrayOutputStream();
        for (Part part : parts) {
            String head =
                    "--"
                            + BOUNDARY
                            + "\r\nContent-Disposition: form-data; name=\""
                            + part.name()
                            + "\"";
            if (part.file()) {
                head += "; filename=\"any\"\r\nContent-Type: application/octet-stream";
            }
            form.write((head + "\r\n\r\n").getBytes(StandardCharsets.UTF_8));
            form.write(part.content());
            form.write("\r\n".getBytes(StandardCharsets.UTF_8));
        }
        form.write(("--" + BOUNDARY + "--\r\n").getBytes(StandardCharsets.UTF_8));
        return form.toByteArray();
    }

    private static Part text(String name, String value) {
        return new Part(name, false, value.getBytes(StandardCharsets.UTF_8));
    }

    private static Part file(String name, String content) {
        return new Part(name, true, content.getBytes(StandardCharsets.UTF_8));
    }

    /** Uploads on their way in, of this and any other server. */
    private static List<Path> staged() throws IOException {
        try (Stream<Path> files = Files.walk(DATA.resolve("staging"), 2)) {
            return files.filter(file -> file.getNameCount() == DATA.getNameCount() + 3)
                    .filter(Files::isDirectory)
                    .toList();
        }
    }

    private static List<String> names(String folder) throws IOException {
        Path path = DATA.resolve(folder);
        if (!Files.exists(path)) {
            return List.of();
        }
        try (Stream<Path> files = Files.list(path)) {
            return files.map(file -> file.getFileName().toString()).sorted().toList();
        }
    }
}
