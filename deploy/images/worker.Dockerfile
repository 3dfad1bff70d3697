# All four stages in one image, for CPUs; a pod's command names the stage. Build from the repository's root:
#   docker build -f deploy/images/worker.Dockerfile -t lathe/worker:0.1.0 .
# A stage from outside is one FROM and one COPY on it: FROM lathe/worker:0.1.0, COPY my-stage /app/
ARG SDK=mcr.microsoft.com/dotnet/sdk:10.0
ARG RUNTIME=mcr.microsoft.com/dotnet/aspnet:10.0

FROM ${SDK} AS build
WORKDIR /source
COPY . .
# libtorch into a folder of its own, for a layer of its own.
RUN for stage in trainer:Trainer pruner:Pruner quantizer:Quantizer evaluator:Evaluator; do \
      dotnet publish "services/${stage%%:*}/Lathe.${stage##*:}.csproj" -c Release -o /app --runtime linux-x64 --no-self-contained \
        -p:ContinuousIntegrationBuild=true -p:DebugType=none -p:PublishDocumentationFiles=false -p:PublishReferencesDocumentationFiles=false -p:RunAnalyzersDuringBuild=false || exit 1; \
    done \
    && mkdir -p /torch && mv /app/libtorch* /app/libc10* /app/libgomp* /torch/

FROM ${RUNTIME}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="lathe/worker" \
      org.opencontainers.image.description="Trains, prunes, quantizes and evaluates networks on CPUs" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN mkdir -p /var/lib/lathe && chown 1654:1654 /var/lib/lathe
# The same layer in every release with the same libtorch: nodes fetch it once.
COPY --from=build /torch /app
COPY --from=build /app /app
# glibc's defaults give every large tensor back to the kernel at each step.
ENV LATHE_HOME=/var/lib/lathe DOTNET_EnableDiagnostics=0 MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=4294967296 MALLOC_TOP_PAD_=67108864
USER 1654:1654
# A worker without a command is a mistake, and says so.
CMD ["/bin/sh", "-c", "echo 'lathe/worker: name a stage: /app/Lathe.Trainer, Pruner, Quantizer or Evaluator' >&2; exit 2"]
