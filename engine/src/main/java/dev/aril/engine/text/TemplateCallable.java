package dev.aril.engine.text;

/** What a template may call. */
@FunctionalInterface
interface TemplateCallable {
    Object call(Given given, Scope scope);
}
