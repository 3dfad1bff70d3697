# The coordinator: no libtorch, small. Build from the repository's root:
#   docker build -f deploy/images/coordinator.Dockerfile -t lathe/coordinator:0.1.0 .
FROM mcr.microsoft.com/dotnet/sdk:10.0 AS build
WORKDIR /source
COPY . .
RUN dotnet publish services/coordinator/Lathe.Coordinator.csproj -c Release -o /app --runtime linux-x64 --no-self-contained

FROM mcr.microsoft.com/dotnet/aspnet:10.0
RUN mkdir -p /var/lib/lathe && chown 1654 /var/lib/lathe
COPY --from=build /app /app
USER 1654
EXPOSE 5080
ENTRYPOINT ["/app/Lathe.Coordinator"]
