# The coordinator, without libtorch. Build from the repository's root:
#   docker build -f deploy/images/coordinator.Dockerfile -t lathe/coordinator:0.1.0 .
# deploy/images/pin writes the digests of both base images here; deploy/images/try builds with images of this machine.
ARG SDK=mcr.microsoft.com/dotnet/sdk:10.0
ARG RUNTIME=mcr.microsoft.com/dotnet/aspnet:10.0

FROM ${SDK} AS build
WORKDIR /source
COPY . .
RUN dotnet publish services/coordinator/Lathe.Coordinator.csproj -c Release -o /app --runtime linux-x64 --no-self-contained \
      -p:ContinuousIntegrationBuild=true -p:DebugType=none -p:PublishDocumentationFiles=false -p:PublishReferencesDocumentationFiles=false -p:RunAnalyzersDuringBuild=false

FROM ${RUNTIME}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="lathe/coordinator" \
      org.opencontainers.image.description="Plans sweeps, sends their executions to workers, and serves the web page and the HTTP interface" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="Apache-2.0"
# Owned by root and read-only for the process; a folder that it writes is mounted on its home.
RUN mkdir -p /var/lib/lathe && chown 1654:1654 /var/lib/lathe
COPY --from=build /app /app
ENV LATHE_HOME=/var/lib/lathe LATHE_HTTP=http://0.0.0.0:5080 DOTNET_EnableDiagnostics=0
USER 1654:1654
EXPOSE 5080
ENTRYPOINT ["/app/Lathe.Coordinator"]
