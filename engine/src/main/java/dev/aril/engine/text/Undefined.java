package dev.aril.engine.text;

/**
 * What a name, a key or an index that is not there stands for: nothing where it is printed, tested
 * or looped over, an error where anything else is asked of it.
 */
record Undefined(String complaint) {
    static Undefined name(String name) {
        return new Undefined("'" + name + "' is undefined");
    }

    TemplateFault fault() {
        return new TemplateFault(complaint);
    }
}
