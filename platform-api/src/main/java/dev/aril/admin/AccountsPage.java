package dev.aril.admin;

import dev.aril.tenancy.Account;
import dev.aril.tenancy.Accounts;
import dev.aril.tenancy.Actor;
import dev.aril.tenancy.Role;
import org.jspecify.annotations.Nullable;
import org.springframework.stereotype.Controller;
import org.springframework.ui.Model;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.PostMapping;

/** /admin/accounts: who may administer. */
@Controller
final class AccountsPage {
    /** An account's row. */
    record Row(String name, String role, String created, boolean disabled) {
        static Row of(Account account) {
            return new Row(
                    account.name(),
                    account.role().text(),
                    Shown.time(account.createdAt()),
                    account.disabledAt() != null);
        }
    }

    private final Accounts accounts;
    private final AccountsApi api;
    private final Passwords passwords;

    AccountsPage(Accounts accounts, AccountsApi api, Passwords passwords) {
        this.accounts = accounts;
        this.api = api;
        this.passwords = passwords;
    }

    @GetMapping("/admin/accounts")
    @Needs(Role.ADMIN)
    String list(Query query, Model model) {
        query.done();
        fill(model, null, null);
        return "admin/accounts";
    }

    @PostMapping("/admin/accounts")
    @Needs(Role.ADMIN)
    String create(Actor by, Form form, Model model) {
        String name = form.fields().text("name", AccountsApi.NAME).orElse("");
        Role role = form.fields().choice("role", Role.values()).orElse(Role.VIEWER);
        form.fields().done();
        String password = passwords.generate();
        api.create(by, name, password, role);
        return changed(model, name, password);
    }

    @PostMapping("/admin/accounts/{account}/reset")
    @Needs(Role.ADMIN)
    String reset(Actor by, @PathVariable String account, Model model) {
        String password = passwords.generate();
        accounts.changePassword(by, api.find(account).name(), passwords.hash(password));
        return changed(model, account, password);
    }

    @PostMapping("/admin/accounts/{account}/role")
    @Needs(Role.ADMIN)
    String role(Actor by, @PathVariable String account, Form form, Model model) {
        Role role = form.fields().choice("role", Role.values()).orElse(Role.VIEWER);
        form.fields().done();
        api.changeRole(by, account, role);
        return changed(model, null, null);
    }

    @PostMapping("/admin/accounts/{account}/disable")
    @Needs(Role.ADMIN)
    String disable(Actor by, @PathVariable String account, Model model) {
        api.disable(by, account);
        return changed(model, null, null);
    }

    private String changed(Model model, @Nullable String name, @Nullable String password) {
        fill(model, name, password);
        return "admin/accounts :: list";
    }

    private void fill(Model model, @Nullable String name, @Nullable String password) {
        model.addAttribute("rows", accounts.list().stream().map(Row::of).toList());
        model.addAttribute("roles", Role.values());
        model.addAttribute("made", name);
        model.addAttribute("password", password);
    }
}
