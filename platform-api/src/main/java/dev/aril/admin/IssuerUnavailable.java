package dev.aril.admin;

/** An OpenID Connect issuer cannot be asked just now: nobody can log in through it. */
final class IssuerUnavailable extends RuntimeException {
    private static final long serialVersionUID = 1;

    IssuerUnavailable(String issuer, Throwable cause) {
        super("the issuer " + issuer + " does not answer as an issuer does", cause);
    }
}
