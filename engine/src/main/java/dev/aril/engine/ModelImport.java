package dev.aril.engine;

/** placeholder */
final class ModelImport {
    private ModelImport() {}
}
