package dev.aril;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.springframework.boot.SpringApplication;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Unmatched;

/**
 * {@code serve}: starts the server; further arguments are Spring's, as {@code --aril.demo=false}.
 */
@Command(
        name = "serve",
        description = {
            "Starts the server. Settings come from the environment (ARIL_DATA, ARIL_PORT) or as",
            "--name=value, for example --aril.demo=false; application.yml names all of them."
        })
final class Serve implements Callable<Integer> {
    /** The exit status of a command whose server goes on. */
    static final int SERVING = -1;

    @Unmatched private final List<String> settings = new ArrayList<>();

    @Parameters(hidden = true)
    private final List<String> unexpected = new ArrayList<>();

    @Override
    public Integer call() {
        List<String> arguments = new ArrayList<>(settings);
        arguments.addAll(unexpected);
        for (String argument : arguments) {
            if (!argument.startsWith("--")) {
                System.err.println("serve: settings are written --name=value, not " + argument);
                return 2;
            }
        }
        try {
            SpringApplication.run(ArilApplication.class, arguments.toArray(String[]::new));
        } catch (RuntimeException alreadyLogged) {
            return 1;
        }
        return SERVING;
    }
}
