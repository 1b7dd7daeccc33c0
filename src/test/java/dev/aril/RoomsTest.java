package dev.aril;

import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAnyPackage;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.lang.ArchRule;

/** Which room may see which: design.md's arrows, checked on the compiled classes. */
@AnalyzeClasses(packages = "dev.aril", importOptions = ImportOption.DoNotIncludeTests.class)
class RoomsTest {
    private static final String[] OUTSIDE_ENGINE = {
        "dev.aril",
        "dev.aril.api..",
        "dev.aril.admin..",
        "dev.aril.commands..",
        "dev.aril.adapters..",
        "dev.aril.tenancy..",
    };

    @ArchTest
    static void seesEveryRoom(JavaClasses classes) {
        // Without this an empty class path would pass every rule below.
        for (String room : new String[] {"api", "adapters", "tenancy", "engine", "cuda"}) {
            assertThat(classes.containPackage("dev.aril." + room)).as(room).isTrue();
        }
    }

    @ArchTest
    static final ArchRule TENANCY_IS_A_LEAF =
            classes()
                    .that()
                    .resideInAPackage("dev.aril.tenancy..")
                    .should()
                    .onlyDependOnClassesThat(notOursExcept("dev.aril.tenancy.."));

    @ArchTest
    static final ArchRule CUDA_IS_A_LEAF =
            classes()
                    .that()
                    .resideInAPackage("dev.aril.cuda..")
                    .should()
                    .onlyDependOnClassesThat(notOursExcept("dev.aril.cuda.."));

    @ArchTest
    static final ArchRule ENGINE_KNOWS_ONLY_CUDA =
            classes()
                    .that()
                    .resideInAPackage("dev.aril.engine..")
                    .should()
                    .onlyDependOnClassesThat(notOursExcept("dev.aril.engine..", "dev.aril.cuda.."));

    @ArchTest
    static final ArchRule ENGINE_KNOWS_NO_HTTP_AND_NO_SQL =
            noClasses()
                    .that()
                    .resideInAPackage("dev.aril.engine..")
                    .should()
                    .dependOnClassesThat()
                    .resideInAnyPackage(
                            "org.springframework..",
                            "java.sql..",
                            "javax.sql..",
                            "jakarta.persistence..",
                            "io.netty..",
                            "reactor..",
                            "java.net.http..");

    @ArchTest
    static final ArchRule ADAPTERS_KNOW_TENANCY_AND_ENGINE =
            classes()
                    .that()
                    .resideInAPackage("dev.aril.adapters..")
                    .should()
                    .onlyDependOnClassesThat(
                            notOursExcept(
                                    "dev.aril.adapters..",
                                    "dev.aril.tenancy..",
                                    "dev.aril.engine"));

    @ArchTest
    static final ArchRule ONLY_THE_ENGINE_TOUCHES_THE_DEVICE =
            noClasses()
                    .that()
                    .resideInAnyPackage(OUTSIDE_ENGINE)
                    .should()
                    .dependOnClassesThat()
                    .resideInAnyPackage("dev.aril.cuda..", "jcuda..");

    @ArchTest
    static final ArchRule THE_ENGINE_HAS_ONE_DOOR =
            noClasses()
                    .that()
                    .resideInAnyPackage(OUTSIDE_ENGINE)
                    .should()
                    .dependOnClassesThat(
                            resideInAPackage("dev.aril.engine..")
                                    .and(
                                            DescribedPredicate.not(
                                                    resideInAnyPackage(
                                                            "dev.aril.engine",
                                                            "dev.aril.engine.measure"))));

    @ArchTest
    static final ArchRule ONLY_THE_API_KNOWS_WIRE_FORMATS =
            noClasses()
                    .that()
                    .resideInAnyPackage("dev.aril.adapters..", "dev.aril.tenancy..")
                    .should()
                    .dependOnClassesThat()
                    .resideInAnyPackage(
                            "org.springframework.web..",
                            "org.springframework.http..",
                            "io.netty..",
                            "reactor..");

    @ArchTest
    static final ArchRule ROOMS_HAVE_NO_CYCLES =
            slices().matching("dev.aril.(*)..").should().beFreeOfCycles();

    @ArchTest
    static final ArchRule ENGINE_PACKAGES_HAVE_NO_CYCLES =
            slices().matching("dev.aril.engine.(*)..").should().beFreeOfCycles();

    @ArchTest
    static final ArchRule TEXT_STANDS_ALONE =
            classes()
                    .that()
                    .resideInAPackage("dev.aril.engine.text..")
                    .should()
                    .onlyDependOnClassesThat(
                            notOursExcept("dev.aril.engine.text..", "dev.aril.engine"));

    @ArchTest
    static final ArchRule THE_BOOKS_KNOW_NO_BYTES =
            classes()
                    .that()
                    .resideInAPackage("dev.aril.engine.schedule..")
                    .should()
                    .onlyDependOnClassesThat(
                            notOursExcept("dev.aril.engine.schedule..", "dev.aril.engine"));

    private static DescribedPredicate<JavaClass> notOursExcept(String... rooms) {
        return DescribedPredicate.not(resideInAPackage("dev.aril..")).or(resideInAnyPackage(rooms));
    }
}
