package dev.aril.admin;

import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RestController;

/** A handler of which somebody forgot to say who may call it. */
@RestController
final class Forgotten {
    static final String PATH = "/admin/api/forgotten";

    @GetMapping(PATH)
    String secret() {
        return "secret";
    }
}
