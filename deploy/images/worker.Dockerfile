# All four stages in one image, so that libtorch is there once; a pod's command names the stage. Build from the repository's root:
#   docker build -f deploy/images/worker.Dockerfile -t lathe/worker:0.1.0 .
FROM mcr.microsoft.com/dotnet/sdk:10.0 AS build
WORKDIR /source
COPY . .
RUN for stage in trainer:Trainer pruner:Pruner quantizer:Quantizer evaluator:Evaluator; do \
      dotnet publish "services/${stage%%:*}/Lathe.${stage##*:}.csproj" -c Release -o /app --runtime linux-x64 --no-self-contained || exit 1; \
    done

FROM mcr.microsoft.com/dotnet/aspnet:10.0
RUN mkdir -p /var/lib/lathe && chown 1654 /var/lib/lathe
COPY --from=build /app /app
# glibc's defaults give every large tensor back to the kernel at each step.
ENV MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=4294967296 MALLOC_TOP_PAD_=67108864
USER 1654
