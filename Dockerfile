# syntax=docker/dockerfile:1

# Stage 1: nvcc compiles the kernels, Maven the rest. The development image brings nvcc alone.
FROM nvidia/cuda:13.0.1-devel-ubuntu24.04 AS build
COPY --from=eclipse-temurin:25-jdk /opt/java/openjdk /opt/java/openjdk
ENV JAVA_HOME=/opt/java/openjdk
ENV PATH=/opt/java/openjdk/bin:$PATH
RUN apt-get update \
    && apt-get install -y --no-install-recommends maven \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/root/.m2 ./aril build \
    && mv "platform-api/target/aril/$(cat platform-api/target/aril/built)" /app

# Stage 2: a JRE, the app and the demonstration model. The driver's libcuda comes from the host.
FROM eclipse-temurin:25-jre
RUN apt-get update \
    && apt-get install -y --no-install-recommends curl \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --user-group --home-dir /var/lib/aril --create-home aril
COPY --from=build /app /opt/aril/app
COPY models /opt/aril/models
ENV ARIL_DATA=/var/lib/aril
ENV ARIL_PORT=8080
ENV LANG=C.UTF-8
USER aril
VOLUME /var/lib/aril
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=120s --retries=6 \
    CMD curl -fsS "http://127.0.0.1:${ARIL_PORT}/actuator/health/readiness" || exit 1
# The same options as the launcher's.
ENTRYPOINT ["java", "--add-modules=jdk.incubator.vector", "--enable-native-access=ALL-UNNAMED", "-XX:MaxRAMPercentage=60", "-XX:+ExitOnOutOfMemoryError", "-Dstdout.encoding=UTF-8", "-Dstderr.encoding=UTF-8", "-Daril.home=/opt/aril", "-jar", "/opt/aril/app/aril-app.jar"]
CMD ["serve"]
