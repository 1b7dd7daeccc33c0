package dev.aril.admin;

/** A request that is answered with an {@link AdminProblem}. */
final class AdminRefusal extends RuntimeException {
    private final transient AdminProblem problem;

    AdminRefusal(AdminProblem problem) {
        super(problem.detail(), null, false, false);
        this.problem = problem;
    }

    AdminProblem problem() {
        return problem;
    }
}
