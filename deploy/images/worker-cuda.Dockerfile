# All four stages for GPUs. The CUDA libtorch is that of PyTorch's package, which brings CUDA and cuDNN. Build from the repository's root:
#   docker build -f deploy/images/worker-cuda.Dockerfile -t lathe/worker-cuda:0.1.0 .
ARG SDK=mcr.microsoft.com/dotnet/sdk:10.0
ARG RUNTIME=mcr.microsoft.com/dotnet/aspnet:10.0
ARG PYTHON=docker.io/library/python:3.13-slim

FROM ${PYTHON} AS torch
ARG TORCH=2.11.0
# Headers, Python's own part and static libraries are not needed.
RUN pip install --no-cache-dir --target /opt/torch "torch==${TORCH}" \
    && find /opt/torch \( -name '*.py' -o -name '*.pyc' -o -name '*.h' -o -name '*.a' -o -name 'libtorch_python*' \) -delete \
    && mkdir -p /torch && find /opt/torch -name '*.so*' -exec cp -P {} /torch/ \;

FROM ${SDK} AS build
WORKDIR /source
COPY . .
RUN for stage in trainer:Trainer pruner:Pruner quantizer:Quantizer evaluator:Evaluator; do \
      dotnet publish "services/${stage%%:*}/Lathe.${stage##*:}.csproj" -c Release -o /app --runtime linux-x64 --no-self-contained -p:LatheTorch=system \
        -p:ContinuousIntegrationBuild=true -p:DebugType=none -p:PublishDocumentationFiles=false -p:PublishReferencesDocumentationFiles=false -p:RunAnalyzersDuringBuild=false || exit 1; \
    done

FROM ${RUNTIME}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="lathe/worker-cuda" \
      org.opencontainers.image.description="Trains, prunes, quantizes and evaluates networks on NVIDIA GPUs" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN mkdir -p /var/lib/lathe && chown 1654:1654 /var/lib/lathe
COPY --from=torch /torch /opt/torch
COPY --from=build /app /app
ENV LATHE_HOME=/var/lib/lathe DOTNET_EnableDiagnostics=0 LD_LIBRARY_PATH=/opt/torch \
    NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=4294967296 MALLOC_TOP_PAD_=67108864
USER 1654:1654
CMD ["/bin/sh", "-c", "echo 'lathe/worker-cuda: name a stage: /app/Lathe.Trainer, Pruner, Quantizer or Evaluator' >&2; exit 2"]
