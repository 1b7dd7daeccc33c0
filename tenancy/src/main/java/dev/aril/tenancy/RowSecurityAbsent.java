package dev.aril.tenancy;

/** The database does not separate tenants for the server's role; an operator can mend it. */
public final class RowSecurityAbsent extends RuntimeException {
    private static final long serialVersionUID = 1L;

    RowSecurityAbsent(String message) {
        super(message);
    }

    /** What to do about it. */
    public String remedy() {
        return "Let a superuser run db/roles.sql, give the database to aril_owner, set"
                + " SPRING_DATASOURCE_USERNAME=aril_app and SPRING_FLYWAY_USER=aril_owner with their"
                + " passwords (SPRING_DATASOURCE_PASSWORD, SPRING_FLYWAY_PASSWORD), and start again.";
    }
}
