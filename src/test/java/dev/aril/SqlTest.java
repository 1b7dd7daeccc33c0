package dev.aril;

import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTest;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.classfile.ClassFile;
import java.lang.classfile.ClassModel;
import java.lang.classfile.CodeElement;
import java.lang.classfile.CodeModel;
import java.lang.classfile.Instruction;
import java.lang.classfile.Label;
import java.lang.classfile.MethodModel;
import java.lang.classfile.instruction.BranchInstruction;
import java.lang.classfile.instruction.ConstantInstruction;
import java.lang.classfile.instruction.InvokeInstruction;
import java.lang.classfile.instruction.LabelTarget;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * SQL is a constant, values are bound: no statement is put together from strings. Read from the
 * compiled code: the text given to {@code JdbcClient.sql} must be loaded as a constant right before
 * the call, and the calls that take other text are not used at all.
 */
@AnalyzeClasses(packages = "dev.aril", importOptions = ImportOption.DoNotIncludeTests.class)
class SqlTest {
    private static final String JDBC_CLIENT = "org/springframework/jdbc/core/simple/JdbcClient";

    /** Owners of methods that run a text as SQL, and those methods. */
    private static final Set<String> OTHER_DOORS =
            Set.of(
                    "java/sql/Statement.execute",
                    "java/sql/Statement.executeQuery",
                    "java/sql/Statement.executeUpdate",
                    "java/sql/Statement.addBatch",
                    "java/sql/Connection.prepareStatement",
                    "java/sql/Connection.prepareCall",
                    "jakarta/persistence/EntityManager.createQuery",
                    "jakarta/persistence/EntityManager.createNativeQuery");

    @ArchTest
    static void everyStatementIsAConstant(JavaClasses classes) {
        List<String> faults = new ArrayList<>();
        int statements = 0;
        for (JavaClass type : classes) {
            for (MethodModel method : parse(type).methods()) {
                CodeModel code = method.code().orElse(null);
                if (code == null) {
                    continue;
                }
                statements += check(type.getName() + "." + method.methodName(), code, faults);
            }
        }
        assertThat(faults).isEmpty();
        assertThat(statements).as("statements seen").isPositive();
    }

    private static int check(String where, CodeModel code, List<String> faults) {
        int statements = 0;
        Set<Label> joins =
                code.elementStream()
                        .filter(BranchInstruction.class::isInstance)
                        .map(branch -> ((BranchInstruction) branch).target())
                        .collect(Collectors.toSet());
        @Nullable CodeElement before = null;
        for (CodeElement element : code) {
            if (element instanceof InvokeInstruction call) {
                String owner = call.owner().asInternalName();
                String name = call.name().stringValue();
                if (owner.equals(JDBC_CLIENT) && name.equals("sql")) {
                    statements++;
                    if (!(before instanceof ConstantInstruction)) {
                        faults.add(where + ": the SQL is not a constant");
                    }
                }
                if (OTHER_DOORS.contains(owner + "." + name)
                        || owner.startsWith("org/springframework/jdbc/core/JdbcTemplate")) {
                    faults.add(where + ": " + owner + "." + name + " instead of JdbcClient.sql");
                }
            }
            if (element instanceof Instruction) {
                before = element;
            }
            // Where paths join, as after a conditional expression, the other path's text is
            // unknown.
            if (element instanceof LabelTarget here && joins.contains(here.label())) {
                before = null;
            }
        }
        return statements;
    }

    private static ClassModel parse(JavaClass type) {
        try (InputStream bytes = type.getSource().orElseThrow().getUri().toURL().openStream()) {
            return ClassFile.of().parse(bytes.readAllBytes());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
