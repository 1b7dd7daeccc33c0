package dev.aril;

import dev.aril.tenancy.RowSecurityAbsent;
import org.jspecify.annotations.Nullable;
import org.springframework.boot.diagnostics.AbstractFailureAnalyzer;
import org.springframework.boot.diagnostics.FailureAnalysis;

/** As {@link StartRefusedAnalyzer}, for a database whose roles are not set up. */
final class RowSecurityAnalyzer extends AbstractFailureAnalyzer<RowSecurityAbsent> {
    @Override
    protected @Nullable FailureAnalysis analyze(Throwable root, RowSecurityAbsent cause) {
        return new FailureAnalysis(String.valueOf(cause.getMessage()), cause.remedy(), cause);
    }
}
