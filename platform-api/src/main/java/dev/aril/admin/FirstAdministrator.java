package dev.aril.admin;

import dev.aril.tenancy.Accounts;
import dev.aril.tenancy.Actor;
import dev.aril.tenancy.Role;
import java.util.Optional;
import org.springframework.stereotype.Component;

/** Who can log in before anybody was made an account? */
@Component
public final class FirstAdministrator {
    public static final String NAME = "admin";

    private final Accounts accounts;
    private final Passwords passwords;
    private final MachineToken machine;

    FirstAdministrator(Accounts accounts, Passwords passwords, MachineToken machine) {
        this.accounts = accounts;
        this.passwords = passwords;
        this.machine = machine;
    }

    /**
     * Makes the account {@value #NAME} where there is none at all. Blocks on SQL.
     *
     * @return its password, which is stored nowhere; empty if there are accounts
     */
    public Optional<String> create() {
        if (!accounts.none()) {
            return Optional.empty();
        }
        String password = passwords.generate();
        accounts.create(Actor.SERVER, NAME, passwords.hash(password), Role.ADMIN);
        return Optional.of(password);
    }

    /** What this machine's commands present, until the process ends. */
    public String machineToken() {
        return machine.reveal();
    }
}
